"""The seam under the scheduler: who keeps runs, and feeds the kernel. There are two, and configuration chooses.

Every look-up is by scope, and a foreign run is a missing one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, fields
from typing import Any, Protocol

from astro_mcp.core.authority import Label, Scope, Session
from astro_mcp.core.ids import new_id
from astro_mcp.errors import Internal
from astro_mcp.workflow.answerer import Answerer
from astro_mcp.workflow.document.plan import Plan
from astro_mcp.workflow.kernel.events import Event
from astro_mcp.workflow.kernel.state import RunState
from astro_mcp.workflow.trees import Trees


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as it is known at one moment. `session` is what its steps act as."""

    name: str
    plan: Plan
    session: Session
    state: RunState
    labels: frozenset[Label]


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of a list; times are Unix seconds."""

    run_id: str
    name: str
    status: str
    created: float
    updated: float


@dataclass(frozen=True, slots=True)
class Happened:
    """One event of a run's history: its number from 1 on, when (Unix seconds), what, to which step, and the rest of it
    without outputs, which stand with the steps."""

    seq: int
    at: float
    kind: str
    path: str
    body: Mapping[str, Any]


def happened(seq: int, event: Event) -> Happened:
    """An event as the history tells it."""
    names = [field.name for field in fields(event) if field.name not in ("now", "path", "output", "outputs")]
    told = {name: getattr(event, name) for name in names if getattr(event, name) is not None}
    body = {name: sorted(value) if isinstance(value, frozenset) else value for name, value in told.items()}
    return Happened(seq, event.now, type(event).__name__.lower(), event.path, body)


@dataclass(frozen=True, slots=True)
class Order:
    """A run that is to begin: who it acts as, its checked document and inputs, its share. `run_id` is empty where any
    will do."""

    own: Session
    spec: str
    plan: Plan
    values: Mapping[str, Any]
    priority: str
    run_id: str
    unattended: bool

    def state(self, now: float, parallel: int) -> RunState:
        """What is known of the run before anything has happened; `now` in Unix seconds."""
        delay = self.plan.document.delay
        after = None if delay is None else now + delay
        run_id = self.run_id or new_id("run")
        return RunState(run_id, self.values, now, parallel, self.priority, self.unattended, after=after)


class Driver(Protocol):
    """Keeps runs and advances them."""

    trees: Trees
    """Who makes the worktrees of its runs."""

    def active(self) -> bool:
        """Whether a run may be going on by itself; one that waits for a word does not count."""

    def answered_by(self, answerer: Answerer) -> None:
        """Have asks answered by the operator's model, before `running`."""

    def running(self) -> AbstractAsyncContextManager[None]:
        """Take up what was left, and go on until the block ends. Raises `Unavailable` where that can't be now."""

    @property
    def kept_seconds(self) -> float | None:
        """How long a run stays after its end; None where that is not this driver's to know."""

    async def knows(self, scope: Scope, run_id: str) -> bool:
        """Whether there is such a run."""

    async def accept(self, order: Order) -> str:
        """Take a run; its id is given out once it can't be lost any more. Raises `Busy`."""

    async def fork(self, session: Session, run_id: str, again: str) -> str:
        """Take a run that begins as that one of the session's was before the step `again`, by the same authority, with
        the session's ledger and what it has seen; see `fork.kept`.
        Raises `NotFound`, `Busy`, and what evaluating an expression does."""

    async def send(self, scope: Scope, run_id: str, event: Event, labels: frozenset[Label] = frozenset()) -> None:
        """Return when the event, whose labels the run has from then on, can't be lost any more. To a run that has
        ended meanwhile it is nothing."""

    async def view(self, scope: Scope, run_id: str) -> RunView:
        """The run; raises `NotFound`, or `Internal` where what is kept of it is damaged."""

    def follow(self, scope: Scope, run_id: str) -> AsyncGenerator[RunView, None]:
        """The run as it is, and again after it changed, to its end; nothing of one that nobody advances."""

    async def recent(self, scope: Scope, prefix: str, count: int) -> list[Summary]:
        """The scope's own runs, newest first."""

    async def events(self, scope: Scope, run_id: str, after: int = 0) -> list[Happened]:
        """The run's events in order, those behind the one with that number."""


def unreadable(run_id: str) -> Internal:
    """What is told of a run whose stored form is damaged."""
    return Internal(f"the stored run {run_id} can't be read", "start it again; the daemon's log says what is damaged")
