"""A child in DBOS' environment: `_dbos.py DATABASE_URL`."""

from __future__ import annotations

import asyncio
import sys

from dbos import DBOS

from benchmarks._asked import answer


@DBOS.step()
async def noop(number: int) -> int:
    return number + 1


@DBOS.workflow()
async def chain(count: int) -> int:
    number = 0
    for _ in range(count):
        number = await noop(number)
    return number


@DBOS.workflow()
async def fan(count: int) -> int:
    """Steps side by side in one workflow: of DBOS' ways the quickest, a queue is a workflow an item."""
    return len(await asyncio.gather(*(noop(number) for number in range(count))))


async def main(url: str) -> None:
    DBOS(config={"name": "bench", "system_database_url": url, "log_level": "ERROR"})
    DBOS.launch()
    try:
        await answer({"chain": chain, "fan-out": fan})
    finally:
        DBOS.destroy()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
