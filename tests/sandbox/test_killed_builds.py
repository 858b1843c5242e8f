"""Whoever makes an image may be killed at any moment: nothing goes on without it, and nothing of it stays."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from tests.sandbox.rig import RESOURCES, Containers, Make
from tests.sandbox.wheels import wheel

from astro_mcp.sandbox import owner, unfinished
from astro_mcp.sandbox.job import Job

OWNER = """
import sys, anyio
from pathlib import Path
from astro_mcp.config import SandboxSettings
from astro_mcp.sandbox.sandbox import Sandbox

async def progress(done, total, text):
    print(text, flush=True)

async def main():
    sandbox = Sandbox(SandboxSettings(), Path(sys.argv[1]), Path(sys.argv[2]))
    await sandbox.package_image(sys.argv[3], "", "local", ["thing"], progress)

anyio.run(main)
"""


def at_work(folder: Path) -> list[int]:
    """The processes whose working folder is somewhere below `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink().is_relative_to(folder):
                found.append(int(process.name))
    return found


@asynccontextmanager
async def making(folder: Path, registry: str, step: str) -> AsyncIterator[None]:
    """An owner of its own makes an image, and came to `step`; after the block it is killed."""
    argv = [sys.executable, "-c", OWNER, str(folder), str(RESOURCES), registry]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    with process.stdout as lines:
        try:
            line = ""
            while not line.startswith(step):
                line = (await anyio.to_thread.run_sync(lines.readline)).decode()
                assert line, "it ended too early"
            yield
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()


async def nothing_goes_on(folder: Path, containers: Containers) -> None:
    with anyio.fail_after(5):
        while at_work(folder) or await containers():
            await anyio.sleep(0.05)


@pytest.mark.full
@pytest.mark.parametrize("registry", ["pypi", "npm"])
async def test_an_owner_that_is_killed_while_it_fetches_packages_leaves_nothing(
    make: Make, folder: Path, containers: Containers, monkeypatch: pytest.MonkeyPatch, registry: str
) -> None:
    sandbox = make()
    before = set(folder.iterdir())
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes every question and answers none
        silent.settimeout(20)
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/simple"
        for name in ("PIP_INDEX_URL", "npm_config_registry"):
            monkeypatch.setenv(name, address)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        async with making(folder, registry, "resolving"):
            asked, _ = await anyio.to_thread.run_sync(silent.accept)
            assert at_work(folder)
        with asked:
            await nothing_goes_on(folder, containers)
    assert set(folder.iterdir()) > before, "it was in the middle"
    await sandbox.run(Job(("true",)))
    assert set(folder.iterdir()) == before
    await sandbox.close()


@pytest.mark.full
async def test_an_owner_that_is_killed_while_it_installs_leaves_nothing_that_is_in_the_way(
    make: Make, folder: Path, index: Path, containers: Containers
) -> None:
    sandbox = make()
    wheel(index, "thing", files={f"m{number}.py": b"x = [" + b"1," * 20_000 + b"]" for number in range(10)})
    async with making(folder, "pypi", "installing"):
        with anyio.fail_after(20):
            while not await containers():
                await anyio.sleep(0.02)
    await nothing_goes_on(folder, containers)
    assert [path for path in folder.iterdir() if path.name.startswith(unfinished.PREFIX)] != [], "it was in the middle"
    image = await sandbox.python_image("local", ["thing"])
    outcome = await sandbox.run(Job(("python3", "-c", "import m1; print(len(m1.x))"), image=image))
    assert outcome.stdout == b"20000\n"
    assert [path for path in folder.iterdir() if path.name.startswith(unfinished.PREFIX)] == []
    await sandbox.close()


def test_what_somebody_alive_is_making_stays(tmp_path: Path) -> None:
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], check=True, capture_output=True)
    ours = tmp_path / unfinished.name()
    theirs = tmp_path / ours.name.replace(f"-{os.getpid()}-", f"-{int(gone.stdout)}-")
    before_the_boot = tmp_path / ours.name.replace(owner.boot().replace("-", ""), "0" * 32)
    nobodys = tmp_path / "making-"
    for folder in (ours, theirs, before_the_boot, nobodys):
        (folder / "wheels").mkdir(parents=True)
    kept = tmp_path / "requests"
    kept.mkdir()
    (kept / unfinished.name()).touch()
    (kept / theirs.name).touch()
    (kept / "0.json").touch()
    unfinished.sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {ours.name, "requests"}
    assert sorted(path.name.partition("-")[0] for path in kept.iterdir()) == ["0.json", "making"]
