"""One writer task with group commit, and a pool of readers."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import anyio

from astro_mcp.errors import AstroError, Internal, Unavailable
from astro_mcp.store.connection import Connection, Params, Transaction, migrate, read, write_group

log = logging.getLogger(__name__)
T = TypeVar("T")
Work = Callable[[Transaction], T]

LINE: Final = 4096
"""Works that may wait for the writer; beyond, callers wait for a place."""
GROUP: Final = 512
"""Works in one commit at most, beside those that were posted."""
LINGER: Final = 0.05
"""Seconds that posted work waits for company: nobody waits for it, and a commit of its own would hold up the next."""


@dataclass(slots=True)
class _Job:
    """`done` is None where nobody waits."""

    work: Work[Any]
    done: anyio.Event | None = None
    value: Any = None
    error: Exception | None = None


class Posted(NamedTuple):
    """Where a row that was posted stands: at this place of a line, which goes as a whole when it is written."""

    line: list[tuple[str, Params] | None]
    at: int


class Database:
    """`write` returns after the commit, `post` before it, `read` sees one snapshot."""

    def __init__(self, path: Path, writer: Connection, readers: int) -> None:
        self.path = path
        self._writer = writer
        self._line: deque[_Job] = deque()
        self._came = anyio.Event()
        self._place_free = anyio.Event()
        self._posted: list[tuple[str, Params] | None] = []
        self._first_posted = anyio.Event()
        self._closing = anyio.Event()
        self._places = anyio.CapacityLimiter(readers)
        self._idle: list[Connection] = []

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path, *, readers: int = 4, synchronous: str = "FULL") -> AsyncIterator[Database]:
        """Open or create the file, bring it up to date, and own it until the block ends. Everything that was handed
        over before the end is committed."""
        writer = await Connection.open(path, synchronous=synchronous)
        database = cls(path, writer, readers)
        try:
            await writer.run(lambda raw: migrate(raw, migrations()))
            async with anyio.create_task_group() as group:
                group.start_soon(database._write_forever)
                group.start_soon(database._linger_forever)
                try:
                    yield database
                finally:
                    database._closing.set()
                    database._came.set()
                    database._place_free.set()
                    database._first_posted.set()
        finally:
            with anyio.CancelScope(shield=True):
                for connection in [*database._idle, writer]:
                    await connection.close()

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction; returns its value after the commit, or raises what it raised and changes
        nothing. A caller that is cancelled meanwhile leaves the work in line: it happens whole."""
        done = anyio.Event()
        job = _Job(work, done)
        await self._enter(job)
        await done.wait()
        if job.error is not None:
            raise job.error
        value: T = job.value
        return value

    async def post(self, sql: str, row: Params, instead: Posted | None = None) -> Posted:
        """Put one row for the statement `sql` in line and return; it is written with the next group, or soon, and its
        failure is logged. One that it stands for goes, where that is still in line. Where the line is full this waits
        for the writer, and is not cancelled meanwhile."""
        if len(self._posted) >= LINE:
            with anyio.CancelScope(shield=True):
                await self.write(lambda tx: None)
        if instead is not None and instead.line is self._posted:
            self._posted[instead.at] = None
        self._posted.append((sql, row))
        if not self._first_posted.is_set():
            self._first_posted.set()
        return Posted(self._posted, len(self._posted) - 1)

    async def read(self, work: Work[T]) -> T:
        """Run `work` on a snapshot that no write disturbs."""
        async with self._places:
            connection = self._idle.pop() if self._idle else await Connection.open(self.path, read_only=True)
            with anyio.CancelScope(shield=True):  # the thread is not done with the connection before this returns
                try:
                    value = await connection.run(lambda raw: read(raw, work))
                finally:
                    self._idle.append(connection)
            return value

    async def _enter(self, job: _Job) -> None:
        while len(self._line) >= LINE and not self._closing.is_set():
            await self._place_free.wait()
        if self._closing.is_set():
            raise Unavailable("the store is closed")
        self._line.append(job)
        self._came.set()

    async def _write_forever(self) -> None:
        with anyio.CancelScope(shield=True):
            while True:
                if self._line:
                    await self._commit(self._taken())
                elif self._closing.is_set():
                    break
                else:
                    self._came = anyio.Event()
                    await self._came.wait()
            await self._commit([])

    def _taken(self) -> list[_Job]:
        """The next group, whose places are free."""
        if len(self._line) >= LINE and not self._closing.is_set():
            self._place_free.set()
            self._place_free = anyio.Event()
        return [self._line.popleft() for _ in range(min(GROUP, len(self._line)))]

    async def _linger_forever(self) -> None:
        """See that posted work is committed though no other comes."""
        while not self._closing.is_set():  # the writer takes along what is left then
            first = self._first_posted
            await first.wait()
            with anyio.move_on_after(LINGER):
                await self._closing.wait()
                return
            if first is self._first_posted:  # else a commit took those along that waited so long
                with suppress(Unavailable):  # it closed meanwhile
                    await self._enter(_Job(lambda tx: None))

    async def _commit(self, group: list[_Job]) -> None:
        if self._posted:  # the event is set then, so nobody waits on the one that goes
            group = [*_appending(self._posted), *group]
            self._posted, self._first_posted = [], anyio.Event()
        works = [job.work for job in group]
        try:
            results = await self._writer.run(lambda raw: write_group(raw, works))
        except AstroError as error:
            results = [error] * len(group)
        except Exception as error:
            log.exception("a group commit broke")
            results = [Internal(f"the store failed: {error}")] * len(group)
        for job, result in zip(group, results, strict=True):
            if isinstance(result, Exception):
                job.error = result
                log.log(logging.DEBUG if job.done else logging.ERROR, "a work failed: %s", result)
            else:
                job.value = result
            if job.done is not None:
                job.done.set()


def _appending(posted: list[tuple[str, Params] | None]) -> list[_Job]:
    """The rows that were posted, as one work for each statement."""
    rows: dict[str, list[Params]] = {}
    for one in posted:
        if one is not None:
            rows.setdefault(one[0], []).append(one[1])
    return [_Job(partial(_append, sql=sql, rows=found)) for sql, found in rows.items()]


def _append(tx: Transaction, *, sql: str, rows: list[Params]) -> None:
    for refusal in tx.append(sql, rows):
        log.error("a posted row is lost: %s", refusal)


def migrations() -> list[tuple[int, str]]:
    """Every numbered script, in order."""
    found = []
    for entry in files("astro_mcp.store.migrations").iterdir():
        if entry.name.endswith(".sql"):
            found.append((int(entry.name.split("_")[0]), entry.read_text()))
    return sorted(found)
