"""A Hypothesis state machine over the kernel: random documents with everything in them, and events in any order."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from tests.workflow.documents import READS, written
from tests.workflow.naive import ENDS
from tests.workflow.player import evaluate
from tests.workflow.shelf import Shelf
from tests.workflow.witness import Witness

from astro_mcp.workflow.kernel import events as e
from astro_mcp.workflow.kernel.fork import kept
from astro_mcp.workflow.kernel.machine import step
from astro_mcp.workflow.kernel.scope import is_leaf

CODES = ("provider_failed", "invalid_input", "busy", "timeout")
SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
QUICK = (Phase.explicit, Phase.reuse, Phase.generate)
"""Without a search for the shortest example, which takes minutes: the long form has it."""
quick = settings(
    max_examples=15, stateful_step_count=30, deadline=None, phases=QUICK, print_blob=True, suppress_health_check=SLOW
)
long = settings(max_examples=400, stateful_step_count=80, deadline=None, suppress_health_check=SLOW)
chances = st.randoms(use_true_random=False)


def output(chance: random.Random, path: str) -> dict[str, Any]:
    """What a tool gives."""
    items = list(range(chance.randint(0, 3)))
    return {"v": path, "flag": chance.random() < 0.7, "done": chance.random() < 0.5, "items": items}


def failure(code: str) -> dict[str, Any]:
    return {"code": code, "message": code, "hint": "", "retryable": False}


class Machine(RuleBasedStateMachine):
    """One run at a time. Whatever comes, the witness checks."""

    run: Witness

    @initialize(seed=st.integers(0, 2**32), parallel=st.integers(1, 4), slots=st.integers(1, 6))
    def begin(self, seed: int, parallel: int, slots: int) -> None:
        chance = random.Random(seed)  # documents of any size: those that are drawn are mostly small
        self.shelf = Shelf()
        self.forks = 0
        self.run = Witness(written(chance, wild=True), self.shelf, parallel=parallel, slots=slots)
        self.run.feed(e.Began(now=0))

    def teardown(self) -> None:
        if hasattr(self, "shelf"):
            self.shelf.close()

    @precondition(lambda self: self.run.flying)
    @rule(chance=chances, fails=st.lists(st.sampled_from((None, None, None, None, *CODES)), min_size=1, max_size=4))
    def finish(self, chance: random.Random, fails: list[str | None]) -> None:
        """Some calls end, one after the other."""
        for code in fails:
            if self.run.flying:
                path = chance.choice(sorted(self.run.flying))
                start = self.run.flying.pop(path)
                error = failure(code) if code else None
                given = None if code else output(chance, path)
                self.run.feed(e.Finished(now=0, path=path, attempt=start.attempt, output=given, error=error))

    @precondition(lambda self: self.run.state.wakes)
    @rule()
    def wake(self) -> None:
        """The next time that something is to happen has come."""
        self.run.now = max(self.run.now, min(self.run.state.wakes.values()))
        self.run.feed(e.Tick(now=0))

    @precondition(lambda self: self.run.state.steps)
    @rule(chance=chances, off=st.sampled_from((0, 0, 1, -1)), code=st.sampled_from((None, "provider_failed")))
    def stray_end(self, chance: random.Random, off: int, code: str | None) -> None:
        """An end that nobody waits for: of a call that is not in flight, or of an attempt that is over."""
        open_ones = [path for path, found in self.run.state.steps.items() if found.attempt and found.status not in ENDS]
        path = chance.choice(sorted(open_ones or self.run.state.steps))
        if path not in self.run.flying or off:
            error = failure(code) if code else None
            attempt = self.run.state.steps[path].attempt + off
            passed = step(self.run.plan, self.run.state, self.run.next(e.Tick(now=0)), evaluate).state
            self.run.feed(e.Finished(now=0, path=path, attempt=attempt, output={"v": "stray"}, error=error))
            assert self.run.state == passed, "it is no more than time that passed"

    @precondition(lambda self: self.run.asked())
    @rule(chance=chances, value=st.booleans(), sound=st.integers(0, 4))
    def answer(self, chance: random.Random, value: bool, sound: int) -> None:
        path, digest = chance.choice(sorted(self.run.asked().items()))
        wrong = e.Answered(now=0, path=path, value=not value, by="host", digest="another")
        self.run.feed(e.Answered(now=0, path=path, value=value, by="model", digest=digest) if sound else wrong)
        if sound:
            ended = self.run.state.steps[path]
            assert ended.status in ENDS
            self.run.feed(e.Answered(now=0, path=path, value=not value, by="host", digest=digest))
            assert self.run.state.steps[path] == ended, "a second word is nothing"

    @precondition(lambda self: self.run.lost())
    @rule(chance=chances, word=st.sampled_from(("retry", "retry all", "tell")))
    def decide(self, chance: random.Random, word: str) -> None:
        path = chance.choice(sorted(self.run.lost()))
        if word == "tell":
            self.run.feed(e.Answered(now=0, path=path, value=output(chance, path), by="model"))
            return
        paths = [path] if word == "retry" else self.run.lost()
        self.run.again.update(paths)
        self.run.feed(e.Retried(now=0, path=path if word == "retry" else ""))

    @rule(seconds=st.sampled_from((0.0, 0.5, 3.0, 9.0, 40.0, -5.0)))
    def tick(self, seconds: float) -> None:
        self.run.now += seconds
        self.run.feed(e.Tick(now=0))

    @rule()
    def pause(self) -> None:
        self.run.feed(e.Paused(now=0))

    @rule()
    def resume(self) -> None:
        self.run.feed(e.Resumed(now=0))

    @precondition(lambda self: self.run.state.paused)
    @rule()
    def go_on(self) -> None:
        self.run.feed(e.Resumed(now=0))

    @rule()
    def begin_again(self) -> None:
        self.run.feed(e.Began(now=0))

    @rule()
    def die(self) -> None:
        self.run.die(frozenset({READS}))

    @rule()
    def die_twice(self) -> None:
        self.run.die(frozenset({READS}))
        self.run.die(frozenset({READS}))

    @precondition(lambda self: self.run.state.steps)
    @rule(chance=chances)
    def cancel_a_step(self, chance: random.Random) -> None:
        path = chance.choice([p for p in sorted(self.run.state.steps) if p] or ["x"])
        self.run.feed(e.Cancelled(now=0, path=path))

    @rule(sure=st.integers(0, 9))
    def cancel(self, sure: int) -> None:
        if not sure:
            self.run.feed(e.Cancelled(now=0))
            assert self.run.state.over
            assert not self.run.flying

    @precondition(lambda self: self.run.state.steps)
    @rule(chance=chances)
    def fork(self, chance: random.Random) -> None:
        """Go on with a fork of the run from here."""
        old = self.run
        paths = [path for path in sorted(old.state.steps) if path]
        again = chance.choice(["", *paths])
        handed = kept(old.plan, old.state, again)
        for path in handed:
            assert old.state.steps[path].status == "succeeded"
            assert path != again
            assert not path.startswith(f"{again}.") or not again
        self.forks += 1
        self.run = run = Witness(
            old.document,
            self.shelf,
            run_id=f"run_{self.forks}f",
            parallel=old.state.parallel,
            slots=old.slots,
            now=old.now,
            delayed=False,
        )
        run.feed(e.Forked(now=0, origin=old.state.run_id, step=again, outputs=handed))
        for path, given in handed.items():
            if path in run.state.steps and is_leaf(run.plan.node(path), path):
                assert run.state.steps[path].status == "succeeded"
                assert run.state.steps[path].output == given
                assert path not in run.flying, "what is done does not run again"


def test_events_in_any_order_keep_what_holds() -> None:
    run_state_machine_as_test(Machine, settings=quick)


@pytest.mark.full
@pytest.mark.parametrize("part", range(4))
def test_very_many_events_in_any_order_keep_what_holds(part: int) -> None:
    run_state_machine_as_test(Machine, settings=long)
