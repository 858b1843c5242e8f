"""The tests agent: one tool."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from astro_mcp.agents.tests.events import Tally
from astro_mcp.agents.tests.models import RunInput, RunOutput
from astro_mcp.agents.tests.progress import Watcher
from astro_mcp.agents.tests.project import OURS, WORKSPACE, Project, metadata, top_of
from astro_mcp.agents.tests.report import LOG, output
from astro_mcp.core.agent import Agent
from astro_mcp.core.authority import Effect, Label
from astro_mcp.core.call import Context
from astro_mcp.core.ports import ArtifactSink
from astro_mcp.core.tool import tool
from astro_mcp.errors import InvalidInput, NotFound
from astro_mcp.packs import PATHS, Pack
from astro_mcp.sandbox.job import Job, Outcome, SandboxFile
from astro_mcp.sandbox.sandbox import Sandbox
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.workspace import Workspace

if TYPE_CHECKING:
    from astro_mcp.agents.tests.requirements import Wanted

FILES: Final = 20_000
BYTES: Final = 128 * 1024 * 1024
TOOL_SECONDS: Final = 5_000.0
"""Longer than the longest run and the building of its image together; each of them has a deadline of its own."""
ID: Final = re.compile(r"[^-\s\0][^\0\n\r]{0,3999}")


def _wanted(project: Project) -> Wanted:
    from astro_mcp.agents.tests.requirements import Finder  # noqa: PLC0415 - the daemon's start does without it

    return Finder(project.texts).find()


class TestsAgent(Agent):
    """Runs a project's tests on a copy, in a container without a network."""

    __test__ = False  # the name is the tool's domain and no test class
    name = "tests"
    title = "Tests"

    def __init__(self, sandbox: Sandbox, workspace: Workspace, artifacts: ArtifactSink, pack: Pack) -> None:
        self._sandbox = sandbox
        self._workspace = workspace
        self._artifacts = artifacts
        self._runner = next(runner for runner in pack.manifests("runner") if runner.name == "pytest")
        plugin = pack.resources / "sandbox" / self._runner.plugin
        self._plugin = SandboxFile(f"{OURS}/{self._runner.plugin}", plugin.read_bytes())

    @tool(
        title="Run tests",
        effects={Effect.READ, Effect.EXECUTE, Effect.NETWORK},
        idempotent=True,
        on_copy=True,
        timeout=TOOL_SECONDS,
        labels={Label.PRIVATE, Label.UNTRUSTED},
        needs_root=True,
    )
    async def test_run(self, args: RunInput, ctx: Context) -> RunOutput:
        """Use when a project's tests should run: gives pytest's counts, each failure with file, line and trace, and the
        slowest tests. Runs on a copy in a container without a network; packages that the project names are fetched
        as wheels before. Failing tests are a result, not an error.

        The project is the nearest folder at or above `path` with a pyproject.toml, pytest.ini, tox.ini, setup.cfg or
        setup.py. What it needs is read from `[project]`, from extras and dependency groups named test, tests or
        testing (else dev), and from requirements.txt and requirements-test.txt or alike. Nothing is built: the
        project is imported from its folder or from `src/`.

        Example: `{"path": "tests/test_a.py"}`, then `{"select": "ids", "ids": ["tests/test_a.py::test_b"]}`.
        """
        place = self._workspace.locate(ctx.session, args.path)
        project = await self._project(place, ctx)
        targets = self._targets(args, project)
        wanted = _wanted(project)
        for requirement in self._runner.image.pip:
            wanted.require(requirement)
        image = await self._sandbox.python_image(ctx.session.scope.tenant, wanted.requirements, ctx.progress)
        outcome = await self._sandbox.run(self._job(project, targets, image, args.timeout, Watcher(ctx)))
        return await self._result(project, wanted, outcome, ctx)

    async def _project(self, place: Place, ctx: Context) -> Project:
        top = place.at(await self._workspace.quickly(lambda: top_of(place, self._runner.detect)))
        snapshot = await self._workspace.snapshot(ctx.session, [top.display], max_files=FILES, max_bytes=BYTES)
        start = len(top.relative) + 1 if top.relative else 0
        files = {
            file.path[start:]: SandboxFile(file.path[start:], file.data, file.executable) for file in snapshot.files
        }
        project = Project(top, place.relative[start:], files, snapshot.withheld)
        below = f"{project.target}/" if project.target else ""
        if not any(path == project.target or path.startswith(below) for path in files):
            raise NotFound(f"there is nothing to test at {place.display}", "fs_list shows what there is")
        return project

    @staticmethod
    def _targets(args: RunInput, project: Project) -> list[str]:
        if args.select == "all":
            if args.ids:
                raise InvalidInput("ids are given, and select is all", 'pass select="ids", or leave the ids out')
            return [f"./{project.target}"] if project.target else []
        if not args.ids:
            raise InvalidInput(
                'select is "ids", and no ids are given', "results name them, like tests/test_a.py::test_b"
            )
        for test in args.ids:
            path = test.split("::")[0]
            if not ID.fullmatch(test) or path.startswith("/") or ".." in path.split("/"):
                raise InvalidInput(f"{test[:200]!r} is no test id", "ids read like tests/test_a.py::test_b")
            if path not in project.files:
                raise NotFound(f"there is no {path[:200]} in {project.top.display}", "fs_list shows what there is")
        return list(args.ids)

    def _job(self, project: Project, targets: Sequence[str], image: str, timeout: int, watcher: Watcher) -> Job:
        argv: list[str] = []
        for word in self._runner.argv:
            argv += targets if word == PATHS else [word]
        ours = (self._plugin, *metadata(project.files))
        names = {file.path for file in ours}
        theirs = (file for path, file in project.files.items() if path not in names)
        environment = {
            "ASTRO_PYTEST_EVENTS": f"{WORKSPACE}/{OURS}/out/{LOG}",
            "PYTHONPATH": ":".join(project.python_path),
        }
        return Job(
            argv=tuple(argv),
            files=(*theirs, *ours),
            timeout=float(timeout),
            env=environment,
            image=image,
            collect=f"{OURS}/out",
            on_output=watcher.take,
        )

    async def _result(self, project: Project, wanted: Wanted, outcome: Outcome, ctx: Context) -> RunOutput:
        log = next((file.data for file in outcome.files if file.path == LOG), b"")
        tally = await self._workspace.at_length(lambda: Tally.of(log))
        result = output(project, tally, outcome, self._runner)
        result.left_out = [*wanted.left_out, *project.withheld]
        if log:
            sha256 = await self._artifacts.put(ctx.session.scope, log, "application/x-ndjson", LOG)
            result.artifact = f"astro://artifacts/{sha256}"
        return result
