"""Events of what a report says, within their bounds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from astro_mcp.agents.tests.events import MOST_LINES, Event

MESSAGE: Final = 2_000
TRACE: Final = 12_000
PRINTED: Final = 4_000
ID: Final = 4_000
ESCAPE: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Unreadable(Exception):
    """Why a report is none: in the runner's form, or in any."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a test failed: as an error of the test itself, with its place and what was printed."""

    message: str = ""
    trace: str = ""
    file: str = ""
    line: int = 0
    printed: str = ""


NONE: Final = Reason()


def ended(name: str, category: str, seconds: float = 0.0, why: Reason = NONE) -> Iterator[Event]:
    """A test that ran from its begin to its end."""
    name = cut(name, ID)
    yield Event(event="running", id=name)
    yield _report(name, "call", category, seconds, why)
    yield Event(event="finished", id=name)


def broken(name: str, why: Reason, when: str = "collect") -> Event:
    """What is no test, and could not be taken for tests, or not for all of them: a file, a package, a program."""
    return _report(cut(name, ID), when, "error", 0.0, why)


def _report(name: str, when: str, category: str, seconds: float, why: Reason) -> Event:
    return Event(
        event="report",
        id=name,
        when=when,
        category=category[:60],
        seconds=seconds,
        file=cut(why.file, ID),
        line=min(max(why.line, 0), MOST_LINES),
        message=cut(plain(why.message).strip(), MESSAGE),
        trace=cut(plain(why.trace).rstrip(), TRACE),
        stdout=cut(plain(why.printed), PRINTED),
    )


def plain(text: str) -> str:
    """Without colours."""
    return ESCAPE.sub("", text)


def cut(text: str, most: int) -> str:
    """Head and tail, and how much is missing between them."""
    if len(text) <= most:
        return text
    half = most // 2 - 30
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"
