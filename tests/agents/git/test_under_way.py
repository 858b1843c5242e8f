"""What a person began and did not finish stands above what changed; git's own status says so first."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from tests.agents.git.bench import Bench


def _rebase(bench: Bench) -> None:
    bench.git("-c", "sequence.editor=sed -i s/^pick/edit/", "rebase", "-q", "-i", "HEAD~1")


def _conflict(command: str) -> Callable[[Bench], None]:
    def begin(bench: Bench) -> None:
        with suppress(AssertionError):
            bench.git(command, "side")

    return begin


def _bisect(bench: Bench) -> None:
    bench.git("bisect", "start")


@pytest.mark.parametrize(
    ("begin", "abort", "what"),
    [
        (_rebase, ("rebase", "--abort"), "rebase"),
        (_conflict("merge"), ("merge", "--abort"), "merge"),
        (_conflict("cherry-pick"), ("cherry-pick", "--abort"), "cherry-pick"),
        (_conflict("revert"), ("revert", "--abort"), "revert"),
        (_bisect, ("bisect", "reset"), "bisect"),
    ],
)
async def test_a_status_says_what_is_under_way(
    bench: Bench, begin: Callable[[Bench], None], abort: tuple[str, ...], what: str
) -> None:
    bench.git("checkout", "-q", "-b", "side", "HEAD~1")
    bench.write("src/app.py", "of the side\n")
    bench.git("commit", "-q", "-a", "-m", "Side")
    bench.git("checkout", "-q", "main")
    assert (await bench.call("git_status")).under_way is None
    begin(bench)
    status = await bench.call("git_status")
    assert status.under_way == what
    assert status.text().split("\n")[1] == f"a {what} is under way: a person finishes or aborts it with git"
    bench.git(*abort)
    status = await bench.call("git_status")
    assert status.under_way is None
    assert status.text().endswith("\nnothing to commit, the working tree is clean")


async def test_a_status_of_a_worktree_says_what_is_under_way_there(bench: Bench) -> None:
    made = await bench.call("git_branch", action="worktree", name="fix")
    (Path(bench.git("-C", made.path, "rev-parse", "--absolute-git-dir").strip()) / "rebase-merge").mkdir()
    assert (await bench.call("git_status", repo=made.path)).under_way == "rebase"
    assert (await bench.call("git_status")).under_way is None
