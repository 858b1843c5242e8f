"""From a call's `select` to the tests that it means."""

from __future__ import annotations

from astro_mcp.agents.tests import selection
from astro_mcp.agents.tests.changes import changed
from astro_mcp.agents.tests.covered import files
from astro_mcp.agents.tests.history import History, failing
from astro_mcp.agents.tests.models import RunInput
from astro_mcp.agents.tests.project import Project
from astro_mcp.agents.tests.selection import Selection
from astro_mcp.core.authority import Session
from astro_mcp.errors import InvalidInput, NotFound
from astro_mcp.runner import Runner
from astro_mcp.workspace.git.repository import Git
from astro_mcp.workspace.workspace import Workspace


class Choosing:
    """By ids, by what earlier runs told, and by what changed."""

    def __init__(self, history: History, git: Git, workspace: Workspace) -> None:
        self._history = history
        self._git = git
        self._workspace = workspace

    async def choose(self, args: RunInput, runner: Runner, project: Project, session: Session) -> Selection:
        """Raises `InvalidInput` for arguments that don't go together, `Unsupported` for what the runner can't be told,
        and `NotFound` where there is nothing to go by: a file, an earlier run, a repository, a commit."""
        if args.select != "ids" and args.ids:
            raise InvalidInput(f"ids are given, and select is {args.select}", 'pass select="ids", or leave the ids out')
        match args.select:
            case "all":
                return selection.everything(runner, project)
            case "ids":
                return selection.named(runner, args.ids, project)
            case "failed":
                return await self._failed(runner, project, session)
            case "changed":
                return await self._changed(args.since, runner, project, session)

    async def _failed(self, runner: Runner, project: Project, session: Session) -> Selection:
        runs = await self._history.last(session.scope, project.key)
        if not runs:
            raise NotFound("no run of this project's tests is on record", 'run them with select="all" first')
        tests = failing(runs)
        return (
            selection.of_these(runner, tests, project)
            if tests
            else Selection(nothing="no test failed when it last ran")
        )

    async def _changed(self, since: str, runner: Runner, project: Project, session: Session) -> Selection:
        found = await changed(self._git, self._workspace, session, project, since, lines=False)
        if not (found.files or found.untold):
            return Selection(nothing=f"nothing changed since {since}")
        recorded = await self._history.touched(session.scope, project.key)

        def reached() -> Selection:
            digests, now = recorded.get("files", {}), files(project) if found.untold else {}
            untold = {path for path in found.untold if digests.get(path) != now[path]}
            if not (found.files or untold):
                return Selection(nothing=f"nothing changed since {since}")
            return selection.reached(runner, sorted(found.files | untold), recorded, project)

        return await self._workspace.at_length(reached)
