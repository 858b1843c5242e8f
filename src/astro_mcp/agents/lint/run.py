"""One linter's run in the sandbox."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from astro_mcp.agents.lint.models import FailedTool, Finding, MissingTool
from astro_mcp.agents.lint.reports import findings
from astro_mcp.agents.lint.sources import FILE, FOLDER, Sources
from astro_mcp.core.call import Context
from astro_mcp.errors import ProviderFailed
from astro_mcp.observe.printable import printable
from astro_mcp.packs import PATHS, REPORT, Linter
from astro_mcp.sandbox.job import Job, Outcome
from astro_mcp.sandbox.sandbox import Sandbox
from astro_mcp.workspace.workspace import Workspace

SECONDS: Final = 300.0
MOST: Final = 50_000
"""Findings that are kept of one linter; those beyond are counted."""
REPORT_BYTES: Final = 32 * 1024 * 1024
MESSAGE: Final = 2_000


@dataclass(slots=True)
class Report:
    """What came of one linter."""

    tool: str
    ran: bool = False
    findings: list[Finding] = field(default_factory=list)
    beyond: int = 0
    missing: MissingTool | None = None
    failed: FailedTool | None = None


class Run:
    """Runs linters on one copy."""

    def __init__(self, sandbox: Sandbox, workspace: Workspace, sources: Sources) -> None:
        self._sandbox = sandbox
        self._workspace = workspace
        self._sources = sources

    async def linter(self, linter: Linter, ctx: Context) -> Report:
        """Run `linter`; raises what the image and the container raise."""
        paths = self._sources.arguments(linter)
        if not paths:
            return Report(linter.name)
        image = await self._sandbox.python_image(ctx.session.scope.tenant, linter.image.pip, ctx.progress)
        argv: list[str] = []
        for word in linter.argv:
            argv += paths if word == PATHS else [word.replace(REPORT, f"{FOLDER}/{FILE}")]
        tenant = ctx.session.scope.tenant
        job = Job(tuple(argv), files=self._sources.files, timeout=SECONDS, image=image, collect=FOLDER, tenant=tenant)
        outcome = await self._sandbox.run(job)
        return await self._workspace.at_length(lambda: report(linter, outcome))


def report(linter: Linter, outcome: Outcome) -> Report:
    """Read what a run left: a report that is whole, or a failure; silence is never taken for clean. Blocks."""
    made = Report(linter.name)
    try:
        if outcome.exit_code not in linter.exit_codes:
            raise ProviderFailed(last_words(outcome))
        found = findings(linter, left_by(linter, outcome))
        made.findings = list(islice(found, MOST))
        made.beyond = sum(1 for _ in found)
        if outcome.exit_code and not made.findings:
            raise ProviderFailed(f"it found nothing, and did not end well: {last_words(outcome)}")
        made.ran = True
        if "output" in outcome.limits_hit and not in_file(linter):
            raise ProviderFailed("it found more than its output may hold; the rest is missing")
    except ProviderFailed as error:
        limits = f" (limit: {', '.join(outcome.limits_hit)})" if outcome.limits_hit else ""
        made.failed = FailedTool(tool=linter.name, exit_code=outcome.exit_code, message=error.message + limits)
    return made


def left_by(linter: Linter, outcome: Outcome) -> bytes:
    """The report's bytes; raises `ProviderFailed` where there are none, or too many."""
    if not in_file(linter):
        return outcome.stdout
    data = next((file.data for file in outcome.files if file.path == FILE), None)
    if data is None:
        raise ProviderFailed("it left no report, or one that is too large" if outcome.withheld else "it left no report")
    if len(data) > REPORT_BYTES:
        raise ProviderFailed(f"its report holds {len(data):,} bytes; name fewer paths")
    return data


def in_file(linter: Linter) -> bool:
    return any(REPORT in word for word in linter.argv)


def last_words(outcome: Outcome) -> str:
    text = (outcome.stderr.strip() or outcome.stdout.strip()).decode("utf-8", "replace")
    return printable(text[-MESSAGE:].strip()) or "it said nothing"
