"""The one file that names the database driver, its rows and its errors.

Work is given as plain functions over a `Transaction` and runs whole in the connection's own thread: one hop for any
number of statements, and never on the event loop.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import Any, Final, TypeVar

import aiosqlite

from astro_mcp.errors import AstroError, Conflict, Internal, Unavailable

T = TypeVar("T")
Row = sqlite3.Row
Params = Sequence[Any] | Mapping[str, Any]

BUSY = 5_000
"""Milliseconds that a lock of another process is waited for."""
_FOR_NOW = (
    *("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY"),
    "SQLITE_PROTOCOL",
)
"""What may be over by the next try: a lock, a disk that is full, read-only or not there."""


TOGETHER: Final = (64, 16, 4)
"""Rows that one statement inserts."""
_ONE_ROW: Final = re.compile(r"\bVALUES (\(\?(?:, \?)*\))")


@lru_cache(maxsize=128)
def _of_many(sql: str, count: int) -> str:
    """The statement `sql`, which inserts one row, for `count` of them; "" where it is none such."""
    row = _ONE_ROW.search(sql)
    return f"{sql[: row.end()]}{f', {row[1]}' * (count - 1)}{sql[row.end() :]}" if row else ""


class Transaction:
    """Statements on one connection, inside one transaction. Lives in the connection's thread; do not keep it."""

    __slots__ = ("_connection",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @property
    def open(self) -> bool:
        """Whether there is still one: the driver gives the whole of it up where the disk is full or broken."""
        return self._connection.in_transaction

    def execute(self, sql: str, params: Params = ()) -> int:
        """Run one statement; returns the number of rows that it changed."""
        return self._cursor(sql, params).rowcount

    def insert(self, sql: str, params: Params = ()) -> int:
        """Run one INSERT; returns the new row's id."""
        return int(self._cursor(sql, params).lastrowid or 0)

    def execute_many(self, sql: str, rows: Sequence[Params]) -> int:
        """Run one statement over many parameter sets; returns the number of rows changed. One that inserts a row of
        plain `?` is run as one that inserts many: for each run the interpreter's lock is let go of, and asked for
        again."""
        changed = at = 0
        try:
            for count in TOGETHER if len(rows) >= TOGETHER[-1] else ():
                many = _of_many(sql, count)
                while many and len(rows) - at >= count:
                    changed += self._connection.execute(many, list(chain(*rows[at : at + count]))).rowcount
                    at += count
            return changed + (self._connection.executemany(sql, rows[at:]).rowcount if at < len(rows) else 0)
        except sqlite3.Error as error:
            raise translate(error) from error

    def append(self, sql: str, rows: Sequence[Params]) -> list[AstroError]:
        """Run one statement over many parameter sets; one that is refused is left out, and the others are kept. Returns
        the refusals."""
        try:
            self.attempt(lambda tx: tx.execute_many(sql, rows))
        except AstroError:
            if not self.open:
                raise
        else:
            return []
        refused = []
        for row in rows:
            try:
                self.attempt(partial(Transaction.execute, sql=sql, params=row))
            except AstroError as error:
                if not self.open:
                    raise
                refused.append(error)
        return refused

    def attempt(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` whole or, where it raises, not at all."""
        self._connection.execute("SAVEPOINT work")
        try:
            value = work(self)
        except sqlite3.Error as error:
            self._undo()
            raise translate(error) from error
        except BaseException:
            self._undo()
            raise
        self._connection.execute("RELEASE work")
        return value

    def _undo(self) -> None:
        if self.open:
            self._connection.execute("ROLLBACK TO work")
            self._connection.execute("RELEASE work")

    def rows(self, sql: str, params: Params = ()) -> list[Row]:
        """Every row."""
        return self._cursor(sql, params).fetchall()

    def one(self, sql: str, params: Params = ()) -> Row | None:
        """The first row, or None."""
        row: Row | None = self._cursor(sql, params).fetchone()
        return row

    def _cursor(self, sql: str, params: Params) -> sqlite3.Cursor:
        try:
            return self._connection.execute(sql, params)
        except sqlite3.Error as error:
            raise translate(error) from error


class Connection:
    """One driver connection, its thread, and its settings."""

    def __init__(self, driver: aiosqlite.Connection) -> None:
        self._driver = driver

    @classmethod
    async def open(cls, path: Path, *, synchronous: str = "FULL", read_only: bool = False) -> Connection:
        """Open in WAL mode; raises `Unavailable`. `synchronous` is FULL or NORMAL."""
        try:
            driver = await aiosqlite.connect(path, isolation_level=None, timeout=5.0, cached_statements=256)
        except sqlite3.Error as error:
            raise translate(error) from error
        connection = cls(driver)
        try:
            await connection.run(lambda raw: _configure(raw, synchronous, read_only))
        except BaseException:
            await driver.close()
            raise
        return connection

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in the connection's thread. The driver has no public door for a whole function, only for
        single statements at a hop each; hence its private one, in this one place."""
        try:
            result: T = await self._driver._execute(work, self._driver._conn)  # type: ignore[no-untyped-call] # the driver's own gap
        except sqlite3.Error as error:
            raise translate(error) from error
        return result

    async def close(self) -> None:
        await self._driver.close()


def in_memory() -> Transaction:
    """Statements on a database of its own, which is gone with the last reference. For one thread at a time."""
    raw = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    raw.row_factory = sqlite3.Row
    return Transaction(raw)


def _configure(raw: sqlite3.Connection, synchronous: str, read_only: bool) -> None:
    raw.row_factory = sqlite3.Row
    raw.execute(f"PRAGMA busy_timeout = {BUSY}")
    if read_only:
        raw.execute("PRAGMA query_only = 1")
        return
    raw.execute("PRAGMA journal_mode = WAL")
    raw.execute(f"PRAGMA synchronous = {'NORMAL' if synchronous == 'NORMAL' else 'FULL'}")
    raw.execute("PRAGMA foreign_keys = 1")
    raw.execute("PRAGMA temp_store = MEMORY")
    raw.execute("PRAGMA cache_size = -16384")  # 16 MiB: the inner pages of a large store's indexes stay


def read(raw: sqlite3.Connection, work: Callable[[Transaction], T]) -> T:
    """Run `work` on one snapshot."""
    raw.execute("BEGIN")
    try:
        return work(Transaction(raw))
    finally:
        raw.execute("COMMIT")


def write_group(raw: sqlite3.Connection, works: Sequence[Callable[[Transaction], Any]]) -> list[Any]:
    """Run every work in one transaction, each in a savepoint of its own; returns a value or an exception for each.

    Raises where the commit itself fails: then none of them happened.
    """
    results: list[Any] = []
    tx = Transaction(raw)
    raw.execute("BEGIN IMMEDIATE")
    try:
        for work in works:
            try:
                results.append(tx.attempt(work))
            except Exception as error:
                if not tx.open:
                    raise
                results.append(error)  # handed to the caller that gave the work
        raw.execute("COMMIT")
    except BaseException:
        if raw.in_transaction:
            raw.execute("ROLLBACK")
        raise
    return results


def migrate(raw: sqlite3.Connection, scripts: Sequence[tuple[int, str]]) -> int:
    """Apply each numbered script above the file's version, each in a transaction; returns the version reached."""
    version = int(raw.execute("PRAGMA user_version").fetchone()[0])
    newest = max((number for number, _ in scripts), default=0)
    if version > newest:
        raise Unavailable(
            f"the data folder was written by a newer astro-mcp (store version {version}, this one knows {newest})",
            "install the newer version again, or choose another ASTRO_MCP_HOME",
            retryable=False,
        )
    for number, script in scripts:
        if number > version:
            raw.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;")
            version = number
    return version


def translate(error: sqlite3.Error) -> AstroError:
    """The driver's errors as ours."""
    if isinstance(error, sqlite3.IntegrityError):
        return Conflict(f"the store refused a row: {error}")
    if isinstance(error, sqlite3.OperationalError | sqlite3.DatabaseError):
        name = getattr(error, "sqlite_errorname", "") or ""
        if name.startswith(_FOR_NOW):
            return Unavailable(f"the store can't be written now: {error}", "check the disk that holds the data folder")
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            hint = (
                "stop the daemon and put a copy of astro.db back, or move it away: runs and the audit trail are in it"
            )
            return Internal(f"the data folder's astro.db is damaged: {error}", hint)
    return Internal(f"the store failed: {error}")
