"""What `test_run` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from astro_mcp.agents.tests import covered
from astro_mcp.agents.tests.choosing import Choosing
from astro_mcp.agents.tests.covering import Covering
from astro_mcp.agents.tests.events import Tally
from astro_mcp.agents.tests.flaky import Flaky
from astro_mcp.agents.tests.history import History, past
from astro_mcp.agents.tests.models import RunInput, RunOutput
from astro_mcp.agents.tests.progress import Watcher
from astro_mcp.agents.tests.project import OURS, WORKSPACE, Project, metadata, top_of
from astro_mcp.agents.tests.report import LOG, NO_TESTS, nothing, output
from astro_mcp.agents.tests.selection import SELECTION, Selection, told
from astro_mcp.core.call import Context
from astro_mcp.core.ports import ArtifactSink
from astro_mcp.errors import NotFound
from astro_mcp.packs import PATHS, Runner
from astro_mcp.sandbox.job import Job, Outcome, SandboxFile, beside
from astro_mcp.sandbox.packages.order import Pins
from astro_mcp.sandbox.packages.project_needs import needs
from astro_mcp.sandbox.packages.wanted import Wanted
from astro_mcp.sandbox.sandbox import Sandbox
from astro_mcp.workspace.git.repository import Git
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.workspace import Workspace

FILES: Final = 20_000
SHARED: Final = "astro_impact"
"""The module that our plugins share, beside the one that reports."""
BYTES: Final = 128 * 1024 * 1024


class TestsWork:
    """On a copy of the project, in a container without a network."""

    def __init__(
        self,
        sandbox: Sandbox,
        workspace: Workspace,
        git: Git,
        history: History,
        artifacts: ArtifactSink,
        runner: Runner,
        modules: Mapping[str, bytes],
    ) -> None:
        """`modules` are the pack's Python files for the sandbox, by name."""
        self._sandbox = sandbox
        self._workspace = workspace
        self._history = history
        self._artifacts = artifacts
        self._runner = runner
        self._modules = modules
        self._plugin = SandboxFile(f"{OURS}/{runner.plugin}", modules[runner.plugin])
        self._covering = Covering(history, git, workspace)
        self._choosing = Choosing(history, git, workspace)

    async def run(self, args: RunInput, ctx: Context) -> RunOutput:
        place = self._workspace.locate(ctx.session, args.path)
        project = await self._project(place, ctx)
        selection = await self._choosing.choose(args, project, ctx.session)
        if selection.nothing:
            return nothing(selection.nothing)
        base = await self._covering.base(args, project, ctx.session) if args.coverage else None
        texts, python = project.texts, await self._sandbox.python()
        wanted = await self._workspace.quickly(lambda: needs(texts, python, tests=True))
        for requirement in (*self._runner.image.pip, *([covered.NEEDS] if args.coverage else [])):
            wanted.require(requirement)
        tenant = ctx.session.scope.tenant
        image = await self._sandbox.python_image(tenant, wanted.requirements, ctx.progress, Pins(wanted.hashes))
        plugins = [*selection.plugins(), *([covered.PLUGIN] if args.coverage else [])]
        outcome = await self._sandbox.run(self._job(project, selection, plugins, image, args.timeout, ctx))
        tally = await self._tally(outcome)
        result = await self._result(project, selection, wanted, outcome, tally, ctx)
        if base is not None:
            result.coverage = await self._covering.tell(args, base, project, selection, outcome, ctx.session)
        if args.reruns and result.failures:
            await self._judge(project, selection, image, args, result, ctx)
        return result

    async def _judge(
        self, project: Project, selection: Selection, image: str, args: RunInput, result: RunOutput, ctx: Context
    ) -> None:
        """Say of each failure whether it is one alone; as many seconds as the run itself may take."""

        async def run(part: Selection, seconds: float) -> Outcome:
            job = self._job(project, part, part.plugins(), image, min(float(args.timeout), seconds), ctx)
            return await self._sandbox.run(replace(job, on_output=None))

        flaky = Flaky(project, selection, result.counts.total, run, self._tally, ctx.progress)
        found = await flaky.judge([failure.id for failure in result.failures], args.reruns, args.timeout)
        for failure in result.failures:
            if failure.id in found:
                failure.verdict, failure.alone = found[failure.id].verdict, found[failure.id].text()
        result.flaky = sorted(test for test, alone in found.items() if alone.verdict == "flaky")

    async def _project(self, place: Place, ctx: Context) -> Project:
        top = place.at(await self._workspace.quickly(lambda: top_of(place, self._runner.detect)))
        snapshot = await self._workspace.snapshot(ctx.session, [top.display], max_files=FILES, max_bytes=BYTES)
        start = len(top.relative) + 1 if top.relative else 0
        files = {
            file.path[start:]: SandboxFile(file.path[start:], file.data, file.executable) for file in snapshot.files
        }
        modules = (f"{OURS}/{name}" for name in (*self._modules, SELECTION))
        ours = {f"{OURS}/out/{LOG}", *modules, *(file.path for file in metadata(files))}
        theirs, odd = beside(files.values(), ours)
        withheld = (*snapshot.withheld, *("/".join(filter(None, (top.relative, line))) for line in odd))
        project = Project(top, place.relative[start:], {file.path: file for file in theirs}, withheld)
        below = f"{project.target}/" if project.target else ""
        if not any(path == project.target or path.startswith(below) for path in files):
            raise NotFound(f"there is nothing to test at {place.display}", "fs_list shows what there is")
        return project

    def _job(
        self,
        project: Project,
        selection: Selection,
        plugins: Sequence[str],
        image: str,
        timeout: float,
        ctx: Context,
    ) -> Job:
        argv: list[str] = []
        options = [word for plugin in plugins for word in ("-p", plugin)]
        for word in self._runner.argv:
            argv += [*options, *selection.targets] if word == PATHS else [word]
        names = [f"{module}.py" for module in (*plugins, SHARED)] if plugins else []
        modules = [SandboxFile(f"{OURS}/{name}", self._modules[name]) for name in names]
        ours = (self._plugin, *metadata(project.files), *selection.files(), *modules)
        environment = {
            "ASTRO_PYTEST_EVENTS": f"{WORKSPACE}/{OURS}/out/{LOG}",
            "PYTHONPATH": ":".join(project.python_path),
        }
        return Job(
            argv=tuple(argv),
            files=(*project.files.values(), *ours),
            timeout=timeout,
            env=environment,
            image=image,
            collect=f"{OURS}/out",
            on_output=Watcher(ctx).take,
            tenant=ctx.session.scope.tenant,
        )

    async def _result(
        self, project: Project, selection: Selection, wanted: Wanted, outcome: Outcome, tally: Tally, ctx: Context
    ) -> RunOutput:
        log = _log(outcome)
        chosen = told(outcome) if selection.asked else None
        if chosen is not None and outcome.exit_code == NO_TESTS and not tally.counts:
            return nothing(chosen.none())
        result = output(project, tally, outcome, self._runner)
        result.left_out = [*wanted.left_out, *project.withheld]
        if chosen is not None:
            result.selected = chosen.chosen()
            result.left_out += [f"{test} (there is no such test any more)" for test in chosen.missing]
        if log:
            sha256 = await self._artifacts.put(ctx.session.scope, log, "application/x-ndjson", LOG)
            result.artifact = f"astro://artifacts/{sha256}"
        await self._remember(project, tally, result, ctx)
        return result

    async def _tally(self, outcome: Outcome) -> Tally:
        log = _log(outcome)
        return await self._workspace.at_length(lambda: Tally.of(log))

    async def _remember(self, project: Project, tally: Tally, result: RunOutput, ctx: Context) -> None:
        """Keep what became of each test, and tell of those that failed how they did before."""
        outcomes = tally.known()
        if not outcomes:
            return
        scope = ctx.session.scope
        left_out = await self._history.add(scope, project.key, outcomes)
        if left_out:
            result.left_out.append(f"the history of {left_out} tests (there are too many to keep)")
        runs = await self._history.last(scope, project.key)
        found = past(runs, {failure.id for failure in result.failures})
        for failure in result.failures:
            if failure.id in found and found[failure.id].runs > 1:
                failure.history = found[failure.id].text()


def _log(outcome: Outcome) -> bytes:
    return next((file.data for file in outcome.files if file.path == LOG), b"")
