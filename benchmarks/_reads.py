"""What servers are asked about git: no question twice, for a kept answer is no measure of a read.

A round asks about other commits, lines and files than the one before. A status and a log, whose questions can't differ,
are measured twice: with nothing done since the last one, and after a file was written or a commit made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks._grown import git
from benchmarks._workbenches import CYANHEADS, GIT, OURS, Ask, Case

HALF: Final = 0.5
"""Of the best peer's time: every git read."""


def statuses(repository: Path) -> list[Case]:
    """In rounds of their own: no commit is made between them."""
    asked: dict[str, Ask] = {
        OURS: ("git_status", {}),
        GIT: ("git_status", {"repo_path": str(repository)}),
        CYANHEADS: ("git_status", {"path": str(repository)}),
    }
    paths = git(repository, "ls-files").splitlines()
    return [
        Case("status", HALF, lambda number: asked, alone=lambda number: ["status"]),
        Case(
            "status, a file written",
            HALF,
            lambda number: asked,
            before=_writing(repository, paths),
            alone=lambda number: ["status"],
        ),
    ]


def reads(repository: Path, large: str) -> list[Case]:
    """`large` is a file of about 65 KB; commits are those of HEAD's history."""
    a, b = {"repo_path": str(repository)}, {"path": str(repository)}
    paths = [path for path in git(repository, "ls-files").splitlines() if path != large]

    def differences(number: int) -> Mapping[str, Ask]:
        old = f"HEAD~{200 + number}"
        return {
            OURS: ("git_diff", {"from": old, "to": "HEAD"}),
            GIT: ("git_diff", {**a, "target": old}),
            CYANHEADS: ("git_diff", {**b, "source": old, "target": "HEAD"}),
        }

    def show(number: int) -> Mapping[str, Ask]:
        commit = _shown(number)
        return {
            OURS: ("git_show", {"ref": commit}),
            GIT: ("git_show", {**a, "revision": commit}),
            CYANHEADS: ("git_show", {**b, "object": commit}),
        }

    def blame(path: str, first: int, last: int) -> Mapping[str, Ask]:
        return {
            OURS: ("git_show", {"path": path, "blame": True, "start_line": first, "end_line": last}),
            CYANHEADS: ("git_blame", {**b, "filePath": path, "startLine": first, "endLine": last}),
        }

    def other(number: int) -> str:
        return paths[7 * number % len(paths)]

    def of_log(count: int) -> Callable[[int], Sequence[str]]:
        return lambda number: ["log", str(count)]

    def of_blame(path: Callable[[int], str], lines: Callable[[int], tuple[int, int]]) -> Callable[[int], Sequence[str]]:
        return lambda number: ["blame", path(number), *map(str, lines(number))]

    def lines(number: int) -> tuple[int, int]:
        return 20 * number + 1, 20 * number + 100

    hundred, twenty = _has_lines(repository, lambda number: large, 100), _has_lines(repository, other, 20)
    return [
        Case("log of 10, a commit made", HALF, _log(10, a, b), before=_committing(repository, large), alone=of_log(10)),
        Case("log of 10", HALF, _log(10, a, b), alone=of_log(10)),
        Case("log of 1,000", HALF, _log(1000, a, b), alone=of_log(1000)),
        Case("diff of 200 commits", HALF, differences, alone=lambda number: ["diff", f"HEAD~{200 + number}", "HEAD"]),
        Case("show", HALF, show, told=_names_a_change(repository), alone=lambda number: ["show", _shown(number)]),
        Case(
            "blame of 100 lines",
            HALF,
            lambda number: blame(large, *lines(number)),
            told=hundred,
            alone=of_blame(lambda number: large, lines),
        ),
        Case(
            "blame of 20 lines, another file",
            HALF,
            lambda number: blame(other(number), 1, 20),
            told=twenty,
            alone=of_blame(other, lambda number: (1, 20)),
        ),
    ]


def _shown(number: int) -> str:
    return f"HEAD~{10 + 3 * number}"


def _names_a_change(repository: Path) -> Callable[[int, str], float]:
    """Of a merge git-mcp-server names no file; ours names all that it brought to its first parent, and mcp-server-git
    tells them whole."""

    def told(number: int, text: str) -> float:
        what = ("--format=", "--diff-merges=first-parent", "--no-renames", "--name-only")
        changed = git(repository, "show", *what, _shown(number)).split("\n")[:-1]
        return float(not changed or any(path in text for path in changed))

    return told


def _has_lines(repository: Path, path: Callable[[int], str], most: int) -> Callable[[int, str], float]:
    """git-mcp-server tells the first line of each commit, and none that the same commit wrote further down."""

    def told(number: int, text: str) -> float:
        lines = min(len((repository / path(number)).read_bytes().removesuffix(b"\n").split(b"\n")), most)
        return min(len(re.findall(r'^\d+\t|^ *"lineNumber": \d', text, re.MULTILINE)) / lines, 1)

    return told


def _log(count: int, a: Mapping[str, Any], b: Mapping[str, Any]) -> Callable[[int], Mapping[str, Ask]]:
    return lambda number: {
        OURS: ("git_log", {"limit": count}),
        GIT: ("git_log", {**a, "max_count": count}),
        CYANHEADS: ("git_log", {**b, "maxCount": count}),
    }


def _writing(repository: Path, paths: list[str]) -> Callable[[int], None]:
    """A line more in one file, another each round."""

    def before(number: int) -> None:
        with (repository / paths[11 * number % len(paths)]).open("ab") as file:
            file.write(b"written = True\n")

    return before


def _committing(repository: Path, large: str) -> Callable[[int], None]:
    """A commit that changes a line of the large file."""

    def before(number: int) -> None:
        path = repository / large
        lines = path.read_bytes().splitlines(keepends=True)
        at = (31 * number) % len(lines)
        lines[at] = lines[at].rstrip() + b"  # again\n"
        path.write_bytes(b"".join(lines))
        identity = ("-c", "user.name=Dev", "-c", "user.email=dev@example.com", "-c", "gc.auto=0")
        git(repository, *identity, "commit", "-q", "-m", f"Change a line, round {number}", "--", large)

    return before
