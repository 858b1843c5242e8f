"""One advance in the making: a copy of the state that is edited, and handed back frozen."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from dataclasses import fields as fields_of
from operator import attrgetter
from typing import Any, Final

from astro_mcp.errors import AstroError
from astro_mcp.workflow.document.plan import Plan
from astro_mcp.workflow.expressions.bind import Evaluate
from astro_mcp.workflow.kernel.events import Command, Event, Stop
from astro_mcp.workflow.kernel.scope import View, is_instance, is_leaf
from astro_mcp.workflow.kernel.state import CANCELLED, FAILED, READY, RUNNING, TERMINAL, RunState, StepState

_set: Final = setattr
_values: Final = attrgetter(*(f.name for f in fields_of(StepState)))
_run_values: Final = attrgetter(*(f.name for f in fields_of(RunState)))


@dataclass(frozen=True, slots=True)
class Advance:
    """The new state, what to do about it, and the paths of the steps that are new or changed."""

    state: RunState
    commands: tuple[Command, ...]
    changed: frozenset[str]


class Draft:
    """The state while it is advanced, by one event or by several. `done` holds the paths that ended and whose
    surroundings don't know yet; `changed` those whose steps are this draft's own and no other state's."""

    def __init__(self, plan: Plan, state: RunState, evaluate: Evaluate) -> None:
        self.plan = plan
        self.run = state
        self.now = 0.0
        self.slots = 0
        self.evaluate = evaluate
        self.steps: dict[str, StepState] = dict(state.steps)
        self.wakes = dict(state.wakes)
        self.ready = deque(state.ready)
        self.dropped = False
        self.running = state.running
        self.positions = state.positions
        self.calls = state.calls
        self.commands: list[Command] = []
        self.changed: set[str] = set()
        self.done: deque[str] = deque()

    def at(self, event: Event) -> None:
        """The time and the places of the next event."""
        self.now, self.slots = event.now, event.slots
        self.done.clear()

    def create(self, path: str, **fields: Any) -> None:
        """A new step at the end of the order."""
        self.steps[path] = StepState(position=self.positions, **fields)
        self.positions += 1
        self.changed.add(path)

    def put(self, path: str, **fields: Any) -> None:
        """Change a step: a copy of it, which is made once a draft."""
        if path not in self.changed:
            self.steps[path] = StepState(*_values(self.steps[path]))
            self.changed.add(path)
        own = self.steps[path]
        for name, value in fields.items():
            _set(own, name, value)
        if "wake" in fields:
            if fields["wake"] is None:
                self.wakes.pop(path, None)
            else:
                self.wakes[path] = fields["wake"]

    def view(self, path: str, *, inside: bool = False) -> View:
        return View(self.plan, self.run.inputs, self.steps, path, inside=inside)

    def line_up(self, path: str) -> None:
        """The step only waits for a place now."""
        self.put(path, status=READY, wake=None)
        self.ready.append(path)

    def close_ranks(self) -> None:
        """Who ended while it waited for a place leaves the line."""
        if self.dropped:
            self.ready = deque(path for path in self.ready if self.steps[path].status == READY)
            self.dropped = False

    def finish(self, path: str, status: str, *, output: Any = None, error: Mapping[str, Any] | None = None) -> None:
        """A step's one terminal event; a second one is nothing."""
        state = self.steps[path]
        if state.status in TERMINAL:
            return
        self.dropped |= state.status == READY
        if state.status == RUNNING and path and is_leaf(self.plan.node(path), path):
            self.running -= 1
            if status == CANCELLED:
                self.commands.append(Stop(path))
        blame = state.blame or status in (FAILED, CANCELLED)
        self.put(path, status=status, output=output, error=error, ended=self.now, wake=None, blame=blame)
        self.done.append(path)

    def fail(self, path: str, error: AstroError) -> None:
        self.finish(path, FAILED, error=error.as_dict())

    def forgiven(self, path: str) -> bool:
        """Whether the step's failure is no failure of what holds it."""
        return bool(path) and not is_instance(path) and self.plan.node(path).spec.continue_on_error

    def put_run(self, **fields: Any) -> None:
        """Change the run."""
        for name, value in fields.items():
            if getattr(self.run, name) != value:
                self.run = replace(self.run, **fields)
                return

    def advance(self) -> Advance:
        """The draft, frozen: it is not touched again."""
        state = RunState(*_run_values(self.run))
        _set(state, "steps", self.steps)
        _set(state, "ready", tuple(self.ready))
        _set(state, "wakes", self.wakes)
        _set(state, "running", self.running)
        _set(state, "positions", self.positions)
        _set(state, "calls", self.calls)
        return Advance(state, tuple(self.commands), frozenset(self.changed))
