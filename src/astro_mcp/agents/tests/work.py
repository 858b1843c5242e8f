"""What `test_run` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from astro_mcp.agents.tests import counting, covered
from astro_mcp.agents.tests.choice import Choice
from astro_mcp.agents.tests.choosing import Choosing
from astro_mcp.agents.tests.copying import Copying
from astro_mcp.agents.tests.covering import Covering
from astro_mcp.agents.tests.events import Tally
from astro_mcp.agents.tests.flaky import Flaky
from astro_mcp.agents.tests.history import History
from astro_mcp.agents.tests.images import Image, Images
from astro_mcp.agents.tests.metadata import COMMANDS
from astro_mcp.agents.tests.models import RunInput, RunOutput
from astro_mcp.agents.tests.progress import Watcher
from astro_mcp.agents.tests.project import OURS, WORKSPACE, Project
from astro_mcp.agents.tests.report import nothing, nothing_ran, output
from astro_mcp.agents.tests.reports.made import Unreadable
from astro_mcp.agents.tests.reports.read import events
from astro_mcp.agents.tests.selection import Selection, told
from astro_mcp.agents.tests.targets import command, environment
from astro_mcp.core.call import Context
from astro_mcp.core.ports import ArtifactSink
from astro_mcp.errors import NotFound, Unavailable, Unsupported
from astro_mcp.observe.printable import printable
from astro_mcp.runner import Runner
from astro_mcp.sandbox.job import PROGRAMS, Job, Outcome, SandboxFile
from astro_mcp.sandbox.sandbox import Sandbox
from astro_mcp.workspace.git.repository import Git
from astro_mcp.workspace.workspace import Workspace

SHARED: Final = "astro_impact"
"""The module that our plugins of pytest share, beside the one that reports."""
MIME: Final = {
    "jsonl": "application/x-ndjson",
    "go-json": "application/x-ndjson",
    "jest-json": "application/json",
    "junit": "application/xml",
    "libtest": "text/plain",
}


@dataclass(frozen=True, slots=True)
class Run:
    """One call's project, its runner, what of it is meant, the image that it runs in, and what has a runner of
    JavaScript count lines."""

    choice: Choice
    project: Project
    selection: Selection
    image: Image
    counting: Sequence[str] = ()

    @property
    def runner(self) -> Runner:
        return self.choice.runner


class TestsWork:
    """On a copy of the project, in a container without a network."""

    def __init__(
        self,
        sandbox: Sandbox,
        workspace: Workspace,
        git: Git,
        history: History,
        artifacts: ArtifactSink,
        runners: Sequence[Runner],
        modules: Mapping[str, bytes],
    ) -> None:
        """`modules` are the pack's files for the sandbox, by name."""
        self._sandbox = sandbox
        self._workspace = workspace
        self._history = history
        self._artifacts = artifacts
        self._runners = runners
        self._modules = modules
        self._copying = Copying(workspace, runners, modules)
        self._covering = Covering(history, git, workspace)
        self._choosing = Choosing(history, git, workspace)
        self._images = Images(sandbox, workspace)

    async def run(self, args: RunInput, ctx: Context) -> RunOutput:
        place = self._workspace.locate(ctx.session, args.path)
        choice = await self._copying.choice(args, place)
        project = await self._copying.project(place, choice, ctx.session)
        if args.coverage and not counting.counts(choice.runner):
            listed = ", ".join(runner.name for runner in self._runners if counting.counts(runner))
            raise Unsupported(f"lines are counted for {listed}, and not for {choice.runner.name}", "leave coverage out")
        selection = await self._choosing.choose(args, choice.runner, project, ctx.session)
        if selection.nothing:
            return self._of(choice, nothing(selection.nothing))
        base = await self._covering.base(args, project, ctx.session) if args.coverage else None
        plugins = [covered.PLUGIN] if args.coverage and choice.runner.selects else []
        more = [covered.NEEDS] if plugins else []
        image = await self._images.of(choice.runner, project, more, ctx, counts=args.coverage)
        words: Sequence[str] = ()
        if args.coverage:
            words = await self._workspace.quickly(lambda: counting.words(choice.runner, project, image.npm))
        run = Run(choice, project, selection, image, words)
        outcome = await self._sandbox.run(self._job(run, [*selection.plugins(), *plugins], args.timeout, ctx))
        tally = await self._tally(run, outcome)
        result = self._of(choice, await self._result(run, outcome, tally, ctx))
        if base is not None:
            result.coverage = await self._covering.tell(
                args, base, choice.runner, project, selection, outcome, ctx.session
            )
        if args.reruns and result.failures:
            await self._judge(run, args, result, ctx)
        return result

    @staticmethod
    def _of(choice: Choice, result: RunOutput) -> RunOutput:
        result.runner, result.other_runners = choice.runner.name, list(choice.others)
        return result

    async def _judge(self, whole: Run, args: RunInput, result: RunOutput, ctx: Context) -> None:
        """Say of each failure whether it is one alone; as many seconds as the run itself may take."""

        async def run(part: Selection, seconds: float) -> Outcome:
            alone = replace(whole, selection=part, counting=())
            job = self._job(alone, part.plugins(), min(float(args.timeout), seconds), ctx)
            return await self._sandbox.run(replace(job, on_output=None))

        async def read(outcome: Outcome, part: Selection) -> Tally:
            return await self._tally(replace(whole, selection=part), outcome)

        total = result.counts.total
        flaky = Flaky(whole.runner, whole.project, whole.selection, total, run, read, ctx.progress)
        await flaky.tell(result, args.reruns, args.timeout)

    def _job(self, run: Run, plugins: Sequence[str], timeout: float, ctx: Context) -> Job:
        runner, project, selection = run.runner, run.project, run.selection
        report = f"{WORKSPACE}/{OURS}/out/{runner.log}"
        environ = environment(runner, report)
        if runner.packages == "pypi":
            environ["PYTHONPATH"] = ":".join(project.python_path)
            environ["PATH"] = f"{PROGRAMS}:{WORKSPACE}/{COMMANDS}"
        options = [word for plugin in plugins for word in ("-p", plugin)]
        names = [*(f"{module}.py" for module in (*plugins, SHARED) if plugins), *selection.starter]
        names += [runner.coverage.module] if runner.coverage and run.counting else []
        modules = [SandboxFile(f"{OURS}/{name}", self._modules[name]) for name in names]
        ours = (*self._copying.ours(runner, project.files), *selection.files(), *modules)
        return Job(
            argv=selection.started(command(runner, [*options, *selection.targets], report, run.counting)),
            files=(*project.files.values(), *ours),
            timeout=timeout,
            env=environ,
            image=run.image.name,
            collect=f"{OURS}/out",
            on_output=Watcher(ctx, runner.report.finished).take,
            tenant=ctx.session.scope.tenant,
        )

    async def _result(self, run: Run, outcome: Outcome, tally: Tally, ctx: Context) -> RunOutput:
        runner, log = run.runner, _log(run, outcome)
        chosen = told(outcome) if run.selection.asked else None
        none_chosen = chosen is not None and not log and not chosen.reasons and outcome.exit_code == 0
        if chosen is not None and (none_chosen or nothing_ran(tally, outcome, runner)):
            return nothing(chosen.none())
        if run.selection.only and tally.ended and not tally.counts:
            raise NotFound(
                f"{runner.name} ran none of the tests that were asked for", f"ids read like {runner.ids.example}"
            )
        result = output(run.project, tally, outcome, runner)
        result.left_out = [*run.image.left_out, *run.project.withheld]
        if chosen is not None:
            result.selected = chosen.chosen()
            result.left_out += [f"{test} (there is no such test any more)" for test in chosen.missing]
        if log:
            mime = MIME[runner.report.format]
            sha256 = await self._artifacts.put(ctx.session.scope, log, mime, runner.log)
            result.artifact = f"astro://artifacts/{sha256}"
        await self._history.remember(ctx.session.scope, run.project.key, tally, result)
        return result

    async def _tally(self, run: Run, outcome: Outcome) -> Tally:
        """Raises `Unavailable` where there is a report that is none of this runner's."""
        log, form, files = _log(run, outcome), run.runner.report.format, run.project.files.keys()
        selection = run.selection
        if not log:
            return Tally()
        try:
            return await self._workspace.at_length(
                lambda: Tally.of(events(form, log, WORKSPACE, files), selection.only, selection.within)
            )
        except Unreadable as reason:
            if outcome.limits_hit:  # half a report is what is to be expected
                return Tally()
            raise Unavailable(
                f"{run.runner.name}'s report can't be read: {printable(str(reason), 300)}",
                "the tests wrote over it, or the runner ended while it did",
                retryable=False,
            ) from None


def _log(run: Run, outcome: Outcome) -> bytes:
    return next((file.data for file in outcome.files if file.path == run.runner.log), b"")
