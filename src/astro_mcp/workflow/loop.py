"""The loop: feeds the kernel, commits what it says, and only then carries out its commands.

Nothing that one run does ends the loop or another run: what can't be advanced, written or read is stored as failed.
"""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import anyio
import anyio.to_thread

from astro_mcp.core.authority import Label, Scope
from astro_mcp.core.ids import new_id
from astro_mcp.core.ports import Clock
from astro_mcp.core.registry import Registry
from astro_mcp.errors import Busy, Internal, Unavailable
from astro_mcp.run_settings import WorkflowSettings
from astro_mcp.workflow.answering import Answering
from astro_mcp.workflow.document.plan import Plan
from astro_mcp.workflow.document.read import parse
from astro_mcp.workflow.driver import Order
from astro_mcp.workflow.drivers.sqlite.active import Active, Broke, Post, Stepped, advanced, at_once
from astro_mcp.workflow.drivers.sqlite.journal import Journal, Unfinished
from astro_mcp.workflow.drivers.sqlite.rows import Entry, Stored, entry
from astro_mcp.workflow.effects import Effects
from astro_mcp.workflow.expressions.bind import Evaluate
from astro_mcp.workflow.flights import Flights
from astro_mcp.workflow.kernel import events as e
from astro_mcp.workflow.kernel.fork import kept
from astro_mcp.workflow.kernel.machine import step
from astro_mcp.workflow.kernel.state import RunState
from astro_mcp.workflow.recall import recall
from astro_mcp.workflow.shares import Shares
from astro_mcp.workflow.steady import Steady
from astro_mcp.workflow.trees import Trees

log = logging.getLogger(__name__)
T = TypeVar("T")

POSTS: Final = 10_000
"""Events that may wait for the loop."""
DAY: Final = 86_400.0
AGAIN: Final = 1.0
"""Seconds before another try where the store can't be written."""
FORGET_EVERY: Final = 3_600.0
FORGET_PAUSE: Final = 0.05
"""Seconds: between looks for old runs, and between two transactions that forget some."""


class Loop:
    """Owns every run that has not ended. One loop advances them all: what came in meanwhile goes into one commit."""

    def __init__(
        self,
        journal: Journal,
        effects: Effects,
        evaluate: Evaluate,
        registry: Registry,
        settings: WorkflowSettings,
        clock: Clock,
        trees: Trees,
    ) -> None:
        self._journal = journal
        self._effects = effects
        self._trees = trees
        self._evaluate = evaluate
        self._registry = registry
        self._settings = settings
        self._clock = Steady(clock)
        self._thread = anyio.CapacityLimiter(1)
        self._runs: dict[str, Active] = {}
        self._left: list[Unfinished] = []
        self._posts: list[Post] = []
        self._bell = anyio.Event()
        self._shares = Shares(settings.parallel_per_tenant)
        self._flights = Flights(self._carry_out, self._shares, self._ring)
        self._starting = 0
        self._group: anyio.abc.TaskGroup | None = None
        self.answering: Answering | None = None
        """Looks at every run that was advanced, where there is a model that answers."""

    def active(self) -> bool:
        """Whether a run is going on by itself; one that waits for a word does not count."""
        return bool(self._left) or any(run.state.status in ("queued", "running") for run in self._runs.values())

    def own(self, scope: Scope, run_id: str) -> Active | None:
        """The scope's run where it has not ended."""
        run = self._runs.get(run_id)
        return run if run is not None and run.session.scope == scope else None

    def comes(self, run_id: str) -> bool:
        """Whether the run is still to be taken up since the start."""
        return any(left.run_id == run_id for left in self._left)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Take up what was left, and go on until the block ends. Calls in flight are cancelled then, and their runs
        go on at the next start."""
        self._left = await self._journal.unfinished()
        await self._take_up()
        try:
            async with anyio.create_task_group() as group:
                self._group = group
                group.start_soon(self._advance_forever)
                group.start_soon(self._take_up_later)
                group.start_soon(self._forget_forever)
                try:
                    yield
                finally:
                    self._group = None
                    group.cancel_scope.cancel()
        finally:
            self._flights.clear()
            self._runs.clear()
            self._left.clear()

    async def accept(self, order: Order) -> str:
        """Take a run; its id is given out once it is on disk. Raises `Busy`."""
        state = order.state(self._clock.now(), self._settings.parallel_per_run)
        run = Active(order.plan.document.name, order.plan, order.own, state, order.own.labels, 0)
        await self._admit(run, order.spec, None)
        return state.run_id

    async def fork(self, stored: Stored, plan: Plan, again: str) -> str:
        """Take a run that begins as `stored` was before the step `again`, with the same authority; see `fork.kept`.
        Raises `Busy`, and what evaluating an expression does."""
        old, now, scope = stored.state, self._clock.now(), stored.session.scope
        event = e.Forked(now=now, origin=old.run_id, step=again, outputs=kept(plan, old, again))
        state = RunState(new_id("run"), old.inputs, now, self._settings.parallel_per_run, old.priority)
        advance = await anyio.to_thread.run_sync(step, plan, state, event, self._evaluate, limiter=self._thread)
        refs = {
            path: ref for path, ref in (await self._journal.refs(scope, old.run_id)).items() if path in event.outputs
        }
        first = entry(scope, advance.state, advance.changed, [event], 0, stored.labels, refs, now)
        run = Active(stored.name, plan, stored.session, advance.state, stored.labels, 1)
        await anyio.to_thread.run_sync(self._recall, run, limiter=self._thread)
        await self._admit(run, stored.spec, first)
        return state.run_id

    async def _admit(self, run: Active, spec: str, first: Entry | None) -> None:
        if self._group is None:
            raise Unavailable("the scheduler is not running")
        if len(self._runs) + self._starting >= self._settings.queue:
            raise Busy(
                f"{self._settings.queue} runs have not ended, and no more are taken",
                "answer or cancel those that wait: workflow_status lists them",
                retry_after_ms=5000,
            )
        self._starting += 1
        try:
            with anyio.CancelScope(shield=True):  # an accepted run is both on disk and in memory, or neither
                await self._journal.create(run.session, run.name, spec, run.state, first)
                if not run.state.over:
                    self._take(run, e.Began(now=0.0))
        finally:
            self._starting -= 1

    async def send(self, run: Active, event: e.Event, labels: frozenset[Label] = frozenset()) -> None:
        """Post an event and wait until it is on disk."""
        if len(self._posts) >= POSTS or self._group is None:
            raise Busy(retry_after_ms=1000)
        post = Post(run, event, labels, done=(done := anyio.Event()))
        self._post(post)
        await done.wait()
        if post.error is not None:
            raise post.error

    # Recovery.

    async def _take_up(self) -> None:
        """Take up what is left, as far as the store can be written: a disk that is full now is not waited for here."""
        while self._left:
            try:
                await self._recover(self._left[0])
            except Unavailable as error:
                log.warning("%d runs are taken up later: %s", len(self._left), error)
                return
            self._left.pop(0)

    async def _take_up_later(self) -> None:
        while self._left:
            await anyio.sleep(AGAIN)
            await self._take_up()

    def _recall(self, run: Active) -> None:
        recall(run.session.ledger, run.plan, run.state, self._registry.tools)

    async def _recover(self, left: Unfinished) -> None:
        """Take up one run. One that needs what is not there now is left for another start; a damaged one is failed.
        Raises `Unavailable` where the store can't be written."""
        try:
            stored = await self._journal.restore(left.scope, left.run_id)
            plan = await anyio.to_thread.run_sync(planned, stored, limiter=self._thread)
            state, events = stored.state, stored.events
            run = Active(stored.name, plan, stored.session, state, stored.labels, events, in_flight=stored.in_flight)
            await anyio.to_thread.run_sync(self._recall, run, limiter=self._thread)
            run.labelled_session()  # of a worktree that is no folder of the run's there is none
        except (Unavailable, OSError) as error:
            if isinstance(error, Unavailable) and error.retryable:
                raise
            log.exception("the run %s is left for the next start", left.run_id)
        except Exception:  # a damaged row must not stop the start, nor a disk that is full just then
            log.exception("the run %s can't be taken up", left.run_id)
            await self._stored_as_failed(left, Internal(hint="what is stored of the run is damaged"))
        else:
            repeatable = frozenset(name for name, tool in self._registry.tools.items() if tool.repeatable_here)
            self._take(run, e.Recovered(now=0.0, repeatable=repeatable), e.Began(now=0.0))

    def _take(self, run: Active, *events: e.Event) -> None:
        self._runs[run.state.run_id] = run
        self._shares.add(run)
        for event in events:
            self._post(Post(run, event))

    async def _forget_forever(self) -> None:
        """Retention: runs that ended too long ago, a few at a time."""
        while True:
            pause = FORGET_EVERY
            try:
                if await self._journal.purge(self._clock.now() - self._settings.keep_days * DAY):
                    pause = FORGET_PAUSE
            except Exception:  # what can't be forgotten now is forgotten later, and no run is held up by it
                log.exception("old runs can't be forgotten")
            await anyio.sleep(pause)

    def _drop(self, run: Active) -> None:
        self._runs.pop(run.state.run_id, None)
        self._shares.drop(run)

    # The loop.

    def _post(self, post: Post) -> None:
        self._posts.append(post)
        self._ring()

    def _ring(self) -> None:
        self._bell.set()

    async def _advance_forever(self) -> None:
        while True:
            if not self._posts:
                wakes = [run.state.wake for run in self._runs.values() if run.state.wake is not None]
                delay = max(0.0, min(wakes) - self._clock.now()) if wakes else math.inf
                with anyio.move_on_after(min(delay, 60.0)):
                    await self._bell.wait()
            self._bell = anyio.Event()
            posts, self._posts = self._posts, []
            await self._advance(posts)

    async def _advance(self, posts: list[Post]) -> None:
        now, slots = self._clock.now(), self._settings.parallel - self._flights.count
        batch: dict[str, list[Post]] = {}
        for post in posts:
            if post.run.state.over:  # it ended while this was on its way
                post.settle()
            else:
                batch.setdefault(post.run.state.run_id, []).append(post)
        for run_id, run in self._runs.items():
            due = run.state.wake is not None and run.state.wake <= now
            starts = run.hungry and slots > 0 and self._shares.room(run.scope.tenant) > 0
            if run_id not in batch and (due or starts):
                batch[run_id] = [Post(run, e.Tick(now=now), size=0)]
        if not batch:
            return
        stepped = at_once(batch, now, slots, self._shares)
        if stepped is None:
            stepped = await anyio.to_thread.run_sync(
                advanced, batch, now, slots, self._shares.copy(), self._evaluate, limiter=self._thread
            )
        if len(stepped) == 1:
            await self._commit(stepped[0])
            return
        async with anyio.create_task_group() as group:
            for one in stepped:
                group.start_soon(self._commit, one)

    async def _commit(self, stepped: Stepped | Broke) -> None:
        """Write, and only then let anybody see or do anything."""
        if isinstance(stepped, Broke):
            await self._break(stepped)
            return
        try:
            await self._written(lambda: self._journal.save(stepped.entry))
        except Exception:  # a run that can't be written breaks alone
            log.exception("an advance of the run %s can't be written", stepped.run.state.run_id)
            await self._break(Broke(stepped.run, stepped.posts))
        else:
            self._apply(stepped)

    async def _break(self, broke: Broke) -> None:
        """End a run that can't go on, and it alone."""
        run = broke.run
        error = Internal(hint=f"the run {run.state.run_id} could not go on; the daemon's log says why")
        await self._fail(Unfinished(run.session.scope, run.state.run_id, run.events), error)
        self._drop(run)
        run.fail(error, self._clock.now())
        for post in broke.posts:
            post.settle(error)

    async def _fail(self, left: Unfinished, error: Internal) -> None:
        """Store a run as failed. Where that does not go either it stays as it is on disk until the next start."""
        try:
            await self._written(lambda: self._stored_as_failed(left, error))
        except Exception:  # the last resort: it is dropped, and the loop goes on
            log.exception("the run %s can't be stored as failed", left.run_id)

    async def _stored_as_failed(self, left: Unfinished, error: Internal) -> None:
        kept = await self._journal.fail(left.scope, left.run_id, left.events, error.as_dict(), self._clock.now())
        log.error("the run %s %s", left.run_id, "is stored as failed" if kept else "was advanced by somebody else")

    async def _written(self, write: Callable[[], Awaitable[T]]) -> T:
        """A full or busy disk is waited for: until it writes again nothing can be acknowledged."""
        while True:
            try:
                return await write()
            except Unavailable as error:
                log.warning("the journal can't be written; next try in a second: %s", error)
                await anyio.sleep(AGAIN)

    def _apply(self, stepped: Stepped) -> None:
        run = stepped.run
        run.adopt(stepped)
        if self.answering is not None and self._group is not None:
            self.answering.look(run, self._group)
        for command in stepped.commands:
            if isinstance(command, e.Stop) and command.path in run.calls:
                run.calls[command.path].stop()
            elif isinstance(command, e.Make | e.Close) and self._group is not None:
                self._group.start_soon(self._worktree, run, command)
            elif isinstance(command, e.Start) and self._group is not None:
                self._flights.begin(self._group, run, command)
        if run.state.over:
            self._drop(run)
        for post in stepped.posts:
            post.settle()

    async def _carry_out(self, run: Active, command: e.Start, scope: anyio.CancelScope) -> None:
        outcome = await self._effects.carry_out(run.state.run_id, run.labelled_session(), command, scope)
        self._post(Post(run, outcome.event, outcome.labels, outcome.ref, outcome.text, len(outcome.text)))

    async def _worktree(self, run: Active, command: e.Make | e.Close) -> None:
        """One after the other, and the close once the calls have ended that were stopped before it."""
        async with run.tree:
            event: e.Event
            if isinstance(command, e.Make):
                event, labels = await self._trees.make(run.state.run_id, run.owner(), command)
            else:
                for call in list(run.calls.values()):
                    await call.wait()
                event, labels = await self._trees.close(run.state.run_id, run.name, run.owner(), command)
        self._post(Post(run, event, labels))


def planned(stored: Stored) -> Plan:
    """The plan of a stored run; raises whatever a damaged document, or steps that are not of it, can provoke."""
    plan = parse(stored.spec)
    for path in stored.state.steps:
        if path:
            plan.node(path)
    return plan
