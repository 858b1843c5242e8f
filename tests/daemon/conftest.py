"""A data folder of a test's own, and one that tests share which leave their daemon alone."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .home import Home, home

WARM = "ASTRO_MCP_SANDBOX__WARM"
"""0 in these folders: a container is a run's then, which tests count and reach into."""


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose name leaves room for a socket's below it: both together may have 107 bytes."""
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Home]:
    with home(tmp_path) as made:
        made.environment[WARM] = "0"
        yield made


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory, known_engine: Callable[[Path], None]) -> Iterator[Home]:
    with home(tmp_path_factory.mktemp("shared")) as made:
        made.environment[WARM] = "0"
        known_engine(made.folder / "images")
        made.host().begin()
        made.end_hosts()
        yield made


@pytest.fixture
def shared(running: Home) -> Iterator[Home]:
    yield running
    running.end_hosts()
