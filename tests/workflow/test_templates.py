"""The templates, and the documents that the pages show, as a host runs them: through the shim, on a small repository,
in real containers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.contracts.test_docs import DOCUMENTS
from tests.daemon.home import Home, Host, home

FILES = {
    "README.md": "# Fractions\n\nWhole numbers are divided here; the main entry point is `halves.py`.\n",
    "pyproject.toml": '[project]\nname = "halves"\nversion = "1"\n[tool.ruff.lint]\nselect = ["F"]\n',
    "halves.py": "import os\n\n\ndef half(number):\n    return number // 2\n",
    "test_halves.py": """from halves import half


def test_of_four():
    assert half(4) == 2


def test_of_zero():
    assert half(0) == 0


def test_of_three():
    assert half(3) == 1.5, "a half is lost"
""",
}
MENDED = "def half(number):\n    return number / 2\n"


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """One daemon for all templates: what it made for the first run, image and index, the others find."""
    with home(tmp_path_factory.mktemp("templates")) as made:
        repository(made.project, FILES)
        made.host().begin()
        yield made


@pytest.fixture
def host(at: Home) -> Host:
    return at.hosts[0]


def git(project: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=project, check=True, capture_output=True, text=True).stdout.strip()


def repository(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).write_text(text)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", "first")


def call(host: Host, tool: str, **arguments: Any) -> Any:
    result = host.call(tool, arguments)
    assert not result["isError"], result["content"]
    return result["structuredContent"]


def run(host: Host, template: str, *effects: str, **inputs: Any) -> Any:
    """The run at its end or at its question."""
    return call(host, "workflow_run", template=template, allow=list(effects), inputs=inputs, wait_seconds=110)


def answered(host: Host, asked: Any, value: dict[str, str]) -> Any:
    """The same run at its end, after its one question was answered."""
    [question] = asked["waiting_for"]
    call(host, "workflow_answer", run_id=asked["run_id"], step=question["step"], value=value)
    return call(host, "workflow_status", run_id=asked["run_id"], wait_seconds=60)


def test_review_repository_does_the_work_of_every_step_and_commits_its_report(at: Home, host: Host) -> None:
    base = git(at.project, "rev-parse", "main")
    ended = run(host, "review-repository", "read", "write", "destroy", "execute", "network")
    assert ended["status"] == "succeeded", ended
    out = ended["outputs"]
    steps = call(host, "workflow_status", run_id=ended["run_id"], wait_seconds=0)["steps"]
    assert {step["status"] for step in steps} == {"succeeded"}
    counts = ("total", "passed", "failed", "errors", "skipped")
    assert [out["tests"][name] for name in counts] == [3, 2, 1, 0, 0]
    assert (out["test_exit_code"], out["findings"], out["files"]) == (1, 1, len(FILES))
    assert out["indexed"] >= 2
    assert out["hits"] >= 1

    assert git(at.project, "rev-parse", "main") == base, "the report is on a branch of its own"
    assert git(at.project, "rev-parse", "astro/review") == out["commit"]
    assert git(at.project, "diff", "--name-only", "main", "astro/review") == "REVIEW.md"
    assert git(at.project, "log", "-1", "--format=%s", "astro/review") == "Review: 2 of 3 tests passed"
    report = git(at.project, "show", "astro/review:REVIEW.md")
    for line in ("| tests | 3 |", "| failed | 1 |", "| lint findings | 1 |"):
        assert line in report
    assert "test_halves.py::test_of_three" in report
    assert "| halves.py | 1 | F401 |" in report
    assert "| README.md | 1 |" in report


def test_review_repository_commits_nothing_where_the_tests_can_not_be_loaded(at: Home, tmp_path: Path) -> None:
    repository(tmp_path, {**FILES, "test_halves.py": "from thirds import third\n"})
    host = at.host("--root", str(tmp_path))
    host.begin()
    ended = run(host, "review-repository", "read", "write", "destroy", "execute", "network")
    assert ended["status"] == "failed"
    assert ended["error"]["message"].startswith("report: no test ran: ")
    assert not (tmp_path / "REVIEW.md").exists()
    assert git(tmp_path, "rev-parse", "astro/review") == git(tmp_path, "rev-parse", "main")


def test_explain_failures_asks_about_what_failed_and_gives_the_answer(host: Host) -> None:
    asked = run(host, "explain-failures", "read", "execute", "network")
    assert asked["status"] == "waiting"
    [question] = asked["waiting_for"]
    shown = json.loads(question["shown"])
    assert [failure["id"] for failure in shown["failures"]] == ["test_halves.py::test_of_three"]
    assert "a half is lost" in shown["failures"][0]["message"]
    assert "def test_of_three" in json.dumps(shown["files"])
    answer = {"markdown": "`//` cuts the half off; divide with `/`."}
    ended = answered(host, asked, answer)
    assert ended["status"] == "succeeded"
    assert ended["outputs"]["explanation"] == answer["markdown"]
    assert ended["outputs"]["tests"]["failed"] == 1


def test_explain_failures_asks_nothing_where_every_test_passed(at: Home, host: Host) -> None:
    (at.project / "halves.py").write_text(MENDED)
    ended = run(host, "explain-failures", "read", "execute", "network")
    assert ended["status"] == "succeeded"
    assert ended["outputs"]["explanation"] == "every test passed"
    assert ended["outputs"]["tests"]["failed"] == 0


def answered_each(host: Host, run: Any, answers: dict[str, Any]) -> Any:
    """The run at its end; each question, in whatever round, gets the answer that its step has next."""
    while run["status"] == "waiting":
        [question] = run["waiting_for"]
        answer = answers[question["step"].rpartition(".")[2]].pop(0)
        value = answer(json.loads(question["shown"])) if callable(answer) else answer
        call(host, "workflow_answer", run_id=run["run_id"], step=question["step"], value=value)
        run = call(host, "workflow_status", run_id=run["run_id"], wait_seconds=110)
    return run


ALL = ("read", "write", "destroy", "execute", "network")
WRONG = {"edits": [{"path": "halves.py", "old": "number // 3", "new": "number"}], "reason": "a guess"}
RIGHT = {"edits": [{"path": "halves.py", "old": "number // 2", "new": "number / 2"}], "reason": "a half was cut off"}


@pytest.mark.full
def test_fix_failing_tests_mends_the_code_in_rounds_and_says_why_an_edit_was_refused(at: Home, tmp_path: Path) -> None:
    repository(tmp_path, FILES)
    host = at.host("--root", str(tmp_path))
    host.begin()
    seen: list[Any] = []

    def fix(shown: Any) -> Any:
        seen.append(shown)
        return WRONG if len(seen) == 1 else RIGHT

    look = {"paths": ["halves.py", "gone.py"]}
    answers = {"look": [look, look], "fix": [fix, fix]}
    ended = answered_each(host, run(host, "fix-failing-tests", *ALL), answers)
    assert ended["status"] == "succeeded", ended
    assert ended["outputs"]["tests"]["passed"] == 3
    assert (tmp_path / "halves.py").read_text() == FILES["halves.py"].replace("//", "/")
    assert (tmp_path / "test_halves.py").read_text() == FILES["test_halves.py"]
    assert [failure["id"] for failure in seen[0]["failures"]] == ["test_halves.py::test_of_three"]
    whole = {"path": "halves.py", "part": None, "text": FILES["halves.py"]}
    assert seen[0]["files"] == [whole], "what is not there is left out"
    assert seen[0]["limits"] == []
    assert seen[0]["before"] == {"reason": "", "refused": ""}
    assert seen[1]["before"]["reason"] == "a guess"
    assert seen[1]["before"]["refused"] == "edit 1: the old text is not in halves.py"
    call(host, "fs_undo", run_id=ended["run_id"])
    assert (tmp_path / "halves.py").read_text() == FILES["halves.py"]


@pytest.mark.full
def test_fix_failing_tests_of_one_test_file_lists_the_code_and_reads_a_long_file_where_it_matters(
    at: Home, tmp_path: Path
) -> None:
    long = "".join(f"x{n} = {n}\n" for n in range(1_500)) + FILES["halves.py"]
    repository(tmp_path, {**FILES, "halves.py": long})
    host = at.host("--root", str(tmp_path))
    host.begin()
    seen: list[Any] = []

    def look(shown: Any) -> Any:
        seen.append(shown)
        return {"paths": ["halves.py#number // 2", "halves.py#nowhere in it"]}

    def fix(shown: Any) -> Any:
        seen.append(shown)
        return RIGHT

    asked = run(host, "fix-failing-tests", *ALL, path="test_halves.py")
    ended = answered_each(host, asked, {"look": [look], "fix": [fix]})
    assert ended["status"] == "succeeded", ended
    assert seen[0]["files"][0] == "test_halves.py", "what was asked for comes first"
    assert "halves.py" in seen[0]["files"]
    [near, top] = seen[1]["files"]
    assert near["part"].startswith("lines 14")
    assert "number // 2" in near["text"]
    assert top["part"] == "lines 1-800"


@pytest.mark.full
def test_fix_failing_tests_ends_where_no_edit_is_given_and_changes_nothing(at: Home, tmp_path: Path) -> None:
    repository(tmp_path, FILES)
    host = at.host("--root", str(tmp_path))
    host.begin()
    answers = {"look": [{"paths": []}], "fix": [{"edits": [], "reason": "the test is wrong"}]}
    ended = answered_each(host, run(host, "fix-failing-tests", *ALL), answers)
    assert ended["status"] == "failed"
    assert "no edit was given: the test is wrong" in ended["error"]["message"]
    assert git(tmp_path, "status", "--porcelain") == ""


@pytest.mark.full
def test_fix_lint_file_by_file_mends_each_file_in_rounds_and_goes_on_where_one_stays(at: Home, tmp_path: Path) -> None:
    more = {"thirds.py": "import json\nimport sys\n\nprint(sys.path)\n", "made.py": "import json\n"}
    repository(tmp_path, {**FILES, **more})
    host = at.host("--root", str(tmp_path))
    host.begin()
    seen: list[Any] = []

    def fix(shown: Any) -> Any:
        seen.append(shown)
        if shown["path"] == "made.py":
            return {"edits": [], "reason": "it is generated"}
        if len(seen) == 1:
            return {"edits": [{"old": "import re\n", "new": ""}], "reason": "a guess"}
        unused = "import os\n" if shown["path"] == "halves.py" else "import json\n"
        elsewhere = {"path": "README.md"} if shown["path"] == "thirds.py" else {}
        return {"edits": [{"old": unused, "new": "", **elsewhere}], "reason": "nothing uses it"}

    asked = run(host, "fix-lint-file-by-file", *ALL)
    ended = answered_each(host, asked, {"fix": [fix] * 4})
    assert ended["status"] == "succeeded", ended
    assert ended["outputs"] == {"findings": 3, "left": 1, "clean": 2}
    assert (tmp_path / "halves.py").read_text() == FILES["halves.py"].removeprefix("import os\n")
    assert (tmp_path / "thirds.py").read_text() == more["thirds.py"].removeprefix("import json\n")
    assert (tmp_path / "made.py").read_text() == more["made.py"]
    assert git(tmp_path, "diff", "--name-only").split() == ["halves.py", "thirds.py"], "an edit is of that file alone"
    assert [(look["path"], look["findings"][0]["rule"]) for look in seen[:2]] == [("halves.py", "F401")] * 2
    assert seen[1]["before"] == {"reason": "a guess", "refused": "edit 1: the old text is not in halves.py"}
    call(host, "fs_undo", run_id=ended["run_id"])
    assert git(tmp_path, "status", "--porcelain") == ""


def test_release_notes_groups_the_commits_into_a_file(at: Home, tmp_path: Path) -> None:
    repository(tmp_path, FILES)
    (tmp_path / "halves.py").write_text(MENDED)
    git(tmp_path, "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qam", "Keep the half of an odd number")
    host = at.host("--root", str(tmp_path))
    host.begin()

    def group(shown: Any) -> Any:
        newest, first = (commit["sha"][:7] for commit in shown["commits"])
        assert [commit["subject"] for commit in shown["commits"]] == ["Keep the half of an odd number", "first"]
        told = {"added": [f"Halves of numbers ({first})"], "fixed": [f"Odd numbers keep their half ({newest})"]}
        return {"breaking": [], "changed": [], "internal": ["nothing"], **told}

    ended = answered_each(host, run(host, "release-notes", "read", "write", "destroy"), {"group": [group]})
    assert ended["status"] == "succeeded", ended
    assert (ended["outputs"]["commits"], ended["outputs"]["internal"]) == (2, ["nothing"])
    newest, first = git(tmp_path, "log", "--format=%h", "--abbrev=7").split()
    assert (tmp_path / "RELEASE_NOTES.md").read_text().splitlines() == [
        *("# Unreleased", "", "## Added", "", f"- Halves of numbers ({first})", ""),
        *("## Fixed", "", f"- Odd numbers keep their half ({newest})"),
    ]


def test_index_codebase_answers_out_of_what_it_indexed(host: Host) -> None:
    ended = run(host, "index-codebase", "read", "write")
    assert ended["status"] == "succeeded"
    assert ended["outputs"]["failed"] == 0
    assert "README.md" in ended["outputs"]["answers"]


def test_each_document_that_the_pages_show_runs_to_its_end(at: Home, tmp_path: Path) -> None:
    guides = [block for block in DOCUMENTS if block.page.name == "workflows.md"]  # test_guide.py runs those
    shown = {str(yaml.safe_load(block.text)["name"]): block.text for block in DOCUMENTS if block not in guides}
    assert shown.keys() == {"lint-and-explain", "not-without-tests"}, "what is shown is run here"
    repository(tmp_path, FILES)
    host = at.host("--root", str(tmp_path))
    host.begin()
    allow = ["read", "write", "destroy", "execute", "network"]
    asked, tested = (
        call(host, "workflow_run", spec=shown[name], allow=allow, wait_seconds=110) for name in sorted(shown)
    )
    assert asked["waiting_for"][0]["text"].startswith("Explain these findings")
    assert "F401" in asked["waiting_for"][0]["shown"]
    ended = answered(host, asked, {"markdown": "`os` is imported and not used."})
    assert (ended["status"], ended["outputs"]) == ("succeeded", {"findings": 1})
    assert tested["status"] == "succeeded"
    assert (tmp_path / "TESTS.md").read_text() == "2 passed"
