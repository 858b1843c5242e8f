"""A call that is cancelled leaves no container, in a house where none but those of the call are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import anyio
import pytest
from tests.agents.tests.bench import Bench, bench, write


@pytest.fixture
async def house(tmp_path: Path, images: Path) -> AsyncIterator[Bench]:
    (tmp_path / "project").mkdir()
    async with bench(tmp_path / "data", (tmp_path / "project",), images) as made:
        yield made


async def test_cancelling_the_call_ends_the_container(house: Bench, project: Path) -> None:
    write(project, {"test_a.py": "import time\ndef test_0(): pass\ndef test_a(): time.sleep(100)\n"})
    running = anyio.Event()

    async def progress(done: float, total: float | None, text: str) -> None:
        if "test_0" in text:
            running.set()

    with anyio.fail_after(40):
        async with anyio.create_task_group() as group:
            group.start_soon(house.call, "test_run", progress)
            await running.wait()
            assert len(await house.containers()) == 1
            group.cancel_scope.cancel()
        await house.sandbox.close()
        assert await house.containers() == set()


@pytest.mark.full
async def test_cancelling_the_call_ends_the_reruns_too(house: Bench, project: Path) -> None:
    alone = "os.path.exists('.astro/selection.json')"  # what a rerun is told by
    write(project, {"test_a.py": f"import os, time\ndef test_a():\n    assert {alone}\n    time.sleep(100)\n"})
    again = anyio.Event()

    async def progress(done: float, total: float | None, text: str) -> None:
        if text.startswith("again, alone"):
            again.set()

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(partial(house.call, "test_run", progress, reruns=2))
            await again.wait()
            while len(await house.containers()) < 2:
                await anyio.sleep(0.05)
            group.cancel_scope.cancel()
        await house.sandbox.close()
        assert await house.containers() == set()
