"""Every module's table of programs runs once, against the real engine, in a warm sandbox of the module's own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.security.sandbox.ground import Ground, Seen


@pytest.fixture(scope="module")
async def ground(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    async with Ground.open(tmp_path_factory.mktemp("ground")) as made:
        yield made


@pytest.fixture(scope="module")
async def seen(request: pytest.FixtureRequest, ground: Ground) -> Seen:
    """What came of each of the module's `PROGRAMS`, and what harm was there after it."""
    return await ground.attack_all(request.module.PROGRAMS)
