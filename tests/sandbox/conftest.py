"""A real sandbox on the real engine, in a data folder of its own; no container of it is left after a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio.to_thread
import docker
import pytest
from tests.sandbox.rig import RESOURCES, SMALL, Containers, Make, Python
from tests.sandbox.wheels import only_index

from astro_mcp.config import SandboxSettings
from astro_mcp.sandbox import owner
from astro_mcp.sandbox.job import Job, Outcome
from astro_mcp.sandbox.sandbox import Sandbox


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "images"


@pytest.fixture
def make(folder: Path, known_engine: Callable[[Path], None]) -> Make:
    known_engine(folder)

    def sandbox(settings: SandboxSettings = SMALL, resources: Path = RESOURCES) -> Sandbox:
        return Sandbox(settings, folder, resources)

    return sandbox


@pytest.fixture(scope="session")
def engine() -> Iterator[Any]:
    client = docker.APIClient("unix:///var/run/docker.sock", version="auto")
    yield client
    client.close()


@pytest.fixture
def containers(engine: Any, folder: Path) -> Containers:
    """The containers of this test's house, in any state. Docker lists from a copy, which may hold what it removed."""
    label = f"{owner.HOUSE}={owner.house(folder)}"

    def exists(name: str) -> bool:
        try:
            engine.inspect_container(name)
        except docker.errors.NotFound:
            return False
        return True

    def look() -> list[dict[str, Any]]:
        rows = engine.containers(all=True, filters={"label": label})
        found = [row for row in rows if exists(row["Id"])]
        engine.close()  # it keeps a connection for each address that it asked
        return found

    async def find() -> list[dict[str, Any]]:
        return await anyio.to_thread.run_sync(look)

    return find


@pytest.fixture
def tidy(engine: Any, folder: Path) -> Iterator[None]:
    """The images of this test's house go, after the last container did."""
    yield
    for row in engine.images(filters={"label": f"{owner.HOUSE}={owner.house(folder)}"}):
        engine.remove_image(row["Id"], force=True)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tidy: None) -> Path:
    """A folder of packages that is all pip knows."""
    return only_index(tmp_path / "index", monkeypatch)


@pytest.fixture
async def sandbox(make: Make, containers: Containers, tidy: None) -> AsyncIterator[Sandbox]:
    made = make()
    yield made
    await made.close()
    assert await containers() == []


@pytest.fixture
def python(sandbox: Sandbox) -> Python:
    """Run a program of Python; keyword arguments are the job's."""

    async def run(code: str, **fields: Any) -> Outcome:
        return await sandbox.run(Job(("python3", "-c", code), **{"timeout": 20.0, **fields}))

    return run


@pytest.fixture
async def warm(sandbox: Sandbox) -> AsyncIterator[Sandbox]:
    async with sandbox.warm():
        yield sandbox
