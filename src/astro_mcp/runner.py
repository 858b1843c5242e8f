"""What the manifest of a test runner says. A runner whose report is in one of the forms here needs no Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from pydantic import Field, model_validator

from astro_mcp.manifest import PATHS, REPORT, DebianName, Glob, Manifest, NpmName, NpmRequirement, Requirement
from astro_mcp.report_formats import Table, Word

IDS: Final = "{ids}"
"""The element of `ids.argv` that whole ids take the place of."""
NAMES: Final = "{names}"
"""The same for the ids' names alone, each in its own element."""
PATTERN: Final = "{pattern}"
"""Stands in `ids.argv` for one regular expression that the names match, and maybe others."""
LEVEL: Final = "{level}"
"""Stands in an element of `ids.argv` that is there once for each level of a name, for an expression that it matches."""
COVERAGE: Final = "{coverage}"
"""The element of `argv` that what `coverage` says takes the place of where lines are counted, and nothing where not."""

Form = Literal["jsonl", "junit", "jest-json", "go-json", "libtest"]
SUFFIXES: Final[Mapping[Form, str]] = {
    "jsonl": "jsonl",
    "junit": "xml",
    "jest-json": "json",
    "go-json": "jsonl",
    "libtest": "txt",
}


class Places(Table):
    """How the runner is told where tests are. In a word, {path} is a path below the project's top, {pattern} the same
    with a backslash before whatever a regular expression would take otherwise, {folder} its folder."""

    all: tuple[Word, ...] = Field((), description="What stands for the paths where the whole project is meant.")
    folder: str = Field("./{path}", description="A folder; empty where the runner can't take one.")
    file: str = Field("./{path}", description="A test file; empty where the runner can't take one.")
    member: str = Field("", description="A folder with a mark of its own, where it is not taken as any other is.")
    loose: bool = Field(False, description="Whether the runner finds a path within the paths of other files as well.")


class Ids(Table):
    """How single tests are asked for, and what an id of theirs looks like."""

    argv: tuple[Word, ...] = Field(
        (IDS,), description=f"What stands for the paths then: {IDS}, or {PATHS}, {NAMES}, {PATTERN} and {LEVEL}."
    )
    form: Literal["file::name", "name"] = Field(
        "file::name", description="Whether an id begins with the file, folder or package that the test is in."
    )
    levels: str = Field("", description="What is between the levels of a name, each of which the runner matches alone.")
    example: str = Field("tests/test_a.py::test_b", description="What one may look like.")

    @property
    def exact(self) -> bool:
        """Whether nothing runs but what was asked for."""
        return IDS in self.argv


class Report(Table):
    """Where the runner tells what happened, and in which form."""

    format: Form = Field(
        description="jsonl: our own events; junit: JUnit's XML; jest-json: `jest --json`; go-json: `go test -json`; "
        "libtest: what Rust's tests print."
    )
    printed: Literal["", "stdout", "both"] = Field(
        "", description="The report is what the runner prints, there or on both its streams; empty: it writes a file."
    )
    finished: str = Field(
        "", description="RE2 for a printed line that tells of a finished test; its first group names it."
    )

    @model_validator(mode="after")
    def _linear(self) -> Report:
        expression(self.finished)
        return self


class Reach(Table):
    """How the test files that a change can reach are found by their imports, for what runs JavaScript."""

    list: tuple[Word, ...] = Field(
        (),
        description=f"Program and arguments that print the test files as JSON, paths or objects with `file`; {PATHS} "
        "is as in argv. Empty: node's own rules.",
    )


class Counting(Table):
    """How lines are counted by what runs JavaScript."""

    argv: tuple[Word, ...] = Field(min_length=1, description=f"What stands for {COVERAGE} where lines are counted.")
    module: str = Field(description="The file below resources/sandbox/ that tells which lines ran.")
    needs: Mapping[NpmName, tuple[Word, ...]] = Field(
        default_factory=dict,
        description="npm packages of which the project has to name one, and what goes with argv where it is alone.",
    )
    every: tuple[Word, ...] = Field(
        (), description="What goes with argv so that files count that no test loads; only where no settings say which."
    )
    settings: tuple[Glob, ...] = Field((), description="Names of files at the project's top that may say so.")
    says: str = Field("", description="RE2 that one of these matches where it does.")
    others: bool = Field(False, description="Whether lines count as well that ran in programs that tests start.")

    @model_validator(mode="after")
    def _linear(self) -> Counting:
        expression(self.says)
        return self


class RunnerImage(Table):
    """What the runner's sandbox image holds beyond the base, and beside what the project names."""

    debian: tuple[DebianName, ...] = Field((), description="Packages of Debian; a person makes the image.")
    pip: tuple[Requirement, ...] = Field((), description="Python packages, unless the project names them.")
    npm: tuple[NpmRequirement, ...] = Field((), description="npm packages, unless the project names them.")


class Runner(Manifest):
    """A program that runs a project's tests and reports events."""

    folder = "runners"
    kind: Literal["runner"]
    detect: tuple[Glob, ...] = Field(min_length=1, description="Names of files that mark the top of a project.")
    mentions: str = Field("", description="RE2 that one of these files matches where the project names the runner.")
    holds: str = Field(
        "", description="RE2 that such a file further up matches where its project holds the nearer one's, as a member."
    )
    unasked: Literal["marked", "mentioned", "anywhere"] = Field(
        "marked",
        description="When it runs though no call names it: where there is a mark, where one mentions it, anywhere.",
    )
    tests: tuple[Glob, ...] = Field((), description="Names of the files that it takes for tests.")
    argv: tuple[Word, ...] = Field(
        min_length=1,
        description=f"Program and arguments, no shell; {PATHS} stands for the paths, {REPORT} for its file.",
    )
    env: Mapping[str, str] = Field(default_factory=dict, description=f"Its environment; {REPORT} is as in argv.")
    places: Places = Field(default_factory=Places, description="How paths are written.")
    ids: Ids = Field(default_factory=Ids)
    selects: bool = Field(
        False, description="Whether our pytest plugins fit it, which leave out tests and count lines."
    )
    reach: Reach | None = Field(None, description="Whether our program that selects by imports of JavaScript fits it.")
    coverage: Counting | None = Field(None, description="How it counts lines, where it is not by our pytest plugins.")
    plugin: str = Field("", description="The file below resources/sandbox/ that makes the runner report JSON lines.")
    report: Report
    exit_codes: Mapping[int, str] = Field(description="What each exit code means, where it is not simply the counts.")
    failed: int = Field(1, description="The exit code that tells that tests failed.")
    no_tests: int | None = Field(None, description="The exit code that tells that there were no tests.")
    without_report: tuple[int, ...] = Field(
        (), description="Exit codes that are a result even where the report tells of nothing."
    )
    packages: Literal["pypi", "npm", "go", "cargo"] | None = Field(
        None, description="Whose the packages are that a project names; of Go and Cargo only what lies in the project."
    )
    image: RunnerImage = Field(default_factory=RunnerImage)

    @property
    def log(self) -> str:
        """The name of its report."""
        return f"{self.name}.{SUFFIXES[self.report.format]}"

    @model_validator(mode="after")
    def _whole(self) -> Runner:
        expression(self.mentions)
        expression(self.holds)
        if PATHS not in self.argv:
            raise ValueError(f"argv has no {PATHS}")
        if (COVERAGE in self.argv) != (self.coverage is not None):
            raise ValueError(f"argv has {COVERAGE} where there is coverage, and only there")
        if self.unasked == "mentioned" and not self.mentions:
            raise ValueError("what runs where it is mentioned has mentions")
        return self


def expression(source: str) -> None:
    """Raises `ValueError` where `source` is no RE2."""
    if not source:
        return
    import re2  # noqa: PLC0415 - loaded where a manifest needs it, and not at the daemon's start

    options = re2.Options()
    options.log_errors = False  # the library writes to stderr; the error below says the same
    try:
        re2.compile(source, options)
    except re2.error as error:
        raise ValueError(f"not an RE2 pattern: {error}") from None
