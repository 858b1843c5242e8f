"""Containers that wait: taken at once, used once, as many as are asked for, and gone when nobody asks any more."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from tests.sandbox.rig import SMALL, Containers, Make

from astro_mcp.errors import Busy
from astro_mcp.sandbox.job import Job, SandboxFile
from astro_mcp.sandbox.pool import Pool, Sort
from astro_mcp.sandbox.sandbox import Sandbox

NAME = Job(("cat", "/etc/hostname"), collect="")
PATIENCE = 60


@pytest.fixture
async def warm(sandbox: Sandbox) -> AsyncIterator[Sandbox]:
    async with sandbox.warm():
        yield sandbox


async def ran_in(sandbox: Sandbox, job: Job = NAME) -> str:
    """The short id of the container that a run was in: its host name."""
    outcome = await sandbox.run(job)
    assert outcome.exit_code == 0, outcome.stderr
    return outcome.stdout.decode().strip()


def pool_of(sandbox: Sandbox) -> Pool:
    assert sandbox._pool is not None
    return sandbox._pool


async def waiting(sandbox: Sandbox, count: int, image: str = "") -> None:
    """Until so many at least wait for a run of `image`, or else the base image."""
    with anyio.fail_after(PATIENCE):
        while pool_of(sandbox).counts().get(image or sandbox.tag, 0) < count:
            await anyio.sleep(0.01)


async def ids(containers: Containers) -> set[str]:
    return {row["Id"][:12] for row in await containers()}


async def test_a_run_takes_a_container_that_waits_and_another_takes_its_place(
    warm: Sandbox, containers: Containers
) -> None:
    first = await ran_in(warm)
    await waiting(warm, 1)
    before = await ids(containers)
    second = await ran_in(warm)
    assert second in before
    assert second != first
    await waiting(warm, 1)
    assert await ran_in(warm) not in (first, second)


def processor_time(pid: str) -> tuple[str, int]:
    """What a process of this machine does (S: it sleeps), and its ticks so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return fields[0], int(fields[11]) + int(fields[12])


async def test_a_container_that_is_ready_has_an_interpreter_that_waits_and_does_not_start_yet(sandbox: Sandbox) -> None:
    engine = await sandbox.engine()
    async with await sandbox._fresh(Sort(sandbox.tag, sandbox.limits())) as container:
        told = await engine.call(lambda api: api.top(container.name))
        row = next(row for row in told["Processes"] if "waiting.py" in row[-1])
        pid = row[told["Titles"].index("PID")]
        state, before = processor_time(pid)
        assert state == "S"
        await anyio.sleep(0.3)
        assert processor_time(pid) == ("S", before)


async def test_containers_of_a_languages_image_wait_like_those_of_the_base(
    warm: Sandbox, containers: Containers
) -> None:
    image = await warm.language_image(("esbuild", "nodejs"), "astro-mcp sandbox build --language javascript")
    job = Job(("node", "-p", "os.hostname()"), image=image, collect="")
    first = await ran_in(warm, job)
    await waiting(warm, 1, image)
    before = await ids(containers) - {first}
    assert await ran_in(warm, job) in before


async def test_nothing_of_a_run_is_there_in_the_next(warm: Sandbox) -> None:
    leave = "echo secret >/tmp/left; echo secret >left; (sleep 100 &) ; export LEFT=secret"
    look = "ls -A /tmp /workspace; env; ps ax 2>/dev/null | grep -c [s]leep"
    for _ in range(3):
        await warm.run(Job(("sh", "-c", leave)))
        await waiting(warm, 1)
        seen = (await warm.run(Job(("sh", "-c", look)))).stdout.decode()
        assert "left" not in seen
        assert "secret" not in seen
        assert seen.endswith("0\n")


@pytest.mark.full
async def test_as_many_wait_as_runs_found_none_and_never_more_than_the_bound(
    make: Make, containers: Containers, tidy: None
) -> None:
    sandbox = make(SMALL.model_copy(update={"warm": 2}))
    async with sandbox.warm():
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(sandbox.run, NAME)
        await waiting(sandbox, 2)
        assert len(await containers()) <= 2 + 4  # what is being removed may still be listed
    await sandbox.close()
    assert await containers() == []


async def test_an_image_that_nobody_asks_for_keeps_none(warm: Sandbox, containers: Containers) -> None:
    await ran_in(warm)
    await waiting(warm, 1)
    pool_of(warm).settle(time.monotonic() + SMALL.warm_idle_seconds / 2)
    assert pool_of(warm).counts() == {warm.tag: 1}
    pool_of(warm).settle(time.monotonic() + SMALL.warm_idle_seconds + 1)
    assert pool_of(warm).counts() == {}
    with anyio.fail_after(PATIENCE):
        while await containers():
            await anyio.sleep(0.01)


@pytest.mark.full
async def test_a_minute_without_a_miss_lowers_the_number(warm: Sandbox) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(warm.run, NAME)
    await waiting(warm, 3)
    for left in (2, 1, 1):
        pool_of(warm)._shelves[Sort(warm.tag, warm.limits())].missed -= 61
        pool_of(warm).settle(time.monotonic())
        assert pool_of(warm).counts() == {warm.tag: left}


@pytest.mark.full
async def test_a_waiting_container_that_somebody_ended_is_not_handed_out(
    warm: Sandbox, engine: Any, containers: Containers
) -> None:
    await ran_in(warm)
    await waiting(warm, 1)
    [container] = pool_of(warm)._shelves[Sort(warm.tag, warm.limits())].waiting
    await anyio.to_thread.run_sync(engine.kill, container.name)
    with anyio.fail_after(PATIENCE):
        while await containers():
            await anyio.sleep(0.01)
    assert await ran_in(warm)
    await waiting(warm, 2)


@pytest.mark.full
async def test_leaving_ends_what_waits_and_what_is_being_made(sandbox: Sandbox, containers: Containers) -> None:
    async with sandbox.warm():
        await ran_in(sandbox)
    with anyio.fail_after(PATIENCE):
        while await containers():
            await anyio.sleep(0.01)
    assert await ran_in(sandbox)


@pytest.mark.full
async def test_an_engine_that_can_make_no_container_ends_no_run_that_has_one(
    warm: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ran_in(warm)
    await waiting(warm, 1)

    async def refuse(image: str) -> Any:
        raise Busy("on purpose")

    monkeypatch.setattr(pool_of(warm), "_make", refuse)
    assert await ran_in(warm)
    with anyio.fail_after(PATIENCE):
        while pool_of(warm)._shelves[Sort(warm.tag, warm.limits())].filling:
            await anyio.sleep(0.01)
    monkeypatch.undo()
    assert await ran_in(warm)
    await waiting(warm, 2)


@pytest.mark.parametrize(
    "error", [Busy("on purpose"), ValueError("no HTTP answer"), anyio.BrokenResourceError(), KeyError("Id")], ids=repr
)
async def test_nothing_that_keeps_a_container_from_being_made_ends_those_who_live_with_the_pool(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    tried = anyio.Event()

    async def refuse(sort: Sort) -> Any:
        tried.set()
        raise error

    async with anyio.create_task_group() as group:
        pool = Pool(group, refuse, most=2, idle_seconds=60)
        sort = Sort("an-image", SMALL.of("local"))
        assert pool.take(sort) is None
        with anyio.fail_after(PATIENCE):
            await tried.wait()
            while pool._shelves[sort].filling:
                await anyio.sleep(0.001)
        assert pool.take(sort) is None
        group.cancel_scope.cancel()
    assert type(error).__name__ in caplog.text


@pytest.mark.full
async def test_who_waits_too_long_for_a_place_is_told_busy(make: Make, containers: Containers, tidy: None) -> None:
    sandbox = make(SMALL.model_copy(update={"queue_seconds": 0.2}))
    up = anyio.Event()
    count = 0

    async def on_output(stream: str, data: bytes) -> None:
        nonlocal count
        count += 1
        if count == 8:
            up.set()

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(sandbox.run, Job(("sh", "-c", "echo up; sleep 100"), on_output=on_output))
        with anyio.fail_after(PATIENCE):
            await up.wait()
        with pytest.raises(Busy) as caught:
            await sandbox.run(NAME)
        assert caught.value.retry_after_ms
        group.cancel_scope.cancel()
    await sandbox.close()
    assert await containers() == []


SCRIPTS = {
    "its own name and arguments": "import sys; print(__name__, __file__, sys.argv, sys.path[0], sys.flags)",
    "an exit code": "import sys; print('x'); sys.exit(7)",
    "an exit with words": "import sys; sys.exit('no')",
    "an error": "def f(): 1/0\nf()",
    "no program": "(",
    "a file that it did not close": "kept = open('out/f', 'w'); kept.write('whole')",
    "what is to be done at the end": "import atexit; atexit.register(print, 'last'); print('first')",
    "a thread": "import threading, time\ndef f(): time.sleep(.2); print('late')\nthreading.Thread(target=f).start()",
    "children of its own kind": """
import multiprocessing
if __name__ == '__main__':
    with multiprocessing.get_context('spawn').Pool(1) as pool:
        print(pool.map(abs, [-1]))
""",
    "standard input": "import sys; print(sys.stdin.read())",
    "its environment": "import os; print(sorted(os.environ.items()))",
    "its descriptors, but for the one on which its end is told": """
import os
print([n for n in range(3, 100) if n != 5 and os.path.exists(f'/proc/self/fd/{n}')])
""",
    "descriptors of its children": """
import subprocess
print(subprocess.run(['ls', '/proc/self/fd'], close_fds=False, capture_output=True, text=True).stdout)
""",
    "its modules": "import json, ast; print(json.__name__, ast.__name__, __import__('os').getcwd())",
}


@pytest.mark.parametrize("every", [9, pytest.param(1, marks=pytest.mark.full)])
@pytest.mark.full
async def test_the_interpreter_that_waits_gives_a_script_what_a_new_one_would(
    make: Make, containers: Containers, tidy: None, every: int
) -> None:
    sandbox = make(SMALL.model_copy(update={"warm": 4}))
    differing = {}

    async def compare(name: str, code: str) -> None:
        files = (SandboxFile("s.py", code.encode()),)
        job = Job(("python3", "s.py", "a"), files=files, stdin=b"given", timeout=60)
        waited, new = [await sandbox.run(replace(job, script=script)) for script in (True, False)]
        sides = [(side.exit_code, side.stdout, side.stderr, side.files) for side in (waited, new)]
        if sides[0] != sides[1]:
            differing[name] = sides

    async with sandbox.warm(), anyio.create_task_group() as group:
        for name, code in [*SCRIPTS.items()][::every]:
            group.start_soon(compare, name, code)
    await sandbox.close()
    assert differing == {}
    assert await containers() == []


@pytest.mark.full
async def test_what_was_said_before_a_timeout_is_kept_where_the_script_asks_for_it(sandbox: Sandbox) -> None:
    files = (SandboxFile("s.py", b"import time; print('said', end=''); time.sleep(100)"),)
    job = Job(("python3", "s.py"), files=files, timeout=3, env={"PYTHONUNBUFFERED": "1"}, script=True)
    outcome = await sandbox.run(job)
    assert outcome.stdout == b"said"
    assert outcome.limits_hit == ("timeout",)
