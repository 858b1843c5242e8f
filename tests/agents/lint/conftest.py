"""The house of the tests agent's tests; every run has a fresh container, since one that stays up has its own tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.agents.tests.bench import RESOURCES
from tests.agents.tests.conftest import house, images, project

from astro_mcp.config import SandboxSettings
from astro_mcp.sandbox.sandbox import Sandbox

__all__ = ["house", "images", "project"]


@pytest.fixture(scope="module")
async def sandbox(images: Path) -> AsyncIterator[Sandbox]:
    made = Sandbox(SandboxSettings(), images, RESOURCES)
    yield made
    await made.close()
