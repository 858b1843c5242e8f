"""What is left when the process dies, and what goes on after it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest
from tests.workflow.house import Toys, house, until_called

from astro_mcp.core.ports import SystemClock
from astro_mcp.testing import workbench
from astro_mcp.workflow.loop import Loop
from astro_mcp.workspace.changes import Changes

ROOT = Path(__file__).parents[2]
STEP_A = "SELECT status, json_extract(body, '$.error.code') FROM workflow_step WHERE path = 'a'"


def child(folder: Path) -> subprocess.Popen[bytes]:
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "tests.workflow.crash", str(folder)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=folder, env=environment)


def lines(folder: Path) -> list[str]:
    path = folder / "log"
    return path.read_text().splitlines() if path.exists() else []


async def test_after_kill_9_completed_steps_stay_and_only_harmless_ones_run_again(tmp_path: Path) -> None:
    with child(tmp_path) as daemon:
        with anyio.fail_after(60):
            while not {"hold again", "hold_write once"} <= set(lines(tmp_path)):
                assert daemon.poll() is None
                await anyio.sleep(0.02)
        os.kill(daemon.pid, signal.SIGKILL)
        daemon.communicate(timeout=10)
    toys = Toys(tmp_path / "log")
    toys.gate.set()
    async with house(tmp_path, toys=toys) as h:
        run = {"run_id": (await h.call("workflow_status"))["steps"][0]["id"]}
        status = await h.call("workflow_status", **run, wait_seconds=10)
        assert {s["id"]: s["status"] for s in status["steps"]} == {
            "done": "succeeded",
            "again": "succeeded",
            "once": "lost",
            "after": "pending",
        }
        assert status["status"] == "waiting"
        assert "retry" in status["next"]
        assert lines(tmp_path).count("write done") == 1
        assert lines(tmp_path).count("hold again") == 2
        assert lines(tmp_path).count("hold_write once") == 1
        assert (await h.fails("workflow_control", **run, action="retry", step="done")).code == "conflict"
        await h.call("workflow_control", **run, action="retry", step="once")
        assert (await h.call("workflow_status", **run, wait_seconds=10))["status"] == "succeeded"
        assert lines(tmp_path).count("hold_write once") == 2


async def test_a_clean_stop_leaves_a_run_that_goes_on(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        run_id = (await h.run({"steps": [{"id": "a", "tool": "toy_hold"}]}, wait_seconds=0))["run_id"]
        with anyio.fail_after(10):
            while not h.toys.calls:
                await anyio.sleep(0.005)
    toys = Toys()
    toys.gate.set()
    async with house(tmp_path, toys=toys) as h:
        assert (await h.call("workflow_status", run_id=run_id, wait_seconds=10))["status"] == "succeeded"


async def test_a_run_that_goes_on_has_no_more_than_the_operator_allows_by_then(tmp_path: Path) -> None:
    toys = Toys()
    async with house(tmp_path, toys=toys) as h:
        run_id = (await h.run({"steps": [{"id": "a", "tool": "toy_hold"}]}, wait_seconds=0))["run_id"]
        await until_called(toys, "hold ")
    toys = Toys()
    toys.gate.set()
    async with house(tmp_path, toys=toys, ceiling=[tmp_path / "elsewhere"]) as h:
        with anyio.fail_after(10):
            while not (row := await h.rows(STEP_A)):
                await anyio.sleep(0.01)
        assert row == [("failed", "forbidden")]
        assert toys.calls == []
        assert (await h.fails("workflow_status", run_id=run_id)).code == "forbidden"
    async with house(tmp_path, toys=toys, ceiling=[tmp_path]) as h:
        assert (await h.call("workflow_status", run_id=run_id))["status"] == "failed"


async def test_a_question_waits_over_a_restart_and_its_answer_counts(tmp_path: Path) -> None:
    spec = {"steps": [{"id": "q", "ask": "well?"}], "outputs": {"a": "${{ steps.q.answer }}"}}
    async with house(tmp_path) as h:
        run_id = (await h.run(spec))["run_id"]
    async with house(tmp_path) as h:
        status = await h.call("workflow_status", run_id=run_id)
        assert status["waiting_for"][0]["text"] == "well?"
        await h.call("workflow_answer", run_id=run_id, step="q", value="yes")
        assert (await h.call("workflow_status", run_id=run_id, wait_seconds=5))["outputs"] == {"a": "yes"}


@pytest.mark.full
@pytest.mark.alone
async def test_a_full_queue_is_taken_up_and_what_was_in_flight_begins_within_a_second(tmp_path: Path) -> None:
    """A second of this process's own time, and not of what the machine does beside it."""
    held = {"id": "held", "needs": "each", "tool": "toy_hold"}
    busy = {"steps": [{"id": "each", "foreach": list(range(40)), "tool": "toy_say"}, held]}
    async with house(tmp_path) as h:
        for n in range(200):
            await h.run(busy if n < 4 else {"steps": [{"id": "q", "ask": "well?"}]}, wait_seconds=0)
        with anyio.fail_after(60):
            while h.toys.at_once < 4:
                await anyio.sleep(0.01)
    toys, began = Toys(), time.process_time()
    async with house(tmp_path, toys=toys):
        with anyio.fail_after(30):
            while toys.at_once < 4:
                await anyio.sleep(0.001)
        took = time.process_time() - began
        print(f"taken up after {took:.2f} s")
        assert took < 1


class Tomorrow(SystemClock):
    """The machine's clock, a day later."""

    def now(self) -> float:
        return super().now() + 24 * 3600


async def test_a_retry_that_waits_goes_on_after_a_restart(tmp_path: Path) -> None:
    retry = {"max_attempts": 2, "initial_interval": "1h", "max_interval": "1h"}
    async with house(tmp_path) as h:
        h.toys.fail_times = 5
        run_id = (await h.run({"steps": [{"id": "a", "tool": "toy_flaky", "retry": retry}]}, wait_seconds=0))["run_id"]
        with anyio.fail_after(20):
            while not h.toys.calls or await h.rows("SELECT status FROM workflow_step WHERE path = 'a'") != [("ready",)]:
                await anyio.sleep(0.005)
        assert h.toys.calls == ["flaky "]
    async with house(tmp_path) as h:
        assert (await h.call("workflow_status", run_id=run_id, wait_seconds=0))["status"] == "running"
        assert h.toys.calls == [], "it is not due yet"
    async with house(tmp_path, clock=Tomorrow()) as h:
        done = await h.call("workflow_status", run_id=run_id, wait_seconds=10)
        assert done["status"] == "succeeded"
        assert done["steps"][0]["attempts"] == 2


async def test_a_run_that_can_not_be_read_does_not_keep_the_others_from_going_on(tmp_path: Path) -> None:
    spec = {"steps": [{"id": "q", "ask": "well?"}]}
    async with house(tmp_path) as h:
        broken = (await h.run(spec))["run_id"]
        sound = (await h.run(spec))["run_id"]
        future = "UPDATE workflow_run SET version = 99 WHERE run_id = ?"
        await h.database.write(lambda tx: tx.execute(future, (broken,)))
    async with house(tmp_path) as h:
        assert (await h.call("workflow_status", run_id=sound))["status"] == "waiting"
        assert (await h.fails("workflow_status", run_id=broken)).code == "unavailable"


async def test_files_are_as_they_were_before_a_crash_when_a_run_is_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks whether a lost step's effect happened must not see one that is rolled back afterwards."""
    seen: list[str] = []
    recover, take_up = Changes.recover, Loop._take_up

    async def recovered(changes: Changes, happened: Sequence[str]) -> int:
        found = await recover(changes, happened)
        seen.append("files")
        return found

    async def taken_up(loop: Loop) -> None:
        seen.append("runs")
        await take_up(loop)

    monkeypatch.setattr(Changes, "recover", recovered)
    monkeypatch.setattr(Loop, "_take_up", taken_up)
    async with workbench(tmp_path / "home", roots=[tmp_path]) as bench:
        await bench.value("workflow_status")
    assert seen[:2] == ["files", "runs"]
