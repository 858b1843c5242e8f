"""What came of one linter's run: findings, or why there are none. Silence is never taken for clean."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from itertools import islice
from operator import attrgetter
from typing import Final

from astro_mcp.agents.lint.models import FailedTool, Finding, MissingTool
from astro_mcp.agents.lint.reports import findings
from astro_mcp.agents.lint.sources import FILE
from astro_mcp.errors import ProviderFailed
from astro_mcp.observe.printable import printable
from astro_mcp.packs import REPORT, Linter
from astro_mcp.sandbox.job import Outcome

MOST: Final = 50_000
"""Findings that are kept of one linter; those beyond are counted."""
REPORT_BYTES: Final = 32 * 1024 * 1024
MESSAGE: Final = 2_000


@dataclass(slots=True)
class Report:
    """What came of one linter; findings of one file stand together, files by name."""

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


def report(linter: Linter, outcome: Outcome, files: Set[str]) -> Report:
    """Read what a run on `files` left: a report that is whole, or a failure; silence is never taken for clean.
    Blocks."""
    made = Report(linter.name)
    try:
        if outcome.exit_code not in linter.exit_codes:
            raise ProviderFailed(said(linter, outcome))
        found = findings(linter, left_by(outcome), files)
        made.findings = list(islice(found, MOST))
        made.findings.sort(key=attrgetter("file"))
        made.beyond = sum(1 for _ in found)
        if outcome.exit_code not in linter.clean_codes and not made.findings:
            raise ProviderFailed(f"it found nothing, and did not end well: {said(linter, outcome)}")
        made.ran = True
    except ProviderFailed as error:
        limits = f" (limit: {', '.join(outcome.limits_hit)})" if outcome.limits_hit else ""
        made.failed = FailedTool(tool=linter.name, exit_code=outcome.exit_code, message=error.message + limits)
    return made


def by_file(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    """In the order of files and findings."""
    found: defaultdict[str, list[Finding]] = defaultdict(list)
    for item in findings:
        found[item.file].append(item)
    return dict(found)


def left_by(outcome: Outcome) -> bytes:
    """The report's bytes; raises `ProviderFailed` where there are none, or too many."""
    data = left(outcome, FILE)
    if data is None:
        raise ProviderFailed("it left no report, or one that is too large" if outcome.withheld else "it left no report")
    if len(data) > REPORT_BYTES:
        raise ProviderFailed(f"its report holds {len(data):,} bytes; name fewer paths")
    return data


def left(outcome: Outcome, name: str) -> bytes | None:
    """The file of that name, where it came back."""
    return next((file.data for file in outcome.files if file.path == name), None)


def in_file(linter: Linter) -> bool:
    """Whether it writes its report to a file by itself."""
    return any(REPORT in word for word in linter.argv)


def said(linter: Linter, outcome: Outcome) -> str:
    """Its last words; where its output goes to the report, they may be there."""
    output = None if in_file(linter) else left(outcome, FILE)
    return last_words(outcome, output or b"")


def last_words(outcome: Outcome, output: bytes = b"") -> str:
    text = (outcome.stderr.strip() or outcome.stdout.strip() or output.strip()).decode("utf-8", "replace")
    return printable(text[-MESSAGE:].strip()) or "it said nothing"
