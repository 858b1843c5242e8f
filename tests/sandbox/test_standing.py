"""A container that stays up for a program which runs nothing of its files: each run finds what a fresh one would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest
from tests.sandbox.rig import MINE, RESOURCES, THEIRS, Containers, Make

from astro_mcp.config import SandboxSettings
from astro_mcp.errors import LimitHit
from astro_mcp.sandbox import standing
from astro_mcp.sandbox.job import Job, Outcome, SandboxFile
from astro_mcp.sandbox.sandbox import Sandbox
from astro_mcp.sandbox.standing import Key

OUT = ".astro/out"
KEY = Key(MINE, Path("/root"), "look")
LOOK = """
import json, os
found = {}
for folder, folders, names in os.walk('.'):
    for name in folders + names:
        path = os.path.join(folder, name)
        if path.startswith('./.astro'): continue
        text = open(path).read() if name in names else None
        found[path[2:]] = [oct(os.lstat(path).st_mode), text]
others = [pid for pid in os.listdir('/proc') if pid.isdigit()]
left = [name for place in ('/tmp', '/dev/shm', '/dev/mqueue') for name in os.listdir(place)]
own = sorted(os.listdir('.astro/out'))
print(json.dumps([found, left, own, sorted(os.environ.items()), os.getsid(0) == os.getpid()], sort_keys=True))
"""
PATIENCE = 60


def job(code: str, files: dict[str, str] | None = None, **fields: Any) -> Job:
    """A run of `code` over `files`; those whose name ends in x are programs."""
    given = tuple(SandboxFile(path, text.encode(), path.endswith("x")) for path, text in (files or {}).items())
    return Job(("python3", "-c", code), given, **{"timeout": 20.0, "collect": OUT, **fields})


async def again(sandbox: Sandbox, code: str, files: dict[str, str] | None = None, **fields: Any) -> Outcome:
    return await sandbox.again(KEY, job(code, files, **fields))


def kept(sandbox: Sandbox) -> list[str]:
    """The names of the containers that stand."""
    assert sandbox._standing is not None
    return [one.container.name for one in sandbox._standing._kept.values() if one.container is not None]


HOST = "print(open('/proc/sys/kernel/hostname').read())"


async def test_the_next_run_is_in_the_same_container_with_what_changed_and_another_scopes_is_not(
    warm: Sandbox,
) -> None:
    first = (await again(warm, HOST)).stdout
    for files in ({"a": "1"}, {"a": "2", "d/e": "3"}, {"d/f/g": "4"}, {}, {"d": "5"}, {"d": "5"}):
        assert (await again(warm, HOST, files)).stdout == first, files
    assert (await warm.again(KEY._replace(scope=THEIRS), job(HOST))).stdout != first
    assert (await warm.again(KEY._replace(root=Path("/other")), job(HOST))).stdout != first
    assert (await again(warm, LOOK, {"a": "1"}, env={"X": "y"})).exit_code == 0


@pytest.mark.parametrize("rounds", [2, pytest.param(40, marks=pytest.mark.full)])
async def test_after_any_change_of_files_a_run_finds_what_it_finds_in_a_fresh_container(
    warm: Sandbox, rounds: int
) -> None:
    chance, files = Random(7), {"a": "1", "d/e/f": "2", "d/x": "3"}
    names = ["a", "b", "bx", "d", "d/e", "d/e/f", "d/e/g", "d/x", "ü/ö x", "-r", ".astro/subprocess.py", "c/d/e/f/g"]
    for _ in range(rounds):
        for name in chance.sample(names, 4):
            files.pop(name, None)
            if chance.random() < 0.6:
                inner = [other for other in files if other.startswith(f"{name}/") or name.startswith(f"{other}/")]
                for other in inner:
                    del files[other]
                files[name] = str(chance.random())
        ours, fresh = await again(warm, LOOK, files), await warm.run(job(LOOK, files))
        assert (ours.exit_code, ours.stderr) == (0, b"")
        assert json.loads(ours.stdout) == json.loads(fresh.stdout)


async def test_what_a_run_leaves_is_gone_at_the_next(warm: Sandbox) -> None:
    first = (await again(warm, HOST)).stdout
    leave = """
import os, subprocess, time
open('/tmp/x', 'w'); os.mkdir('/dev/shm/d'); open('/dev/shm/d/y', 'w'); open('.astro/out/report', 'w').write('mine')
for _ in range(3):
    if not os.fork():
        os.setsid(); time.sleep(60)
os._exit(7)
"""
    left = await again(warm, leave)
    assert (left.exit_code, [(file.path, file.data) for file in left.files]) == (7, [("report", b"mine")])
    count = "import os; print(len([pid for pid in os.listdir('/proc') if pid.isdigit()]), os.listdir('/tmp'))"
    looked = await again(warm, f"{count}; {HOST}; print(os.listdir('/dev/shm'), os.listdir('.astro/out'))")
    assert looked.stdout.decode().split("\n") == ["3 []", first.decode().strip(), "", "[] []", ""]
    assert looked.files == ()


@pytest.mark.parametrize(
    "odd",
    [
        "open('a', 'a').write('!')",
        "import os; os.chmod('a', 0o600)",
        "import os; os.unlink('a')",
        "open('.astro/new', 'w')",
        "import os; os.kill(os.getppid(), 9)",
    ],
)
@pytest.mark.full
async def test_a_program_that_changes_more_than_its_report_is_run_in_a_fresh_container(warm: Sandbox, odd: str) -> None:
    await again(warm, HOST, {"a": "1"})
    [before] = kept(warm)
    outcome = await again(warm, f"{odd}\nprint('done')", {"a": "1"})
    assert (outcome.exit_code, outcome.stdout) == (0, b"done\n")
    assert before not in kept(warm)
    assert (await again(warm, "print(open('a').read())", {"a": "1"})).stdout == b"1\n"


async def test_the_interpreter_that_waits_is_closed_to_the_program_and_loads_nothing_of_the_project(
    warm: Sandbox,
) -> None:
    evil = "open('/workspace/evil', 'w'); raise SystemExit('evil')"
    names = ("shutil", "subprocess", "hashlib", "ctypes", "json", "signal", "sitecustomize", "time")
    files = {f"{folder}{name}.py": evil for name in names for folder in ("", ".astro/")}
    look = "import os\ntry: open(f'/proc/{os.getppid()}/mem', 'rb'); print('open')\nexcept OSError as e: print(e.errno)"
    program = ("python3", "-I", "-c", look)
    for _ in range(3):
        told = await warm.again(KEY, Job(program, job("", files).files, collect=OUT, timeout=20))
        assert (told.exit_code, told.stdout, told.stderr) == (0, b"13\n", b"")
    assert len(kept(warm)) == 1


@pytest.mark.full
async def test_what_takes_too_long_is_told_once_and_ends_its_container(warm: Sandbox) -> None:
    began = time.monotonic()
    late = await again(warm, "import time; print('begun', flush=True); time.sleep(60)", timeout=1.0)
    assert (late.limits_hit, late.stdout, late.exit_code != 0) == (("timeout",), b"begun\n", True)
    assert time.monotonic() - began < 10
    assert kept(warm) == []


@pytest.mark.full
async def test_a_program_that_is_not_there_and_one_that_a_signal_ended_are_told_as_in_a_fresh_container(
    warm: Sandbox,
) -> None:
    for argv in (
        ("no-such-program",),
        ("python3", "-c", "import os; os.kill(os.getpid(), 11)"),
        ("sh", "-c", "exit 3"),
    ):
        given = Job(argv, collect=OUT, timeout=20)
        ours, fresh = await warm.again(KEY, given), await warm.run(given)
        assert (ours.exit_code, ours.stderr) == (fresh.exit_code, fresh.stderr)


@pytest.mark.full
async def test_files_that_do_not_fit_beside_those_of_before_are_told_by_a_fresh_container(warm: Sandbox) -> None:
    large = "x" * (20 << 20)  # the workspace has 32 MiB
    assert (await again(warm, "print(1)", {"a": large})).exit_code == 0
    assert (await again(warm, "import os; print(os.listdir('.'))", {"b": large + "y"})).exit_code == 0
    with pytest.raises(LimitHit):
        await again(warm, "print(1)", {f"{n}": "" for n in range(70_000)})


@pytest.mark.full
async def test_a_container_that_was_ended_from_outside_is_followed_by_another(warm: Sandbox, engine: Any) -> None:
    first = (await again(warm, HOST)).stdout
    [name] = kept(warm)
    await anyio.to_thread.run_sync(lambda: engine.kill(name))
    second = await again(warm, HOST)
    assert (second.exit_code, second.stdout != first) == (0, True)


@pytest.mark.full
async def test_a_second_call_at_the_same_time_has_a_container_of_its_own(warm: Sandbox) -> None:
    await again(warm, HOST)
    hosts: list[bytes] = []

    async def one() -> None:
        hosts.append((await again(warm, f"import time; time.sleep(0.3); {HOST}")).stdout)

    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(one)
    assert len(set(hosts)) == 2


async def test_a_cancelled_run_ends_its_container(warm: Sandbox, containers: Containers) -> None:
    await again(warm, HOST)
    [name] = kept(warm)
    with anyio.move_on_after(0.5):
        await again(warm, "import time; time.sleep(60)")
    assert kept(warm) == []
    with anyio.fail_after(PATIENCE):
        while any(f"/{name}" in row["Names"] for row in await containers()):
            await anyio.sleep(0.01)


@pytest.mark.full
async def test_the_one_that_was_used_longest_ago_makes_place_and_idle_and_old_ones_end(
    warm: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "MOST", 2)
    keys = [KEY._replace(program=str(number)) for number in range(3)]
    for key in keys:
        await warm.again(key, job(HOST))
    assert [warm.standing(key) for key in keys] == [None, "", ""]
    assert warm._standing is not None
    now = time.monotonic()
    warm._standing.settle(now + 590)
    assert len(kept(warm)) == 2
    warm._standing.settle(now + 610)
    assert kept(warm) == []
    await again(warm, HOST)
    monkeypatch.setattr(standing, "LONGEST_SECONDS", 0.0)
    warm._standing.settle(time.monotonic())
    assert kept(warm) == []


@pytest.mark.full
async def test_where_no_container_may_wait_each_run_has_its_own(make: Make, containers: Containers) -> None:
    sandbox = make(SandboxSettings(memory_mb=128, workspace_mb=32, processes=32, warm=0))
    async with sandbox.warm():
        hosts = {(await again(sandbox, HOST)).stdout for _ in range(2)}
        assert (len(hosts), sandbox.standing(KEY)) == (2, None)
    await sandbox.close()
    assert await containers() == []


OWNER = """
import sys, anyio
from pathlib import Path
from astro_mcp.config import SandboxSettings
from astro_mcp.core.authority import Scope
from astro_mcp.sandbox.job import Job
from astro_mcp.sandbox.sandbox import Sandbox
from astro_mcp.sandbox.standing import Key

async def main():
    sandbox = Sandbox(SandboxSettings(), Path(sys.argv[1]), Path(sys.argv[2]))
    key = Key(Scope("local", "a"), Path("/root"), "look")
    async with sandbox.warm():
        await sandbox.again(key, Job(("true",), collect=".astro/out"))
        print(sandbox.standing(key) is not None, flush=True)
        await sandbox.again(key, Job(("sleep", sys.argv[3]), collect=".astro/out"))
        await anyio.sleep_forever()

anyio.run(main)
"""


@pytest.mark.full
@pytest.mark.parametrize("seconds", ["0", "50"])
async def test_an_owner_that_is_killed_leaves_none_idle_or_busy(
    folder: Path, containers: Containers, seconds: str
) -> None:
    argv = [sys.executable, "-c", OWNER, str(folder), str(RESOURCES), seconds]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert process.stdout is not None
        assert await anyio.to_thread.run_sync(process.stdout.readline) == b"True\n"
        await anyio.sleep(1)
        assert await containers()
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
    with anyio.fail_after(10):
        while await containers():
            await anyio.sleep(0.05)
