"""Calls that may not run twice, on a Temporal server: what the server has no start record of never began."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.workflow.house import Toys, house, until_called
from tests.workflow.temporal_server import Server
from tests.workflow.test_driver import status

from astro_mcp.workflow.drivers.temporal import calls

HEARD: float = 1.0
"""Seconds after which a worker that says nothing counts as dead, whatever it does."""


def steps(tool: str) -> dict[str, Any]:
    return {"name": "once", "steps": [{"id": "a", "tool": tool, "with": {"text": "x"}}]}


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that never say that they live."""

    async def says_nothing(most: float) -> None:
        await anyio.sleep_forever()

    monkeypatch.setattr(calls, "_keep_beating", says_nothing)


@pytest.mark.usefixtures("silent")
async def test_a_call_that_reached_no_worker_is_begun_by_another_and_done_once(
    tmp_path: Path, temporal: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted, begun = calls._noted_as_begun, 0

    async def the_first_dies_before(*given: Any) -> None:
        nonlocal begun
        begun += 1
        await (noted() if begun > 1 else anyio.sleep_forever())

    monkeypatch.setattr(calls, "_noted_as_begun", the_first_dies_before)
    settings = temporal.settings(heartbeat_seconds=HEARD, lost_seconds=HEARD)
    async with house(tmp_path, settings=settings) as at:
        done = await at.run(steps("toy_write"))
        assert (done["status"], at.toys.calls, begun) == ("succeeded", ["write x"], 2)
        told = await at.call("workflow_status", run_id=done["run_id"])
        assert told["steps"][0]["attempts"] == 1


@pytest.mark.usefixtures("silent")
async def test_a_call_that_began_is_lost_and_its_late_end_changes_nothing(tmp_path: Path, temporal: Server) -> None:
    settings = temporal.settings(heartbeat_seconds=HEARD, lost_seconds=HEARD)
    toys = Toys()
    async with house(tmp_path, settings=settings, toys=toys) as at:
        run_id = (await at.run(steps("toy_hold_write"), wait_seconds=0))["run_id"]
        assert await status(at, run_id) == "waiting"
        toys.gate.set()
        await anyio.sleep(0.3)
        run = await at.call("workflow_status", run_id=run_id)
        assert [step["status"] for step in run["steps"]] == ["lost"]
        assert toys.calls == ["hold_write x"]


@pytest.mark.usefixtures("silent")
async def test_one_that_says_nothing_amid_such_a_call_has_more_time_than_amid_another(
    tmp_path: Path, temporal: Server
) -> None:
    settings = temporal.settings(heartbeat_seconds=HEARD, lost_seconds=30)
    toys = Toys()
    async with house(tmp_path, settings=settings, toys=toys) as at:
        run_id = (await at.run(steps("toy_hold_write"), wait_seconds=0))["run_id"]
        await until_called(toys, "hold_write x")
        await anyio.sleep(2 * HEARD)
        toys.gate.set()
        done = await at.call("workflow_status", run_id=run_id, wait_seconds=10)
        assert (done["status"], toys.calls) == ("succeeded", ["hold_write x"])
