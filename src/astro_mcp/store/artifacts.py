"""Artifacts: bytes in files by (tenant, sha256), and rows that say which scope may see them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import anyio.to_thread

from astro_mcp.core.authority import Scope
from astro_mcp.core.ports import Clock
from astro_mcp.errors import NotFound, TooLarge
from astro_mcp.store.blobs import Blobs
from astro_mcp.store.connection import Transaction
from astro_mcp.store.database import Database

MOST: Final = 256 * 1024 * 1024
REMEMBERED: Final = 4_096
"""Rows that are known to be there."""
SHA256: Final = re.compile(r"[0-9a-f]{64}\Z")
_KEEP: Final = (
    "INSERT OR IGNORE INTO artifact (tenant, scope, sha256, bytes, mime, name, created) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_MIME: Final = "SELECT mime FROM artifact WHERE tenant = ? AND scope = ? AND sha256 = ?"


class Artifacts:
    """Keeps bytes once a tenant, and answers only to a scope that put them there."""

    def __init__(self, database: Database, folder: Path, clock: Clock) -> None:
        self._database = database
        self._blobs = Blobs(folder)
        self._clock = clock
        self._there: set[tuple[str, str, str]] = set()

    async def put(self, scope: Scope, data: bytes, mime: str, name: str = "") -> str:
        """Keep `data`; returns its sha256 after file and row are on disk. Raises `TooLarge` over 256 MiB."""
        if len(data) > MOST:
            raise TooLarge(f"an artifact holds at most {MOST:,} bytes; this one has {len(data):,}")
        sha256 = await anyio.to_thread.run_sync(self._blobs.put, scope.tenant, data)
        key = (scope.tenant, scope.key, sha256)
        if key in self._there:  # no row is ever deleted
            return sha256
        if await self._mime(scope, sha256) is None:  # one that is there is on disk, and needs no transaction
            row = (scope.tenant, scope.key, sha256, len(data), mime, name, self._clock.now())
            await self._database.write(lambda tx: tx.execute(_KEEP, row))
        if len(self._there) >= REMEMBERED:
            self._there.clear()
        self._there.add(key)
        return sha256

    async def get(self, scope: Scope, sha256: str) -> tuple[bytes, str]:
        """Bytes and mime type; `NotFound` alike for what is missing and for what is another scope's."""
        if not SHA256.match(sha256):
            raise NotFound("no such artifact", "artifact ids are 64 hexadecimal digits")
        mime = await self._mime(scope, sha256)
        if mime is None:
            raise NotFound("no such artifact")
        path = self._blobs.path(scope.tenant, sha256)
        data = await anyio.to_thread.run_sync(path.read_bytes)
        return data, mime

    async def _mime(self, scope: Scope, sha256: str) -> str | None:
        def look(tx: Transaction) -> str | None:
            row = tx.one(_MIME, (scope.tenant, scope.key, sha256))
            return None if row is None else str(row["mime"])

        return await self._database.read(look)
