"""The audit trail in the store."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from astro_mcp.core.ports import AuditRecord
from astro_mcp.store.connection import Connection, Row, Transaction, read
from astro_mcp.store.database import Database, Posted

_COLUMNS = (
    "at, phase, call_id, tenant, scope, principal, kind, tool, digest, effects, code, duration_ms, run_id, step, flow"
)
"""Those of an `AuditRecord`, in its order."""
_INSERT = f"INSERT INTO audit ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - our own constant
_LAST = f"SELECT seq, {_COLUMNS} FROM audit ORDER BY seq DESC LIMIT ?"  # noqa: S608 - our own constant


class AuditTrail:
    """Appends records; the digest's key is made once a data folder and never leaves it."""

    def __init__(self, database: Database, key: bytes) -> None:
        self._database = database
        self._keyed = hashlib.blake2b(key=key, digest_size=16)

    async def commit(self, record: AuditRecord) -> None:
        await self._database.write(lambda tx: tx.execute(_INSERT, record))

    def post(self, record: AuditRecord, instead: Any = None) -> Awaitable[Posted]:
        return self._database.post(_INSERT, record, instead)

    def digest(self, data: bytes) -> str:
        digest = self._keyed.copy()
        digest.update(data)
        return digest.hexdigest()

    async def last(self, count: int = 50) -> list[Row]:
        """The newest records, newest first."""

        return await self._database.read(lambda tx: tx.rows(_LAST, (count,)))


def audit_key(folder: Path) -> bytes:
    """The folder's key, made at first use with mode 0600."""
    path = folder / "audit.key"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(descriptor, "wb") as file:
        key = os.urandom(32)
        file.write(key)
    return key


async def read_trail(path: Path, count: int) -> list[Row]:
    """The newest records of the store at `path`, newest first, whoever holds it open. One that no daemon of this
    version has opened yet lacks the column `flow`."""

    def look(tx: Transaction) -> list[Row]:
        there = {row["name"] for row in tx.rows("PRAGMA table_info(audit)")}
        return tx.rows(_LAST if "flow" in there else _LAST.replace(", flow", ", '' AS flow"), (count,))

    connection = await Connection.open(path, read_only=True)
    try:
        return await connection.run(lambda raw: read(raw, look))
    finally:
        await connection.close()
