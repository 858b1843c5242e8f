"""The scheduler: accepts runs, feeds the kernel, commits what it says, and only then carries out its commands."""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import anyio
import anyio.to_thread

from astro_mcp.config import WorkflowSettings
from astro_mcp.core.authority import Effect, Label, Scope, Session
from astro_mcp.core.call import Progress
from astro_mcp.core.dispatcher import Dispatcher
from astro_mcp.core.ids import new_id
from astro_mcp.core.ports import ArtifactSink, Clock
from astro_mcp.core.registry import Registry
from astro_mcp.errors import AstroError, Busy, Conflict, Internal, InvalidInput, NotFound, Unavailable
from astro_mcp.store.database import Database
from astro_mcp.workflow.authority import frozen, level_of, steered_by, word_suffices
from astro_mcp.workflow.document.checks import Checked, Surroundings, check, parse
from astro_mcp.workflow.document.inputs import settled
from astro_mcp.workflow.document.plan import Plan
from astro_mcp.workflow.drivers.sqlite.active import Active, Post, Stepped, advanced
from astro_mcp.workflow.drivers.sqlite.journal import Journal, Summary
from astro_mcp.workflow.effects import Effects
from astro_mcp.workflow.expressions.evaluator import Evaluator
from astro_mcp.workflow.kernel import asks
from astro_mcp.workflow.kernel import events as e
from astro_mcp.workflow.kernel.state import LOST, TERMINAL, WAITING, RunState
from astro_mcp.workflow.progress import counted, resting

log = logging.getLogger(__name__)

POSTS: Final = 10_000
"""Events that may wait for the loop."""


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as its owner sees it."""

    name: str
    plan: Plan
    state: RunState
    labels: frozenset[Label]


class Scheduler:
    """Owns every run that has not ended. One loop advances them all: what came in meanwhile goes into one commit."""

    def __init__(
        self,
        database: Database,
        dispatcher: Dispatcher,
        registry: Registry,
        artifacts: ArtifactSink,
        settings: WorkflowSettings,
        clock: Clock,
    ) -> None:
        self._journal = Journal(database, artifacts)
        self._effects = Effects(dispatcher, artifacts)
        self._registry = registry
        self._settings = settings
        self._clock = clock
        self._evaluator = Evaluator()
        self._thread = anyio.CapacityLimiter(1)
        self._checkers = anyio.CapacityLimiter(1)
        self._runs: dict[str, Active] = {}
        self._posts: list[Post] = []
        self._bell = anyio.Event()
        self._in_flight = 0
        self._starting = 0
        self._group: anyio.abc.TaskGroup | None = None

    def active(self) -> bool:
        """Whether a run is going on by itself; one that waits for a word does not count."""
        return any(run.state.status in ("queued", "running") for run in self._runs.values())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Scheduler]:
        """Take up what was left, and schedule until the block ends. Calls in flight are cancelled then, and their runs
        go on at the next start."""
        for stored in await self._journal.unfinished():
            plan = await anyio.to_thread.run_sync(parse, stored.spec, limiter=self._checkers)
            run = Active(stored.name, plan, stored.session, stored.state, stored.labels, stored.events)
            self._runs[stored.state.run_id] = run
            repeatable = frozenset(name for name, tool in self._registry.tools.items() if tool.repeatable)
            self._post(Post(run, e.Recovered(now=0.0, repeatable=repeatable)))
            self._post(Post(run, e.Began(now=0.0)))
        try:
            async with anyio.create_task_group() as group:
                self._group = group
                group.start_soon(self._advance_forever)
                try:
                    yield self
                finally:
                    self._group = None
                    group.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._evaluator.close, limiter=self._checkers)
            self._runs.clear()

    # What callers ask for.

    async def check(self, spec: str, allowed: frozenset[Effect]) -> Checked:
        """Everything that is wrong with a document, or its plan."""
        around = Surroundings(dict(self._registry.tools), allowed, self._evaluator.check)
        return await anyio.to_thread.run_sync(check, spec, around, limiter=self._checkers)

    async def start(self, session: Session, spec: str, given: dict[str, Any], allow: Iterable[Effect]) -> str:
        """Accept a run; its id is given out once it is on disk. Raises `InvalidInput` with every problem, or `Busy`."""
        own = frozen(session, allow)
        checked = await self.check(spec, own.grant.effects)
        values, problems = settled(checked.plan.document.inputs, given) if checked.plan else ({}, [])
        problems = [*checked.problems, *problems]
        if checked.plan is None or problems:
            first = problems[0]
            raise InvalidInput(f"{first.path}: {first.reason}", "correct the problems below", problems=tuple(problems))
        if self._group is None:
            raise Unavailable("the scheduler is not running")
        self._admit()
        self._starting += 1
        try:
            state = RunState(new_id("run"), values, self._clock.now(), self._settings.parallel_per_run)
            with anyio.CancelScope(shield=True):  # an accepted run is both on disk and in memory, or neither
                await self._accept(own, spec, checked.plan, state)
            return state.run_id
        finally:
            self._starting -= 1

    def _admit(self) -> None:
        if len(self._runs) + self._starting >= self._settings.queue:
            raise Busy(
                f"{self._settings.queue} runs have not ended, and no more are taken",
                "answer or cancel those that wait: workflow_status lists them",
                retry_after_ms=5000,
            )

    async def _accept(self, own: Session, spec: str, plan: Plan, state: RunState) -> None:
        name = plan.document.name
        await self._journal.create(own, name, spec, state)
        run = Active(name, plan, own, state, own.labels, 0)
        self._runs[state.run_id] = run
        self._post(Post(run, e.Began(now=0.0)))

    async def wait(self, scope: Scope, run_id: str, seconds: float, progress: Progress) -> None:
        """Return when the run has ended, waits for a word or is paused, or after `seconds`."""
        run = self._own(scope, run_id)
        if run is None:
            return
        with anyio.move_on_after(seconds):
            while not resting(run.state):
                changed = run.changed
                done, total, text = counted(run.plan, run.state)
                await progress(done, total, text)
                await changed.wait()
        done, total, text = counted(run.plan, run.state)
        await progress(done, total, text)

    async def view(self, scope: Scope, run_id: str) -> RunView:
        """The run as it is on disk; raises `NotFound`."""
        run = self._own(scope, run_id)
        if run is not None:
            return RunView(run.name, run.plan, run.state, run.labels)
        stored = await self._journal.load(scope, run_id)
        plan = await anyio.to_thread.run_sync(parse, stored.spec, limiter=self._checkers)
        return RunView(stored.name, plan, stored.state, stored.labels)

    async def recent(self, scope: Scope, prefix: str = "", count: int = 100) -> list[Summary]:
        """The scope's own runs, newest first."""
        return await self._journal.recent(scope, prefix, count)

    async def answer(self, session: Session, run_id: str, path: str, value: Any) -> None:
        """Give an ask its answer, a gate its decision, a lost step its output. A second answer is nothing."""
        run = await self._steered(session, run_id)
        state = run.state.steps.get(path) if run else None
        if run is None or (state is not None and state.status in TERMINAL):
            return
        if state is None or state.status not in (WAITING, LOST):
            waiting = ", ".join(p for p, s in run.state.steps.items() if s.status in (WAITING, LOST))
            raise InvalidInput(f"the step {path[:80]!r} waits for no answer", f"waiting: {waiting or 'none'}")
        shown = state.request or {}
        if state.status == LOST:
            tool = self._registry.tool(run.plan.node(path).spec.tool or "")
            settled_value = _as_output(tool.declaration.output, value)
        else:
            word_suffices(session, str(shown.get("level", "model")))
            settled_value = asks.accepted(shown, value)
        by = level_of(session).value
        await self._send(
            run, e.Answered(now=0.0, path=path, value=settled_value, by=by, digest=shown.get("digest", ""))
        )

    async def pause(self, session: Session, run_id: str) -> None:
        """Start nothing more of the run."""
        await self._steer(session, run_id, e.Paused(now=0.0))

    async def resume(self, session: Session, run_id: str) -> None:
        """Go on."""
        await self._steer(session, run_id, e.Resumed(now=0.0))

    async def cancel(self, session: Session, run_id: str, path: str = "") -> None:
        """End one step, or the run."""
        await self._steer(session, run_id, e.Cancelled(now=0.0, path=path))

    async def retry(self, session: Session, run_id: str, path: str = "") -> None:
        """Run a lost step again, or every one; raises `Conflict` where none is lost."""
        run = await self._steered(session, run_id)
        lost = [p for p, s in run.state.steps.items() if s.status == LOST] if run else []
        if run is None or not (path in lost if path else lost):
            raise Conflict(
                "no such step is lost, and only lost steps are run again", f"lost: {', '.join(lost) or 'none'}"
            )
        await self._send(run, e.Retried(now=0.0, path=path))

    async def _steer(self, session: Session, run_id: str, event: e.Event) -> None:
        run = await self._steered(session, run_id)
        if run is None:
            raise Conflict("the run has ended")
        if event.path and event.path not in run.state.steps:
            raise NotFound(f"the run has no step {event.path[:80]!r} yet", ", ".join(list(run.state.steps)[1:30]))
        await self._send(run, event)

    async def _steered(self, session: Session, run_id: str) -> Active | None:
        """The run where it has not ended; None where it has; raises `NotFound`, `Forbidden`."""
        run = self._own(session.scope, run_id)
        own = run.session if run else (await self._journal.load(session.scope, run_id)).session
        steered_by(session, own)
        return run

    def _own(self, scope: Scope, run_id: str) -> Active | None:
        run = self._runs.get(run_id)
        return run if run is not None and run.session.scope == scope else None

    # The loop.

    def _post(self, post: Post) -> None:
        self._posts.append(post)
        self._bell.set()

    async def _send(self, run: Active, event: e.Event) -> None:
        """Post an event and wait until it is on disk."""
        if len(self._posts) >= POSTS or self._group is None:
            raise Busy(retry_after_ms=1000)
        post = Post(run, event)
        self._post(post)
        await post.done.wait()
        if post.error is not None:
            raise post.error

    async def _advance_forever(self) -> None:
        while True:
            wakes = [run.state.wake for run in self._runs.values() if run.state.wake is not None]
            delay = max(0.0, min(wakes) - self._clock.now()) if wakes else math.inf
            with anyio.move_on_after(min(delay, 60.0)):
                await self._bell.wait()
            self._bell = anyio.Event()
            posts, self._posts = self._posts, []
            await self._advance(posts)

    async def _advance(self, posts: list[Post]) -> None:
        now, slots = self._clock.now(), self._settings.parallel - self._in_flight
        batch: dict[str, list[Post]] = {}
        for post in posts:
            if post.run.state.over:  # it ended while this was on its way
                post.done.set()
            else:
                batch.setdefault(post.run.state.run_id, []).append(post)
        for run_id, run in self._runs.items():
            due = run.state.wake is not None and run.state.wake <= now
            if run_id not in batch and (due or (slots > 0 and run.hungry)):
                batch[run_id] = [Post(run, e.Tick(now=now))]
        if not batch:
            return
        evaluate = self._evaluator.evaluate
        stepped = await anyio.to_thread.run_sync(
            lambda: advanced(batch.values(), now, slots, evaluate), limiter=self._thread
        )
        async with anyio.create_task_group() as group:
            for one in stepped:
                group.start_soon(self._commit, one)

    async def _commit(self, stepped: Stepped) -> None:
        """Write, and only then let anybody see or do anything. A full or busy disk is waited for: until it writes
        again nothing can be acknowledged."""
        try:
            while True:
                try:
                    await self._journal.save(stepped.entry)
                    break
                except Unavailable as error:
                    log.warning("the journal can't be written; next try in a second: %s", error)
                    await anyio.sleep(1)
        except AstroError as error:
            log.exception("the run %s could not be advanced", stepped.run.state.run_id)
            self._runs.pop(stepped.run.state.run_id, None)
            stepped.reject(Internal(hint=f"the store refused to advance the run: {error.message}"))
            return
        self._apply(stepped)

    def _apply(self, stepped: Stepped) -> None:
        run = stepped.run
        run.adopt(stepped)
        for command in stepped.commands:
            if isinstance(command, e.Stop) and command.path in run.calls:
                run.calls[command.path].cancel()
            elif isinstance(command, e.Start) and self._group is not None:
                self._in_flight += 1
                run.calls[command.path] = scope = anyio.CancelScope()
                self._group.start_soon(self._carry_out, run, command, scope)
        if run.state.over:
            self._runs.pop(run.state.run_id, None)
        elif stepped.commands:  # who was served goes to the end of the line
            self._runs[run.state.run_id] = self._runs.pop(run.state.run_id)
        stepped.acknowledge()

    async def _carry_out(self, run: Active, command: e.Start, scope: anyio.CancelScope) -> None:
        try:
            with scope:
                session = run.labelled_session()
                outcome = await self._effects.carry_out(run.state.run_id, session, command)
                self._post(Post(run, outcome.event, outcome.labels, outcome.ref))
        finally:
            self._in_flight -= 1
            if run.calls.get(command.path) is scope:
                del run.calls[command.path]
            self._bell.set()


def _as_output(model: Any, value: Any) -> Any:
    """A lost step's output, told by hand, in the shape that the tool gives."""
    try:
        return model.model_validate(value).model_dump(mode="json")
    except ValueError as error:
        fields = ", ".join(model.model_fields)
        raise InvalidInput(f"the output of this step has the fields {fields}", str(error)[:300]) from None
