"""A child in Prefect's environment, beside a server that PREFECT_API_URL names."""

from __future__ import annotations

import asyncio

from prefect import flow, task

from benchmarks._asked import answer


@task
async def noop(number: int) -> int:
    return number + 1


@flow
async def chain(count: int) -> int:
    number = 0
    for _ in range(count):
        number = await noop(number)
    return number


@flow
async def fan(count: int) -> int:
    return len(await asyncio.gather(*(noop(number) for number in range(count))))


if __name__ == "__main__":
    asyncio.run(answer({"chain": chain, "fan-out": fan}))
