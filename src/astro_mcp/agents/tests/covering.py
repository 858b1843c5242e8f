"""Counting lines for a run: what is compared before it, and what is told and kept after."""

from __future__ import annotations

from dataclasses import dataclass

from astro_mcp.agents.tests.changes import Changes, changed
from astro_mcp.agents.tests.coverage import coverage
from astro_mcp.agents.tests.covered import Covered, read
from astro_mcp.agents.tests.history import History
from astro_mcp.agents.tests.models import Coverage, RunInput
from astro_mcp.agents.tests.project import Project
from astro_mcp.core.authority import Session
from astro_mcp.errors import AstroError, InvalidInput
from astro_mcp.sandbox.job import Outcome
from astro_mcp.workspace.git.repository import Git
from astro_mcp.workspace.workspace import Workspace

HEAD = "HEAD"


@dataclass(frozen=True, slots=True)
class Base:
    """What lines are compared with; `note` is why that is not known."""

    changes: Changes | None
    note: str = ""


class Covering:
    """Reads the tree before the run, so that lines are those that ran."""

    def __init__(self, history: History, git: Git, workspace: Workspace) -> None:
        self._history = history
        self._git = git
        self._workspace = workspace

    async def base(self, args: RunInput, project: Project, session: Session) -> Base:
        """Raises what `changed` does where a commit was named; without one, there need be none."""
        try:
            return Base(await changed(self._git, self._workspace, session, project, args.since, lines=True))
        except AstroError as error:
            if args.since != HEAD or isinstance(error, InvalidInput):
                raise
            return Base(None, f"which lines changed is not known: {error.message}")

    async def tell(
        self, args: RunInput, base: Base, project: Project, outcome: Outcome, session: Session, *, ended: bool
    ) -> Coverage:
        """What ran. Where the run `ended` by itself, what each test touched is kept for `select=changed`."""
        covered = await self._workspace.at_length(lambda: read(outcome, project))
        if ended and covered.whole and covered.touched:
            await self._keep(args, project, covered, session)
        return await self._workspace.quickly(lambda: coverage(covered, base.changes, project, base.note))

    async def _keep(self, args: RunInput, project: Project, covered: Covered, session: Session) -> None:
        """A run of all tests takes the place of what was kept; one of some adds to it where the tree is the same. Of
        another tree what was kept stays: what changed since then is known by its digests."""
        new = await self._workspace.at_length(lambda: covered.record(project))
        if not new:
            return
        if args.select != "all" or project.target:
            old = await self._history.touched(session.scope, project.key)
            if old and old["files"] != new["files"]:
                return
            covered.join(old)
            new = await self._workspace.at_length(lambda: covered.record(project))
        await self._history.touch(session.scope, project.key, new)
