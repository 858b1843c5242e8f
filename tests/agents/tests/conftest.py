"""A house with one project in it, a sandbox for each module, and sandbox images for the whole session."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.agents.tests.bench import RESOURCES, Bench, bench

from astro_mcp.config import SandboxSettings
from astro_mcp.sandbox.sandbox import Sandbox


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory, known_engine: Callable[[Path], None]) -> Path:
    """One folder for the whole session: the second use of the same packages is served from it."""
    folder = tmp_path_factory.getbasetemp() / "images"
    known_engine(folder)
    return folder


@pytest.fixture(scope="module")
async def sandbox(images: Path) -> AsyncIterator[Sandbox]:
    """As a daemon has it: containers wait for the next run."""
    made = Sandbox(SandboxSettings(), images, RESOURCES)
    async with made.warm():
        yield made
    await made.close()


@pytest.fixture
async def house(tmp_path: Path, images: Path, sandbox: Sandbox) -> AsyncIterator[Bench]:
    (tmp_path / "project").mkdir()
    async with bench(tmp_path / "data", (tmp_path / "project",), images, sandbox=sandbox) as made:
        yield made


@pytest.fixture
def project(tmp_path: Path, house: Bench) -> Path:
    return tmp_path / "project"
