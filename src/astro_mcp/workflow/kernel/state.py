"""What is known of a run. Frozen: an advance makes new values, and only of what changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any, Final

from astro_mcp.core.record import record

VERSION: Final = 1
"""Of the stored form: raised with a migration whenever a field changes its meaning."""

PENDING: Final = "pending"
READY: Final = "ready"
RUNNING: Final = "running"
WAITING: Final = "waiting"
LOST: Final = "lost"
SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"
SKIPPED: Final = "skipped"
CANCELLED: Final = "cancelled"
TERMINAL: Final = frozenset({SUCCEEDED, FAILED, SKIPPED, CANCELLED})

QUEUED: Final = "queued"
PAUSED: Final = "paused"
MAKING: Final = "making"
OPEN: Final = "open"
CLOSING: Final = "closing"
CLOSED: Final = "closed"
"""Of a run's worktree."""
ENDED: Final = frozenset({SUCCEEDED, FAILED, CANCELLED})
"""The terminal states of a run."""


@record()
class StepState:
    """One step, or one instance of a foreach or a repeat (`files.0`), or the run's own body (path "").

    waits     needs that are not done
    refused   times that the dispatcher had no place for the call
    wake      Unix seconds when something happens by itself: the next attempt, the end of a wait
    request   what an ask or a gate shows
    items     what a foreach goes over
    inputs    what a workflow that the step runs was given
    calls     calls that were begun inside such a workflow
    opened    instances begun; open: instances or steps inside that are not done; failed: how many of those failed
    blame     a failure lies here or above, also where this step was only skipped for it
    """

    position: int
    status: str = PENDING
    waits: int = 0
    attempt: int = 0
    refused: int = 0
    wake: float | None = None
    output: Any = None
    error: Mapping[str, Any] | None = None
    request: Mapping[str, Any] | None = None
    items: list[Any] | None = None
    inputs: Mapping[str, Any] | None = None
    calls: int = 0
    opened: int = 0
    open: int = 0
    failed: int = 0
    blame: bool = False
    started: float | None = None
    ended: float | None = None


@record()
class RunState:
    """One run. `ready` is the line of steps that only wait for a place; `running` counts calls in flight.

    `parallel` is the most of these at once, `priority` (low, normal, high) its share of the driver, `deadline` the end
    of the run's time and `after` when it may begin, in Unix seconds.

    `worktree` is there once a run in a worktree has begun: its `phase`, and what `Make`, `Made` and `Closed` say;
    while it is closed, `end` holds the fields that the run ends with.
    """

    run_id: str
    inputs: Mapping[str, Any]
    created: float
    parallel: int
    priority: str = "normal"
    unattended: bool = False
    status: str = QUEUED
    paused: bool = False
    calls: int = 0
    running: int = 0
    positions: int = 0
    after: float | None = None
    deadline: float | None = None
    outputs: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, Any] | None = None
    ended: float | None = None
    worktree: Mapping[str, Any] | None = None
    ready: tuple[str, ...] = ()
    wakes: Mapping[str, float] = field(default_factory=dict)
    steps: Mapping[str, StepState] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether the run has reached a terminal state."""
        return self.status in ENDED

    @property
    def held(self) -> bool:
        """Whether nothing of it starts: it is paused, or its worktree is being made or closed."""
        return self.paused or (self.worktree or {}).get("phase") in (MAKING, CLOSING)

    @property
    def wake(self) -> float | None:
        """When the next `Tick` is due, in Unix seconds."""
        whole = self.deadline if self.steps else self.after
        times = [*self.wakes.values(), *([whole] if whole is not None else [])]
        return None if self.over else min(times, default=None)


def restored(state: RunState, steps: Mapping[str, StepState]) -> RunState:
    """A stored head and its stored steps, whole again: the line and the clocks follow from the steps."""
    line = sorted((s.position, path) for path, s in steps.items() if s.status == READY and s.wake is None)
    wakes = {path: s.wake for path, s in steps.items() if s.wake is not None and s.status not in TERMINAL}
    return replace(state, steps=steps, ready=tuple(path for _, path in line), wakes=wakes)
