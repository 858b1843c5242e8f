"""A house with one project in it, and sandbox images for the whole session."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.agents.tests.bench import Bench, bench


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for the whole session: the second use of the same packages is served from it."""
    return tmp_path_factory.getbasetemp() / "images"


@pytest.fixture
async def house(tmp_path: Path, images: Path) -> AsyncIterator[Bench]:
    (tmp_path / "project").mkdir()
    async with bench(tmp_path / "data", (tmp_path / "project",), images) as made:
        yield made


@pytest.fixture
def project(tmp_path: Path, house: Bench) -> Path:
    return tmp_path / "project"
