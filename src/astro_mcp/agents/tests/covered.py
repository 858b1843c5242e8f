"""The lines that ran, read from what a plugin in the sandbox wrote: text that a stranger's tests may have written.

Paths count where they are files of the copy, and line numbers where that file has so many lines.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from astro_mcp.agents.tests.project import Project
from astro_mcp.sandbox.job import Outcome

NEEDS: Final = "coverage>=7.6"
PLUGIN: Final = "pytest_covered"
LINE: Final = 8_000_000
TESTS: Final = 20_000
TOUCHES: Final = 500_000
"""Of all tests together, that are kept."""

Path = Annotated[str, StringConstraints(max_length=4_096)]
Number = Annotated[int, Field(ge=0, le=10_000_000)]
Span = tuple[Number, Number]
Piece = Annotated[tuple[Number, ...], Field(min_length=2, max_length=3)]
"""First and last line, and where the statement that they belong to begins, if not with the first."""


class _Line(BaseModel):
    """One line; a field that its kind has not keeps its default."""

    model_config = ConfigDict(extra="ignore", defer_build=True, frozen=True, hide_input_in_errors=True)

    kind: Literal["file", "names", "test", "end"]
    path: Path = ""
    statements: list[Span] = Field(default_factory=list, max_length=1_000_000)
    ran: list[Span] = Field(default_factory=list, max_length=1_000_000)
    spans: list[Piece] = Field(default_factory=list, max_length=1_000_000)
    skeleton: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{0,64}$")] = ""
    early: bool = False
    tests: list[Number] = Field(default_factory=list, max_length=1_000_000)
    paths: list[Path] = Field(default_factory=list, max_length=100_000)
    id: Annotated[str, StringConstraints(max_length=4_000)] = ""
    opened: list[Number] = Field(default_factory=list, max_length=100_000)
    spawned: bool = False
    common: list[Number] = Field(default_factory=list, max_length=100_000)
    away: bool = False


@dataclass(slots=True)
class Covered:
    """By file: the lines that could run, and those of them that did; `first` is by line where its statement begins.
    `touched` are the files of each test, `early` those of which functions ran outside of any test, `common` those that
    were opened so."""

    statements: dict[str, set[int]] = field(default_factory=dict)
    ran: dict[str, set[int]] = field(default_factory=dict)
    first: dict[str, dict[int, int]] = field(default_factory=dict)
    skeletons: dict[str, str] = field(default_factory=dict)
    early: set[str] = field(default_factory=set)
    common: set[str] = field(default_factory=set)
    touched: dict[str, set[str]] = field(default_factory=dict)
    spawned: set[str] = field(default_factory=set)
    away: bool = False
    whole: bool = False
    not_understood: int = 0

    def statements_at(self, path: str, lines: Iterable[int]) -> set[int]:
        """The statements that these lines belong to, by their first line."""
        first = self.first.get(path, {})
        return {first.get(line, line) for line in lines} & self.statements.get(path, set())

    def missing(self, path: str) -> set[int]:
        return self.statements[path] - self.ran[path]

    def join(self, old: Mapping[str, Any], digests: Mapping[str, str]) -> None:
        """Add what `record` gave earlier, of which the tests that are not here too would run as they did; `digests` are
        of the files as they are."""
        names = old.get("names", ())
        for test, (numbers, spawned) in old.get("tests", {}).items():
            if test not in self.touched:
                self.touched[test] = {names[number] for number in numbers}
                self.spawned |= {test} if spawned else set()
        before = old.get("files", {})
        same = {path: word for path, word in old.get("skeletons", {}).items() if before.get(path) == digests.get(path)}
        self.skeletons = {**same, **self.skeletons}
        self.early |= set(old.get("early", ()))
        self.common |= set(old.get("common", ()))

    def record(self, digests: Mapping[str, str]) -> dict[str, Any]:
        """What a later run can select by, as `astro_impact.Recorded` reads it; {} where that is too much to keep."""
        if sum(map(len, self.touched.values())) > TOUCHES:
            return {}
        names = sorted({path for paths in self.touched.values() for path in paths})
        number = {path: index for index, path in enumerate(names)}
        tests = {
            test: [sorted(number[path] for path in paths), test in self.spawned] for test, paths in self.touched.items()
        }
        return {
            "files": dict(digests),
            "skeletons": self.skeletons,
            "early": sorted(self.early),
            "common": sorted(self.common),
            "names": names,
            "tests": tests,
        }


def files(project: Project) -> dict[str, str]:
    """The sha256 of each."""
    return {path: hashlib.sha256(file.data).hexdigest() for path, file in project.files.items()}


def read(outcome: Outcome, project: Project) -> Covered:
    """What every process wrote, together."""
    found = Covered()
    logs = [file.data for file in outcome.files if file.path.startswith("covered-") and file.path.endswith(".jsonl")]
    for log in logs:
        _Log(found, project).take(log)
    for path, lines in found.ran.items():
        lines.intersection_update(found.statements[path])
    return found


class _Log:
    """One process's lines: numbers in them go by its own lists."""

    def __init__(self, found: Covered, project: Project) -> None:
        self._found = found
        self._files = project.files
        self._names: list[str] = []
        self._by_test: dict[int, set[str]] = {}
        self._room = TOUCHES
        self._tests = 0

    def take(self, log: bytes) -> None:
        for raw in log.split(b"\n"):
            if not raw:
                continue
            try:
                line = _Line.model_validate_json(raw if len(raw) <= LINE else b"")
            except ValidationError:
                self._found.not_understood += 1
                continue
            self._line(line)

    def _line(self, line: _Line) -> None:
        found = self._found
        match line.kind:
            case "file" if line.path in self._files:
                self._file(line)
            case "names":
                self._names = line.paths
            case "test":
                self._test(line)
            case "end":
                found.common |= set(self._named(line.common))
                found.away |= line.away
                found.whole = True
            case _:
                found.not_understood += 1

    def _file(self, line: _Line) -> None:
        found, path = self._found, line.path
        most = self._files[path].data.count(b"\n") + 1
        found.statements.setdefault(path, set()).update(_lines(line.statements, most))
        found.ran.setdefault(path, set()).update(_lines(line.ran, most))
        found.first[path] = dict(_firsts(line.spans, most))
        found.skeletons[path] = line.skeleton
        found.early |= {path} if line.early else set()
        self._room -= len(line.tests)
        if self._room >= 0:
            for test in line.tests:
                self._by_test.setdefault(test, set()).add(path)

    def _test(self, line: _Line) -> None:
        number, self._tests = self._tests, self._tests + 1
        found = self._found
        if line.id not in found.touched and len(found.touched) >= TESTS:
            return
        ran = self._by_test.get(number, ())
        found.touched.setdefault(line.id, set()).update(ran, self._named(line.opened))
        if line.spawned:
            found.spawned.add(line.id)

    def _named(self, numbers: Iterable[int]) -> Iterator[str]:
        """Those of the files that are the project's."""
        names = (self._names[number] for number in numbers if number < len(self._names))
        return (path for path in names if path in self._files)


def _firsts(spans: Iterable[Piece], most: int) -> Iterator[tuple[int, int]]:
    """Each line of a span and where its statement begins, for spans that are in order and apart."""
    last = 0
    for first, end, *begin in spans:
        if first > last:
            last = min(end, most)
            yield from ((line, begin[0] if begin else first) for line in range(first, last + 1))


def _lines(spans: Iterable[Span], most: int) -> Iterator[int]:
    """The numbers, each once at most for spans that are in order, and none beyond `most`."""
    last = 0
    for first, end in spans:
        start, last = max(first, last + 1, 1), max(last, min(end, most))
        yield from range(start, min(end, most) + 1)
