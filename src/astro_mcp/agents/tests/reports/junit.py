"""JUnit's XML, as ctest and many others write it. A document type is refused, and with it all entities."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat  # a document type, which all of its dangers need, is refused below

from astro_mcp.agents.tests.events import Event
from astro_mcp.agents.tests.reports import made
from astro_mcp.agents.tests.reports.made import Reason, Unreadable

DEEPEST: Final = 30
MOST_TEXT: Final = 100_000
TOPS: Final = frozenset({"testsuites", "testsuite"})
TEXTS: Final = frozenset({"failure", "error", "skipped", "system-out", "system-err"})
MEANT: Final = ("SKIP_RETURN_CODE", "SKIP_REGULAR_EXPRESSION")
"""How ctest begins to tell of a test that skipped itself; one that it could not start reads as skipped too."""


@dataclass(slots=True)
class Case:
    """One `testcase`; of each element in it, its message and its text."""

    about: dict[str, str]
    said: dict[str, tuple[str, list[str]]] = field(default_factory=dict)

    def text(self, element: str) -> str:
        return "".join(self.said[element][1]) if element in self.said else ""


def events(report: bytes) -> Iterator[Event]:
    """Raises `Unreadable`."""
    reader = _Reader()
    try:
        reader.parser.Parse(report, True)
    except expat.ExpatError as error:
        raise Unreadable(f"no XML: {error}") from None
    yield Event(event="start")
    for case in reader.cases:
        yield from _test(case)
    yield Event(event="end")


class _Reader:
    def __init__(self) -> None:
        self.cases: list[Case] = []
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self._open: list[str] = []
        self._room = 0

    def _doctype(self, *_: object) -> None:
        raise Unreadable("it has a document type, and reports have none")

    def _start(self, name: str, about: dict[str, str]) -> None:
        if not self._open and name not in TOPS:
            raise Unreadable(f"it begins with <{name[:60]}>, and not with <testsuite>")
        if len(self._open) >= DEEPEST:
            raise Unreadable(f"its elements are nested more than {DEEPEST} deep")
        self._open.append(name)
        if name == "testcase":
            self.cases.append(Case(about))
        elif self._inside() and name in TEXTS:
            self.cases[-1].said.setdefault(name, (about.get("message", ""), []))
            self._room = MOST_TEXT

    def _end(self, _: str) -> None:
        self._open.pop()

    def _text(self, data: str) -> None:
        if self._inside() and self._open[-1] in TEXTS and self._room > 0:
            self.cases[-1].said[self._open[-1]][1].append(data[: self._room])
            self._room -= len(data)

    def _inside(self) -> bool:
        return "testcase" in self._open[-2:-1]


def _test(case: Case) -> Iterator[Event]:
    printed = "\n".join(filter(None, (case.text("system-out"), case.text("system-err"))))
    category = _category(case)
    why = made.NONE
    if category in ("failed", "error"):
        element = next((name for name in ("failure", "error", "skipped") if name in case.said), "")
        message = case.said[element][0] if element else ""
        trace = case.text(element)
        file, line = case.about.get("file", ""), case.about.get("line", "")
        number = int(line) if line.isascii() and line.isdigit() and len(line) < 10 else 0
        why = Reason(message or trace.strip().split("\n")[0] or "failed", trace, file, number, printed)
    yield from made.ended(_name(case), category, _seconds(case.about.get("time", "")), why)


def _category(case: Case) -> str:
    status, skipped = case.about.get("status", ""), case.said.get("skipped")
    if "error" in case.said:
        return "error"
    if "failure" in case.said or status == "fail":
        return "failed"
    if status == "notrun" and not (skipped and skipped[0].startswith(MEANT)):
        return "error"
    return "skipped" if skipped or status in ("disabled", "notrun") else "passed"


def _name(case: Case) -> str:
    name, suite = case.about.get("name", ""), case.about.get("classname", "")
    return f"{suite}::{name}" if suite and suite != name else name


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        return 0.0
    return seconds if math.isfinite(seconds) else 0.0
