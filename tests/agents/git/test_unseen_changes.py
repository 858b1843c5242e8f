"""Files that git was told not to look at, in a linked worktree: what they hold is not taken away with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.agents.git.bench import Bench, plain_git
from tests.agents.git.grove import Trees

from astro_mcp.errors import Conflict
from astro_mcp.workspace.git.worktrees import Closed

MARKS = ("--skip-worktree", "--assume-unchanged")
FILE = "src/app.py"


def _the_same(folder: Path) -> None:
    (folder / FILE).write_bytes((folder / FILE).read_bytes())


def _absent(folder: Path) -> None:
    (folder / FILE).unlink()


def _changed(folder: Path) -> None:
    (folder / FILE).write_text("precious\n")


def _linked(folder: Path) -> None:
    (folder / FILE).unlink()
    (folder / FILE).symlink_to("precious")


async def made(bench: Bench) -> Path:
    return Path((await bench.call("git_branch", action="worktree", name="fix")).path)


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("change", [_changed, pytest.param(_linked, marks=pytest.mark.full)])
async def test_a_branchs_folder_is_not_closed_over_a_change_that_git_does_not_see(
    bench: Bench, mark: str, change: Callable[[Path], None]
) -> None:
    folder = await made(bench)
    plain_git(folder, "update-index", mark, FILE)
    change(folder)
    assert plain_git(folder, "status", "--porcelain") == ""
    error = (await bench.result("git_branch", action="close", name="fix")).error
    assert isinstance(error, Conflict)
    assert [problem.path for problem in error.problems] == [FILE]
    assert (folder / FILE).is_symlink() or (folder / FILE).read_text() == "precious\n"
    assert plain_git(folder, "ls-files", "-v", FILE)[0] in "Sh", "the mark stays"


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("change", [_the_same, _absent])
async def test_a_marked_file_that_holds_nothing_new_keeps_no_folder_open(
    bench: Bench, mark: str, change: Callable[[Path], None]
) -> None:
    folder = await made(bench)
    plain_git(folder, "update-index", mark, FILE)
    change(folder)
    await bench.call("git_branch", action="close", name="fix")
    assert not folder.exists()


@pytest.mark.parametrize("mark", MARKS)
async def test_the_worktree_of_a_run_stays_with_a_change_that_git_does_not_see(
    bench: Bench, trees: Trees, mark: str
) -> None:
    tree = await trees.make()
    plain_git(tree.path, "update-index", mark, FILE)
    _changed(tree.path)
    closed = await trees.close(tree.base)
    assert closed.left.startswith(f"{FILE} is marked as assume-unchanged or skip-worktree, and changed")
    assert (tree.path / FILE).read_text() == "precious\n"
    plain_git(tree.path, "update-index", f"--no-{mark[2:]}", FILE)
    assert (await trees.close(tree.base)).sha
    assert bench.git("show", f"{tree.branch}:{FILE}") == "precious\n"


async def test_a_runs_worktree_with_a_marked_file_that_is_the_same_goes(trees: Trees) -> None:
    tree = await trees.make()
    plain_git(tree.path, "update-index", "--skip-worktree", FILE)
    _the_same(tree.path)
    assert await trees.close(tree.base) == Closed("", "")
