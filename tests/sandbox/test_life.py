"""No container outlives its run, whoever ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from tests.sandbox.rig import RESOURCES, SMALL, Containers, Make

from astro_mcp.sandbox import hardening, owner
from astro_mcp.sandbox.job import Job, SandboxFile
from astro_mcp.sandbox.sandbox import Sandbox

SLEEP = Job(("sleep", "60"))
OWNER = """
import sys, anyio
from pathlib import Path
from astro_mcp.config import SandboxSettings
from astro_mcp.sandbox.job import Job
from astro_mcp.sandbox.sandbox import Sandbox

async def shown(stream, data):
    print("running", flush=True)

async def main():
    sandbox = Sandbox(SandboxSettings(), Path(sys.argv[1]), Path(sys.argv[2]))
    async with sandbox.warm(), anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(sandbox.run, Job(("sh", "-c", "echo running; sleep 60"), on_output=shown))

anyio.run(main)
"""

TOLD_THEN_KILLED = """
import os, signal, sys, time
from types import SimpleNamespace
sys.path.insert(0, "/opt/astro/supervisor")
import run

program = os.fork()
if not program:
    time.sleep(60)
turn = run._Turn.__new__(run._Turn)
turn._program, turn._code, turn._told, turn.over = SimpleNamespace(pid=program), 3, @TOLD@, True
os.kill(program, signal.SIGKILL)
os.waitid(os.P_PID, program, os.WEXITED | os.WNOWAIT)
turn._reap(os.WNOHANG)
print(turn._code)
"""
"""In the sandbox: the supervisor kills a program at its end, and reaps it before it looks further."""


async def gone(containers: Containers, seconds: float) -> bool:
    with anyio.move_on_after(seconds):
        while await containers():
            await anyio.sleep(0.05)
        return True
    return False


async def test_a_cancelled_run_has_no_container_any_more(sandbox: Sandbox, containers: Containers) -> None:
    started = anyio.Event()

    async def on_output(stream: str, data: bytes) -> None:
        started.set()

    async with anyio.create_task_group() as group:
        group.start_soon(sandbox.run, Job(("sh", "-c", "echo up; sleep 60"), on_output=on_output))
        await started.wait()
        assert len(await containers()) == 1
        group.cancel_scope.cancel()
    assert await containers() == []


async def test_a_run_that_is_cancelled_while_it_starts_leaves_nothing(sandbox: Sandbox, containers: Containers) -> None:
    for delay in (0.02, 0.1, 0.2):
        with anyio.move_on_after(delay):
            await sandbox.run(SLEEP)
    assert await gone(containers, 30)


async def test_an_error_of_the_one_who_watches_ends_the_container(sandbox: Sandbox, containers: Containers) -> None:
    async def on_output(stream: str, data: bytes) -> None:
        raise OSError("the host hung up")

    with pytest.raises(OSError, match="hung up"):
        await sandbox.run(Job(("sh", "-c", "echo up; sleep 60"), on_output=on_output))
    assert await containers() == []


@pytest.mark.full
async def test_an_owner_that_is_killed_in_the_middle_of_twenty_runs_leaves_no_container_within_five_seconds(
    folder: Path, containers: Containers
) -> None:
    argv = [sys.executable, "-c", OWNER, str(folder), str(RESOURCES)]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert process.stdout is not None
        assert await anyio.to_thread.run_sync(process.stdout.readline) == b"running\n"
        assert len(await containers()) >= 1  # some run, others are being made
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
    assert await gone(containers, 5)


async def test_what_a_dead_owner_never_started_is_swept_at_first_use(
    make: Make, folder: Path, engine: Any, containers: Containers
) -> None:
    sandbox = make()
    dead = {**owner.labels(folder), owner.PROCESS: "4194304:1"}
    ours = owner.labels(folder)
    made = [
        engine.create_container_from_config(hardening.container(sandbox.tag, SMALL, labels, ""))["Id"]
        for labels in (dead, {**ours, owner.BOOT: "another"}, ours)
    ]
    await sandbox.run(Job(("true",)))
    await sandbox.close()
    assert [row["Id"] for row in await containers()] == made[2:]
    engine.remove_container(made[2], force=True)


async def test_a_container_that_somebody_ends_is_told_and_may_be_tried_again(
    sandbox: Sandbox, engine: Any, containers: Containers
) -> None:
    async def on_output(stream: str, data: bytes) -> None:
        row = (await containers())[0]
        await anyio.to_thread.run_sync(lambda: engine.kill(row["Id"]))

    with pytest.raises(Exception, match="ended before its run did") as caught:
        await sandbox.run(Job(("sh", "-c", "echo up; sleep 60"), on_output=on_output))
    assert getattr(caught.value, "retryable", False)


async def test_a_container_that_ends_by_itself_is_not_killed_as_well(
    sandbox: Sandbox, engine: Any, folder: Path
) -> None:
    began = int(time.time())
    await sandbox.run(Job(("true",)))
    await sandbox.close()
    query = {"label": f"{owner.HOUSE}={owner.house(folder)}", "type": "container"}
    window = {"since": began, "until": int(time.time()) + 1, "decode": True}
    told = await anyio.to_thread.run_sync(lambda: list(engine.events(**window, filters=query)))
    assert [event["Action"] for event in told] == ["create", "attach", "start", "die", "destroy"]


async def test_runs_go_side_by_side(sandbox: Sandbox) -> None:
    up: set[int] = set()
    all_up = anyio.Event()

    async def run(number: int) -> None:
        async def on_output(stream: str, data: bytes) -> None:
            up.add(number)
            if len(up) == 4:
                all_up.set()

        await sandbox.run(Job(("sh", "-c", "echo up; sleep 100"), on_output=on_output))

    async with anyio.create_task_group() as group:
        for number in range(4):
            group.start_soon(run, number)
        with anyio.fail_after(60):  # one after the other would take 300 s before the last is up
            await all_up.wait()
        group.cancel_scope.cancel()


@pytest.mark.parametrize(("told", "code"), [("True", b"3"), ("False", b"137")])
async def test_a_script_that_told_its_exit_code_has_that_one_also_where_it_dies_at_once_when_it_is_ended(
    sandbox: Sandbox, told: str, code: bytes
) -> None:
    program = SandboxFile("s.py", TOLD_THEN_KILLED.replace("@TOLD@", told).encode())
    outcome = await sandbox.run(Job(("python3", "s.py"), files=(program,)))
    assert (outcome.stdout.strip(), outcome.stderr) == (code, b"")
