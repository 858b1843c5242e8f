"""Feeds a kernel with a random document's run, and checks after every event what holds always."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from tests.workflow.naive import ENDS, Fact, Naive
from tests.workflow.player import evaluate
from tests.workflow.shelf import Shelf, same

from astro_mcp.workflow.document.model import Document
from astro_mcp.workflow.document.plan import Node, Plan, build
from astro_mcp.workflow.kernel import events as e
from astro_mcp.workflow.kernel.draft import Advance, Draft
from astro_mcp.workflow.kernel.machine import step, take
from astro_mcp.workflow.kernel.scope import child, is_instance, is_leaf, parent
from astro_mcp.workflow.kernel.state import RunState, StepState

LEAF_OPEN = frozenset({"ready", "running", "waiting", "lost"})


class Witness:
    """One run. `flying` are calls that were started and have not ended."""

    def __init__(
        self,
        document: dict[str, Any],
        shelf: Shelf,
        *,
        run_id: str = "run_1",
        parallel: int = 3,
        slots: int = 100,
        now: float = 0.0,
        delayed: bool = True,
    ) -> None:
        self.document = document
        self.shelf = shelf
        self.plan: Plan = build(Document.model_validate(document))
        after = self.plan.document.delay if delayed else None
        self.state = RunState(run_id, {}, now, parallel, after=after)
        self.slots = slots
        self.now = now
        self.events = 0
        self.flying: dict[str, e.Start] = {}
        self.started: Counter[str] = Counter()
        self.again: Counter[str] = Counter()
        """Times that a person had a lost step run again."""
        self.facts: dict[str, Fact] = {}
        self.opened: dict[str, float] = {}
        self.late: set[str] = set()
        self.last: tuple[RunState, e.Event, Advance] | None = None
        shelf.create(self.state)

    # What happens.

    def next(self, event: e.Event) -> e.Event:
        """The event as it would come now."""
        return replace(event, now=self.now, slots=self.slots - len(self.flying))

    def feed(self, event: e.Event) -> Advance:
        """One event, stepped, written, and looked at."""
        event = self.next(event)
        before, asked = self.state, self.asked()
        advance = step(self.plan, before, event, evaluate)
        self.shelf.save(advance, [event], self.events)
        self.events += 1
        self.state = advance.state
        self._together(before, event, advance)
        self._finality(before, advance)
        self._commands(before, event, advance)
        for path in advance.changed:
            self._step(path, before.steps.get(path), event, asked)
        room = event.slots - sum(isinstance(command, e.Start) for command in advance.commands)
        self._bounds(room)
        if isinstance(event, e.Recovered):
            self._cut_short(before, event)
        stored = self.shelf.load(self.state.run_id)
        assert same(stored, self.state), "a state survives its rows"
        self._model(before)
        return advance

    def die(self, repeatable: frozenset[str]) -> None:
        """The process ends here; another one goes on with what is on disk."""
        self.state = self.shelf.load(self.state.run_id)
        self.flying.clear()
        self.last = None
        self.feed(e.Recovered(now=0, repeatable=repeatable))

    def asked(self) -> dict[str, str]:
        """The digests of asks and gates that wait, by path."""
        return {
            path: str((found.request or {}).get("digest"))
            for path, found in self.state.steps.items()
            if found.status == "waiting"
        }

    def lost(self) -> list[str]:
        return [path for path, found in self.state.steps.items() if found.status == "lost"]

    # What holds.

    def _together(self, before: RunState, event: e.Event, advance: Advance) -> None:
        """Two events in one draft, as the driver takes them, give what two steps give."""
        if self.last is not None:
            earlier, first, then = self.last
            draft = Draft(self.plan, earlier, evaluate)
            take(draft, first)
            take(draft, event)
            both = draft.advance()
            assert both.state == advance.state
            assert both.commands == then.commands + advance.commands
            assert both.changed == then.changed | advance.changed
        self.last = before, event, advance

    def _finality(self, before: RunState, advance: Advance) -> None:
        state = self.state
        if before.over:
            assert state == before, "a run that ended has ended"
            assert not advance.commands
            assert not advance.changed
        for path, found in state.steps.items():
            was = before.steps.get(path)
            if was is not None and was.status in ENDS:
                counted = replace(was, waits=found.waits, open=found.open, failed=found.failed, calls=found.calls)
                assert found == counted, f"{path}: an end is final, and an output does not change"
            if was is not found:
                assert path in advance.changed, f"{path} changed, and nobody would write it"
        assert not before.steps.keys() - state.steps.keys()

    def _commands(self, before: RunState, event: e.Event, advance: Advance) -> None:
        for command in advance.commands:
            path = command.path
            if isinstance(command, e.Stop):
                self.flying.pop(path)
                continue
            assert isinstance(command, e.Start)
            assert not self.state.paused, f"{path} started while paused"
            assert self.state.status != "cancelled", f"{path} started after the cancel"
            assert path not in self.flying, f"{path} started twice"
            for node, holder in self._around(path):
                for need in node.needs:
                    status = self.state.steps[child(holder, need)].status
                    assert status in ENDS, f"{path} started before {need} was done"
            self.flying[path] = command
            self.started[path] += 1
            was = before.steps.get(path)
            repeatable = event.repeatable if isinstance(event, e.Recovered) else None
            cut_short = repeatable is not None and was is not None and was.status == "running"
            assert command.attempt == (was.attempt if was else 0) + (not cut_short)
            assert not cut_short or command.tool in (repeatable or ()), f"{path} may not simply run again"
            retry = self.plan.node(path).spec.retry
            limit = (retry.max_attempts if retry else 1) + self.again[path]
            assert command.attempt <= limit, f"{path}: more attempts than the limit"
            assert self.facts.get(path) is None, f"{path} was done, and runs again"

    def _cut_short(self, before: RunState, event: e.Recovered) -> None:
        """What was in flight when the process died is lost where it can't be repeated, and there alone."""
        for path, was in before.steps.items():
            found = self.state.steps[path]
            if was.status == "running" and path and is_leaf(self.plan.node(path), path) and found.status not in ENDS:
                lost = self.plan.node(path).spec.tool not in event.repeatable
                assert (found.status == "lost") == lost, f"{path} is {found.status}"

    def _around(self, path: str) -> list[tuple[Node, str]]:
        """The step and those that hold it, each with the path of the body that it stands in."""
        found = []
        while path:
            if not is_instance(path):
                found.append((self.plan.node(path), parent(path)))
            path = parent(path)
        return found

    def _step(self, path: str, was: StepState | None, event: e.Event, asked: dict[str, str]) -> None:
        """One step's change is one that the event allows; what ended it by itself is a fact from here on."""
        found = self.state.steps[path]
        if not path or (was is not None and was.status in ENDS):
            return
        leaf = is_leaf(self.plan.node(path), path)
        if not leaf and found.status == "running" and path not in self.opened:
            self.opened[path] = self.now
        if not leaf and path not in self.late and self._is_late(found):
            if self._overdue(path) or self._named(path, event):
                self.late.add(path)
            else:
                rounds = self._last_round(path) if self.plan.node(path).spec.repeat is not None else ""
                assert rounds in ("failed", "cancelled"), f"{path} has time left"
        if found.status == "cancelled":
            assert self._cancelled(path, event), f"{path} was cancelled by {event}"
        elif not leaf or found.status not in ENDS or found.status == "skipped":
            assert found.status != "lost" or isinstance(event, e.Recovered)
            return
        elif isinstance(event, e.Forked):
            assert event.outputs[path] == found.output if found.status == "succeeded" else found.error
        elif found.status == "succeeded":
            assert event.path == path
            assert was is not None
            told = isinstance(event, e.Answered) and (was.status == "lost" or event.digest == asked.get(path))
            done = isinstance(event, e.Finished) and was.status == "running" and event.attempt == was.attempt
            assert told or done, f"{path} succeeded by {event}"
        elif event.path != path or not isinstance(event, e.Finished | e.Answered):
            code = (found.error or {}).get("code")
            late = code == "timeout" and was is not None and was.wake is not None and was.wake <= self.now
            assert late or code in ("invalid_input", "limit_hit"), f"{path} failed by {event} with {code}"
            spec = self.plan.node(path).spec
            assert code != "invalid_input" or spec.with_ or spec.if_, f"{path} has no expression that could be broken"
        self.facts[path] = Fact(found.status, found.output)

    def _cancelled(self, path: str, event: e.Event) -> bool:
        if self._named(path, event):
            return True
        if self.state.status == "failed" and (self.state.error or {}).get("code") == "timeout" and self.state.over:
            return True
        return self._overdue(path) or self._last_round(path) == "cancelled"

    def _named(self, path: str, event: e.Event) -> bool:
        """Whether the event cancels the step, or what holds it."""
        return isinstance(event, e.Cancelled) and (not event.path or f"{path}.".startswith(f"{event.path}."))

    def _last_round(self, path: str) -> str:
        rounds = self.state.steps[path].opened
        return self.state.steps[child(path, rounds - 1)].status if rounds else ""

    def _is_late(self, found: StepState) -> bool:
        """Whether it was cut short: nothing more is opened in it."""
        return (found.error or {}).get("message") in ("this took longer than its timeout", "cancelled on request")

    def _bound(self, path: str) -> float | None:
        """Until when (Unix seconds) a body may go on, where it has a timeout of its own."""
        node = self.plan.node(path)
        timed = not is_instance(path) if node.spec.repeat is not None else is_instance(path) or not node.many
        if path not in self.opened or node.seconds is None or not timed:
            return None
        return self.opened[path] + node.seconds

    def _overdue(self, path: str) -> bool:
        """Whether the time of a body is over, or of one around it."""
        while path:
            bound = self._bound(path)
            if bound is not None and bound <= self.now:
                return True
            path = parent(path)
        return False

    def _bounds(self, room: int) -> None:
        state = self.state
        leaves = [found for path, found in state.steps.items() if path and is_leaf(self.plan.node(path), path)]
        assert state.running == len(self.flying) == sum(found.status == "running" for found in leaves)
        assert state.running <= state.parallel
        assert state.running <= self.slots
        assert state.calls <= self.plan.document.budget.calls
        for path, found in state.steps.items():
            used = self.plan.node(path).uses if path else None
            assert used is None or used.calls is None or found.calls <= used.calls
        ready = [path for path, found in state.steps.items() if found.status == "ready" and found.wake is None]
        assert state.over or sorted(state.ready) == sorted(ready), "the line holds what is ready, once"
        for path in [path for path in self.opened if path and state.steps[path].status == "running"]:
            bound = self._bound(path)
            assert bound is None or bound > self.now or path in self.late, f"{path} goes on beyond its time"
        if state.over:
            assert all(found.status in ENDS for found in state.steps.values()), "nothing is left of a run that ended"
            assert state.wake is None
        elif not state.paused and state.steps and state.running < state.parallel and room > 0:
            assert not state.ready, "there is a place, and it is not taken"

    def _model(self, before: RunState) -> None:
        """The naive model says the same of every step."""
        state = self.state
        late = state.over and state.deadline is not None and state.deadline <= self.now
        if not state.steps or state.status == "cancelled" or before.over or late:
            return
        expected = Naive(self.document, self.facts, state.steps.keys(), self.late).statuses()
        actual = {}
        for path, found in state.steps.items():
            leaf = bool(path) and is_leaf(self.plan.node(path), path)
            actual[path] = "begun" if leaf and found.status in LEAF_OPEN else found.status
        assert actual == expected
        if not state.over:
            assert expected[""] == "running"
