"""What `lint_check` does, over every linter that has a manifest."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from typing import Final

import anyio

from astro_mcp.agents.lint.advised import Advised
from astro_mcp.agents.lint.baseline import at_ref
from astro_mcp.agents.lint.by_file import ByFile
from astro_mcp.agents.lint.comparison import are_new, standings
from astro_mcp.agents.lint.copies import Copies
from astro_mcp.agents.lint.memory import Memory, key_of
from astro_mcp.agents.lint.models import CheckInput, CheckOutput, FailedTool, Finding, MissingTool
from astro_mcp.agents.lint.report import Report
from astro_mcp.agents.lint.run import Run
from astro_mcp.agents.lint.sarif import MIME, WrittenFiles, sarif
from astro_mcp.agents.lint.sources import Sources, surveyed, take, wanted, whole, with_names
from astro_mcp.core.call import Context
from astro_mcp.core.ports import ArtifactSink
from astro_mcp.errors import AstroError, Busy, InvalidInput, LimitHit, SandboxUnavailable
from astro_mcp.nearest import nearest
from astro_mcp.packs import Linter
from astro_mcp.sandbox.sandbox import Sandbox
from astro_mcp.workspace.fingerprint import fingerprint
from astro_mcp.workspace.git.repository import Git
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.survey import Survey
from astro_mcp.workspace.workspace import Workspace

MOST: Final = 10_000
"""Findings in one answer; the total counts those beyond."""
LOGS: Final = 4
"""Logs that are kept for the next ones to begin with."""
RANK: Final = {"info": 0, "warning": 1, "error": 2}


class LintWork:
    """On a copy, in containers without a network."""

    def __init__(
        self,
        sandbox: Sandbox,
        workspace: Workspace,
        git: Git,
        artifacts: ArtifactSink,
        linters: Iterable[Linter],
        advised: Advised,
    ) -> None:
        self._sandbox = sandbox
        self._workspace = workspace
        self._git = git
        self._artifacts = artifacts
        self._linters = {linter.name: linter for linter in linters}
        self._memory = Memory()
        self._written: OrderedDict[Hashable, WrittenFiles] = OrderedDict()
        self._by_file = ByFile()
        self._advised = advised
        self._copies = Copies(workspace)

    async def check(self, args: CheckInput, ctx: Context) -> CheckOutput:
        key = key_of(ctx.session, args)
        survey = surveyed()
        if key is None:
            return (await self._check(args, ctx, survey))[0]
        state = await self._fingerprint(args, ctx, survey)
        if (known := self._memory.get(key, state)) is not None:
            return known
        output, lasting = await self._check(args, ctx, survey)
        if lasting:
            self._memory.keep(key, state, output)
        return output

    async def _fingerprint(self, args: CheckInput, ctx: Context, survey: Survey) -> bytes | None:
        """Of all that the linters may read; None where that is not known."""
        linters = self._asked(args.tools) or list(self._linters.values())
        places = self._places(args.paths, ctx)
        wide = any(linter.imports or linter.beside or linter.extends for linter in linters)
        root = [places[0].at("")] if wide and all(place.relative for place in places) else []

        def work() -> bytes | None:
            try:
                return fingerprint([*root, *wanted(places, linters)], survey)
            except LimitHit:  # who copies all of that tells it
                return None

        return await self._workspace.at_length(work, places[0].root)

    async def _check(self, args: CheckInput, ctx: Context, survey: Survey) -> tuple[CheckOutput, bool]:
        """The answer, and whether the same files give the same."""
        sources, chosen = await self.sources(args.paths, args.tools, ctx, survey)
        old = None
        if args.since_ref is not None:  # first, so that no linter runs for the name of no commit
            old = await at_ref(self._git, self._workspace, ctx.session, args.since_ref, sources, chosen)
            sources = replace(sources, withheld=(*sources.withheld, *old.withheld))
        reports = await self.run(chosen, sources, ctx)
        if old is not None:
            reports = await self._compared(old, chosen, sources, reports, ctx)
        uri = await self._keep(reports, sources, ctx)
        return result(args, reports, sources, uri), all(report.lasting for report in reports)

    def _places(self, paths: Sequence[str], ctx: Context) -> list[Place]:
        return [self._workspace.locate(ctx.session, path) for path in paths or ["."]]

    async def _compared(
        self, old: Sources, linters: Sequence[Linter], sources: Sources, reports: Sequence[Report], ctx: Context
    ) -> list[Report]:
        """The reports with what is new told of each finding. Linters run on the commit's files as they did on today's,
        unless these are the same."""
        before = reports if old.files == sources.files else await self.run(linters, old, ctx)
        by_tool = {report.tool: report for report in before}

        def work() -> list[Report]:
            return [compared(report, by_tool[report.tool], sources, old) for report in reports]

        return await self._workspace.at_length(work)

    async def _keep(self, reports: Sequence[Report], sources: Sources, ctx: Context) -> str:
        """The findings as SARIF, kept for the session's scope; returns the artifact's address."""
        files, key = sources.by_path, (ctx.session.scope, sources.places)
        before = self._written.get(key, {})
        data, written = await self._workspace.at_length(lambda: sarif(reports, self._linters, files, before))
        self._written[key] = written
        self._written.move_to_end(key)
        while len(self._written) > LOGS:
            self._written.popitem(last=False)
        return f"astro://artifacts/{await self._artifacts.put(ctx.session.scope, data, MIME, 'lint.sarif')}"

    async def sources(
        self, paths: Sequence[str], tools: Sequence[str], ctx: Context, survey: Survey | None = None
    ) -> tuple[Sources, list[Linter]]:
        """The copy of `paths`, of which `survey` has what lies there, and who looks at it: those named in `tools`, else
        all that fit."""
        survey = survey or surveyed()
        asked = self._asked(tools)
        places = self._places(paths, ctx)
        known = list(self._linters.values())
        taken = await take(self._copies, ctx.session, places, asked or known, survey)
        chosen = asked or await self._workspace.at_length(lambda: taken.fitting(known))
        if not taken.whole:
            taken = await with_names(self._workspace, taken, chosen, survey)
            if any(linter.imports for linter in chosen):
                taken = await whole(self._copies, ctx.session, taken, survey)
        return taken, chosen

    def _asked(self, names: Sequence[str]) -> list[Linter]:
        for name in names:
            if name not in self._linters:
                near = nearest(name, list(self._linters))
                known = f"there are: {', '.join(self._linters)}"
                raise InvalidInput(f"no linter is named {name[:60]!r}", f"did you mean {near}?" if near else known)
        return [self._linters[name] for name in dict.fromkeys(names)]

    async def run(self, linters: Sequence[Linter], sources: Sources, ctx: Context) -> list[Report]:
        """Their reports, by name. All run at once; the first error that is no linter's own is raised when all ended."""
        reports: list[Report] = []
        broken: list[AstroError] = []
        run = Run(self._sandbox, self._workspace, self._by_file, self._advised, sources, ctx)

        async def one(linter: Linter) -> None:
            try:
                reports.append(await run.linter(linter))
            except (SandboxUnavailable, Busy) as error:
                broken.append(error)
            except AstroError as error:
                missing = MissingTool(tool=linter.name, reason=error.message, install_hint=linter.install_hint)
                reports.append(Report(linter.name, missing=missing))

        async with anyio.create_task_group() as group:
            for linter in linters:
                group.start_soon(one, linter)
        if broken:
            raise broken[0]
        return sorted(reports, key=lambda report: report.tool)


def compared(report: Report, before: Report, sources: Sources, old: Sources) -> Report:
    """`report` with `new` set in each finding; where there is nothing to compare with, all are new, and it is told."""
    missed = before.failed.message if before.failed else before.missing.reason if before.missing else ""
    flags = are_new(standings(report.findings, sources.by_path), standings(before.findings, old.by_path))
    findings = [item.model_copy(update={"new": new}) for item, new in zip(report.findings, flags, strict=True)]
    failed = report.failed
    if report.ran and failed is None and (missed or before.beyond):
        why = missed or f"it found {before.beyond:,} more than are compared"
        failed = FailedTool(tool=report.tool, exit_code=0, message=f"not compared with all that was there: {why}")
    return replace(report, findings=findings, failed=failed)


def result(args: CheckInput, reports: Sequence[Report], sources: Sources, uri: str) -> CheckOutput:
    """One answer of all reports, in the order of files and lines."""
    least = RANK[args.min_severity]
    found = [item for report in reports for item in report.findings if RANK[item.severity] >= least]
    kept = [item for item in found if item.new is not False]
    kept.sort(key=lambda item: (item.file, item.line, item.column, item.tool, item.rule))
    beyond = sum(report.beyond for report in reports)
    names = {file: sources.display(file) for file in {item.file for item in kept[:MOST]}}
    return CheckOutput(
        items=[shown(item, names[item.file]) for item in kept[:MOST]],
        total=len(kept) + beyond,
        truncated=len(kept) > MOST or beyond > 0,
        tools_run=[report.tool for report in reports if report.ran],
        missing_tools=[report.missing for report in reports if report.missing],
        failed_tools=[report.failed for report in reports if report.failed],
        left_out=[*sources.withheld, *sorted({line for report in reports for line in report.left_out})],
        known=None if args.since_ref is None else len(found) - len(kept),
        sarif_uri=uri,
    )


def shown(item: Finding, name: str) -> Finding:
    """With the file by the name that the session can pass on."""
    return item if item.file == name else item.model_copy(update={"file": name})
