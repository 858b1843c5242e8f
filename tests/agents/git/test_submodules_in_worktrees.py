"""What lies in a submodule of a linked worktree is in no commit of the repository: it is not taken away with that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.agents.git.bench import Bench, plain_git
from tests.agents.git.grove import Trees

from astro_mcp.errors import Conflict
from astro_mcp.workspace.git.worktrees import Closed

PART = "libs/part"


@pytest.fixture
def joined(bench: Bench, tmp_path: Path) -> Bench:
    """HEAD has a submodule of one file."""
    upstream = tmp_path / "upstream"
    upstream.mkdir()
    plain_git(upstream, "init", "-q", "-b", "main")
    (upstream / "a.txt").write_text("a\n")
    plain_git(upstream, "add", "-A")
    plain_git(upstream, "commit", "-q", "-m", "First")
    sha = plain_git(upstream, "rev-parse", "HEAD").strip()
    bench.write(".gitmodules", f'[submodule "part"]\n\tpath = {PART}\n\turl = {upstream}\n')
    bench.git("add", ".gitmodules")
    bench.git("update-index", "--add", "--cacheinfo", f"160000,{sha},{PART}")
    bench.git("commit", "-q", "-m", "A part")
    return bench


def _checked_out(folder: Path) -> None:
    plain_git(folder, "-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init")


def _changed(folder: Path) -> None:
    _checked_out(folder)
    (folder / PART / "a.txt").write_text("precious\n")


def _hidden(folder: Path) -> None:
    _changed(folder)
    plain_git(folder, "update-index", "--skip-worktree", PART)


def _put_away(folder: Path) -> None:
    """Git keeps its commits in the worktree's own folder."""
    _checked_out(folder)
    plain_git(folder, "submodule", "--quiet", "deinit", "--all")


def _beside_git(folder: Path) -> None:
    (folder / PART / "note.txt").write_text("precious\n")


def _in_its_place(folder: Path) -> None:
    (folder / PART).rmdir()
    (folder / PART).write_text("precious\n")


LOST = pytest.mark.parametrize(
    "work",
    [
        _changed,
        _beside_git,
        _in_its_place,
        *(pytest.param(work, marks=pytest.mark.full) for work in (_checked_out, _hidden, _put_away)),
    ],
)


def kept(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in (folder / "libs").rglob("*") if path.is_file()}


@LOST
async def test_a_branchs_folder_is_not_closed_where_a_submodule_holds_something(
    joined: Bench, work: Callable[[Path], None]
) -> None:
    folder = Path((await joined.call("git_branch", action="worktree", name="fix")).path)
    work(folder)
    before = kept(folder)
    error = (await joined.result("git_branch", action="close", name="fix")).error
    assert isinstance(error, Conflict)
    assert "submodule" in error.message
    assert kept(folder) == before
    joined.git("worktree", "remove", "--force", str(folder))  # as the hint says


@LOST
async def test_a_runs_folder_is_left_where_a_submodule_holds_something(
    joined: Bench, trees: Trees, work: Callable[[Path], None]
) -> None:
    made = await trees.make()
    work(made.path)
    before = kept(made.path)
    closed = await trees.close(made.base)
    assert (closed.branch, closed.sha) == ("astro/run_1", "")
    assert "submodule" in closed.left
    assert kept(made.path) == before
    joined.git("worktree", "remove", "--force", str(made.path))  # as the hint says
    assert await trees.close(made.base) == Closed("", "")


@pytest.mark.parametrize("gone", [False, pytest.param(True, marks=pytest.mark.full)])
async def test_a_submodules_empty_folder_holds_nothing_up(joined: Bench, gone: bool) -> None:
    folder = Path((await joined.call("git_branch", action="worktree", name="fix")).path)
    assert list((folder / PART).iterdir()) == []
    if gone:
        (folder / PART).rmdir()
    await joined.call("git_branch", action="close", name="fix")
    assert not folder.exists()
