"""Coverage as the caller reads it: of all lines, by file, and of the lines that changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from astro_mcp.agents.tests.changes import Changes
from astro_mcp.agents.tests.covered import Covered
from astro_mcp.agents.tests.models import ChangedCoverage, Coverage, FileCoverage, MissingLines
from astro_mcp.agents.tests.project import Project

FILES = 200
"""Files that are listed, most missing lines first."""
AWAY = "tests started other processes: of those only what was forked and ended by itself counts"
BROKE_OFF = "the run broke off before the lines were written"
ODD = "part of what the tests wrote of their lines is not as our plugin writes it"


def coverage(
    covered: Covered, changes: Changes | None, project: Project, note: str, uncounted: Sequence[str] = ()
) -> Coverage:
    """`note` is why `changes` are not known, "" where they are; `uncounted` what else is in no number."""
    total = sum(map(len, covered.statements.values()))
    ran = sum(map(len, covered.ran.values()))
    files = sorted(covered.statements, key=lambda path: (-len(covered.missing(path)), path))
    notes = [note, AWAY * covered.away, BROKE_OFF * (not covered.whole), ODD * bool(covered.not_understood)]
    notes += uncounted
    return Coverage(
        percent=_percent(ran, total),
        lines=total,
        covered=ran,
        changed=_changed(covered, changes, project) if changes else None,
        files=[_file(path, covered, project) for path in files[:FILES]],
        files_left_out=len(files[FILES:]),
        complete=covered.whole and not (covered.away or covered.not_understood or uncounted),
        notes=[word for word in notes if word],
    )


def _file(path: str, covered: Covered, project: Project) -> FileCoverage:
    lines, missing = len(covered.statements[path]), covered.missing(path)
    percent = _percent(lines - len(missing), lines)
    return FileCoverage(file=project.display(path), percent=percent, lines=lines, missing=ranges(missing))


def _changed(covered: Covered, changes: Changes, project: Project) -> ChangedCoverage:
    """Changed lines that can't run, as comments, count nowhere; nor do files of which no line is known."""
    there = {path: covered.statements_at(path, lines) for path, lines in changes.lines.items()}
    missing = {path: lines - covered.ran.get(path, set()) for path, lines in there.items()}
    total, bad = sum(map(len, there.values())), sum(map(len, missing.values()))
    return ChangedCoverage(
        since=changes.since,
        percent=_percent(total - bad, total),
        lines=total,
        covered=total - bad,
        missing=[
            MissingLines(file=project.display(path), lines=ranges(lines))
            for path, lines in sorted(missing.items())
            if lines
        ],
    )


def _percent(part: int, whole: int) -> float:
    """To two digits; all of nothing is 100."""
    return round(100 * part / whole, 2) if whole else 100.0


def ranges(lines: Iterable[int]) -> str:
    """`3-5, 8`."""
    return ", ".join(f"{first}-{last}" if last > first else str(first) for first, last in _spans(sorted(lines)))


def _spans(lines: list[int]) -> Iterator[tuple[int, int]]:
    first = last = lines[0] if lines else 0
    for line in lines[1:]:
        if line > last + 1:
            yield first, last
            first = line
        last = line
    if lines:
        yield first, last
