"""Our own events, a JSON line each: what the files below `resources/sandbox/` make runners write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pydantic import ValidationError

from astro_mcp.agents.tests.events import Event
from astro_mcp.agents.tests.reports.halves import parsed

LINE: Final = 200_000


def events(report: bytes) -> Iterator[Event | None]:
    """Each line's event; None for a line that is none."""
    for line in filter(None, report.split(b"\n")):
        try:
            yield parsed(Event, line if len(line) <= LINE else b"")
        except ValidationError:
            yield None
