"""A daemon that is killed during a switch: at the next start HEAD, index and files are all of the one branch or all of
the other, and nothing of ours is left behind."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.agents.git.bench import dispatching, plain_git

from astro_mcp.core.authority import Grant, Kind, Principal, Session
from astro_mcp.core.call import Call

# Each fork dies at its n-th fsync, the boundary between what is on disk and what is not: before it, or right after it;
# or ("decided") at the first one after which HEAD is on the other branch.
CHILD = """
import os, signal, sys
from pathlib import Path
import anyio
from astro_mcp.config import GitSettings, SecretSettings
from astro_mcp.core.authority import Grant, Kind, Principal, Session
from astro_mcp.core.ports import SystemClock
from astro_mcp.store.artifacts import Artifacts
from astro_mcp.store.database import Database
from astro_mcp.workspace.changes import Changes
from astro_mcp.workspace.git import branches
from astro_mcp.workspace.git.moving import Mover
from astro_mcp.workspace.git.repository import Git
from astro_mcp.workspace.workspace import Workspace

plain, count = os.fsync, 0

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def die_at(fatal, moment, head):
    def fsync(descriptor):
        global count
        count += 1
        if count == fatal and moment == "before":
            die()
        plain(descriptor)
        if (count == fatal and moment == "after") or (moment == "decided" and "other" in head.read_text()):
            die()
    return fsync

async def switch(folder, fsync):
    session = Session(Principal("u", Kind.STDIO), Grant(roots=(folder / "project",)))
    async with Database.open(folder / "astro.db") as database:
        workspace = Workspace(SecretSettings())
        changes = Changes(workspace, database, Artifacts(database, folder / "artifacts", SystemClock()), SystemClock())
        git = Git(workspace, folder / "private")
        async with git.open(session, ".") as repository:
            os.fsync = fsync
            await branches.switch(repository, "other", Mover(changes, session, None, GitSettings()))
            os.fsync = plain

for fatal, folder in enumerate(sorted(Path(sys.argv[1]).iterdir()), 1):
    child = os.fork()
    if child == 0:
        try:
            anyio.run(switch, folder, die_at(fatal, sys.argv[2], folder / "project/.git/HEAD"))
        except BaseException as error:
            print(error, file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    print(os.waitpid(child, 0)[1], flush=True)
"""
LAST = 30


def project(folder: Path) -> Path:
    root = folder / "project"
    root.mkdir(parents=True)
    plain_git(root, "init", "-q", "-b", "main")
    (root / "a.txt").write_text("one\n")
    (root / "gone.txt").write_text("gone\n")
    plain_git(root, "add", "-A")
    plain_git(root, "commit", "-q", "-m", "Begin")
    plain_git(root, "switch", "-q", "-c", "other")
    (root / "a.txt").write_text("two\n")
    (root / "gone.txt").unlink()
    (root / "new").mkdir()
    (root / "new/b.txt").write_text("new\n")
    plain_git(root, "add", "-A")
    plain_git(root, "commit", "-q", "-m", "Other")
    plain_git(root, "switch", "-q", "main")
    (root / "mine.txt").write_text("mine\n")
    plain_git(root, "add", "mine.txt")
    return root.resolve()


def ends(tmp_path: Path, cases: int, moment: str) -> list[tuple[Path, int]]:
    """Each case and how its process ended: killed, or 0."""
    project(tmp_path / "template")
    folders = [tmp_path / "cases" / f"{number:02}" for number in range(1, cases + 1)]
    for folder in folders:
        shutil.copytree(tmp_path / "template", folder)
    command = [sys.executable, "-c", CHILD, str(tmp_path / "cases"), moment]
    child = subprocess.run(command, capture_output=True, text=True, check=True)
    codes = [int(line) for line in child.stdout.split()]
    assert set(codes) <= {0, signal.SIGKILL}, child.stderr
    return list(zip(folders, codes, strict=True))


async def branch_after(folder: Path) -> str:
    """Start again after the kill: the branch that it is on, with everything that belongs to it."""
    root = (folder / "project").resolve()
    session = Session(Principal("u", Kind.STDIO), Grant(roots=(root,)))
    async with dispatching(folder) as dispatcher:
        assert list((root / ".git").rglob("*.lock*")) == []
        assert plain_git(root, "status", "--porcelain").splitlines() == ["A  mine.txt"]
        branch = plain_git(root, "branch", "--show-current").strip()
        names = sorted(path.name for path in root.iterdir() if path.name != ".git")
        assert names == (["a.txt", "gone.txt", "mine.txt"] if branch == "main" else ["a.txt", "mine.txt", "new"])
        there = await dispatcher.call(Call(session, "git_branch", {"action": "switch", "name": "other"}))
        assert there.error is None, there.error
        assert plain_git(root, "status", "--porcelain", "-b").splitlines() == ["## other", "A  mine.txt"]
    plain_git(root, "fsck", "--strict")
    return branch


async def test_a_switch_that_is_killed_right_after_it_was_decided_is_whole_at_the_next_start(tmp_path: Path) -> None:
    [(folder, code)] = ends(tmp_path, 1, "decided")
    assert code == signal.SIGKILL
    assert (folder / "project/.git/HEAD").read_text() == "ref: refs/heads/other\n"
    assert plain_git(folder / "project", "diff", "--cached", "--name-only", "HEAD").count("\n") > 1, "the index is old"
    assert await branch_after(folder) == "other"


@pytest.mark.full
@pytest.mark.parametrize("moment", ["after", "before"])
async def test_a_switch_that_is_killed_anywhere_is_all_there_or_not_at_all(tmp_path: Path, moment: str) -> None:
    cases = ends(tmp_path, LAST, moment)
    branches = [await branch_after(folder) for folder, _ in cases]
    killed = [code == signal.SIGKILL for _, code in cases]
    assert killed == sorted(killed, reverse=True)
    assert not killed[-1], "the last case must live to its end, or boundaries were left out"
    assert branches == sorted(branches), "main first, then other"
    assert {branch for branch, dead in zip(branches, killed, strict=True) if dead} == {"main", "other"}
