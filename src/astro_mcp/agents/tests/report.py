"""From a run's log and outcome to what the caller reads."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from astro_mcp.agents.tests.events import REST, WORST, Event, Tally
from astro_mcp.agents.tests.models import Counts, Failure, RunOutput, Slow
from astro_mcp.agents.tests.project import Project
from astro_mcp.errors import LimitHit, NotFound, Unavailable
from astro_mcp.runner import Runner
from astro_mcp.sandbox.job import Outcome
from astro_mcp.workspace.text import one_line

TAIL: Final = 3_000
RAISED: Final = {
    "memory": "more memory: memory_mb in [sandbox] of astro-mcp's settings",
    "processes": "more processes and threads: processes in [sandbox] of astro-mcp's settings",
    "disk": "more room for files: workspace_mb in [sandbox] of astro-mcp's settings",
    "timeout": "more time: timeout, in seconds",
}
"""By what a limit is raised."""
NOT_SAID: Final = re.compile(r'\x1e.*|^\{"reason":"(?:compiler|build)-.*\n?', re.MULTILINE)
"""Lines for programs in what a runner prints: our own, and cargo's."""


def output(project: Project, tally: Tally, outcome: Outcome, runner: Runner) -> RunOutput:
    """The result. Raises `NotFound` where there were no tests, `Unavailable` where the runner never began."""
    if runner.report.printed or tally.ended:  # the report was kept whole, whatever of what was printed was cut
        outcome = replace(outcome, limits_hit=tuple(limit for limit in outcome.limits_hit if limit != "output"))
    if nothing_ran(tally, outcome, runner):
        where = project.display(project.target) or project.top.display
        why = "" if outcome.exit_code == runner.no_tests else runner.exit_codes.get(outcome.exit_code, "")
        files = f"test files are named {', '.join(runner.tests)}, unless the project's settings say otherwise"
        named = f"{files}; or name another runner"
        raise NotFound(f"{runner.name} found no tests in {where}", why or named)
    if runner.log in outcome.withheld:
        raise LimitHit(
            f"{runner.name}'s log is no file any more, or larger than what leaves the sandbox",
            "look whether a test removes or replaces it; else run fewer tests at once: name a path",
        )
    if not tally.started and not outcome.limits_hit and outcome.exit_code not in runner.without_report:
        raise Unavailable(f"{runner.name} left no report (exit {outcome.exit_code})", tail(outcome), retryable=False)
    counts = Counts(
        passed=tally.counts["passed"],
        failed=tally.counts["failed"],
        errors=tally.counts["error"],
        skipped=tally.counts["skipped"],
        xfailed=tally.counts["xfailed"],
        xpassed=tally.counts["xpassed"],
        total=tally.total,
    )
    return RunOutput(
        counts=counts,
        failures=[*_died(project, tally, outcome), *_failures(project, tally)],
        failures_left_out=tally.failures_left_out,
        slowest=[Slow(id=test, seconds=round(seconds, 3)) for seconds, test in tally.slowest],
        exit_code=outcome.exit_code,
        explanation=explain(tally, outcome, runner),
        limits_hit=list(outcome.limits_hit),
        run_ms=outcome.run_ms,
    )


def nothing(why: str) -> RunOutput:
    """The result where no test was to run, which is a result: nothing failed."""
    return RunOutput(counts=Counts(), failures=[], slowest=[], exit_code=0, explanation=f"{why}: nothing ran", run_ms=0)


def nothing_ran(tally: Tally, outcome: Outcome, runner: Runner) -> bool:
    """Whether the runner came to its end, and had no tests."""
    if tally.counts or tally.finished or outcome.limits_hit:
        return False
    return outcome.exit_code == runner.no_tests or (tally.ended and outcome.exit_code == 0)


def explain(tally: Tally, outcome: Outcome, runner: Runner) -> str:
    """What the exit code means, with the runner's own words where the counts can't tell why."""
    parts = [RAISED[limit] for limit in outcome.limits_hit if limit in RAISED]
    other = sorted(tally.counts.keys() - WORST, key=lambda name: (name == REST, name))
    if other:
        parts.append("also counted: " + ", ".join(f"{tally.counts[name]} {one_line(name)}" for name in other))
    if tally.not_understood:
        parts.append(f"{tally.not_understood} lines of the log are not the runner's")
    if tally.ended or outcome.exit_code in runner.exit_codes:
        parts.insert(0, runner.exit_codes.get(outcome.exit_code, ""))
        untold = outcome.exit_code != 0 and not tally.failures
        if outcome.exit_code not in (0, runner.failed) or untold:
            parts.append(tally.stopped or tail(outcome))
    else:
        parts.insert(0, f"the run broke off ({ending(outcome)}); what ran until then is kept")
        parts.append(tail(outcome))
    return "\n".join(filter(None, parts))


def ending(outcome: Outcome) -> str:
    """How a run that did not end by itself came to its end."""
    if outcome.limits_hit:
        return f"limit: {', '.join(outcome.limits_hit)}"
    number = -outcome.exit_code if outcome.exit_code < 0 else outcome.exit_code - 128
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"exit {outcome.exit_code}"


def tail(outcome: Outcome) -> str:
    """The end of what the runner printed as error, else as output."""
    text = (outcome.stderr.strip() or outcome.stdout.strip()).decode("utf-8", "replace")
    return NOT_SAID.sub("", text)[-TAIL:].strip()


def _died(project: Project, tally: Tally, outcome: Outcome) -> list[Failure]:
    if tally.ended:
        return []
    message = f"the run broke off while this test ran ({ending(outcome)})"
    return [Failure(id=test, file=_file(project, test), line=0, message=message, trace="") for test in tally.running]


def _file(project: Project, test: str) -> str:
    file = test.split("::", maxsplit=1)[0]
    return project.display(file) if file in project.files else ""


def _failures(project: Project, tally: Tally) -> Iterator[Failure]:
    """One cause has its trace once: those with the same message and place, and files that can't be collected for the
    same reason, go by the first of them."""
    firsts: dict[tuple[str, str, int], Failure] = {}
    for event in tally.failures:
        failure = _failure(project, event)
        place = ("", 0) if event.when == "collect" else (event.file, event.line)
        first = firsts.setdefault((failure.message, *place), failure)
        if first is not failure and first.id != failure.id:
            failure.same_as, failure.trace = first.id, ""
            failure.stdout = "" if failure.stdout == first.stdout else failure.stdout
            failure.stderr = "" if failure.stderr == first.stderr else failure.stderr
        yield failure


def _failure(project: Project, event: Event) -> Failure:
    where = {"setup": " (in its setup)", "teardown": " (in its teardown)", "collect": " (could not be collected)"}
    first, *more = event.message.split("\n")
    return Failure(
        id=event.id,
        file=project.display(event.file),
        line=event.line,
        message="\n".join((first + where.get(event.when, ""), *more)),
        trace=event.trace,
        stdout=event.stdout,
        stderr=event.stderr,
    )
