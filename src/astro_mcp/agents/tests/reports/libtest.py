"""What Rust's tests print (libtest's pretty form), with cargo's own lines between the programs that run them."""

from __future__ import annotations

import json
import re
from collections import Counter, deque
from collections.abc import Iterator
from typing import Final

from astro_mcp.agents.tests.events import Event
from astro_mcp.agents.tests.reports import made
from astro_mcp.agents.tests.reports.made import Reason

CATEGORIES: Final = {"ok": "passed", "FAILED": "failed", "ignored": "skipped"}
BUILT: Final = '{"reason":"compiler-artifact",'
PROGRAM: Final = re.compile(r"^\s+(?:Running (?:unittests )?(.{1,2000}) \(([^()]{1,2000})\)|(Doc-tests \S+))$")
DOCUMENTED: Final = re.compile(r"^(\S{1,2000}) - .*\(line (\d{1,8})\)$")
COUNT: Final = re.compile(r"^running (\d{1,7}) tests?$")
BEGUN: Final = re.compile(r"^test (.{1,2000}?)(?: - should panic| - compile fail| - compile)? \.\.\. ?")
ENDED: Final = re.compile(r"(ok|FAILED|ignored)(?:, .*)?(?: <(\d{1,7}\.\d+)s>)?$")
RESULT: Final = re.compile(r"^test result: \w+\. (\d{1,9}) passed; (\d{1,9}) failed; (\d{1,9}) ignored;")
SAID: Final = re.compile(r"^---- (.{1,2000}?) stdout ----$")
PANIC: Final = re.compile(r"^thread '[^']*' (?:\(\d+\) )?panicked at (?:'(.*)', )?(\S+?):(\d{1,8}):\d{1,8}:?$")
LINE: Final = 20_000
KEPT: Final = 400
"""Lines of what one failed test printed."""
LAST: Final = 30
"""Lines of what was printed past the tests before a program ended amid them."""


def events(report: bytes, top: str) -> Iterator[Event | None]:
    """Each program's tests, and a program that ended before they did; None for each test that a program counts, and
    whose line is not there or not whole. Files are below `top`: cargo names a program's by its package's folder, which
    may be any of a workspace, and tells which it was made of before it runs the first one."""
    program = _Program("")
    began = ended = False
    files: dict[str, str] = {}
    for line in (data[:LINE].decode("utf-8", "replace") for data in report.split(b"\n")):
        if not began and line.startswith(BUILT):
            files.update(_built(line, top))
        elif (found := PROGRAM.match(line)) and (not program.telling or _name(found) in files):
            yield from program.left()
            program = _Program(found[3] or files.pop(_name(found), found[1]))
        elif program.telling:
            program.tell(line)
        elif found := COUNT.match(line):
            if not began:
                began = True
                yield Event(event="start")
            ended = False
            program.count = int(found[1])
        elif found := RESULT.match(line):
            ended = True
            yield from program.end([int(number) for number in found.groups()])
            program = _Program(program.file)
        else:
            yield from program.take(line)
    yield from program.left()
    if ended:
        yield Event(event="end")


def _built(line: str, top: str) -> Iterator[tuple[str, str]]:
    """The name of the program that cargo tells of here, and the file below `top` that it was made of."""
    try:
        made_of, program = (told := json.loads(line))["target"]["src_path"], told["executable"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return
    if isinstance(program, str) and isinstance(made_of, str):
        yield program.rpartition("/")[2], made_of.removeprefix(f"{top}/")


def _name(program: re.Match[str]) -> str:
    return (program[2] or "").rpartition("/")[2]


class _Program:
    """One program's run. What a failed test said comes at its end: `telling` names the one that is told of, until the
    names of all that failed follow. `count` is how many tests there are to be, 0 where it does not say."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.count = 0
        self.telling = ""
        self._listing = False
        self._running = ""
        self._ended: dict[str, tuple[str, float]] = {}
        self._said: dict[str, list[str]] = {}
        self._past: deque[str] = deque(maxlen=LAST)

    def take(self, line: str) -> Iterator[Event]:
        if (found := SAID.match(line)) and self._to_tell(found[1]):
            self._said[found[1]] = []
            self.telling = found[1]
        else:
            yield from self._test(line)

    def tell(self, line: str) -> None:
        """Take a line of what a failed test said. It may be any: one of libtest's own is known by what it names."""
        if self._listing and line.startswith("    ") and self._failed(line[4:]):
            self.telling, said = "", self._said[self.telling]
            del said[len(said) - (said[-1:] == ["failures:"]) :]
        elif (found := SAID.match(line)) and self._to_tell(found[1]):
            self._said[found[1]] = []
            self.telling = found[1]
        elif len(self._said[self.telling]) < KEPT:
            self._said[self.telling].append(line)
        self._listing = line == "failures:"

    def _failed(self, name: str) -> bool:
        return self._ended.get(name, ("",))[0] == "failed"

    def _to_tell(self, name: str) -> bool:
        return self._failed(name) and name not in self._said

    def _test(self, line: str) -> Iterator[Event]:
        if found := BEGUN.match(line):
            self._running, line = found[1], line[found.end() :]
            yield Event(event="running", id=self._id(self._running))
        if self._running and (found := ENDED.search(line)):  # what it printed past libtest may stand before
            self._ended[self._running] = (CATEGORIES[found[1]], float(found[2] or 0))
            self._running = ""
        elif line:
            self._past.append(line)

    def left(self) -> Iterator[Event]:
        """What there is of a program that told no sums."""
        yield from self.rest()
        if self.count:
            message = f"the program ended after {len(self._ended)} of {self.count} tests"
            yield made.broken(self.file, Reason(message, "", self.file, 0, "\n".join(self._past)), "run")

    def end(self, counted: list[int]) -> Iterator[Event | None]:
        yield from self.rest()
        told = Counter(category for category, _ in self._ended.values())
        wanted = dict(zip(("passed", "failed", "skipped"), counted, strict=True))
        yield from [None] * min(sum(abs(wanted[name] - told[name]) for name in wanted), 1_000)

    def rest(self) -> Iterator[Event]:
        """What ended, with what it said."""
        for name, (category, seconds) in self._ended.items():
            why = self._reason(name) if category == "failed" else made.NONE
            yield from list(made.ended(self._id(name), category, seconds, why))[1:]  # that it runs is told

    def _reason(self, name: str) -> Reason:
        said = [line for line in self._said.get(name, ()) if not line.startswith("note: run with `RUST_BACKTRACE")]
        text = "\n".join(said).strip("\n")
        for number, line in enumerate(said):
            if found := PANIC.match(line):
                message = found[1] or "\n".join(part for part in said[number + 1 : number + 8]).strip()
                printed = "\n".join(said[:number]).strip("\n")
                return Reason(
                    message or "panicked", "\n".join(said[number:]).strip("\n"), found[2], int(found[3]), printed
                )
        file, number = self.file, 0
        if documented := DOCUMENTED.match(name):
            file, number = documented[1], int(documented[2])
        return Reason(text.split("\n")[0] or "failed", text, file, number)

    def _id(self, name: str) -> str:
        return made.cut(f"{self.file}::{name}" if self.file else name, made.ID)
