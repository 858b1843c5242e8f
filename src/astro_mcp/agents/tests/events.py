"""What happened in a run, in whatever form its runner told it. All of it is text that a stranger's tests may have
written."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

FAILURES: Final = 500
SLOWEST: Final = 10
RUNNING: Final = 1_000
OUTCOMES: Final = 50_000
WORST: Final = ("passed", "skipped", "xfailed", "xpassed", "failed", "error")
"""What a test with several reports is said to have done: the last of these that one of them says."""
WHOLE: Final = ("collect", "run")
"""When what is told is of no test alone, but of a file, a package or a program."""
OTHERS: Final = 20
"""Categories beside these that are counted each by itself."""
REST: Final = "of other kinds"
MOST_LINES: Final = 100_000_000
MOST_SECONDS: Final = 1e7

Id = Annotated[str, StringConstraints(max_length=40_000)]
Text = Annotated[str, StringConstraints(max_length=40_000)]


def _seconds(told: Any) -> Any:
    """Nought for what no test can take: it may set the clock that its runner reads, and is counted all the same."""
    return told if not isinstance(told, int | float) or 0 <= told <= MOST_SECONDS else 0.0


Seconds = Annotated[float, BeforeValidator(_seconds)]


class Event(BaseModel):
    """One line of the log; a field that its event has not keeps its default."""

    model_config = ConfigDict(extra="ignore", defer_build=True, frozen=True, hide_input_in_errors=True)

    event: Literal["start", "collected", "running", "report", "finished", "left", "stopped", "end"]
    id: Id = ""
    when: str = ""
    category: Annotated[str, StringConstraints(max_length=60)] = ""
    seconds: Seconds = 0.0
    total: int = Field(0, ge=0, le=10_000_000)
    version: Annotated[str, StringConstraints(max_length=60)] = ""
    file: Id = ""
    line: int = Field(0, ge=0, le=MOST_LINES)
    message: Text = ""
    trace: Text = ""
    stdout: Text = ""
    stderr: Text = ""


@dataclass(slots=True)
class Tally:
    """What a log adds up to. Counts are by pytest's categories, or by `REST`; `running` are tests that began and never
    ended."""

    started: bool = False
    ended: bool = False
    collected: int = 0
    finished: Counter[str] = field(default_factory=Counter)
    """How often a test of each name came to its end: several may have one name."""
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[Event] = field(default_factory=list)
    failures_left_out: int = 0
    slowest: list[tuple[float, str]] = field(default_factory=list)
    outcomes: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Status and seconds by id, of tests and of files that could not be collected."""
    stopped: str = ""
    running: dict[str, float] = field(default_factory=dict)
    not_understood: int = 0

    @property
    def total(self) -> int:
        """Tests collected; where the runner's workers collect and it does not say, those that finished."""
        return self.collected or self.finished.total()

    def known(self) -> dict[str, tuple[str, float]]:
        """What became of each test; one that began and never ended has failed."""
        broken = {} if self.ended else {test: ("failed", seconds) for test, seconds in self.running.items()}
        return {test: outcome for test, outcome in self.outcomes.items() if outcome[0]} | broken

    @classmethod
    def of(cls, events: Iterable[Event | None], asked: Collection[str] = (), within: Collection[str] = ()) -> Tally:
        """Add up events; None is a piece of the report that is none, and is counted. Where ids are `asked` for, or
        tests `within` files (or folders, with a slash at their end), other tests are left out: some runners take more
        than they are told to."""
        tally = cls()
        folders = tuple(path for path in within if path.endswith("/"))
        for event in events:
            if event is None:
                tally.not_understood += 1
            elif not (asked or within) or _concerns(event, asked, within, folders):
                tally._take(event)
        tally.slowest.sort(reverse=True)
        return tally

    def _take(self, event: Event) -> None:
        match event.event:
            case "start":  # each of several parts of one run has a start, its number of tests, and an end
                self.started, self.ended = True, False
            case "collected":
                self.collected += event.total
            case "running":
                if len(self.running) < RUNNING:
                    self.running[event.id] = 0.0
            case "report":
                self._report(event)
            case "finished":
                self._finished(event.id)
            case "left":  # what ended, and is no test
                self.running.pop(event.id, None)
            case "stopped":
                self.stopped = event.message
            case "end":
                self.ended = True

    def _report(self, event: Event) -> None:
        if event.id in self.running:
            self.running[event.id] += event.seconds
        if event.category:
            self.counts[self._counted_as(event.category)] += 1
        self._outcome(event)
        if event.message or event.trace:
            if len(self.failures) < FAILURES:
                self.failures.append(event)
            else:
                self.failures_left_out += 1

    def _counted_as(self, category: str) -> str:
        known = category in WORST or category in self.counts
        return category if known or len(self.counts.keys() - WORST) < OTHERS else REST

    def _outcome(self, event: Event) -> None:
        status, seconds = self.outcomes.get(event.id, ("", 0.0))
        if status or len(self.outcomes) < OUTCOMES:
            failed = bool(event.message or event.trace)
            own = event.category if event.category in WORST else "failed" if failed else ""
            status = max(status, own, key=lambda word: WORST.index(word) if word else -1)
            self.outcomes[event.id] = (status or "", seconds + event.seconds)

    def _finished(self, test: str) -> None:
        self.finished[test] += 1
        seconds = self.running.pop(test, None)
        if seconds is not None:
            heapq.heappush(self.slowest, (seconds, test))
            if len(self.slowest) > SLOWEST:
                heapq.heappop(self.slowest)


def _concerns(event: Event, asked: Collection[str], files: Collection[str], folders: tuple[str, ...]) -> bool:
    """Of what is no test's own, the number of all tests alone tells of others."""
    if event.event == "collected":
        return False
    if not event.id or event.id in asked or (asked and event.when in WHOLE):
        return True
    file = event.id.partition("::")[0]
    return file in files or file.startswith(folders)
