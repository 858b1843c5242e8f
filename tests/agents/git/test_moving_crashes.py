"""A daemon that is killed during a switch or a merge: at the next start HEAD, branch, index and files are all as before
or all as after it, and nothing of ours is left behind."""

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
from astro_mcp.errors import Unavailable
from astro_mcp.workspace.journal import Journal

# Each fork dies at its n-th fsync, the boundary between what is on disk and what is not: before it, or right after it;
# or ("decided") at the first one after which HEAD or the branch has moved.
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
from astro_mcp.workspace.git import branches, merging
from astro_mcp.workspace.git.moving import Mover
from astro_mcp.workspace.git.repository import Git
from astro_mcp.workspace.workspace import Workspace

plain, count = os.fsync, 0

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def decided(git):
    return "other" in (git / "HEAD").read_text() or len({path.read_text() for path in git.glob("refs/heads/*")}) == 1

def die_at(fatal, moment, git):
    def fsync(descriptor):
        global count
        count += 1
        if count == fatal and moment == "before":
            die()
        plain(descriptor)
        if (count == fatal and moment == "after") or (moment == "decided" and decided(git)):
            die()
        if moment == "noted" and any((git.parents[1] / "private").glob("*/moved.json")):
            die()
    return fsync

async def step(what, folder, fsync):
    session = Session(Principal("u", Kind.STDIO), Grant(roots=(folder / "project",)))
    async with Database.open(folder / "astro.db") as database:
        workspace = Workspace(SecretSettings())
        changes = Changes(workspace, database, Artifacts(database, folder / "artifacts", SystemClock()), SystemClock())
        git = Git(workspace, folder / "private")
        async with git.open(session, ".") as repository:
            os.fsync = fsync
            mover = Mover(changes, session, None, GitSettings())
            if what == "switch":
                await branches.switch(repository, "other", mover)
            else:
                await merging.merge(repository, "other", "HEAD", mover, GitSettings())
            os.fsync = plain

for fatal, folder in enumerate(sorted(Path(sys.argv[1]).iterdir()), 1):
    child = os.fork()
    if child == 0:
        try:
            anyio.run(step, sys.argv[3], folder, die_at(fatal, sys.argv[2], folder / "project/.git"))
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


def ends(tmp_path: Path, cases: int, moment: str, what: str) -> list[tuple[Path, int]]:
    """Each case and how its process ended: killed, or 0."""
    project(tmp_path / "template")
    folders = [tmp_path / "cases" / f"{number:02}" for number in range(1, cases + 1)]
    for folder in folders:
        shutil.copytree(tmp_path / "template", folder)
    command = [sys.executable, "-c", CHILD, str(tmp_path / "cases"), moment, what]
    child = subprocess.run(command, capture_output=True, text=True, check=True)
    codes = [int(line) for line in child.stdout.split()]
    assert set(codes) <= {0, signal.SIGKILL}, child.stderr
    return list(zip(folders, codes, strict=True))


async def after_a_start(folder: Path, what: str) -> str:
    """Start again after the kill: whether all is as before the step, or all as after it."""
    root = (folder / "project").resolve()
    session = Session(Principal("u", Kind.STDIO), Grant(roots=(root,)))
    async with dispatching(folder) as dispatcher:
        assert list((root / ".git").rglob("*.lock*")) == []
        assert plain_git(root, "status", "--porcelain").splitlines() == ["A  mine.txt"]
        happened = plain_git(root, "rev-parse", "HEAD") == plain_git(root, "rev-parse", "other")
        names = sorted(path.name for path in root.iterdir() if path.name != ".git")
        assert names == (["a.txt", "mine.txt", "new"] if happened else ["a.txt", "gone.txt", "mine.txt"])
        again = {"action": "switch", "name": "other"} if what == "switch" else {"from": "other"}
        there = await dispatcher.call(Call(session, "git_branch" if what == "switch" else "git_merge", again))
        assert there.error is None, there.error
        branch = "other" if what == "switch" else "main"
        assert plain_git(root, "status", "--porcelain", "-b").splitlines() == [f"## {branch}", "A  mine.txt"]
    plain_git(root, "fsck", "--strict")
    return "after" if happened else "before"


@pytest.mark.parametrize("what", ["switch", "merge"])
async def test_a_step_that_is_killed_right_after_it_was_decided_is_whole_at_the_next_start(
    tmp_path: Path, what: str
) -> None:
    [(folder, code)] = ends(tmp_path, 1, "decided", what)
    assert code == signal.SIGKILL
    assert plain_git(folder / "project", "diff", "--cached", "--name-only", "HEAD").count("\n") > 1, "the index is old"
    assert await after_a_start(folder, what) == "after"


@pytest.mark.full
async def test_what_a_person_commits_between_the_kill_and_the_next_start_is_not_gone_back_on(tmp_path: Path) -> None:
    [(folder, code)] = ends(tmp_path, 1, "noted", "merge")
    assert code == signal.SIGKILL
    root = folder / "project"
    plain_git(root, "commit", "-q", "-m", "A person's")
    async with dispatching(folder):
        assert plain_git(root, "status", "--porcelain", "-b").strip() == "## main"
        assert (root / "new/b.txt").read_text() == "new\n"


@pytest.mark.full
@pytest.mark.parametrize("what", ["switch", "merge"])
@pytest.mark.parametrize("moment", ["after", "before"])
async def test_a_step_that_is_killed_anywhere_is_all_there_or_not_at_all(
    tmp_path: Path, moment: str, what: str
) -> None:
    cases = ends(tmp_path, LAST, moment, what)
    states = [await after_a_start(folder, what) for folder, _ in cases]
    killed = [code == signal.SIGKILL for _, code in cases]
    assert killed == sorted(killed, reverse=True)
    assert not killed[-1], "the last case must live to its end, or boundaries were left out"
    assert states == sorted(states, reverse=True), "before, then after"
    assert {state for state, dead in zip(states, killed, strict=True) if dead} == {"before", "after"}


async def test_a_step_whose_end_the_disk_did_not_take_stays_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project(tmp_path)
    session = Session(Principal("u", Kind.STDIO), Grant(roots=(root,)))

    async def full(*_: object) -> None:
        raise Unavailable("the disk is full")

    async with dispatching(tmp_path, left=1) as dispatcher:
        monkeypatch.setattr(Journal, "finish", full)
        call = Call(session, "git_branch", {"action": "switch", "name": "other"})
        assert (await dispatcher.call(call)).error is not None
    monkeypatch.undo()
    assert plain_git(root, "symbolic-ref", "HEAD") == "refs/heads/other\n"
    assert await after_a_start(tmp_path, "switch") == "after"
    refs = plain_git(root, "for-each-ref", "--format=%(refname)", "refs/astro/recovery").split()
    async with dispatching(tmp_path) as dispatcher:
        back = await dispatcher.call(Call(session, "git_undo", {"recovery_ref": refs[0]}))
        assert back.error is None, back.error
    assert sorted(path.name for path in root.iterdir() if path.name != ".git") == ["a.txt", "gone.txt", "mine.txt"]
