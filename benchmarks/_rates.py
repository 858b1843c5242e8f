"""Runs a second of clients that never wait, and what bounds them: the containers that can be made and removed."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.to_thread
import docker

from astro_mcp.sandbox import hardening
from astro_mcp.sandbox.pool import FILLING, Sort
from astro_mcp.sandbox.sandbox import Sandbox

CLIENTS, RUNS = 20, 50
ROUNDS = 3
SECONDS = 4.0
BOUNDS = 0.8
"""Of the rate that would bound another: at this share and over it, it is named as what bounds it."""
Run = Callable[[], Awaitable[float]]


@dataclass(frozen=True)
class Rates:
    """Each a second: runs of one client that never waits, containers that we make and remove and run nothing in, and
    the same containers made, up and removed by the bare SDK. The last two by as many at once as the pool."""

    runs: float
    made: float
    engine: float

    def rows(self) -> list[dict[str, Any]]:
        return [
            {"name": "sustained, one client", "note": f"{self.runs:.1f} runs/s: {self.bound()}"},
            {"name": "refill alone", "note": f"{self.made:.1f} containers/s made and removed, nothing run in them"},
            {"name": "the engine alone", "note": f"{self.engine:.1f} such containers/s made, up and removed"},
        ]

    def ratios(self) -> dict[str, float]:
        return {"sustained / refill": self.runs / self.made, "refill / engine": self.made / self.engine}

    def bound(self) -> str:
        """What the figures say."""
        if self.runs < BOUNDS * self.made:
            return "not bounded by the refill, which makes more"
        if self.made < BOUNDS * self.engine:
            return "bounded by the refill, which is not the engine's bound"
        return "bounded by the refill, and that by the engine's making and removing of containers and their start"


async def burst(run: Run) -> tuple[list[float], float]:
    """50 runs asked for by 20 clients at once: seconds of each, and of all."""
    samples: list[float] = []
    left = iter(range(RUNS))

    async def client() -> None:
        for _ in left:
            samples.append(await run())

    began = time.perf_counter()
    async with anyio.create_task_group() as group:
        for _ in range(CLIENTS):
            group.start_soon(client)
    if len(samples) != RUNS:
        raise RuntimeError(f"{RUNS - len(samples)} runs of a burst were lost")
    return samples, time.perf_counter() - began


async def measured(run: Run, sandbox: Sandbox) -> Rates:
    """The three in turn, each a few times, so that whatever else the machine does meets them alike."""
    found: dict[str, list[float]] = {"runs": [], "made": [], "engine": []}
    for _ in range(ROUNDS):
        found["runs"].append(await _each_second(1, run))
        found["made"].append(await _each_second(FILLING, lambda: _made(sandbox)))
        found["engine"].append(await anyio.to_thread.run_sync(_engine, sandbox.tag, sandbox.limits()))
    return Rates(**{name: sum(values) / ROUNDS for name, values in found.items()})


async def _each_second(at_once: int, work: Callable[[], Awaitable[Any]]) -> float:
    began, count = time.perf_counter(), 0

    async def again() -> None:
        nonlocal count
        while time.perf_counter() - began < SECONDS:
            await work()
            count += 1

    async with anyio.create_task_group() as group:
        for _ in range(at_once):
            group.start_soon(again)
    return count / (time.perf_counter() - began)


async def _made(sandbox: Sandbox) -> None:
    container = await sandbox._fresh(Sort(sandbox.tag, sandbox.limits()))
    await container.discard()  # its removal goes on behind, as a run's does


def _engine(image: str, limits: Any) -> float:
    """Blocks its thread."""
    config = hardening.container(image, limits, {}, "", writable=False)
    began, count = time.perf_counter(), 0

    def again() -> None:
        nonlocal count
        client = docker.APIClient("unix:///var/run/docker.sock", version="auto")
        while time.perf_counter() - began < SECONDS:
            name = f"bench-{uuid.uuid4().hex}"
            client.create_container_from_config(dict(config), name)
            stream = client.attach_socket(name, params={"stdin": 1, "stdout": 1, "stream": 1})
            client.start(name)
            if not stream._sock.recv(1):  # as the interpreter in it waits
                raise RuntimeError("a container did not come up")
            stream.close()
            client.remove_container(name, force=True, v=True)
            count += 1
        client.close()

    threads = [threading.Thread(target=again) for _ in range(FILLING)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return count / (time.perf_counter() - began)
