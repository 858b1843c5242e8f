"""A child in Temporal's environment: `_temporal.py ADDRESS` of a dev server; a worker and a client in one process."""

from __future__ import annotations

import asyncio
import sys
import uuid
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from benchmarks._asked import answer

QUEUE = "bench"
MOST = timedelta(seconds=60)
PARALLEL = 100


@activity.defn
async def noop(number: int) -> int:
    return number + 1


@workflow.defn
class Chain:
    @workflow.run
    async def run(self, count: int) -> int:
        number = 0
        for _ in range(count):
            number = await workflow.execute_activity(noop, number, start_to_close_timeout=MOST)
        return number


@workflow.defn
class Fan:
    @workflow.run
    async def run(self, count: int) -> int:
        steps = [workflow.execute_activity(noop, number, start_to_close_timeout=MOST) for number in range(count)]
        return len(await asyncio.gather(*steps))


async def main(address: str) -> None:
    client = await Client.connect(address)

    async def run(kind: type[Chain] | type[Fan], count: int) -> int:
        return int(await client.execute_workflow(kind.run, count, id=uuid.uuid4().hex, task_queue=QUEUE))

    worker = Worker(
        client,
        task_queue=QUEUE,
        workflows=[Chain, Fan],
        activities=[noop],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_concurrent_activities=PARALLEL,
    )
    async with worker:
        await answer({"chain": lambda count: run(Chain, count), "fan-out": lambda count: run(Fan, count)})


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
