"""Nothing piles up: what two thousand runs took is given back."""

from __future__ import annotations

import gc
import os
import threading
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest
from tests.sandbox.rig import SMALL, Containers, Make

from astro_mcp.core.authority import Scope
from astro_mcp.sandbox.job import Job, SandboxFile
from astro_mcp.sandbox.sandbox import Sandbox

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]

SCOPE = Scope("local", "leaks")
RUNS = 2000
CLIENTS = 6
WARM_UP = 100
WAITING = 4
LOOKS = 26
KEPT_BYTES = 24 << 20
"""What an allocator may keep for itself; two thousand runs that leaked 12 KiB each are over it."""


@dataclass(frozen=True)
class Held:
    """What this process has at one moment."""

    descriptors: int
    threads: int
    memory: int


async def held(sandbox: Sandbox, containers: Containers) -> Held:
    """With no run under way, and no connection kept for the next question to the engine."""
    await settled(containers)
    (await sandbox.engine()).close()
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Held(len(os.listdir("/proc/self/fd")), threading.active_count(), pages * os.sysconf("SC_PAGE_SIZE"))


async def many(sandbox: Sandbox, count: int) -> None:
    """Runs that bring files, read, print and hand files back; one in forty each hits its time, is cancelled, or
    is a session of two turns."""
    left = count

    async def client() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            number = left
            code = f"open('out/f', 'wb').write(open('a', 'rb').read()); print({number})"
            files = (SandboxFile("s.py", code.encode()), SandboxFile("a", os.urandom(4096)))
            if number % 40 == 7:
                outcome = await sandbox.run(Job(("sleep", "60"), timeout=0.3))
                assert outcome.limits_hit == ("timeout",)
            elif number % 40 == 27:
                with anyio.move_on_after(0.05):
                    await sandbox.run(Job(("sleep", "60")))
            elif number % 40 == 17:
                await session(sandbox, f"s{number}")
            else:
                outcome = await sandbox.run(Job(("python3", "s.py"), files=files, script=True))
                assert (outcome.exit_code, outcome.stdout) == (0, f"{number}\n".encode())
                assert [file.data for file in outcome.files] == [files[1].data]

    async with anyio.create_task_group() as group:
        for _ in range(CLIENTS):
            group.start_soon(client)


async def session(sandbox: Sandbox, name: str) -> None:
    counted = SandboxFile("s.py", b"open('n', 'ab', 0).write(b'.'); print(len(open('n').read()))")
    for turn in (1, 2):
        job = Job(("python3", "s.py"), files=(counted,), script=True)
        outcome = await sandbox.turn(SCOPE, name, job, last=turn == 2)
        assert outcome.stdout == f"{turn}\n".encode()


async def test_two_thousand_runs_leave_containers_descriptors_threads_and_memory_as_they_were(
    make: Make, containers: Containers, tidy: None
) -> None:
    sandbox = make(SMALL.model_copy(update={"warm": WAITING}))
    async with sandbox.warm():
        await many(sandbox, WARM_UP)
        before = await held(sandbox, containers)
        await many(sandbox, RUNS)
        after = await held(sandbox, containers)
    await sandbox.close()
    assert after.descriptors <= before.descriptors
    assert after.threads <= before.threads
    assert after.memory - before.memory < KEPT_BYTES
    assert await containers() == []


async def settled(containers: Containers) -> None:
    """Until only those are left that wait for a run, and none has come or gone for thirteen seconds: a worker thread
    without work goes after ten."""
    seen: list[set[str]] = []
    with anyio.fail_after(120):
        while len(seen) < LOOKS or any(one != seen[-1] for one in seen[-LOOKS:]) or len(seen[-1]) != WAITING:
            seen.append({row["Id"] for row in await containers() if row["State"] == "running"})
            await anyio.sleep(0.5)
