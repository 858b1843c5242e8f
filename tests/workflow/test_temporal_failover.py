"""Workers and servers that die under runs, and others that take over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from tests.workflow.house import House, house
from tests.workflow.temporal_server import Server, serving

from astro_mcp.run_settings import WorkflowSettings

ROOT = Path(__file__).parents[2]
TAKES_OVER: float = 3.0
AWAY: float = 12.0
"""Seconds: that a server stays away, longer than the SDK tries to tell it of an end."""
HELD: dict[str, Any] = {
    "name": "held",
    "steps": [
        {"id": "first", "tool": "toy_write", "with": {"text": "first"}},
        {"id": "again", "tool": "toy_hold", "needs": "first", "with": {"text": "again"}},
        {"id": "once", "tool": "toy_hold_write", "needs": "first", "with": {"text": "once"}},
        {"id": "after", "tool": "toy_say", "needs": "again", "with": {"text": "after"}},
    ],
}


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Server]:
    """A server that knows after its death what it knew before."""
    folder = tmp_path / "server"
    folder.mkdir()
    with serving(folder, keeps=True) as server:
        yield server


class Fleet:
    """Workers as processes of their own, and a client that is none; each notes in a log what it began."""

    def __init__(self, folder: Path, server: Server, lost_seconds: float = 3) -> None:
        self.folder = folder
        self.settings = server.settings(worker=False, claims=folder / "claims", lost_seconds=lost_seconds)
        self._server = server

    @contextmanager
    def worker(self, name: str) -> Iterator[subprocess.Popen[bytes]]:
        home = self.folder / name
        home.mkdir()
        temporal = self.settings.temporal
        told = [str(home), str(self.log(name)), temporal.address, temporal.task_queue, str(temporal.claims)]
        with subprocess.Popen(
            [sys.executable, "-m", "tests.workflow.temporal_worker", *told],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=(home / "errors").open("wb"),
            cwd=home,
            env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n", (home / "errors").read_text()
            try:
                yield process
            finally:
                process.kill()

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    async def until(self, name: str, line: str, seconds: float = 20) -> None:
        with anyio.fail_after(seconds):
            while not self.log(name).exists() or line not in self.log(name).read_text().splitlines():
                await anyio.sleep(0.01)

    @asynccontextmanager
    async def client(self, settings: WorkflowSettings | None = None) -> AsyncIterator[House]:
        home = self.folder / "client"
        home.mkdir(exist_ok=True)
        async with house(home, settings=settings or self.settings) as made:
            yield made


async def rests(at: House, run_id: str) -> Any:
    return await at.call("workflow_status", run_id=run_id, wait_seconds=20)


async def until_lost(at: House, run_id: str) -> Any:
    with anyio.fail_after(10):
        while True:
            run = await at.call("workflow_status", run_id=run_id, wait_seconds=0)
            if statuses(run)["once"] == "lost":
                return run
            await anyio.sleep(0.02)


def statuses(run: Any) -> dict[str, str]:
    return {step["id"]: step["status"] for step in run["steps"]}


@pytest.mark.full
async def test_a_busy_worker_that_is_killed_is_followed_by_another_within_three_seconds(
    tmp_path: Path, temporal: Server
) -> None:
    fleet = Fleet(tmp_path, temporal)
    async with fleet.client() as at:
        with fleet.worker("one") as first:
            run_id = (await at.run(HELD, wait_seconds=0))["run_id"]
            await fleet.until("one", "hold again")
            await fleet.until("one", "hold_write once")
            with fleet.worker("two"):
                first.send_signal(signal.SIGKILL)
                killed = time.monotonic()
                await fleet.until("two", "hold again")
                took = time.monotonic() - killed
                print(f"taken over after {took:.2f} s")
                run = await until_lost(at, run_id)
    assert took < TAKES_OVER
    assert statuses(run) == {"first": "succeeded", "again": "running", "once": "lost", "after": "pending"}
    assert fleet.log("two").read_text().splitlines() == ["hold again"], "what was done is not repeated"


@pytest.mark.full
async def test_a_worker_that_is_told_to_end_tells_its_calls_and_the_run_goes_on_elsewhere(
    tmp_path: Path, temporal: Server
) -> None:
    fleet = Fleet(tmp_path, temporal)
    async with fleet.client() as at:
        with fleet.worker("one") as first:
            run_id = (await at.run(HELD, wait_seconds=0))["run_id"]
            await fleet.until("one", "hold_write once")
            await fleet.until("one", "hold again")
            with fleet.worker("two"):
                first.send_signal(signal.SIGTERM)
                began = time.monotonic()
                await fleet.until("two", "hold again")
                assert time.monotonic() - began < TAKES_OVER
                assert first.wait(10) == 0
                assert first.stdout is not None
                assert first.stdout.read() == b"ended\n"
                await until_lost(at, run_id)
                await at.call("workflow_answer", run_id=run_id, step="once", value={"text_": "told"})
                await at.call("workflow_control", run_id=run_id, action="cancel")
                assert (await rests(at, run_id))["status"] == "cancelled"


@pytest.mark.full
@pytest.mark.timeout(240)
@pytest.mark.parametrize("away", [0.0, AWAY])
async def test_a_server_that_is_killed_and_started_again_has_lost_nothing(
    tmp_path: Path, keeper: Server, away: float
) -> None:
    chain: dict[str, Any] = {
        "name": "chain",
        "steps": [
            {
                "id": f"s{n}",
                "tool": "toy_write",
                "with": {"text": f"${{{{ inputs.run }}}} {n}"},
                **({"needs": f"s{n - 1}"} if n else {}),
            }
            for n in range(8)
        ],
        "inputs": {"run": {}},
    }
    fleet = Fleet(tmp_path, keeper, lost_seconds=40)
    with fleet.worker("one"):
        async with fleet.client() as at:
            given = [json.dumps({"run": f"run{n}"}) for n in range(4)]
            ids = [(await at.run(chain, inputs=one, wait_seconds=0))["run_id"] for one in given]
            await fleet.until("one", "write run0 2")
        keeper.kill()
        await anyio.sleep(away)
        await anyio.to_thread.run_sync(keeper.start)
        async with fleet.client() as at:
            ends = [await at.call("workflow_status", run_id=run_id, wait_seconds=70) for run_id in ids]
    assert [end["status"] for end in ends] == ["succeeded"] * 4, "no step is lost"
    lines = fleet.log("one").read_text().splitlines()
    assert sorted(lines) == sorted(f"write run{run} {n}" for run in range(4) for n in range(8)), "each is done, once"
