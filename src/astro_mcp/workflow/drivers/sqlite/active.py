"""A run in memory, and how a batch of events takes it to its next stored state."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any, Final

import anyio

from astro_mcp.core.authority import Label, Scope, Session
from astro_mcp.errors import AstroError
from astro_mcp.workflow.document.plan import Plan
from astro_mcp.workflow.drivers.sqlite.rows import Entry, InFlight, entry
from astro_mcp.workflow.expressions.bind import Evaluate
from astro_mcp.workflow.kernel.draft import Draft
from astro_mcp.workflow.kernel.events import Command, Event, Start, set_time
from astro_mcp.workflow.kernel.machine import take
from astro_mcp.workflow.kernel.scope import View
from astro_mcp.workflow.kernel.state import FAILED, RunState
from astro_mcp.workflow.shares import Shares
from astro_mcp.workflow.stored_json import stored_json

log = logging.getLogger(__name__)

FEW: Final = 4
"""Events that may be taken on the event loop, of any run."""
MANY: Final = 64
TURN: Final = 0.01
"""Events, and seconds, of a run that never took longer: to hand a batch to a thread and back, whose processor knows
nothing of the run yet, takes a fifth of what the batch takes."""
LIGHT: Final = 1 << 20
"""Of a run whose events may be: its expressions times the characters that these can reach. So much text is made for one
step at most, in less than a millisecond."""


class NotAtOnce(Exception):
    """An expression has to be evaluated, which may take its time; or much time was taken already."""


class Flight:
    """One call in flight."""

    __slots__ = ("_landed", "_scope", "_stopped")

    def __init__(self) -> None:
        self._scope: anyio.CancelScope | None = None
        self._stopped = False
        self._landed: anyio.Event | None = None

    def begins(self, scope: anyio.CancelScope) -> bool:
        """It is carried out in `scope` from here on, which ends with it where it is stopped; False where it was."""
        self._scope = scope
        return not self._stopped

    def stop(self) -> None:
        """Nobody waits for its answer any more: cancelled, or never begun."""
        self._stopped = True
        if self._scope is not None:
            self._scope.cancel()

    async def wait(self) -> None:
        """Return when it has ended. (Few are waited for: whoever does brings the event.)"""
        if self._landed is None:
            self._landed = anyio.Event()
        await self._landed.wait()

    def land(self) -> None:
        """It has ended."""
        self._scope = None
        if self._landed is not None:
            self._landed.set()


@dataclass(slots=True, eq=False)
class Active:
    """A run that has not ended. `state` is always what is on disk (but where even its end could not be written)."""

    name: str
    plan: Plan
    session: Session
    state: RunState
    labels: frozenset[Label]
    events: int
    weight: float = math.inf
    """Characters of all that expressions can reach, and at least that; infinite where it is not known."""
    brief: bool = True
    """Whether every batch of many events that was begun on the event loop ended there."""
    in_flight: InFlight = field(default_factory=dict)
    """What is on disk of its calls in flight."""
    calls: dict[str, Flight] = field(default_factory=dict)
    tree: anyio.Lock = field(default_factory=anyio.Lock)
    """Held while its worktree is made or closed."""
    asked: set[str] = field(default_factory=set)
    """Paths of asks that the operator's model was given."""
    changed: anyio.Event = field(default_factory=anyio.Event)
    caller: Session = field(init=False)
    """Whom the calls are made as; see `labelled_session`."""

    def __post_init__(self) -> None:
        self.caller = self.session

    @property
    def scope(self) -> Scope:
        """Whose it is."""
        return self.session.scope

    @property
    def hungry(self) -> bool:
        """Whether it would start a call if there were a place."""
        state = self.state
        return bool(state.ready) and not state.held and state.running < state.parallel

    def labelled_session(self) -> Session:
        """The session of the next call: the run's own, with what it has seen so far, and within its worktree."""
        tree = (self.state.worktree or {}).get("path")
        if self.caller.labels != self.labels or (tree and not self.caller.grant.home):
            self.caller = self.owner().within(Path(tree)) if tree else self.owner()
        return self.caller

    def owner(self) -> Session:
        """The run's own session, with what it has seen so far."""
        return replace(self.session, labels=self.labels)

    def adopt(self, stepped: Stepped) -> None:
        """Take over what was committed, and tell those who watch."""
        self.state = stepped.state
        self.labels = stepped.labels
        if not self.events:  # it began
            self.weight = len(stepped.entry.head["head"]) + len(stored_json(self.state.inputs))
        self.in_flight = stepped.entry.in_flight
        self.events += len(stepped.entry.events)
        self.weight += stepped.entry.weight
        self._tell()

    def fail(self, error: AstroError, now: float) -> None:
        """It can't go on: what it has in flight is stopped, and those who watch are told."""
        self.state = replace(self.state, status=FAILED, error=error.as_dict(), ended=now)
        for call in self.calls.values():
            call.stop()
        self._tell()

    def _tell(self) -> None:
        self.changed.set()
        self.changed = anyio.Event()


@dataclass(slots=True, eq=False)
class Post:
    """An event on its way to the loop; `done`, where somebody waits, is set once it is on disk, or `error` says why
    not. Its event is its own: the loop sets its time. `text` is the event's output as it is stored, `size` are the
    characters of what it brings, where those are known."""

    run: Active
    event: Event
    labels: frozenset[Label] = frozenset()
    ref: str | None = None
    text: str = ""
    size: float = math.inf
    done: anyio.Event | None = None
    error: AstroError | None = None

    def settle(self, error: AstroError | None = None) -> None:
        """Let go of whoever waits for it."""
        self.error = error
        if self.done is not None:
            self.done.set()


@dataclass(frozen=True, slots=True)
class Stepped:
    """One run's advance by a batch: not yet on disk."""

    run: Active
    posts: tuple[Post, ...]
    state: RunState
    labels: frozenset[Label]
    commands: tuple[Command, ...]
    entry: Entry


@dataclass(frozen=True, slots=True)
class Broke:
    """One run that could not be advanced, and what was on its way to it."""

    run: Active
    posts: tuple[Post, ...]


def at_once(batch: Mapping[str, list[Post]], now: float, slots: int, shares: Shares) -> list[Stepped | Broke] | None:
    """What `advanced` gives, where it takes less time than to hand it to a thread and back; else None. Of one run, with
    little in it, and no expression but plain references."""
    if len(batch) > 1:
        return None
    [posts] = batch.values()
    run = posts[0].run
    count, reach = len(posts), run.weight + sum(post.size for post in posts)
    if count > (MANY if run.brief else FEW) or (1 + run.plan.marks) * reach > LIGHT:
        return None
    try:
        return advanced(batch, now, slots, shares, _not_at_once, brief=True)
    except NotAtOnce:
        run.brief = count <= FEW
        return None


class _Brief(Draft):
    """A draft that is given up where it took its time before all was rendered: one event can begin many calls."""

    def __init__(self, plan: Plan, state: RunState, evaluate: Evaluate) -> None:
        super().__init__(plan, state, evaluate)
        self._until = perf_counter() + TURN, thread_time() + TURN

    def view(self, path: str, *, inside: bool = False) -> View:
        passed, spent = self._until
        if perf_counter() > passed and thread_time() > spent:  # the processor's takes ten times as long to ask
            raise NotAtOnce
        return super().view(path, inside=inside)


def _not_at_once(source: str, data: Mapping[str, Any]) -> Any:
    raise NotAtOnce


def advanced(
    batch: Mapping[str, list[Post]],
    now: float,
    slots: int,
    shares: Shares,
    evaluate: Evaluate,
    *,
    brief: bool = False,
) -> list[Stepped | Broke]:
    """Step every run (by id) through its events, sharing `slots` as `shares` say: a copy, which is used up, where there
    is more than one run. Blocks while expressions are evaluated. What is to be `brief` raises
    `NotAtOnce` where there is something to render after `TURN` seconds of the processor."""
    found: list[Stepped | Broke] = []
    left = {run_id: posts[0].run for run_id, posts in batch.items()}
    while left:
        run = shares.turn(left)
        del left[run.state.run_id]
        posts = batch[run.state.run_id]
        try:
            stepped = _advance(posts, now, min(slots, shares.room(run.scope.tenant)), evaluate, brief=brief)
        except NotAtOnce:
            raise
        except Exception:  # what one run holds breaks that run alone
            log.exception("the run %s can't be advanced", posts[0].run.state.run_id)
            found.append(Broke(posts[0].run, tuple(posts)))
        else:
            for command in stepped.commands:
                if isinstance(command, Start):
                    slots -= 1
                    if left:  # whose turn comes next goes by it
                        shares.began(run)
            found.append(stepped)
    return found


def _advance(posts: list[Post], now: float, slots: int, evaluate: Evaluate, *, brief: bool) -> Stepped:
    run, labels = posts[0].run, posts[0].run.labels
    draft = (_Brief if brief else Draft)(run.plan, run.state, evaluate)
    events = [post.event for post in posts]
    begun = run.state.calls
    for post in posts:
        set_time(post.event, now, slots - (draft.calls - begun))
        take(draft, post.event)
        if not post.labels <= labels:
            labels |= post.labels
    advance = draft.advance()
    refs = {post.event.path: post.ref for post in posts if post.ref is not None}
    texts = {post.event.path: (post.event, post.text) for post in posts if post.text}
    known = texts, run.state.steps, run.in_flight
    written = entry(run.session.scope, advance.state, advance.changed, events, run.events, labels, refs, now, *known)
    return Stepped(run, tuple(posts), advance.state, labels, advance.commands, written)
