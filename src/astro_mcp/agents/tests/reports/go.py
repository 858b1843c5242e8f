"""`go test -json` (cmd/test2json): an event a line, each of a package or of a test in it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from astro_mcp.agents.tests.events import Event
from astro_mcp.agents.tests.reports import made
from astro_mcp.agents.tests.reports.made import Reason

LINE: Final = 200_000
KEPT: Final = 16_000
"""Characters of a test's, or a package's, output."""
CATEGORIES: Final = {"pass": "passed", "fail": "failed", "skip": "skipped"}
MESSAGE_LINES: Final = 5
CUT_OFF: Final = "its package ended before it did"
DEEPEST: Final = 100
"""Folders of a package in which its files are looked for."""
FRAMING: Final = re.compile(r"^\s*(=== |--- (PASS|FAIL|SKIP|BENCH): |(FAIL|PASS|ok|exit status \d+)(\s|$))")
PLACE: Final = re.compile(r"(?:^|[\s/])([\w.-]+\.go):(\d{1,8})(?::\d+)?(?::|\s|$)", re.MULTILINE)

Text = Annotated[str, StringConstraints(max_length=100_000)]


class Line(BaseModel):
    """One event. `elapsed` is in seconds; of a build only `build` is there, and not `package`."""

    model_config = ConfigDict(extra="ignore", defer_build=True, frozen=True, hide_input_in_errors=True)

    action: Text = Field(alias="Action")
    package: Text = Field("", alias="Package")
    test: Text = Field("", alias="Test")
    output: Text = Field("", alias="Output")
    elapsed: float = Field(0.0, alias="Elapsed")
    build: Text = Field("", alias="ImportPath")
    failed_build: Text = Field("", alias="FailedBuild")


def events(report: bytes, files: Collection[str]) -> Iterator[Event | None]:
    """Each line's events; None for a line that is none. `files` are the project's, by which a place is found."""
    reader = _Reader(files)
    for data in filter(None, report.split(b"\n")):
        try:
            line = Line.model_validate_json(data if len(data) <= LINE else b"")
        except ValidationError:
            yield None
            continue
        yield from reader.take(line)
    if reader.began and not reader.open:
        yield Event(event="end")


class _Reader:
    def __init__(self, files: Collection[str]) -> None:
        self._files = files
        self._said: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._room: dict[tuple[str, str], int] = defaultdict(lambda: KEPT)
        self._told: set[str] = set()
        self._running: dict[str, dict[str, None]] = defaultdict(dict)
        self.began = False
        self.open: set[str] = set()

    def take(self, line: Line) -> Iterator[Event]:
        if not self.began:
            self.began = True
            yield Event(event="start")
        key = (line.package or line.build, line.test)
        match line.action:
            case "start":
                self.open.add(line.package)
            case "run":
                self._running[line.package][line.test] = None
                yield Event(event="running", id=_id(line.package, line.test))
            case "output" | "build-output":
                self._keep(key, line.output)
            case "pass" | "fail" | "skip" if line.test:
                yield from self._test(line, key)
            case "pass" | "fail" | "skip":
                self.open.discard(line.package)
                yield from self._cut_off(line.package)
                if line.action == "fail":
                    yield from self._package(line)

    def _keep(self, key: tuple[str, str], text: str) -> None:
        if self._room[key] > 0 and not FRAMING.match(text):
            self._said[key].append(text[: self._room[key]])
            self._room[key] -= len(text)

    def _test(self, line: Line, key: tuple[str, str]) -> Iterator[Event]:
        why = made.NONE
        if line.action == "fail":
            self._told.add(line.package)
            why = self._reason("".join(self._said[key]), line.package)
        self._said.pop(key, None)
        self._running[line.package].pop(line.test, None)
        yield from _ended(line.package, line.test, CATEGORIES[line.action], line.elapsed, why)

    def _cut_off(self, package: str) -> Iterator[Event]:
        """The tests that a package's program ended in: a panic beside a test, log.Fatal and os.Exit end them all, and
        what they said is told as the output of the one that ran last."""
        for test in self._running.pop(package, ()):
            self._told.add(package)
            said = "".join(self._said.pop((package, test), ()))
            why = self._reason(said, package) if said.strip() else Reason(CUT_OFF)
            yield from _ended(package, test, "failed", 0.0, why)

    def _package(self, line: Line) -> Iterator[Event]:
        """One that failed, and no test of it: it could not be built, or ended itself."""
        if line.package in self._told:
            return
        said = "".join((*self._said.get((line.failed_build, ""), ()), *self._said.get((line.package, ""), ())))
        yield made.broken(line.package, self._reason(said or "it ended before its tests did", line.package))

    def _reason(self, said: str, package: str) -> Reason:
        """A test that failed because one in it did says nothing of its own. What it logs comes before its failure; of a
        panic the innermost frame comes first."""
        if not said.strip():
            return made.NONE
        lines = [text for text in said.split("\n") if text.strip() and not text.startswith("# ")]
        panic = next((text for text in lines if text.startswith(("panic: ", "fatal error: "))), "")
        places = [(number, found) for number, text in enumerate(lines) if (found := PLACE.search(text))]
        own = [(number, found) for number, found in places if self._file(package, found[1])]
        if not own:
            return Reason(panic or "\n".join(lines[:MESSAGE_LINES]).strip(), said)
        number, found = own[0] if panic else own[-1]
        message = panic or "\n".join((lines[number][found.end() :], *lines[number + 1 :][:MESSAGE_LINES])).strip()
        return Reason(message or said.strip(), said, self._file(package, found[1]), int(found[2]))

    def _file(self, package: str, name: str) -> str:
        """The file of that name in the package's folder, whose path is the end of the package's; "" where none is."""
        parts = package.partition(" ")[0].removesuffix("_test").split("/")[-DEEPEST:]
        paths = ("/".join((*parts[start:], name)) for start in range(len(parts) + 1))
        return next((path for path in paths if path in self._files), "")


def _ended(package: str, test: str, category: str, seconds: float, why: Reason) -> Iterator[Event]:
    """Without that it runs, which is told."""
    yield from list(made.ended(_id(package, test), category, seconds, why))[1:]


def _id(package: str, test: str) -> str:
    return made.cut(f"{package}::{test}", made.ID)
