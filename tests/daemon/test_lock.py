"""One owner of a data folder at a time; one that is ending is waited for, and nothing stands still meanwhile."""

from __future__ import annotations

import time
from pathlib import Path

import anyio
import pytest

from astro_mcp.daemon.lock import FolderLock
from astro_mcp.errors import Unavailable


@pytest.mark.alone
async def test_an_owner_that_is_ending_is_waited_for_while_the_loop_turns(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    await first.acquire("daemon")
    first.note(ending=True)
    longest = 0.0
    async with anyio.create_task_group() as group:
        group.start_soon(second.acquire, "daemon")
        for _ in range(20):
            began = time.monotonic()
            await anyio.sleep(0.005)
            longest = max(longest, time.monotonic() - began)
        assert "kind" not in second.facts
        first.release()
        with anyio.fail_after(5):
            while "kind" not in second.facts:
                await anyio.sleep(0.005)
    second.release()
    assert longest < 1


async def test_a_wait_that_is_cancelled_holds_nothing(tmp_path: Path) -> None:
    first, second, third = (FolderLock(tmp_path) for _ in range(3))
    await first.acquire("daemon")
    first.note(ending=True)
    with anyio.move_on_after(0.1) as waited:
        await second.acquire("daemon")
    assert waited.cancelled_caught
    first.release()
    await third.acquire("in-process server")
    third.release()


async def test_an_owner_that_stays_is_named_at_once(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    await first.acquire("daemon")
    with anyio.fail_after(2), pytest.raises(Unavailable, match="in use by the daemon with pid"):
        await second.acquire("daemon")
    first.release()
