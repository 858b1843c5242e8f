"""What `git_show` tells of a merge: its files against the first parent, and in git's combined form what it changed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.agents.git.bench import Bench

HEADER = re.compile(r"(@@@+)((?: -\d+,\d+)+) \+(\d+),(\d+) \1")
LINES = [f"line {number}\n" for number in range(400)]
Change = Callable[[list[str]], list[str]]


@pytest.fixture
def merged(bench: Bench) -> Callable[..., str]:
    """Merge a branch with another version of a file, what comes of it being `result`; returns the merge's sha."""

    def merge(ours: str | None, theirs: str | None, result: str | None, path: str = "a.txt", other: str = "") -> str:
        def put(text: str | None, at: str) -> None:
            if text is None:
                (bench.root / at).unlink(missing_ok=True)
            else:
                bench.write(at, text)

        bench.write(other or path, "".join(LINES))
        bench.git("add", "-A")
        bench.git("commit", "-q", "-m", "Long")
        bench.git("checkout", "-q", "-b", "side")
        put(theirs, other or path)
        bench.git("add", "-A")
        bench.git("commit", "-q", "-m", "Theirs")
        bench.git("checkout", "-q", "main")
        put(None, other or path)
        put(ours, path)
        bench.git("add", "-A")
        bench.git("commit", "-q", "-m", "Ours")
        bench.git("merge", "-q", "--no-commit", "--no-ff", "-s", "ours", "side")
        put(result, path)
        bench.git("add", "-A")
        bench.git("commit", "-q", "-m", "Both")
        return bench.git("rev-parse", "HEAD").strip()

    return merge


def edited(**lines: str) -> str:
    return "".join(lines.get(f"at{number}", line) for number, line in enumerate(LINES))


def content(hunks: list[Any]) -> list[str]:
    return [line for hunk in hunks for line in hunk.text.split("\n")[1:]]


def plain(bench: Bench, sha: str) -> list[str]:
    """The lines below git's own `@@@` lines."""
    text = bench.git("show", "--format=", sha).removesuffix("\n")
    return [line for part in text.split("\n@@@")[1:] for line in part.split("\n")[1:]]


async def test_a_clean_merge_has_files_and_no_hunks_and_says_how_to_get_them(bench: Bench) -> None:
    bench.git("checkout", "-q", "-b", "side", "HEAD~1")
    bench.write("new.txt", "one\ntwo\n")
    bench.git("add", "-A")
    bench.git("commit", "-q", "-m", "Beside")
    bench.git("checkout", "-q", "main")
    bench.git("merge", "-q", "--no-ff", "--no-edit", "side")
    shown = await bench.call("git_show")
    assert [(file.path, file.additions, file.deletions) for file in shown.files] == [("new.txt", 2, 0)]
    assert shown.hunks == []
    hint = re.search(r"all hunks: git_diff from (\w+) to (\w+)", shown.text())
    assert hint is not None
    diff = await bench.call("git_diff", **{"from": hint[1], "to": hint[2]})
    assert content(diff.hunks) == ["+one", "+two"]


async def test_what_a_merge_changed_itself_is_told_as_git_tells_it(bench: Bench, merged: Callable[..., str]) -> None:
    sha = merged(edited(at3="ours\n"), edited(at3="theirs\n", at200="far\n"), edited(at3="both\n", at200="near"))
    shown = await bench.call("git_show", ref=sha)
    assert content(shown.hunks) == plain(bench, sha)
    assert "++both" in content(shown.hunks)
    assert len({hunk.id for hunk in shown.hunks}) == len(shown.hunks) == 2
    assert "@@@ -" in shown.text()


@pytest.mark.parametrize(
    ("ours", "theirs", "result"),
    [
        (edited(at1="a\n").removesuffix("\n"), edited(at1="b\n"), edited(at1="c").removesuffix("\n")),
        ("x" * 5_000 + "\n", "y" * 5_000 + "\n", "z" * 5_000 + "\n"),
        (edited(at9="a\n"), edited(at9="b\n"), None),
        ("", edited(at9="b\n"), "new\n"),
        ("bin\0one", "bin\0two", "bin\0three"),
    ],
    ids=["no end of line", "wide lines", "deleted", "empty before", "binary"],
)
async def test_odd_files_are_told_as_git_tells_them(
    bench: Bench, merged: Callable[..., str], ours: str | None, theirs: str | None, result: str | None
) -> None:
    sha = merged(ours, theirs, result)
    told = [line.removesuffix(" [line cut]") for line in content((await bench.call("git_show", ref=sha)).hunks)]
    assert told == [line[:2000] for line in plain(bench, sha)]


async def test_pieces_of_a_long_hunk_say_where_each_of_them_stands(bench: Bench, merged: Callable[..., str]) -> None:
    ours, theirs = (edited(**{f"at{n}": f"{who} {n}\n" for n in range(0, 400, 2)}) for who in ("our", "their"))
    result = edited(**{f"at{n}": f"both {n}\n" for n in range(0, 400, 3)}).removesuffix("\n")
    sha = merged(ours, theirs, result)
    shown = await bench.call("git_show", ref=sha)
    assert content(shown.hunks) == plain(bench, sha)
    assert len(shown.hunks) > 3
    whole = [text.split("\n") for text in (ours, theirs, result)]
    for hunk in shown.hunks:
        header, *lines = hunk.text.split("\n")
        found = HEADER.match(header)
        assert found is not None
        sides = [tuple(map(int, side.split(","))) for side in re.findall(r"-(\d+,\d+)", found[2])]
        sides.append((int(found[3]), int(found[4])))
        lost = [line for line in lines if "-" in line[:2]]
        kept = [line for line in lines if "-" not in line[:2]]
        first, second = (
            [line[2:] for line in lines if (line[at] == "-" if line in lost else line[at] == " ")] for at in (0, 1)
        )
        for (start, count), text, told in zip(sides, whole, (first, second, [line[2:] for line in kept]), strict=True):
            assert text[start - 1 : start - 1 + count] == told


async def test_a_file_that_was_a_secret_in_a_parent_gives_no_line_away(
    bench: Bench, merged: Callable[..., str]
) -> None:
    sha = merged(edited(at3="ours\n"), edited(at3="KEY=hidden\n"), edited(at3="both\n"), path="open.txt", other=".env")
    assert "hidden" in bench.git("show", "-M", "--format=", sha), "git follows the name"
    result = await bench.call("git_show", ref=sha)
    assert "hidden" not in result.model_dump_json()
    assert result.hunks == []
