"""A git agent on the real call path, and plain git to compare it with."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astro_mcp.agents.files.agent import FilesAgent
from astro_mcp.agents.files.work import FilesWork
from astro_mcp.agents.git.agent import GitAgent
from astro_mcp.agents.git.work import GitWork
from astro_mcp.config import GitSettings, SecretSettings
from astro_mcp.core.authority import Session
from astro_mcp.core.call import Call, Result
from astro_mcp.core.deferred import Ready
from astro_mcp.core.dispatcher import Dispatcher
from astro_mcp.core.policies.audit import Audit
from astro_mcp.core.policies.authorize import Authorize
from astro_mcp.core.policies.deadline import Deadline
from astro_mcp.core.ports import SystemClock
from astro_mcp.core.registry import Registry
from astro_mcp.store.artifacts import Artifacts
from astro_mcp.store.audit import AuditTrail, audit_key
from astro_mcp.store.database import Database
from astro_mcp.workspace.changes import Changes
from astro_mcp.workspace.git.made import MadeCommits
from astro_mcp.workspace.git.moving import settle
from astro_mcp.workspace.git.repository import Git
from astro_mcp.workspace.workspace import Workspace


def plain_git(folder: Path, *arguments: str, stdin: str | None = None) -> str:
    """Git as a person runs it: with the repository's configuration, without the machine's."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{who}_NAME": "A U Thor" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": "author@example.com" for who in ("AUTHOR", "COMMITTER")},
    }
    ran = subprocess.run(
        ["git", *arguments], cwd=folder, env=environment, capture_output=True, text=True, input=stdin, check=False
    )
    if ran.returncode:
        raise AssertionError(f"git {' '.join(arguments)}: {ran.stderr}")
    return ran.stdout


@dataclass
class Bench:
    """A session whose root is `root`, which is a repository of two commits."""

    root: Path
    session: Session
    dispatcher: Dispatcher

    def git(self, *arguments: str, stdin: str | None = None) -> str:
        return plain_git(self.root, *arguments, stdin=stdin)

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, newline="")

    async def result(self, tool: str, **arguments: Any) -> Result:
        return await self.dispatcher.call(Call(self.session, tool, arguments))

    async def call(self, tool: str, **arguments: Any) -> Any:
        return (await self.result(tool, **arguments)).unwrap()


@asynccontextmanager
async def dispatching(folder: Path, left: int = 0) -> AsyncIterator[Dispatcher]:
    """The git agent behind the policies, its data in `folder`; what it should have cleared away is checked: all
    private folders but `left`."""
    async with Database.open(folder / "astro.db") as database:
        registry = Registry()
        audit = Audit(AuditTrail(database, audit_key(folder)), SystemClock())
        workspace = Workspace(SecretSettings())
        artifacts = Artifacts(database, folder / "artifacts", SystemClock())
        changes = Changes(workspace, database, artifacts, SystemClock())
        await changes.recover(settle(folder / "private"))
        git = Git(workspace, folder / "private")
        await git.sweep()
        async with git.keeping():
            made = MadeCommits(database, SystemClock())
            await registry.register(GitAgent(Ready(GitWork(git, changes, made, GitSettings()))))
            await registry.register(FilesAgent(Ready(FilesWork(workspace, changes))))
            yield Dispatcher(registry, [audit, Authorize(), Deadline(), audit.intent()], audit)
        assert len(list((folder / "private").glob("*"))) == left, "a private GIT_DIR was left behind"
