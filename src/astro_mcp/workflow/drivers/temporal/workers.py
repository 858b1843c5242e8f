"""The workers of this process: one for runs, and one for each agent's calls."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

import anyio
from temporalio.client import Client
from temporalio.worker import PollerBehaviorSimpleMaximum, UnsandboxedWorkflowRunner, Worker

from astro_mcp.run_settings import WorkflowSettings
from astro_mcp.workflow.drivers.temporal.calls import BEATS, Calls
from astro_mcp.workflow.drivers.temporal.naming import agent_queue, runs_queue
from astro_mcp.workflow.drivers.temporal.run import Run

log = logging.getLogger(__name__)

STICKY: Final = timedelta(seconds=0.3)
"""How long a run waits for the worker that has it in memory, before another one takes it; servers round it up to a
second."""
KEPT_RUNS: Final = 200
POLLS: Final = PollerBehaviorSimpleMaximum(2)
AGAIN_SECONDS: Final = 2.0


class Workers:
    """Serves the queues of runs and of `agents` while `running`; none where there are no agents."""

    def __init__(self, client: Client, settings: WorkflowSettings, calls: Calls, agents: Sequence[str]) -> None:
        self._client = client
        self._settings = settings
        self._calls = calls
        prefix = settings.temporal.task_queue
        self._served = {agent_queue(prefix, agent): calls.apart.get(agent, calls.call) for agent in agents}
        self._up: dict[str, Worker] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Until the block ends: then nothing more is taken, and what is in flight is cancelled."""
        runs = runs_queue(self._settings.temporal.task_queue)
        async with anyio.create_task_group() as group:
            for queue in [runs, *self._served] if self._served else []:
                group.start_soon(self._serve, queue)
            try:
                yield
            finally:
                with anyio.CancelScope(shield=True):
                    async with anyio.create_task_group() as ending:
                        for worker in self._up.values():
                            ending.start_soon(worker.shutdown)
                group.cancel_scope.cancel()

    async def _serve(self, queue: str) -> None:
        """One queue; a worker that the server sends away is followed by another."""
        while True:
            worker = self._up[queue] = self._worker(queue)
            try:
                with anyio.CancelScope(shield=True):  # it ends by `shutdown`, and not amid its own end
                    await worker.run()
                return
            except Exception:  # the server's refusal is no end of the daemon
                log.exception("the worker of %s ended, and is started again", queue)
            await anyio.sleep(AGAIN_SECONDS)

    def _worker(self, queue: str) -> Worker:
        temporal = self._settings.temporal
        if queue == runs_queue(temporal.task_queue):
            return Worker(
                self._client,
                task_queue=queue,
                workflows=[Run],
                activities=[self._calls.evaluate],
                workflow_runner=UnsandboxedWorkflowRunner(),
                no_remote_activities=True,
                max_cached_workflows=KEPT_RUNS,
                sticky_queue_schedule_to_start_timeout=STICKY,
            )
        beat = timedelta(seconds=temporal.heartbeat_seconds / BEATS)
        return Worker(
            self._client,
            task_queue=queue,
            activities=[self._served[queue]],
            activity_task_poller_behavior=POLLS,
            max_concurrent_activities=self._settings.parallel,
            max_heartbeat_throttle_interval=beat,
            default_heartbeat_throttle_interval=beat,
        )
