"""A daemon that is killed while it makes or closes a worktree: the next one begins it again, and nothing is twice."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.agents.git.bench import Bench, plain_git
from tests.agents.git.grove import Trees, traces

from astro_mcp.config import SecretSettings
from astro_mcp.workspace.git.repository import Git
from astro_mcp.workspace.git.worktrees import Closed
from astro_mcp.workspace.workspace import Workspace

# Killed at the n-th fsync, the boundary between what is on disk and what is not; then begun again.
CHILD = """
import os, signal, sys
from pathlib import Path
import anyio
from astro_mcp.config import GitSettings, SecretSettings
from astro_mcp.core.authority import Grant, Kind, Principal, Session
from astro_mcp.workspace.git import worktrees
from astro_mcp.workspace.git.repository import Git
from astro_mcp.workspace.workspace import Workspace

root, what, base, plain, left = Path(sys.argv[1]), sys.argv[2], sys.argv[3], os.fsync, int(sys.argv[4])

def fsync(descriptor):
    global left
    left -= 1
    plain(descriptor)
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    os.fsync = fsync
    git = Git(Workspace(SecretSettings()), root.parent / "private")
    session = Session(Principal("u", Kind.STDIO), Grant(roots=(root,)))
    if what == "make":
        await worktrees.make(git, session, "run_1", "", GitSettings())
    else:
        await worktrees.close(git, session, "run_1", base, "Done", GitSettings())

anyio.run(main)
"""


def dies(root: Path, what: str, base: str, boundary: int) -> bool:
    command = [sys.executable, "-c", CHILD, str(root), what, base, str(boundary)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
    return ended.returncode != 0


async def _go_on(bench: Bench, trees: Trees, boundary: int) -> bool:
    """Make, change and close, each killed at the boundary and begun again; whether one was killed."""
    name = "run_1"
    killed = dies(bench.root, "make", "", boundary)
    private = Git(Workspace(SecretSettings()), bench.root.parent / "private")
    await private.sweep()
    made = await trees.make(name)
    assert plain_git(made.path, "status", "--porcelain") == ""
    (made.path / "new.txt").write_text("new\n")
    killed |= dies(bench.root, "close", made.base, boundary)
    await private.sweep()
    closed = await trees.close(made.base)
    assert closed.left == ""
    assert bench.git("show", f"{closed.sha}:new.txt") == "new\n"
    assert bench.git("rev-list", "--count", f"{made.base}..astro/{name}").strip() == "1", "committed once"
    assert bench.git("worktree", "list").count("\n") == 1
    assert [path.name for path in (bench.root / ".astro-mcp/runs").iterdir()] == []
    bench.git("fsck", "--strict")
    return killed


@pytest.mark.full
@pytest.mark.parametrize("boundary", range(1, 17))
async def test_a_making_or_a_closing_that_is_killed_is_begun_again(bench: Bench, trees: Trees, boundary: int) -> None:
    killed = await _go_on(bench, trees, boundary)
    assert killed or boundary > 10, "shas say how many folders of objects there are"
    assert not (killed and boundary == 16), "the last must live to its end, or boundaries were left out"


@pytest.mark.full
@pytest.mark.parametrize("boundary", range(1, 7))
async def test_the_closing_of_one_that_was_not_changed_is_begun_again_too(
    bench: Bench, trees: Trees, boundary: int
) -> None:
    made = await trees.make()
    killed = dies(bench.root, "close", made.base, boundary)
    await Git(Workspace(SecretSettings()), bench.root.parent / "private").sweep()
    assert await trees.close(made.base) == Closed("", "")
    assert traces(bench) == []
    assert killed == (boundary < 3), "the last must live to its end, or boundaries were left out"
