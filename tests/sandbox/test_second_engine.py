"""An engine that dies and comes back: calls fail in words that say so, and the pool heals by itself."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from tests.sandbox.rig import RESOURCES, SMALL, Make
from tests.sandbox.second_engine import SecondEngine, second_engine

from astro_mcp.errors import AstroError
from astro_mcp.sandbox.image import base_tag
from astro_mcp.sandbox.job import Job
from astro_mcp.sandbox.pool import Sort
from astro_mcp.sandbox.sandbox import Sandbox

pytestmark = [pytest.mark.full, pytest.mark.timeout(300)]

QUICK = Job(("echo", "whole"), collect="")
CLIENTS = 4


@pytest.fixture(scope="module")
def engine() -> Iterator[SecondEngine]:
    with second_engine(Path(tempfile.mkdtemp(prefix="e-", dir="/tmp"))) as made:
        made.load(base_tag(RESOURCES / "image"))
        yield made


async def one_waits(sandbox: Sandbox) -> None:
    """Until a container waits for a run, and is there."""
    pool = sandbox._pool
    assert pool is not None
    shelf = pool._shelves[Sort(sandbox.tag, sandbox.limits())]
    with anyio.fail_after(30):
        while not (pool.counts()[sandbox.tag] and any(container.alive() for container in shelf.waiting)):
            await anyio.sleep(0.05)


async def test_runs_meet_an_engine_that_is_killed_and_started_again(engine: SecondEngine, make: Make) -> None:
    sandbox = make(SMALL.model_copy(update={"engine": engine.url, "warm": 4}))
    whole, failed = 0, list[AstroError]()
    healed = anyio.Event()

    async def client() -> None:
        nonlocal whole
        while not healed.is_set():
            try:
                outcome = await sandbox.run(QUICK)
            except AstroError as error:
                failed.append(error)
                await anyio.sleep(0.1)
            else:
                assert (outcome.exit_code, outcome.stdout) == (0, b"whole\n")
                whole += 1

    async def until(count: int) -> None:
        with anyio.fail_after(90):
            while whole < count:
                await anyio.sleep(0.05)

    async with sandbox.warm():
        async with anyio.create_task_group() as group:
            for _ in range(CLIENTS):
                group.start_soon(client)
            for _ in range(2):
                await until(whole + 20)
                await anyio.to_thread.run_sync(engine.kill)
                await anyio.sleep(2)
                await anyio.to_thread.run_sync(engine.start)
            await until(whole + 20)
            healed.set()
        await one_waits(sandbox)
    await sandbox.close()
    assert failed
    assert Counter((error.code, error.retryable) for error in failed if not error.retryable) == {}
    assert [error for error in failed if not error.hint] == []
    with anyio.fail_after(30):
        while await anyio.to_thread.run_sync(engine.containers):
            await anyio.sleep(0.2)


async def test_a_run_in_an_engine_that_is_killed_ends_at_once_and_not_at_its_deadline(
    engine: SecondEngine, make: Make
) -> None:
    sandbox = make(SMALL.model_copy(update={"engine": engine.url}))
    found = list[AstroError]()
    up = anyio.Event()

    async def on_output(stream: str, data: bytes) -> None:
        up.set()

    async def run() -> None:
        with pytest.raises(AstroError) as caught:
            await sandbox.run(Job(("sh", "-c", "echo up; sleep 60"), timeout=90, on_output=on_output))
        found.append(caught.value)

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await up.wait()
        await anyio.to_thread.run_sync(engine.kill)
        with anyio.fail_after(20):
            while not found:
                await anyio.sleep(0.05)
    await anyio.to_thread.run_sync(engine.start)
    assert found[0].retryable
    await sandbox.run(QUICK)
    await sandbox.close()
