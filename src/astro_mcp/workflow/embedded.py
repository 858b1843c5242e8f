"""The embedded driver: the loop of this process, over the journal in its SQLite."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

import anyio
import anyio.to_thread

from astro_mcp.core.authority import Label, Scope, Session
from astro_mcp.core.ports import ArtifactSink, Clock
from astro_mcp.core.registry import Registry
from astro_mcp.errors import Unavailable
from astro_mcp.run_settings import WorkflowSettings
from astro_mcp.store.database import Database
from astro_mcp.workflow.answerer import Answerer
from astro_mcp.workflow.answering import Answering
from astro_mcp.workflow.document.plan import Plan
from astro_mcp.workflow.driver import Happened, Order, RunView, Summary, unreadable
from astro_mcp.workflow.drivers.sqlite.active import Active
from astro_mcp.workflow.drivers.sqlite.journal import Journal
from astro_mcp.workflow.drivers.sqlite.rows import Stored
from astro_mcp.workflow.effects import Effects
from astro_mcp.workflow.expressions.bind import Evaluate
from astro_mcp.workflow.kernel.events import Event
from astro_mcp.workflow.loop import DAY, Loop, planned
from astro_mcp.workflow.trees import Trees

log = logging.getLogger(__name__)


class EmbeddedDriver:
    """A `Driver` that needs nothing but the data folder."""

    def __init__(
        self,
        database: Database,
        artifacts: ArtifactSink,
        effects: Effects,
        evaluate: Evaluate,
        registry: Registry,
        settings: WorkflowSettings,
        clock: Clock,
        trees: Trees,
    ) -> None:
        self.trees = trees
        self._journal = Journal(database, artifacts)
        self._loop = Loop(self._journal, effects, evaluate, registry, settings, clock, trees)
        self._planners = anyio.CapacityLimiter(1)
        self.kept_seconds: float | None = settings.keep_days * DAY

    def active(self) -> bool:
        return self._loop.active()

    def answered_by(self, answerer: Answerer) -> None:
        self._loop.answering = Answering(answerer, self._loop.send)

    def running(self) -> AbstractAsyncContextManager[None]:
        """Calls in flight at the end are cancelled, and their runs go on at the next start."""
        return self._loop.running()

    async def knows(self, scope: Scope, run_id: str) -> bool:
        return await self._journal.knows(scope, run_id)

    async def accept(self, order: Order) -> str:
        return await self._loop.accept(order)

    async def fork(self, session: Session, run_id: str, again: str) -> str:
        stored = await self._journal.load(session.scope, run_id)
        labels = stored.labels | session.labels | session.ledger.labels
        own = replace(stored.session, ledger=session.ledger)
        return await self._loop.fork(replace(stored, session=own, labels=labels), await self._planned(stored), again)

    async def send(self, scope: Scope, run_id: str, event: Event, labels: frozenset[Label] = frozenset()) -> None:
        run = self._loop.own(scope, run_id)
        if run is not None:
            await self._loop.send(run, event, labels)
        elif not (await self._journal.load(scope, run_id)).state.over:
            if self._loop.comes(run_id):
                raise Unavailable(f"the run {run_id} is not taken up yet", "it is once the store is written; try again")
            raise Unavailable(f"the run {run_id} is not taken up", "it goes on, or ends, at the daemon's next start")

    async def view(self, scope: Scope, run_id: str) -> RunView:
        run = self._loop.own(scope, run_id)
        if run is not None:
            return _seen(run)
        stored = await self._journal.load(scope, run_id)
        return RunView(stored.name, await self._planned(stored), stored.session, stored.state, stored.labels)

    async def follow(self, scope: Scope, run_id: str) -> AsyncGenerator[RunView, None]:
        run = self._loop.own(scope, run_id)
        while run is not None:
            changed, seen = run.changed, _seen(run)
            yield seen
            if seen.state.over:  # and not the state by now: the last one is told, too
                return
            await changed.wait()

    async def recent(self, scope: Scope, prefix: str, count: int) -> list[Summary]:
        return await self._journal.recent(scope, prefix, count)

    async def events(self, scope: Scope, run_id: str, after: int = 0) -> list[Happened]:
        return await self._journal.events(scope, run_id, after)

    async def _planned(self, stored: Stored) -> Plan:
        try:
            return await anyio.to_thread.run_sync(planned, stored, limiter=self._planners)
        except Exception as error:
            log.exception("the run %s can't be planned", stored.state.run_id)
            raise unreadable(stored.state.run_id) from error


def _seen(run: Active) -> RunView:
    return RunView(run.name, run.plan, run.session, run.state, run.labels)
