"""Artifacts: bytes in files by (tenant, sha256), and rows that say who may see them and what they are made of."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio.to_thread

from astro_mcp.core.authority import REPOSITORY, Label, Scope
from astro_mcp.core.bearing import borne
from astro_mcp.core.ports import Clock
from astro_mcp.errors import NotFound, TooLarge
from astro_mcp.store.blobs import Blobs
from astro_mcp.store.connection import Transaction
from astro_mcp.store.database import Database

MOST: Final = 256 * 1024 * 1024
REMEMBERED: Final = 4_096
"""Rows that are known to be there."""
SEEN_SECONDS: Final = 60.0
"""How long a file that was seen on disk is taken to be there: whoever removes one by hand gets it back after that."""
SMALL: Final = 256 * 1024
"""Bytes whose digest is taken on the event loop: a worker thread costs as much."""
SHA256: Final = re.compile(r"[0-9a-f]{64}\Z")
_KEEP: Final = (
    "INSERT INTO artifact (tenant, scope, sha256, bytes, mime, name, created, labels) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_FIND: Final = "SELECT mime, labels FROM artifact WHERE tenant = ? AND scope = ? AND sha256 = ?"
_JOIN: Final = "UPDATE artifact SET labels = ? WHERE tenant = ? AND scope = ? AND sha256 = ?"


class Artifacts:
    """Keeps bytes once a tenant, and answers only to a scope that put them there."""

    def __init__(self, database: Database, folder: Path, clock: Clock) -> None:
        self._database = database
        self._blobs = Blobs(folder)
        self._clock = clock
        self._there: dict[tuple[str, str, str], _There] = {}

    async def put(
        self, scope: Scope, data: bytes, mime: str, name: str = "", labels: frozenset[Label] = REPOSITORY
    ) -> str:
        """Keep `data` with `labels` and those that the running call bears; returns its sha256 after file and row are on
        disk. What is there already has the labels of all who put it. Raises `TooLarge` over 256 MiB."""
        labels |= borne()
        if len(data) > MOST:
            raise TooLarge(f"an artifact holds at most {MOST:,} bytes; this one has {len(data):,}")
        now = self._clock.monotonic()
        if len(data) <= SMALL:
            sha256 = hashlib.sha256(data).hexdigest()
            there = self._there.get((scope.tenant, scope.key, sha256))
            if there is not None and labels <= there.labels and now - there.seen < SEEN_SECONDS:
                return sha256
        sha256 = await anyio.to_thread.run_sync(self._blobs.put, scope.tenant, data)
        key = (scope.tenant, scope.key, sha256)
        there = self._there.get(key)
        if there is not None and labels <= there.labels:  # no row is ever deleted, and labels only join
            there.seen = now
            return sha256
        known = await self._look(scope, sha256)
        if known is None or not labels <= known.labels:  # what is on disk needs no transaction
            row = (*key, len(data), mime, name, self._clock.now())
            await self._database.write(lambda tx: _keep(tx, key, row, labels))
        if len(self._there) >= REMEMBERED:
            self._there.clear()
        self._there[key] = _There(labels, now)
        return sha256

    async def get(self, scope: Scope, sha256: str) -> tuple[bytes, str]:
        """Bytes and mime type; `NotFound` alike for what is missing and for what is another scope's."""
        if not SHA256.match(sha256):
            raise NotFound("no such artifact", "artifact ids are 64 hexadecimal digits")
        known = await self._look(scope, sha256)
        if known is None:
            raise NotFound("no such artifact")
        path = self._blobs.path(scope.tenant, sha256)
        return await anyio.to_thread.run_sync(path.read_bytes), known.mime

    async def labels(self, scope: Scope, sha256: str) -> frozenset[Label]:
        """Those of whatever it was made of; none of what is missing, or another scope's."""
        known = await self._look(scope, sha256) if SHA256.match(sha256) else None
        return frozenset() if known is None else known.labels

    async def _look(self, scope: Scope, sha256: str) -> _Known | None:
        return await self._database.read(lambda tx: _known(tx, (scope.tenant, scope.key, sha256)))


@dataclass(slots=True)
class _There:
    """A row that is on disk, and when its file was last seen there, on the monotonic clock."""

    labels: frozenset[Label]
    seen: float


@dataclass(frozen=True, slots=True)
class _Known:
    mime: str
    labels: frozenset[Label]


def _known(tx: Transaction, key: tuple[str, str, str]) -> _Known | None:
    row = tx.one(_FIND, key)
    return None if row is None else _Known(row["mime"], frozenset(Label(name) for name in row["labels"].split()))


def _keep(tx: Transaction, key: tuple[str, str, str], row: tuple[Any, ...], labels: frozenset[Label]) -> None:
    known = _known(tx, key)
    if known is None:
        tx.execute(_KEEP, (*row, " ".join(sorted(labels))))
    elif not labels <= known.labels:
        tx.execute(_JOIN, (" ".join(sorted(labels | known.labels)), *key))
