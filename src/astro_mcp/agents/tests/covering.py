"""Counting lines for a run: what is compared before it, and what is told and kept after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from astro_mcp.agents.tests.changes import Changes, changed
from astro_mcp.agents.tests.counting import uncounted
from astro_mcp.agents.tests.coverage import coverage
from astro_mcp.agents.tests.covered import Covered, files, read
from astro_mcp.agents.tests.history import History
from astro_mcp.agents.tests.models import Coverage, RunInput
from astro_mcp.agents.tests.project import Project
from astro_mcp.agents.tests.selection import Selection, told
from astro_mcp.core.authority import Session
from astro_mcp.errors import AstroError, InvalidInput
from astro_mcp.runner import Runner
from astro_mcp.sandbox.job import Outcome
from astro_mcp.workspace.git.repository import Git
from astro_mcp.workspace.workspace import Workspace

HEAD: Final = "HEAD"
RAN: Final = (0, 1)
"""Exit codes of a run that came to its end."""


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
        self,
        args: RunInput,
        base: Base,
        runner: Runner,
        project: Project,
        selection: Selection,
        outcome: Outcome,
        session: Session,
    ) -> Coverage:
        """What ran. What each test touched is kept for `select=changed`."""
        covered = await self._workspace.at_length(lambda: read(outcome, project))
        if outcome.exit_code in RAN and covered.whole and covered.touched:
            await self._keep(args, project, selection, outcome, covered, session)

        def told() -> Coverage:
            others = list(uncounted(runner, covered, base.changes, project))
            return coverage(covered, base.changes, project, base.note, others)

        return await self._workspace.at_length(told)

    async def _keep(
        self,
        args: RunInput,
        project: Project,
        selection: Selection,
        outcome: Outcome,
        covered: Covered,
        session: Session,
    ) -> None:
        """A run of all tests takes the place of what was kept. One of some adds to it where the tree is the same, and
        where these are all that anything different in the tree can reach: the others would run as they did. Else what
        was kept stays: what differs since then is known by its digests."""
        digests = await self._workspace.at_length(lambda: files(project))
        if args.select != "all" or project.target:
            old = await self._history.touched(session.scope, project.key)
            if old and old["files"] != digests and not _all_reached(project, selection, outcome, covered, old):
                return
            covered.join(old, digests)
        new = await self._workspace.at_length(lambda: covered.record(digests))
        if new:
            await self._history.touch(session.scope, project.key, new)


def _all_reached(
    project: Project, selection: Selection, outcome: Outcome, covered: Covered, old: Mapping[str, Any]
) -> bool:
    """Whether the tests that ran were selected by what was kept, among all, and each of them ran."""
    chosen = told(outcome)
    selected = sum(reason.tests for reason in chosen.reasons) if chosen else 0
    return selection.asked.get("recorded") == old and not project.target and selected == len(covered.touched)
