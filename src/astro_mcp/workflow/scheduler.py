"""The scheduler's door: what callers ask of runs. The driver behind it keeps and advances them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread

from astro_mcp.core.authority import ALL_EFFECTS, Approval, Effect, Scope, Session
from astro_mcp.core.call import Progress
from astro_mcp.core.ports import Clock
from astro_mcp.core.registry import Registry
from astro_mcp.errors import Conflict, InvalidInput, NotFound, Problem
from astro_mcp.workflow.authority import frozen, level_of, steered_by, word_suffices
from astro_mcp.workflow.document.checks import Checked, check
from astro_mcp.workflow.document.inputs import settled
from astro_mcp.workflow.document.model import WORKTREE
from astro_mcp.workflow.document.plan import Plan
from astro_mcp.workflow.document.surroundings import Surroundings
from astro_mcp.workflow.document.unanswered import unanswered
from astro_mcp.workflow.document.values import sound
from astro_mcp.workflow.driver import Driver, Happened, Order, RunView, Summary
from astro_mcp.workflow.expressions.evaluator import Evaluator
from astro_mcp.workflow.kernel import asks
from astro_mcp.workflow.kernel import events as e
from astro_mcp.workflow.kernel.state import LOST, TERMINAL, WAITING
from astro_mcp.workflow.progress import Watcher, resting
from astro_mcp.workflow.templates import Templates
from astro_mcp.workflow.watching import Changes


class Scheduler:
    """Checks, starts, watches and steers runs, each for its own scope."""

    def __init__(
        self,
        driver: Driver,
        registry: Registry,
        templates: Templates,
        evaluator: Evaluator,
        clock: Clock,
        *,
        answers: bool = False,
    ) -> None:
        """`evaluator` is closed with it. `answers`: the operator has set a model that answers asks."""
        self.templates = templates
        self._driver = driver
        self._registry = registry
        self._evaluator = evaluator
        self._clock = clock
        self._answers = answers
        self._checkers = anyio.CapacityLimiter(1)

    def active(self) -> bool:
        """Whether a run is going on by itself; one that waits for a word does not count."""
        return self._driver.active()

    @property
    def kept_seconds(self) -> float | None:
        """How long a run stays after its end; None where nobody here knows."""
        return self._driver.kept_seconds

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Scheduler]:
        """Take up what was left, and schedule until the block ends. Calls in flight are cancelled then, and their runs
        go on at the next start."""
        try:
            async with self._driver.running():
                yield self
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._evaluator.close, limiter=self._checkers)

    async def check(self, spec: str, allowed: frozenset[Effect], session: Session | None = None) -> Checked:
        """Everything that is wrong with a document, or its plan; of a worktree only where `session` says whose it would
        be. Raises `Busy` and what else may pass where that can't be looked at now."""
        templates = {template.name: template.document for template in await self.templates.all()}
        around = Surroundings(dict(self._registry.tools), allowed, self._evaluator.check, templates)
        checked = await anyio.to_thread.run_sync(check, spec, around, limiter=self._checkers)
        if session is not None and checked.workspace == WORKTREE:
            await self._driver.trees.look(frozen(session, session.grant.effects), checked)
        return checked

    async def plan(self, spec: str) -> Plan:
        """The plan of a document that is sound; raises `InvalidInput` with every problem."""
        checked = await self.check(spec, ALL_EFFECTS)
        if checked.plan is None:
            raise _unsound(checked.problems)
        return checked.plan

    async def start(
        self,
        session: Session,
        spec: str,
        given: dict[str, Any],
        allow: Iterable[Effect],
        priority: str = "normal",
        run_id: str = "",
        *,
        unattended: bool = False,
    ) -> str:
        """Accept a run; its id is given out once it is on disk. With a `run_id` that there is already nothing happens.
        `unattended`: nobody watches it, and the operator's model answers its asks: one that has none is refused.
        Raises `InvalidInput` with every problem, or `Busy`."""
        own = frozen(session, allow)
        if run_id and await self._driver.knows(own.scope, run_id):
            return run_id
        return await self._driver.accept(await self._order(own, spec, given, priority, run_id, unattended=unattended))

    async def rehearse(self, session: Session, spec: str, given: dict[str, Any], allow: Iterable[Effect]) -> None:
        """Raises `InvalidInput` with every problem that an unattended run would be refused for."""
        await self._order(frozen(session, allow), spec, given, "normal", "", unattended=True)

    async def _order(
        self, own: Session, spec: str, given: dict[str, Any], priority: str, run_id: str, *, unattended: bool
    ) -> Order:
        checked = await self.check(spec, own.grant.effects, own)
        values, problems = settled(checked.plan.document.inputs, given) if checked.plan else ({}, [])
        problems = [*checked.problems, *problems]
        if unattended and checked.plan:
            problems += unanswered(checked.plan.document, own.grant.effects, answers=self._answers)
        if checked.plan is None or problems:
            raise _unsound(problems)
        return Order(own, checked.spec, checked.plan, values, priority, run_id, unattended)

    async def wait(self, scope: Scope, run_id: str, seconds: float, progress: Progress) -> None:
        """Return when the run has ended, waits for a word or is paused, or after `seconds`."""
        watcher, run = Watcher(run_id, progress), None
        with anyio.move_on_after(seconds):
            async with aclosing(self._driver.follow(scope, run_id)) as states:
                async for run in states:
                    if resting(run.state):
                        break
                    await watcher.tell(run.plan, run.state)
        if run is not None:
            await watcher.tell(run.plan, run.state)

    async def view(self, scope: Scope, run_id: str) -> RunView:
        """The run as it is kept; raises `NotFound`, or `Internal` where that is damaged."""
        return await self._driver.view(scope, run_id)

    async def asked(self, scope: Scope, run_id: str) -> frozenset[str]:
        """The digests of what the run waits for now; none where it has ended."""
        async with aclosing(self._driver.follow(scope, run_id)) as states:
            async for run in states:
                steps = run.state.steps.values()
                return frozenset(step.request["digest"] for step in steps if step.status == WAITING and step.request)
        return frozenset()

    async def changes(self, scope: Scope, run_id: str, path: str = "", *, every: bool = False) -> Changes:
        """What changes of a run, or of one of its steps, from here on, or `every` event; raises `NotFound`."""
        state = (await self._driver.view(scope, run_id)).state
        if path and path not in state.steps:
            raise NotFound(f"the run has no step {path[:80]!r}")
        return Changes(state, self._driver.follow(scope, run_id), path, every=every)

    async def recent(self, scope: Scope, prefix: str = "", count: int = 100) -> list[Summary]:
        """The scope's own runs, newest first."""
        return await self._driver.recent(scope, prefix, count)

    async def answer(
        self, session: Session, run_id: str, path: str, value: Any, approval: Approval | None = None
    ) -> None:
        """Give an ask its answer, a gate its decision, a lost step its output. A second answer is nothing."""
        sound(value, "the answer")
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
            settled_value, by = _as_output(tool.declaration.output, value), level_of(session)
        else:
            by = word_suffices(session, shown, approval, self._clock.now())
            settled_value = asks.accepted(shown, value)
        event = e.Answered(now=0.0, path=path, value=settled_value, by=by.value, digest=shown.get("digest", ""))
        await self._driver.send(session.scope, run_id, event, session.labels | session.ledger.labels)

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
        await self._driver.send(session.scope, run_id, e.Retried(now=0.0, path=path))

    async def fork(self, session: Session, run_id: str, path: str = "") -> str:
        """A new run of the same document and inputs, by the same authority, which begins again at the step `path`, or
        at what failed; earlier outputs are kept. Its id is given out once it is on disk. Raises `NotFound`,
        `Forbidden`, `Busy`."""
        run = await self._driver.view(session.scope, run_id)
        steered_by(session, run.session)
        if path and path not in run.state.steps:
            raise NotFound(f"the run has no step {path[:80]!r}", ", ".join(list(run.state.steps)[1:30]))
        return await self._driver.fork(session, run_id, path)

    async def happened(self, scope: Scope, run_id: str, after: int = 0) -> list[Happened]:
        """What has happened to the run, in order, behind the event with that number; raises `NotFound`."""
        await self._driver.view(scope, run_id)
        return await self._driver.events(scope, run_id, after)

    async def history(self, scope: Scope, run_id: str, after: int = 0) -> AsyncIterator[Happened]:
        """The same as it happens, until the run has ended."""
        await self._driver.view(scope, run_id)
        async with aclosing(self._driver.follow(scope, run_id)) as states:
            async for _ in states:
                for event in await self._driver.events(scope, run_id, after):
                    after = event.seq
                    yield event
        for event in await self._driver.events(scope, run_id, after):
            yield event

    async def _steer(self, session: Session, run_id: str, event: e.Event) -> None:
        run = await self._steered(session, run_id)
        if run is None:
            raise Conflict("the run has ended")
        if event.path and event.path not in run.state.steps:
            raise NotFound(f"the run has no step {event.path[:80]!r} yet", ", ".join(list(run.state.steps)[1:30]))
        await self._driver.send(session.scope, run_id, event)

    async def _steered(self, session: Session, run_id: str) -> RunView | None:
        """The run where it has not ended; None where it has; raises `NotFound`, `Forbidden`."""
        run = await self._driver.view(session.scope, run_id)
        steered_by(session, run.session)
        return None if run.state.over else run


def _unsound(problems: Sequence[Problem]) -> InvalidInput:
    first = problems[0]
    return InvalidInput(f"{first.path}: {first.reason}", "correct the problems below", problems=tuple(problems))


def _as_output(model: Any, value: Any) -> Any:
    """A lost step's output, told by hand, in the shape that the tool gives."""
    try:
        return model.model_validate(value).model_dump(mode="json")
    except ValueError as error:
        fields = ", ".join(model.model_fields)
        raise InvalidInput(f"the output of this step has the fields {fields}", str(error)[:300]) from None
