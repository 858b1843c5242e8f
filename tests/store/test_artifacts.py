"""A sha256 is an address and no permission."""

from __future__ import annotations

from pathlib import Path

import pytest

from astro_mcp.core.authority import Label, Scope
from astro_mcp.core.ports import SystemClock
from astro_mcp.errors import NotFound
from astro_mcp.store.artifacts import SEEN_SECONDS, Artifacts
from astro_mcp.store.blobs import Blobs
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


class Hands:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return 1_700_000_000.0 + self.seconds

    def monotonic(self) -> float:
        return self.seconds


async def test_what_was_put_just_now_costs_no_thread_and_what_went_since_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Hands()
    async with Database.open(tmp_path / "astro.db") as database:
        artifacts = Artifacts(database, tmp_path / "artifacts", clock)
        sha256 = await artifacts.put(MINE, b"bytes", "text/plain")
        puts: list[bytes] = []
        plain = Blobs.put

        def put(blobs: Blobs, tenant: str, data: bytes) -> str:
            puts.append(data)
            return plain(blobs, tenant, data)

        monkeypatch.setattr(Blobs, "put", put)
        assert await artifacts.put(MINE, b"bytes", "text/plain") == sha256
        assert not puts
        clock.seconds = SEEN_SECONDS
        artifacts._blobs.path(MINE.tenant, sha256).unlink()
        assert await artifacts.put(MINE, b"bytes", "text/plain") == sha256
        assert await artifacts.get(MINE, sha256) == (b"bytes", "text/plain")
        assert await artifacts.put(MINE, b"bytes", "text/plain") == sha256
        assert puts == [b"bytes"]


async def test_another_scope_or_another_label_is_kept_though_the_bytes_are_there(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "astro.db") as database:
        artifacts = Artifacts(database, tmp_path / "artifacts", SystemClock())
        sha256 = await artifacts.put(MINE, b"bytes", "text/plain", labels=frozenset())
        await artifacts.put(THEIRS, b"bytes", "text/plain", labels=frozenset())
        assert await artifacts.get(THEIRS, sha256) == (b"bytes", "text/plain")
        await artifacts.put(MINE, b"bytes", "text/plain", labels=frozenset({Label.SECRET}))
        assert await artifacts.labels(MINE, sha256) == {Label.SECRET}
        assert await artifacts.labels(THEIRS, sha256) == frozenset()
