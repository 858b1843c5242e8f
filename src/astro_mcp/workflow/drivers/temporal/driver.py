"""The driver over a Temporal server: starts, asks and steers the workflows of runs, and works for them."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import anyio
import anyio.lowlevel
import anyio.to_thread
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import Priority, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from astro_mcp.core.authority import Label, Scope, Session
from astro_mcp.core.ids import new_id
from astro_mcp.core.ports import Clock
from astro_mcp.core.registry import Registry
from astro_mcp.errors import Busy, Internal, NotFound, Unavailable
from astro_mcp.run_settings import WorkflowSettings
from astro_mcp.workflow.answerer import Answerer
from astro_mcp.workflow.authority import packed
from astro_mcp.workflow.document.plan import Plan
from astro_mcp.workflow.driver import Happened, Order, RunView, Summary
from astro_mcp.workflow.drivers.temporal import naming, packing
from astro_mcp.workflow.drivers.temporal.calls import Calls
from astro_mcp.workflow.drivers.temporal.claims import Claims
from astro_mcp.workflow.drivers.temporal.connection import HINT, PATIENCE, PATIENT, SECONDS, connect, told
from astro_mcp.workflow.drivers.temporal.run import PRIORITIES
from astro_mcp.workflow.drivers.temporal.workers import Workers
from astro_mcp.workflow.kernel import events as e
from astro_mcp.workflow.kernel.fork import kept
from astro_mcp.workflow.kernel.state import FAILED, RunState
from astro_mcp.workflow.trees import Trees

log = logging.getLogger(__name__)

TASK: Final = timedelta(seconds=2.5)
"""What one look at a run may take a worker: a dead one's is given to another after that."""
QUICKLY: Final = timedelta(seconds=SECONDS)
PATIENTLY: Final = timedelta(seconds=PATIENCE)
GOING_ON: Final = f"WorkflowType = '{naming.WORKFLOW}' AND ExecutionStatus = 'Running'"
DAY: Final = 86_400.0
SWEEP_EVERY: Final = 3_600.0
APART: Final = 3_600.0
"""Seconds: between two sweeps, and that clocks of machines may be apart."""
PASSING: Final = frozenset({RPCStatusCode.NOT_FOUND, RPCStatusCode.ABORTED})
"""What an update meets where its run goes on as a new workflow at that moment."""
UNTOUCHED: Final = 3
"""Events of a workflow that no worker has answered for yet: it began, and a worker was looked for, or found."""
Handle = WorkflowHandle[Any, Any]


class TemporalDriver:
    """A `Driver` whose runs are a server's. `folder` is the data folder."""

    def __init__(
        self, calls: Calls, registry: Registry, settings: WorkflowSettings, folder: Path, clock: Clock
    ) -> None:
        self.trees: Trees = calls.trees
        self._calls = calls
        self._registry = registry
        self._settings = settings
        self._temporal = settings.temporal
        self._claims = Claims(settings.temporal.claims or folder / "claims", settings.parallel_per_run)
        self._clock = clock
        self._connected: Client | None = None
        self._readers = anyio.CapacityLimiter(2)

    @property
    def kept_seconds(self) -> float | None:
        """The namespace's retention is the server's."""
        return None

    def active(self) -> bool:
        """A worker is there for others too, and ends when it is told to."""
        return self._temporal.worker

    def answered_by(self, answerer: Answerer) -> None:
        self._calls.answerer = answerer

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Calls that are in flight here at the end are cancelled, and their runs told."""
        client = await connect(self._temporal, self._claims)
        patient = await connect(self._temporal, self._claims, PATIENT)
        agents = [*self._registry.agents, *self._calls.apart] if self._temporal.worker else []
        async with Workers(patient, self._settings, self._calls, agents).running(), anyio.create_task_group() as group:
            self._connected = client
            group.start_soon(self._sweep_forever, client)
            try:
                yield
            finally:
                self._connected = None
                group.cancel_scope.cancel()

    async def _sweep_forever(self, client: Client) -> None:
        """Retention of large payloads: what ended runs need is kept as long as they would be here, what others need for
        as long as they go on. Runs themselves are kept as the namespace says."""
        while True:
            try:
                await self.sweep(client)
            except Exception:  # what can't be swept now is swept later
                log.exception("old payloads can't be removed")
            await anyio.sleep(SWEEP_EVERY)

    async def sweep(self, client: Client) -> int:
        """Remove large payloads that no run needs any more; how many it were."""
        before = self._clock.now() - self._settings.keep_days * DAY
        with told():
            async for run in client.list_workflows(GOING_ON, rpc_timeout=QUICKLY):
                before = min(before, run.start_time.timestamp() - APART)
        return await self._claims.sweep(before)

    async def knows(self, scope: Scope, run_id: str) -> bool:
        try:
            await self._described(scope, run_id)
        except NotFound:
            return False
        return True

    async def accept(self, order: Order) -> str:
        state = order.state(self._clock.now(), self._settings.parallel_per_run)
        await self._begin(order.own, order.spec, order.plan, state, [e.Began(now=0.0)])
        return state.run_id

    async def fork(self, session: Session, run_id: str, again: str) -> str:
        run, spec = await self._read(session.scope, run_id)
        old, now = run.state, self._clock.now()
        outputs = await anyio.to_thread.run_sync(kept, run.plan, old, again, limiter=self._readers)
        first = e.Forked(now=0.0, origin=old.run_id, step=again, outputs=outputs)
        state = RunState(new_id("run"), old.inputs, now, self._settings.parallel_per_run, old.priority)
        own = replace(run.session, labels=run.labels | session.labels | session.ledger.labels)
        await self._begin(own, spec, run.plan, state, [first, e.Began(now=0.0)])
        return state.run_id

    async def _begin(self, own: Session, spec: str, plan: Plan, state: RunState, first: Sequence[e.Event]) -> None:
        """Return when the server has the run; one that it has already stays as it is."""
        client = self._client()
        await self._room(client)
        tenant, answerer = naming.tenant_key(own.scope.tenant), self._calls.answerer
        body = {
            "kept": packing.packed_kept(
                packing.Kept(
                    plan.document.name,
                    spec,
                    packed(own),
                    self._tools(plan),
                    self._temporal.task_queue,
                    tenant,
                    self._temporal.heartbeat_seconds,
                    self._temporal.history_events,
                    answerer is not None and (answerer.every or state.unattended),
                    self._temporal.lost_seconds,
                )
            ),
            "state": packing.packed_state(state),
            "labels": sorted(own.labels),
            "history": [],
            "first": [packing.packed_event(event) for event in first],
            "now": state.created,
        }
        with told():
            try:
                await client.start_workflow(
                    naming.WORKFLOW,
                    body,
                    id=naming.workflow_id(self._temporal.task_queue, own.scope, state.run_id),
                    task_queue=naming.runs_queue(self._temporal.task_queue),
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                    task_timeout=TASK,
                    memo={"name": plan.document.name, "status": state.status, "updated": state.created},
                    priority=Priority(PRIORITIES[state.priority], tenant),
                    rpc_timeout=QUICKLY,
                )
            except WorkflowAlreadyStartedError:
                log.info("the run %s is there already", state.run_id)

    async def _room(self, client: Client) -> None:
        """Raises `Busy` where too many runs have not ended: as the server's lists know, a moment late."""
        with told():
            found = await client.count_workflows(GOING_ON, rpc_timeout=QUICKLY)
        if found.count >= self._settings.queue:
            raise Busy(
                f"{self._settings.queue} runs have not ended, and no more are taken",
                "answer or cancel those that wait: workflow_status lists them",
                retry_after_ms=5000,
            )

    def _tools(self, plan: Plan) -> dict[str, tuple[str, bool]]:
        """The agents of the document's tools, and whether these may simply run again: known from the start on."""
        named = {node.spec.tool for node in plan.walk() if node.spec.tool is not None}
        tools = {name: self._registry.tool(name) for name in sorted(named)}
        return {name: (tool.agent, tool.repeatable) for name, tool in tools.items()}

    async def send(self, scope: Scope, run_id: str, event: e.Event, labels: frozenset[Label] = frozenset()) -> None:
        handle, update = self._handle(scope, run_id), uuid4().hex
        body = packing.packed_event(replace(event, now=self._clock.now()), labels)
        with told(), anyio.move_on_after(PATIENCE):
            while True:
                try:
                    await handle.execute_update("post", body, id=update)
                    return
                except RPCError as error:
                    if (await handle.describe(rpc_timeout=QUICKLY)).status is not WorkflowExecutionStatus.RUNNING:
                        log.info("the run %s ended while %s was on its way", run_id, type(event).__name__)
                        return
                    if error.status not in PASSING:
                        raise
                except WorkflowUpdateRPCTimeoutOrCancelledError:  # also where the time is over, or the caller gone
                    await anyio.lowlevel.checkpoint()
                await anyio.sleep(0.1)
        raise Unavailable("no worker took this in time; it may still", "look at the run's status, and at its workers")

    async def view(self, scope: Scope, run_id: str) -> RunView:
        return (await self._read(scope, run_id))[0]

    async def follow(self, scope: Scope, run_id: str) -> AsyncGenerator[RunView, None]:
        seen, pause = ("", 0), 0.02
        while True:
            described = await self._described(scope, run_id)
            length = (described.run_id, described.history_length)
            if length != seen:
                seen, pause = length, 0.02
                run, _ = await self._told_by(self._handle(scope, run_id), described)
                yield run
                if run.state.over:
                    return
            await anyio.sleep(pause)
            pause = min(pause * 1.5, 1.0)

    async def recent(self, scope: Scope, prefix: str, count: int) -> list[Summary]:
        if not naming.sound(prefix):
            return []
        begin = naming.workflow_id(self._temporal.task_queue, scope, "")
        query = f"WorkflowType = '{naming.WORKFLOW}' AND WorkflowId STARTS_WITH '{begin}{prefix}'"
        found: dict[str, Summary] = {}
        with told():
            async for run in self._client().list_workflows(query, limit=2 * count, rpc_timeout=QUICKLY):
                run_id = run.id.removeprefix(begin)
                if run_id not in found and run.status is not WorkflowExecutionStatus.CONTINUED_AS_NEW:
                    memo = await run.memo()
                    status = str(memo["status"]) if _whole(run.status) else FAILED
                    created = run.start_time.timestamp()
                    found[run_id] = Summary(run_id, str(memo["name"]), status, created, float(memo["updated"]))
        return sorted(found.values(), key=lambda one: -one.created)[:count]

    async def events(self, scope: Scope, run_id: str, after: int = 0) -> list[Happened]:
        described = await self._described(scope, run_id)
        handle = self._handle(scope, run_id)
        kept = await self._without_a_worker(handle, described)
        with told():
            rows = kept["history"] if kept else await handle.query("history", rpc_timeout=PATIENTLY)
        return [one for one in packing.unpacked_history(rows) if one.seq > after]

    # The server.

    def _client(self) -> Client:
        if self._connected is None:
            raise Unavailable("the scheduler is not running")
        return self._connected

    def _handle(self, scope: Scope, run_id: str) -> Handle:
        if not naming.sound(run_id):
            raise NotFound(f"there is no run {run_id[:60]!r}", "workflow_status without run_id lists your runs")
        return self._client().get_workflow_handle(naming.workflow_id(self._temporal.task_queue, scope, run_id))

    async def _described(self, scope: Scope, run_id: str) -> WorkflowExecutionDescription:
        try:
            with told():
                return await self._handle(scope, run_id).describe(rpc_timeout=QUICKLY)
        except NotFound:
            message = f"there is no run {run_id[:60]!r}"
            raise NotFound(message, "workflow_status without run_id lists your runs") from None

    async def _read(self, scope: Scope, run_id: str) -> tuple[RunView, str]:
        return await self._told_by(self._handle(scope, run_id), await self._described(scope, run_id))

    async def _told_by(self, handle: Handle, described: WorkflowExecutionDescription) -> tuple[RunView, str]:
        """The run and its document."""
        body = await self._without_a_worker(handle, described)
        with told():
            body = body or await handle.query("look", rpc_timeout=PATIENTLY)
        run = await anyio.to_thread.run_sync(packing.view_of, body, limiter=self._readers)
        if not _whole(described.status) and not run.state.over:
            error = Internal("the run was ended on the Temporal server", HINT).as_dict()
            run = replace(run, state=replace(run.state, status=FAILED, error=error, ended=self._clock.now()))
        return run, str(body["kept"]["spec"])

    async def _without_a_worker(self, handle: Handle, described: WorkflowExecutionDescription) -> dict[str, Any]:
        """What the server knows by itself: of a run that has ended, and of one that nothing has happened to. Empty of
        any other one."""
        body: dict[str, Any] = {}
        with told():
            if described.status is WorkflowExecutionStatus.COMPLETED:
                body = await handle.result(rpc_timeout=QUICKLY)
            elif described.history_length <= UNTOUCHED:
                async for event in handle.fetch_history_events(page_size=1, rpc_timeout=QUICKLY):
                    given = event.workflow_execution_started_event_attributes.input.payloads
                    [body] = await self._client().data_converter.decode(given, [dict])
                    break
        return body


def _whole(status: WorkflowExecutionStatus | None) -> bool:
    """Whether a run goes on, or has come to its own end, and was not ended on the server."""
    return status in (
        WorkflowExecutionStatus.RUNNING,
        WorkflowExecutionStatus.COMPLETED,
        WorkflowExecutionStatus.CONTINUED_AS_NEW,
    )
