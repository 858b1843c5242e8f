"""What `test_run` does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from astro_mcp.agents.tests.events import Tally
from astro_mcp.agents.tests.models import RunInput, RunOutput
from astro_mcp.agents.tests.progress import Watcher
from astro_mcp.agents.tests.project import OURS, WORKSPACE, Project, metadata, top_of
from astro_mcp.agents.tests.report import LOG, output
from astro_mcp.core.call import Context
from astro_mcp.core.ports import ArtifactSink
from astro_mcp.errors import InvalidInput, NotFound
from astro_mcp.packs import PATHS, Runner
from astro_mcp.sandbox.job import Job, Outcome, SandboxFile, beside
from astro_mcp.sandbox.packages.order import Pins
from astro_mcp.sandbox.packages.project_needs import needs
from astro_mcp.sandbox.packages.wanted import Wanted
from astro_mcp.sandbox.sandbox import Sandbox
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.workspace import Workspace

FILES: Final = 20_000
BYTES: Final = 128 * 1024 * 1024
ID: Final = re.compile(r"[^-\s\0][^\0\n\r]{0,3999}")


class TestsWork:
    """On a copy of the project, in a container without a network."""

    def __init__(
        self, sandbox: Sandbox, workspace: Workspace, artifacts: ArtifactSink, runner: Runner, plugin: bytes
    ) -> None:
        self._sandbox = sandbox
        self._workspace = workspace
        self._artifacts = artifacts
        self._runner = runner
        self._plugin = SandboxFile(f"{OURS}/{runner.plugin}", plugin)

    async def run(self, args: RunInput, ctx: Context) -> RunOutput:
        place = self._workspace.locate(ctx.session, args.path)
        project = await self._project(place, ctx)
        targets = self._targets(args, project)
        texts, python = project.texts, await self._sandbox.python()
        wanted = await self._workspace.quickly(lambda: needs(texts, python, tests=True))
        for requirement in self._runner.image.pip:
            wanted.require(requirement)
        tenant = ctx.session.scope.tenant
        image = await self._sandbox.python_image(tenant, wanted.requirements, ctx.progress, Pins(wanted.hashes))
        outcome = await self._sandbox.run(self._job(project, targets, image, args.timeout, ctx))
        return await self._result(project, wanted, outcome, ctx)

    async def _project(self, place: Place, ctx: Context) -> Project:
        top = place.at(await self._workspace.quickly(lambda: top_of(place, self._runner.detect)))
        snapshot = await self._workspace.snapshot(ctx.session, [top.display], max_files=FILES, max_bytes=BYTES)
        start = len(top.relative) + 1 if top.relative else 0
        files = {
            file.path[start:]: SandboxFile(file.path[start:], file.data, file.executable) for file in snapshot.files
        }
        ours = {f"{OURS}/out/{LOG}", *(file.path for file in (self._plugin, *metadata(files)))}
        theirs, odd = beside(files.values(), ours)
        withheld = (*snapshot.withheld, *("/".join(filter(None, (top.relative, line))) for line in odd))
        project = Project(top, place.relative[start:], {file.path: file for file in theirs}, withheld)
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

    def _job(self, project: Project, targets: Sequence[str], image: str, timeout: int, ctx: Context) -> Job:
        argv: list[str] = []
        for word in self._runner.argv:
            argv += targets if word == PATHS else [word]
        ours = (self._plugin, *metadata(project.files))
        environment = {
            "ASTRO_PYTEST_EVENTS": f"{WORKSPACE}/{OURS}/out/{LOG}",
            "PYTHONPATH": ":".join(project.python_path),
        }
        return Job(
            argv=tuple(argv),
            files=(*project.files.values(), *ours),
            timeout=float(timeout),
            env=environment,
            image=image,
            collect=f"{OURS}/out",
            on_output=Watcher(ctx).take,
            tenant=ctx.session.scope.tenant,
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
