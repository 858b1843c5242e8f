"""Failed tests again, each alone in a container of its own: flaky, broken, or dependent on what ran before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import anyio

from astro_mcp.agents.tests import selection
from astro_mcp.agents.tests.events import Tally
from astro_mcp.agents.tests.history import BAD
from astro_mcp.agents.tests.models import RunOutput, Verdict
from astro_mcp.agents.tests.project import Project
from astro_mcp.agents.tests.selection import Selection
from astro_mcp.core.call import Progress
from astro_mcp.errors import AstroError
from astro_mcp.runner import Runner
from astro_mcp.sandbox.job import Outcome

JUDGED: Final = 20
"""Failed tests that are run again, at most."""
AT_ONCE: Final = 2
GOOD: Final = frozenset({"passed", "xfailed", "xpassed"})

Run = Callable[[Selection, float], Awaitable[Outcome]]
"""`await run(selection, seconds)`: the tests of a selection, in a fresh container."""
Read = Callable[[Outcome, Selection], Awaitable[Tally]]


@dataclass(slots=True)
class Alone:
    """How a failed test did alone."""

    passed: int = 0
    failed: int = 0
    verdict: Verdict = ""

    def text(self) -> str:
        """ "" where it did not run."""
        runs = self.passed + self.failed
        return f"passed {self.passed} of {runs} times alone" if runs else ""


@dataclass(frozen=True, slots=True)
class Flaky:
    """`whole` is the selection in which tests failed, `total` how many tests that is."""

    runner: Runner
    project: Project
    whole: Selection
    total: int
    run: Run
    read: Read
    progress: Progress

    async def judge(self, failed: Sequence[str], times: int, seconds: float) -> dict[str, Alone]:
        """Run each of `failed` `times` times, alone; for `seconds` in all, after which none begins. What was not
        reached has no verdict.

        A test that passes alone each time may be one that fails at times, or one that fails because of others; so the
        whole is run once more, and where it fails there again it depends on them.
        """
        tests = list(dict.fromkeys(failed))[:JUDGED]
        found = {test: Alone() for test in tests}
        places = {test: selection.of_these(self.runner, [test], self.project) for test in tests}
        end = anyio.current_time() + seconds
        work = [(test, place) for test, place in places.items() if not place.nothing for _ in range(times)]
        line = iter(work)
        done = 0

        async def rerun() -> None:
            nonlocal done
            for test, place in line:
                left = end - anyio.current_time()
                if left < 1:
                    return
                await self.progress(self.total + done, self.total + len(work), f"again, alone: {test}"[:190])
                self._note(found[test], await self._status(test, place, left))
                done += 1

        async with anyio.create_task_group() as group:
            for _ in range(AT_ONCE):
                group.start_soon(rerun)
        self._alone(found, times)
        await self._in_the_whole(found, times, end - anyio.current_time())
        return found

    async def tell(self, result: RunOutput, times: int, seconds: int) -> None:
        """Judge what failed in `result`, and say it there."""
        found = await self.judge([failure.id for failure in result.failures], times, seconds)
        for failure in result.failures:
            if failure.id in found:
                failure.verdict, failure.alone = found[failure.id].verdict, found[failure.id].text()
        result.flaky = sorted(test for test, alone in found.items() if alone.verdict == "flaky")
        if unknown := sum(not failure.verdict for failure in result.failures):
            words = f"{unknown} failures have no verdict: at most {JUDGED} tests run again, and {seconds} s in all"
            result.explanation = "\n".join(filter(None, (result.explanation, words)))

    async def _status(self, test: str, place: Selection, seconds: float) -> str:
        try:
            tally = await self.read(await self.run(place, seconds), place)
        except AstroError:  # what is known already is told all the same
            return ""
        return status(tally, test)

    @staticmethod
    def _note(alone: Alone, word: str) -> None:
        alone.passed += word in GOOD
        alone.failed += word in BAD

    def _alone(self, found: dict[str, Alone], times: int) -> None:
        for alone in found.values():
            if alone.failed and alone.passed:
                alone.verdict = "flaky"
            elif alone.failed == times:
                alone.verdict = "broken"
            elif alone.passed == times and self.total == 1:  # it was alone the first time, too
                alone.verdict = "flaky"

    async def _in_the_whole(self, found: dict[str, Alone], times: int, seconds: float) -> None:
        open_ones = {test: alone for test, alone in found.items() if alone.passed == times and not alone.verdict}
        if not open_ones or seconds < 1:
            return
        try:
            tally = await self.read(await self.run(self.whole, seconds), self.whole)
        except AstroError:  # what is known already is told all the same
            return
        for test, alone in open_ones.items():
            word = status(tally, test)
            alone.verdict = "order_dependent" if word in BAD else "flaky" if word in GOOD else ""


def status(tally: Tally, test: str) -> str:
    """What became of a test; of a file, whether its tests could be collected. "" where it did not run."""
    known = tally.known()
    if test in known:
        return known[test][0]
    return "passed" if any(other.startswith(f"{test}::") for other in known) else ""
