"""A sha256 is an address and no permission."""

from __future__ import annotations

from pathlib import Path

import pytest

from astro_mcp.core.authority import Scope
from astro_mcp.core.ports import SystemClock
from astro_mcp.errors import NotFound
from astro_mcp.store.artifacts import Artifacts
from astro_mcp.store.database import Database

MINE, THEIRS = Scope("local", "a" * 32), Scope("local", "b" * 32)


async def test_what_was_put_comes_back_to_its_scope_alone(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "astro.db") as database:
        artifacts = Artifacts(database, tmp_path / "artifacts", SystemClock())
        sha256 = await artifacts.put(MINE, b"bytes", "text/plain")
        assert await artifacts.get(MINE, sha256) == (b"bytes", "text/plain")
        with pytest.raises(NotFound) as foreign:
            await artifacts.get(THEIRS, sha256)
        with pytest.raises(NotFound) as missing:
            await artifacts.get(THEIRS, "0" * 64)
        assert foreign.value.as_dict() == missing.value.as_dict()


async def test_tenants_share_no_file(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "astro.db") as database:
        artifacts = Artifacts(database, tmp_path / "artifacts", SystemClock())
        for tenant in ("one", "two"):
            await artifacts.put(Scope(tenant, "a" * 32), b"same", "text/plain")
    assert len([path for path in (tmp_path / "artifacts").rglob("*") if path.is_file()]) == 2


async def test_an_address_that_is_a_path_is_not_found(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "astro.db") as database:
        artifacts = Artifacts(database, tmp_path / "artifacts", SystemClock())
        for address in ("../../etc/passwd", "", "A" * 64, "0" * 63 + "\n"):
            with pytest.raises(NotFound):
                await artifacts.get(MINE, address)
