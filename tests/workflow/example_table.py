"""What each example must give: what lies in the folder before, what is answered, and what is there after."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from tests.workflow.desk import Answers, Desk

EXAMPLES: Final[dict[str, Callable[[Desk, str], Awaitable[None]]]] = {}


def example(made: Callable[[Desk, str], Awaitable[None]]) -> Callable[[Desk, str], Awaitable[None]]:
    EXAMPLES[made.__name__.replace("_", "-")] = made
    return made


async def ended(at: Desk, spec: str, answers: Answers | None = None, **inputs: Any) -> Any:
    """The outputs of a run that must succeed."""
    done = await at.run(spec, answers, **inputs)
    assert done.status == "succeeded", done.error
    return done.outputs


@example
async def research_to_notes(at: Desk, spec: str) -> None:
    at.write(
        pages__json=json.dumps({"https://a": ["Sorting is n log n."], "https://b": [None], "https://c": ["Timsort"]})
    )
    seen: list[Any] = []

    def draft(shown: Any) -> Any:
        seen.append(shown)
        code = "print(sorted([2, 1]))" if shown["error"] else "print(sorted(2, 1))"
        return {"markdown": f"# Sorting\n\nFrom {len(shown['pages'])} pages.", "code": code}

    outputs = await ended(at, spec, {"draft": draft}, question="How does sorting work?")
    assert outputs == {"sources": ["https://a", "https://c"]}
    assert at.text("NOTES.md") == "# Sorting\n\nFrom 2 pages.\n\nIt prints `[1, 2]`.\n"
    assert [page["text"] for page in seen[0]["pages"]] == ["Sorting is n log n.", "Timsort"]
    assert "TypeError" in seen[1]["error"]


@example
async def lint_file_by_file(at: Desk, spec: str) -> None:
    base = at.commit("first", a__py="if 1:\n\tx = 1\n", b__py="if 1:\n\ty = 1\n", c__py="z = 1\n")

    def mend(shown: Any) -> Any:
        assert [finding["line"] for finding in shown["findings"]] == [2]
        return {"content": shown["text"].replace("\t", "    ") if "x" in shown["text"] else shown["text"] + "\tmore\n"}

    assert await ended(at, spec, {"mend": mend}) == {"committed": 1, "reverted": 1}
    assert at.git("log", "--format=%s", f"{base}..").splitlines() == ["Lint a.py"]
    assert at.text("a.py") == "if 1:\n    x = 1\n"
    assert at.text("b.py") == "if 1:\n\ty = 1\n", "what was not clean is as it was"
    assert at.git("status", "--porcelain") == ""


@example
async def explain_failing_tests(at: Desk, spec: str) -> None:
    at.write(one__case="1 == 1\n2 == 3\n", two__case="4 == 4\n")

    def explain(shown: Any) -> Any:
        return {"markdown": f"{shown['failures'][0]['message']}, in {len(shown['files'])} file"}

    assert await ended(at, spec, {"explain": explain}) == {"failed": 1, "explanation": "2 is not 3, in 1 file"}
    at.write(one__case="1 == 1\n")
    assert await ended(at, spec) == {"failed": 0, "explanation": "every test passed"}


@example
async def fix_until_green(at: Desk, spec: str) -> None:
    at.write(one__case="1 == 2\n3 == 4\n5 == 5\n")

    def fix(shown: Any) -> Any:
        failure = shown["failures"][0]
        left = failure["message"].split()[0]
        line = at.text(failure["file"]).splitlines()[failure["line"] - 1]
        return {"path": failure["file"], "old": line, "new": f"{left} == {left}"}

    assert await ended(at, spec, {"fix": fix}) == {"passed": 3}
    assert at.text("one.case") == "1 == 1\n3 == 3\n5 == 5\n"
    at.write(one__case="".join(f"{n} == x\n" for n in range(9)))
    done = await at.run(spec, {"fix": fix})
    assert (done.status, done.error.code) == ("failed", "limit_hit"), "it is bounded"
    assert at.text("one.case").count("x") == 5


@example
async def notes_of_a_release(at: Desk, spec: str) -> None:
    for n, subject in enumerate(("Add search", "Fix a crash", "Add export")):
        at.commit(subject, a__txt=str(n))

    def group(shown: Any) -> Any:
        return {
            word: [s for s in shown["commits"] if s.startswith(start)]
            for word, start in (("added", "Add"), ("fixed", "Fix"))
        }

    assert await ended(at, spec, {"group": group}, version="1.1") == {"commits": 3}
    assert at.text("RELEASE.md") == "# 1.1\n\n## Added\n- Add export\n- Add search\n\n## Fixed\n- Fix a crash\n"


@example
async def index_and_search(at: Desk, spec: str) -> None:
    (at.folder / "docs").mkdir()
    (at.folder / "docs/deploy.md").write_text("# Deploying\n\nThe deploy key lies in the vault.\n")
    (at.folder / "docs/food.md").write_text("# Food\n\nLunch is at noon.\n")
    outputs = await ended(at, spec, question="where is the deploy key")
    assert outputs["best"].endswith("docs/deploy.md")
    assert outputs["line"] >= 1


@example
async def rename_across_files(at: Desk, spec: str) -> None:
    at.write(a__py="old_name()\nold_name()\n", b__py="x = old_name\n", c__txt="old_name\n")
    assert await ended(at, spec, old="old_name", new="new_name") == {"files": 2, "left": 0}
    assert at.text("a.py") == "new_name()\nnew_name()\n"
    assert at.text("c.txt") == "old_name\n"


@example
async def commit_on_a_branch(at: Desk, spec: str) -> None:
    base = at.commit("first", a__txt="a")
    outputs = await ended(at, spec, branch="idea/one", text="Think.\n")
    assert outputs == {"sha": at.git("rev-parse", "idea/one"), "branch": "idea/one"}
    assert at.git("show", "idea/one:idea.md") == "Think."
    assert at.git("rev-parse", "main") == base


@example
async def compare_two_branches(at: Desk, spec: str) -> None:
    at.commit("first", a__txt="a\n")
    at.git("checkout", "-qb", "other")
    at.commit("More of it", a__txt="a\nb\n", b__txt="x\n")
    assert await ended(at, spec, to="other") == {"files": ["a.txt", "b.txt"]}
    assert "main → other: 2 files, newest: More of it" in at.text("compare.md")
    assert "| a.txt | 1 | 0 |" in at.text("compare.md")


@example
async def summarise_changed_files(at: Desk, spec: str) -> None:
    at.commit("first", a__txt="a\n", b__txt="b\n", c__txt="c\n")
    at.write(a__txt="A\n", b__txt="B\n")
    answers = {"say": lambda shown: {"sentence": "+A" if "+A" in shown["hunks"][0] else "not A"}}
    assert await ended(at, spec, answers) == {"summary": ["a.txt: +A", "b.txt: not A"]}


@example
async def retry_a_flaky_fetch(at: Desk, spec: str) -> None:
    at.write(pages__json=json.dumps({"https://a": [None, None, "At last"], "https://b": [None, None, None, "late"]}))
    assert await ended(at, spec, url="https://a") == {"title": "At last"}
    done = await at.run(spec, url="https://b")
    assert (done.status, done.error.code) == ("failed", "provider_failed")


@example
async def gate_before_delete(at: Desk, spec: str) -> None:
    at.write(a__tmp="a", b__tmp="b", c__txt="c")
    done = await at.run(spec, {"gate": False}, glob="*.tmp")
    assert (done.status, done.error.code) == ("failed", "rejected")
    assert (at.folder / "a.tmp").exists()
    assert await ended(at, spec, {"gate": True}, glob="*.tmp") == {"deleted": 2}
    assert [path.name for path in at.folder.iterdir()] == ["c.txt"]


@example
async def batch_with_failures(at: Desk, spec: str) -> None:
    at.write(a__txt="a", c__txt="c")
    assert await ended(at, spec, paths=["a.txt", "b.txt", "c.txt"]) == {"read": 2, "failed": 1}
    assert at.text("report.md") == "read: a.txt, c.txt\nfailed: b.txt (not_found)\n"


@example
async def reuse_a_part(at: Desk, spec: str) -> None:
    assert await ended(at, spec) == {"paths": ["core/README.md", "web/README.md"]}
    assert at.text("web/README.md") == "2. web\n"


@example
async def take_back_on_failure(at: Desk, spec: str) -> None:
    at.write(config__toml="version = 1\n", lock__toml="version = 1\n")
    done = await at.run(spec)
    assert (done.status, done.error.code) == ("failed", "conflict")
    assert at.text("config.toml") == "version = 1\n"
    (at.folder / "lock.toml").unlink()
    await ended(at, spec)
    assert at.text("config.toml") == at.text("lock.toml") == "version = 2\n"


@example
async def report_of_todos(at: Desk, spec: str) -> None:
    at.write(b__py="x = 1  # TODO: a | b\n", a__py="# TODO one\n\n# TODO two\n")
    assert await ended(at, spec) == {"total": 3}
    lines = at.text("TODO.md").splitlines()
    assert lines[0] == "3 in 2 files"
    assert lines[4:] == [
        "| a.py | 1 | # TODO one |",
        "| a.py | 3 | # TODO two |",
        "| b.py | 1 | x = 1 # TODO: a \\| b |",
    ]


@example
async def add_a_header(at: Desk, spec: str) -> None:
    header = "# SPDX-License-Identifier: MIT\n"
    at.write(a__py="a = 1\n", b__py=f"{header}b = 1\n")
    assert await ended(at, spec) == {"changed": 1}
    assert at.text("a.py") == f"{header}a = 1\n"
    assert at.text("b.py") == f"{header}b = 1\n"
    assert await ended(at, spec) == {"changed": 0}


@example
async def split_a_file(at: Desk, spec: str) -> None:
    at.write(people__txt="ann,Berlin\n\nbob,Rome\n")
    assert await ended(at, spec) == {"files": ["people/ann.txt", "people/bob.txt"]}
    assert at.text("people/bob.txt") == "Rome"


@example
async def join_files(at: Desk, spec: str) -> None:
    at.write(**{"chapter-2__md": "Two\n", "chapter-1__md": "One\n", "other__md": "No\n"})
    assert await ended(at, spec) == {"chapters": 2}
    assert at.text("book.md") == "One\n\nTwo\n"


@example
async def entry_in_the_changelog(at: Desk, spec: str) -> None:
    sha = at.commit("Add a thing", CHANGELOG__md="# Changes\n\n## Unreleased\n- Before\n")
    outputs = await ended(at, spec)
    assert at.text("CHANGELOG.md") == f"# Changes\n\n## Unreleased\n- Add a thing ({sha[:7]})\n- Before\n"
    assert f"+- Add a thing ({sha[:7]})" in outputs["diff"]


@example
async def who_wrote_it(at: Desk, spec: str) -> None:
    at.commit("first", a__txt="one\n")
    at.write(a__txt="one\ntwo\n")
    at.git("-c", "user.name=Bob", "commit", "-qam", "second")
    assert await ended(at, spec, path="a.txt") == {"authors": ["Ann", "Bob"], "lines": 2}


@example
async def review_a_commit(at: Desk, spec: str) -> None:
    at.commit("Divide", a__py="x = 1 / 0\n")

    def found(severity: str) -> Answers:
        return {"review": lambda shown: {"severity": severity, "text": shown["hunks"][0].splitlines()[-1]}}

    done = await at.run(spec, found("high"))
    assert done.status == "failed"
    assert "the review found +x = 1 / 0" in done.error.message
    assert at.text("REVIEW.md") == "high: +x = 1 / 0\n"
    await ended(at, spec, found("low"))
    assert at.git("log", "-1", "--format=%s") == "Reviewed"


@example
async def change_with_a_check(at: Desk, spec: str) -> None:
    at.write(settings__ini="[x]\ntimeout=5\n")
    done = await at.run(spec, expected="timeout=300")
    assert "the setting is not there" in done.error.message
    assert at.text("settings.ini") == "[x]\ntimeout=5\n"
    assert await ended(at, spec, expected="timeout=30") == {"text": "[x]\ntimeout=30\n"}


@example
async def sort_issues(at: Desk, spec: str) -> None:
    issues = [{"title": "It crashes"}, {"title": "Please add x"}, {"title": "It crashes too"}]
    answers = {"labels": lambda shown: {"label": "bug" if "crash" in shown["title"] else "wish"}}
    answers |= {str(n): answers["labels"] for n in range(3)}
    assert await ended(at, spec, answers, issues=issues) == {"bugs": 2}
    assert "| Please add x | wish |" in at.text("issues.md")


@example
async def translate_files(at: Desk, spec: str) -> None:
    (at.folder / "texts").mkdir()
    (at.folder / "texts/hello.txt").write_text("Hello")
    answers = {"translate": lambda shown: {"text": {"Hello": "Hallo"}[shown["text"]]}}
    assert await ended(at, spec, answers) == {"files": ["texts/de/hello.txt"]}
    assert at.text("texts/de/hello.txt") == "Hallo"


@example
async def look_before_commit(at: Desk, spec: str) -> None:
    base = at.commit("first", a__txt="a\n")
    at.write(a__txt="A\n", b__txt="b\n")
    done = await at.run(spec, {"gate": False})
    assert (done.status, at.git("rev-parse", "HEAD")) == ("failed", base)
    outputs = await ended(at, spec, {"gate": True, "message": lambda shown: f"Change {', '.join(shown['files'])}"})
    assert outputs["sha"] == at.git("rev-parse", "HEAD")
    assert at.git("log", "-1", "--format=%s") == "Change a.txt, b.txt"


@example
async def broken_links(at: Desk, spec: str) -> None:
    at.write(README__md="See [a](a.md) and\n[b](gone.md).\n", a__md="a\n")
    answers = {"broken": lambda shown: f"a.md, not {shown['error']}"}
    assert await ended(at, spec, answers) == {"links": 2, "instead": ["a.md, not not_found"]}


@example
async def one_or_the_other(at: Desk, spec: str) -> None:
    assert await ended(at, spec) == {"path": "short.txt"}
    assert (at.text("short.txt"), at.text("end.txt")) == ("4", "short.txt")
    assert await ended(at, spec, mode="long", count=3) == {"path": "long.txt"}
    assert (at.text("long.txt"), at.text("end.txt")) == ("300", "long.txt")


@example
async def sort_into_folders(at: Desk, spec: str) -> None:
    at.write(a__txt="a", b__md="b", c__txt="c")
    assert await ended(at, spec) == {"moved": ["txt/a.txt", "md/b.md", "txt/c.txt"]}
    assert at.text("txt/c.txt") == "c"
    assert not (at.folder / "c.txt").exists()


@example
async def find_duplicates(at: Desk, spec: str) -> None:
    at.write(a__txt="same", b__txt="other", c__txt="same")
    assert await ended(at, spec) == {"files": 3}
    assert json.loads(at.text("duplicates.json")) == [["a.txt", "c.txt"]]


@example
async def keep_in_mind(at: Desk, spec: str) -> None:
    at.write(adr__md="# Store\n\nWe take SQLite, for it is one file.\n")
    short = {"title": "The store is SQLite", "sentence": "SQLite was chosen: one file."}
    outputs = await ended(at, spec, {"short": short}, path="adr.md")
    assert "SQLite was chosen: one file." in outputs["found"]


@example
async def best_of_three(at: Desk, spec: str) -> None:
    def draft(shown: Any) -> Any:
        return {"text": f"slogan {shown['number']}"}

    answers = {"0": draft, "1": draft, "2": draft, "judge": lambda shown: {"number": len(shown["drafts"]) - 1}}
    assert await ended(at, spec, answers) == {"text": "slogan 2"}
    assert at.text("slogan.txt") == "slogan 2"


@example
async def wait_until_ready(at: Desk, spec: str) -> None:
    at.write(pages__json=json.dumps({"https://a": ["wait", "wait", "ready: yes"]}))
    assert await ended(at, spec, url="https://a") == {"text": "ready: yes"}


@example
async def errors_of_a_log(at: Desk, spec: str) -> None:
    at.write(app__log="ok\nERROR one\nok\nERROR two\nERROR three\n")
    answers = {"explain": lambda shown: {"markdown": " and ".join(shown["errors"])}}
    assert await ended(at, spec, answers) == {"total": 3, "story": "ERROR two and ERROR three"}
    at.write(app__log="ok\n")
    assert await ended(at, spec) == {"total": 0, "story": "no errors"}
