"""Worktrees of a bench's repository, and what is left of them."""

from __future__ import annotations

from pathlib import Path

from tests.agents.git.bench import Bench

from astro_mcp.config import GitSettings, SecretSettings
from astro_mcp.workspace.git import worktrees
from astro_mcp.workspace.git.repository import Git
from astro_mcp.workspace.git.worktrees import Closed, Look, Made
from astro_mcp.workspace.workspace import Workspace


class Trees:
    """Worktrees of the bench's repository."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.git = Git(Workspace(SecretSettings()), folder)
        self.session = bench.session

    async def look(self) -> Look:
        return await worktrees.look(self.git, self.session)

    async def make(self, name: str = "run_1", origin: str = "") -> Made:
        return await worktrees.make(self.git, self.session, name, origin, GitSettings())

    async def close(self, base: str, name: str = "run_1") -> Closed:
        return await worktrees.close(self.git, self.session, name, base, "Done", GitSettings())


def traces(bench: Bench, name: str = "run_1") -> list[str]:
    """What is left of a worktree in the repository and beside it."""
    git, ours = bench.root / ".git", bench.root / ".astro-mcp/runs"
    places = [git / "worktrees" / name, ours / name, ours / f"{name}.done", git / "refs/heads/astro" / name]
    listed = bench.git("branch", "--list", f"astro/{name}", "--format=%(refname:short)").split()
    return [*(place.name for place in places if place.exists()), *listed]
