"""A daemon that is killed in the middle of a commit: the repository stays whole, and the next start goes on with it."""

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
from astro_mcp.errors import Conflict

# Each fork dies at its n-th fsync, the boundary between what is on disk and what is not: before it, or right after it.
CHILD = """
import os, sys
from pathlib import Path
from astro_mcp.config import GitSettings, SecretSettings
from astro_mcp.core.authority import Grant, Kind, Principal, Session
from astro_mcp.workspace.git import commits
from astro_mcp.workspace.git.repository import Git
from astro_mcp.workspace.workspace import Workspace
from tests.agents.git.killed import fork_for_each

async def commit(folder, fsync):
    git = Git(Workspace(SecretSettings()), folder / "private")
    session = Session(Principal("u", Kind.STDIO), Grant(roots=(folder / "project",)))
    async with git.open(session, ".") as repository:
        made = await commits.draft(repository, [])
        os.fsync = fsync
        await commits.commit(repository, made, "Crash", GitSettings())

fork_for_each(Path(sys.argv[1]), sys.argv[2], commit)
"""


@pytest.mark.full
@pytest.mark.parametrize("moment", ["after", "before"])
async def test_a_commit_that_is_killed_leaves_no_lock_and_can_be_made_again(tmp_path: Path, moment: str) -> None:
    project(tmp_path / "template")
    folders = [tmp_path / "cases" / f"{number:02}" for number in range(1, 25)]
    for folder in folders:
        shutil.copytree(tmp_path / "template", folder)
    command = [sys.executable, "-c", CHILD, str(tmp_path / "cases"), moment]
    child = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True)
    ends = [int(line) for line in child.stdout.split()]
    killed = [folder for folder, end in zip(folders, ends, strict=True) if end == signal.SIGKILL]
    assert ends == [signal.SIGKILL] * len(killed) + [0] * (len(ends) - len(killed)), child.stderr
    assert len(killed) < len(folders), "the last case must live to its end, or boundaries were left out"
    assert {await went_on(folder) for folder in killed} == {True, False}, "kills fell on both sides of the commit"


def project(folder: Path) -> None:
    root = folder / "project"
    root.mkdir(parents=True)
    plain_git(root, "init", "-q", "-b", "main")
    (root / "a.txt").write_text("one\n")
    plain_git(root, "add", "-A")
    plain_git(root, "commit", "-q", "-m", "Begin")
    (root / "a.txt").write_text("two\n")
    (root / "b.txt").write_text("new\n")


async def went_on(folder: Path) -> bool:
    """Start again after the kill; whether the killed commit had been made."""
    root = (folder / "project").resolve()
    async with dispatching(folder) as dispatcher:
        assert list((root / ".git").rglob("*.lock*")) == [], f"a lock outlived the kill of {folder.name}"
        plain_git(root, "fsck", "--strict")
        status = plain_git(root, "status", "--porcelain")
        made = plain_git(root, "rev-list", "--count", "HEAD").strip() == "2"
        session = Session(Principal("u", Kind.STDIO), Grant(roots=(root,)))
        again = await dispatcher.call(Call(session, "git_commit", {"message": "Again"}))
        assert again.error is None or (made and isinstance(again.error, Conflict)), again.error
    plain_git(root, "fsck", "--strict")
    assert plain_git(root, "show", "HEAD:b.txt") == "new\n"
    assert plain_git(root, "status", "--porcelain") == ""
    assert made == (status == ""), "what is committed is not told as changed"
    return made
