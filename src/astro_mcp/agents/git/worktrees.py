"""Worktrees of runs. Their tools stand in a registry of their own: no host and no document calls them, and each call of
one passes the same policies as all others."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from astro_mcp.config import GitSettings
from astro_mcp.core.agent import Agent
from astro_mcp.core.authority import Effect, Label
from astro_mcp.core.call import Context
from astro_mcp.core.deferred import Deferred
from astro_mcp.core.model import Input, Output
from astro_mcp.core.tool import tool
from astro_mcp.observe.printable import printable

if TYPE_CHECKING:
    from astro_mcp.workspace.git.repository import Git  # loaded after the start, or with the first call

CONTENT = {Label.PRIVATE, Label.UNTRUSTED}
LONGEST = 300


class LookInput(Input):
    """Of `worktree_look`."""


class MakeInput(Input):
    """Of `worktree_make`."""

    name: str = Field(description="The run.")
    origin: str = Field("", description="The run whose branch it begins on, where there is one; none: HEAD.")


class CloseInput(Input):
    """Of `worktree_close`."""

    name: str = Field(description="The run.")
    base: str = Field("", description="The commit that it began at; none: nothing was done in it.")
    message: str = Field(description="Of the commit.")


class Look(Output):
    """What a worktree would begin at, and how many paths are not committed there."""

    branch: str
    sha: str
    changed: int

    def text(self) -> str:
        return f"{printable(self.branch) or 'a detached HEAD'} at {self.sha[:12]}, {self.changed} not committed"


class Made(Output):
    """Where it is, on which branch, begun at which commit."""

    path: str
    branch: str
    base: str

    def text(self) -> str:
        return f"{self.branch} at {self.base[:12]} in {printable(self.path)}"


class Closed(Output):
    """The branch and its commit, both "" where nothing was changed; `left` says why the folder is still there."""

    branch: str
    sha: str
    left: str

    def text(self) -> str:
        return f"{self.branch or 'nothing changed'} {self.sha[:12]} {printable(self.left)}".rstrip()


class WorktreeAgent(Agent):
    """Makes and closes the working trees of runs."""

    name: ClassVar[str] = "worktrees"
    title: ClassVar[str] = "Worktrees"

    def __init__(self, git: Deferred[Git], settings: GitSettings) -> None:
        self._git = git
        self._settings = settings

    @tool(title="Look", effects={Effect.READ}, idempotent=True, labels=CONTENT, needs_root=True)
    async def worktree_look(self, args: LookInput, ctx: Context) -> Look:
        """Use to see whether a worktree could be made of the session's root, and what it would begin at."""
        from astro_mcp.workspace.git import worktrees  # noqa: PLC0415 - comes with git, after the start

        found = await worktrees.look(await self._git.get(), ctx.session)
        return Look(branch=found.branch, sha=found.sha, changed=found.changed)

    @tool(title="Make", effects={Effect.WRITE}, idempotent=True, needs_root=True, timeout=LONGEST)
    async def worktree_make(self, args: MakeInput, ctx: Context) -> Made:
        """Use to make a run's worktree; one that is there already stays."""
        from astro_mcp.workspace.git import worktrees  # noqa: PLC0415 - comes with git, after the start

        git = await self._git.get()
        made = await worktrees.make(git, ctx.session, args.name, args.origin, self._settings)
        return Made(path=str(made.path), branch=made.branch, base=made.base)

    @tool(title="Close", effects={Effect.WRITE}, idempotent=True, labels=CONTENT, needs_root=True, timeout=LONGEST)
    async def worktree_close(self, args: CloseInput, ctx: Context) -> Closed:
        """Use to commit what changed in a run's worktree, and to take the folder away."""
        from astro_mcp.workspace.git import worktrees  # noqa: PLC0415 - comes with git, after the start

        git = await self._git.get()
        ended = await worktrees.close(git, ctx.session, args.name, args.base, args.message, self._settings)
        return Closed(branch=ended.branch, sha=ended.sha, left=ended.left)
