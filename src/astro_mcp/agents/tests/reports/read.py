"""A report by the form that its runner's manifest names."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from astro_mcp.agents.tests.events import Event
from astro_mcp.agents.tests.reports import go, jest, jsonl, junit, libtest
from astro_mcp.runner import Form


def events(form: Form, report: bytes, top: str, files: Collection[str]) -> Iterable[Event | None]:
    """What happened, in order; None for each piece that is no event. `files` lie below the folder `top`. Raises
    `Unreadable`, at the first event, where the whole is none of that form."""
    match form:
        case "jsonl":
            return jsonl.events(report)
        case "junit":
            return junit.events(report)
        case "jest-json":
            return jest.events(report, top)
        case "go-json":
            return go.events(report, files)
        case "libtest":
            return libtest.events(report, top)
