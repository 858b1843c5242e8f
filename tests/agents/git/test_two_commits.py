"""What two commits differ in is by their objects: the working tree and the index say nothing of it."""

from __future__ import annotations

import os

from tests.agents.git.bench import Bench

LINES = "".join(f"line {number}\n" for number in range(9))


async def told(bench: Bench) -> list[tuple[int, int]]:
    """Lines that came and went with the last commit, as each tool counts them."""
    log = (await bench.call("git_log", limit=1)).items[0]
    of_path = (await bench.call("git_log", limit=1, path="a.txt")).items[0]
    show = (await bench.call("git_show")).files[0]
    diff = (await bench.call("git_diff", **{"from": "HEAD~1", "to": "HEAD"})).files[0]
    return [(one.additions, one.deletions) for one in (log, of_path, show, diff)]


async def test_line_ends_of_the_working_tree_are_not_those_of_commits(bench: Bench) -> None:
    bench.git("config", "core.autocrlf", "true")
    for text in (LINES, LINES + "one more\n"):
        bench.write("a.txt", text)
        bench.git("add", "a.txt")
        bench.git("commit", "-q", "-m", "Lines")
    (bench.root / "a.txt").unlink()
    bench.git("checkout", "--", "a.txt")
    assert b"\r\n" in (bench.root / "a.txt").read_bytes()
    os.utime(bench.root / "a.txt", (1_700_000_000, 1_700_000_000))
    bench.git("update-index", "--refresh")  # from here on git takes the file for what the commit has
    assert await told(bench) == [(1, 0)] * 4


async def test_attributes_of_the_index_alone_say_nothing_of_commits(bench: Bench) -> None:
    for text in (LINES, LINES + "one more\n"):
        bench.write("a.txt", text)
        bench.git("add", "a.txt")
        bench.git("commit", "-q", "-m", "Lines")
    bench.write(".gitattributes", "*.txt -diff\n")
    bench.git("add", ".gitattributes")
    (bench.root / ".gitattributes").unlink()
    assert await told(bench) == [(1, 0)] * 4
    assert bench.git("show", "--format=", "--numstat") == "1\t0\ta.txt\n", "as git tells it"
