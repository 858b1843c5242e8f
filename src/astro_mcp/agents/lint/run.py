"""One linter's run in the sandbox."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Final

import anyio

from astro_mcp.agents.lint.images import Images, LinterImage
from astro_mcp.agents.lint.models import FailedTool, Finding, MissingTool
from astro_mcp.agents.lint.reports import findings
from astro_mcp.agents.lint.sources import FILE, FOLDER, Sources
from astro_mcp.core.call import Context
from astro_mcp.errors import ProviderFailed
from astro_mcp.observe.printable import printable
from astro_mcp.packs import CONFIG, PATHS, REPORT, Linter
from astro_mcp.sandbox.job import Job, Outcome
from astro_mcp.sandbox.sandbox import Sandbox
from astro_mcp.sandbox.standing import Key
from astro_mcp.workspace.workspace import Workspace

SECONDS: Final = 300.0
MOST: Final = 50_000
"""Findings that are kept of one linter; those beyond are counted."""
REPORT_BYTES: Final = 32 * 1024 * 1024
MESSAGE: Final = 2_000
AT_ONCE: Final = max(2, min(4, os.cpu_count() or 2))
"""Linters of one call that run, or have their images made, at once."""
PLACE: Final = f"{FOLDER}/{FILE}"
TO_FILE: Final = ("sh", "-c", f'exec "$@" >{PLACE}', "sh")
"""Before the argv of a linter that reports on its output: that is bounded, and a report cut short is none."""


@dataclass(slots=True)
class Report:
    """What came of one linter."""

    tool: str
    ran: bool = False
    findings: list[Finding] = field(default_factory=list)
    beyond: int = 0
    missing: MissingTool | None = None
    failed: FailedTool | None = None
    left_out: tuple[str, ...] = ()
    """Packages of the project that it went without, and why."""
    lasting: bool = True
    """Whether the same files give the same, as far as can be told."""


class Run:
    """Runs linters on one copy, a few at a time."""

    def __init__(self, sandbox: Sandbox, workspace: Workspace, sources: Sources, ctx: Context) -> None:
        self._sandbox = sandbox
        self._workspace = workspace
        self._sources = sources
        self._ctx = ctx
        self._places = anyio.CapacityLimiter(AT_ONCE)
        self._steps = count(1)
        self._images = Images(sandbox, workspace, ctx, self._step)

    async def linter(self, linter: Linter) -> Report:
        """Run `linter`; raises what the image and the container raise."""
        paths = self._sources.arguments(linter)
        if not paths:
            return Report(linter.name)
        async with self._places:
            key = Key(self._ctx.session.scope, self._sources.places[0].root, linter.name)
            standing = self._sandbox.standing(key) if linter.reads_only else None
            image = LinterImage(standing) if standing else await self._images.of(linter, self._sources)
            job = await self._workspace.quickly(lambda: self._job(linter, paths, image.tag))
            await self._step(0, None, f"{linter.name}: running")
            outcome = await (self._sandbox.again(key, job) if linter.reads_only else self._sandbox.run(job))
        made = await self._workspace.at_length(lambda: report(linter, outcome))
        made.lasting, made.left_out = image.lasting, image.left_out
        if linter.imports:  # what it imports is checked too, and nobody asked for that
            made.findings = [item for item in made.findings if self._sources.asked(item.file)]
        return made

    def _job(self, linter: Linter, paths: Sequence[str], image: str) -> Job:
        argv: list[str] = [] if in_file(linter) else list(TO_FILE)
        for word in linter.argv:
            if CONFIG in word:
                argv += [word.replace(CONFIG, path) for path in self._sources.settings(linter)]
            else:
                argv += paths if word == PATHS else [word.replace(REPORT, PLACE)]
        tenant = self._ctx.session.scope.tenant
        return Job(
            tuple(argv),
            files=self._sources.files,
            timeout=SECONDS,
            env=linter.env,
            image=image,
            collect=FOLDER,
            tenant=tenant,
        )

    async def _step(self, done: float, total: float | None, text: str) -> None:
        """Linters tell what they do at the same time, so that each one's own count says nothing."""
        await self._ctx.progress(next(self._steps), None, text)


def report(linter: Linter, outcome: Outcome) -> Report:
    """Read what a run left: a report that is whole, or a failure; silence is never taken for clean. Blocks."""
    made = Report(linter.name)
    try:
        if outcome.exit_code not in linter.exit_codes:
            raise ProviderFailed(said(linter, outcome))
        found = findings(linter, left_by(outcome))
        made.findings = list(islice(found, MOST))
        made.beyond = sum(1 for _ in found)
        if outcome.exit_code not in linter.clean_codes and not made.findings:
            raise ProviderFailed(f"it found nothing, and did not end well: {said(linter, outcome)}")
        made.ran = True
    except ProviderFailed as error:
        limits = f" (limit: {', '.join(outcome.limits_hit)})" if outcome.limits_hit else ""
        made.failed = FailedTool(tool=linter.name, exit_code=outcome.exit_code, message=error.message + limits)
    return made


def left_by(outcome: Outcome) -> bytes:
    """The report's bytes; raises `ProviderFailed` where there are none, or too many."""
    data = next((file.data for file in outcome.files if file.path == FILE), None)
    if data is None:
        raise ProviderFailed("it left no report, or one that is too large" if outcome.withheld else "it left no report")
    if len(data) > REPORT_BYTES:
        raise ProviderFailed(f"its report holds {len(data):,} bytes; name fewer paths")
    return data


def in_file(linter: Linter) -> bool:
    """Whether it writes its report to a file by itself."""
    return any(REPORT in word for word in linter.argv)


def said(linter: Linter, outcome: Outcome) -> str:
    """Its last words; where its output goes to the report, they may be there."""
    output = b"" if in_file(linter) else next((file.data for file in outcome.files if file.path == FILE), b"")
    return last_words(outcome, output)


def last_words(outcome: Outcome, output: bytes = b"") -> str:
    text = (outcome.stderr.strip() or outcome.stdout.strip() or output.strip()).decode("utf-8", "replace")
    return printable(text[-MESSAGE:].strip()) or "it said nothing"
