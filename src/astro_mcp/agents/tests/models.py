"""What `test_run` takes and gives."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from astro_mcp.core.model import Input, Page, Strings

SLOW: Final = 0.005
"""Seconds from which a test is told as one of the slowest in the text: less is written as none."""


class RunInput(Input):
    path: str = Field(".", description="Project, folder or test file.")
    select: Literal["all", "failed", "changed", "ids"] = Field("all", description="failed: when they last ran.")
    ids: Strings = Field(default_factory=list, max_length=500, description="Like tests/test_a.py::test_b.")
    since: str = Field("HEAD", max_length=250, description="What changed is compared with it.")
    coverage: bool = Field(False, description="Count lines; tells of those changed since `since`.")
    reruns: int = Field(0, ge=0, le=10, description="Times that what failed runs again, alone.")
    runner: str = Field("", description="Empty: what the project has.")
    timeout: int = Field(300, ge=1, le=3600, description="Seconds; what ran by then is kept.")


Verdict = Literal["", "flaky", "broken", "order_dependent"]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)


class Counts(Part):
    """pytest's categories, which others' are read as; `total` is how many tests there were to run."""

    passed: int = 0
    failed: int = 0
    errors: int = 0
    skipped: int = 0
    xfailed: int = 0
    xpassed: int = 0
    total: int = 0

    def text(self) -> str:
        told = {name: value for name, value in self if name != "total" and value}
        listed = ", ".join(f"{value} {name}" for name, value in told.items()) or "nothing ran"
        return f"{listed} (of {self.total} collected)"


class Failure(Part):
    """One failed test, or one file that could not be collected. `line` is 0 where none is known."""

    id: str
    file: str
    line: int
    message: str
    trace: str
    stdout: str = ""
    stderr: str = ""
    same_as: str = Field("", description="Id of one with the same cause, whose trace and output are this one's too.")
    verdict: Verdict = Field("", description="With reruns; order_dependent fails only where others ran before.")
    alone: str = Field("", description="With reruns: how often it passed.")
    history: str = Field("", description="How often it failed in its last runs, this one with them.")

    def text(self) -> str:
        if self.same_as:
            parts = [f"FAILED {self.id} at {self.file}:{self.line}, as {self.same_as}"]
        else:
            parts = [f"FAILED {self.id}", f"{self.file}:{self.line}: {self._headline()}"]
        if self.alone:
            parts.append(f"  {self.verdict.replace('_', '-') or 'no verdict'}: {self.alone}")
        if self.history:
            parts.append(f"  {self.history}")
        if self.trace and self.trace != self.message:
            parts.append(indent(self.trace))
        if self.stdout:
            parts.append(f"  printed:\n{indent(self.stdout)}")
        if self.stderr:
            parts.append(f"  printed as error:\n{indent(self.stderr)}")
        return "\n".join(parts)

    def _headline(self) -> str:
        """The message, or its first line where the trace has the others."""
        first, *more = self.message.split("\n")
        return (
            first if self.trace != self.message and all(line.strip() in self.trace for line in more) else self.message
        )


class Chosen(Part):
    """Why tests were selected: how many for this reason, and the first of them."""

    why: str
    tests: int
    ids: list[str]

    def text(self) -> str:
        return f"selected {self.tests}: {self.why}" + (f" ({self.ids[0]} …)" if self.ids else "")


class Slow(Part):
    id: str
    seconds: float


class MissingLines(Part):
    file: str
    lines: str


class ChangedCoverage(Part):
    """Of the lines that are new since a commit and can run; `missing` are those that did not."""

    since: str
    percent: float
    lines: int
    covered: int
    missing: list[MissingLines]

    def text(self) -> str:
        parts = [f"changed lines since {self.since}: {self.percent:g} % ({self.covered} of {self.lines}) ran"]
        return "\n".join([*parts, *(f"  did not run: {part.file}:{part.lines}" for part in self.missing)])


class FileCoverage(Part):
    file: str
    percent: float
    lines: int
    missing: str


class Coverage(Part):
    """Lines as the runner counts them, without branches. Where it is not `complete`, `notes` say what is missing."""

    percent: float
    lines: int
    covered: int
    complete: bool
    notes: list[str]
    changed: ChangedCoverage | None
    files: list[FileCoverage]
    files_left_out: int

    def text(self) -> str:
        parts = [f"coverage: {self.percent:g} % ({self.covered} of {self.lines} lines) ran", *self.notes]
        if self.changed:
            parts.append(self.changed.text())
        return "\n".join(parts + [f"  {each.file} {each.percent:g} %" for each in self.files if each.missing])


class RunOutput(Page):
    """Failing tests are a result and no error."""

    paged: ClassVar[str | None] = "failures"
    runner: str = ""
    other_runners: list[str] = Field(default_factory=list, description="Others that the project has.")
    counts: Counts
    failures: list[Failure]
    failures_left_out: int = Field(0, description="Failures beyond those that are kept; the artifact has them.")
    flaky: list[str] = Field(default_factory=list, description="With reruns: tests that passed and failed.")
    slowest: list[Slow]
    selected: list[Chosen] = Field(default_factory=list, description="With select=changed: which tests, and why.")
    coverage: Coverage | None = None
    exit_code: int
    explanation: str = Field("", description="What the exit code means, where the counts do not say it.")
    limits_hit: list[str] = Field(default_factory=list)
    left_out: list[str] = Field(default_factory=list, description="Requirements and files not taken along, and why.")
    artifact: str = Field("", description="URI of the runner's whole report.")
    run_ms: float

    def text(self) -> str:
        parts = [f"{self.runner}: {self.counts.text()}, exit {self.exit_code}, {self.run_ms / 1000:.1f} s"]
        if self.explanation:
            parts.append(self.explanation)
        if self.other_runners:
            parts.append(f"the project has tests for {', '.join(self.other_runners)} too: name one as runner")
        if self.limits_hit:
            parts.append(f"limits hit: {', '.join(self.limits_hit)}")
        parts += [chosen.text() for chosen in self.selected]
        parts += [failure.text() for failure in self.failures]
        if self.failures_left_out:
            parts.append(f"{self.failures_left_out} more failures are in the log")
        if self.coverage:
            parts.append(self.coverage.text())
        if self.flaky:
            parts.append(f"flaky: {', '.join(self.flaky)}")
        if slowest := [f"{slow.seconds:.2f} s {slow.id}" for slow in self.slowest if slow.seconds >= SLOW]:
            parts.append(f"slowest: {', '.join(slowest)}")
        parts += [f"left out: {entry}" for entry in self.left_out]
        if self.artifact:
            parts.append(f"log: {self.artifact}")
        return "\n".join(parts)


def indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.rstrip("\n").split("\n"))
