"""The floor: what a durable step costs with nothing around it, on aiosqlite as anybody would use it."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiosqlite

GROUP: Final = 64
"""Steps that share a commit: as many as ours are at once."""
_TABLE: Final = "CREATE TABLE step (run INTEGER, step INTEGER, started INTEGER, output TEXT, PRIMARY KEY (run, step))"
_START: Final = "INSERT INTO step (run, step, started) VALUES (?, ?, 1)"
_DONE: Final = "UPDATE step SET output = ? WHERE run = ? AND step = ?"


class Floor:
    """A table of steps, and the same no-op between two writes."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._run = 0

    async def run(self, name: str, count: int) -> float:
        """A chain by two commits a step, a fan-out by group commit."""
        return await (self.two_commits(count) if name == "chain" else self.group_commit(count))

    async def two_commits(self, count: int) -> float:
        """The seconds of steps one after another: a start on disk, the step, its output on disk."""
        self._run += 1
        began = time.perf_counter()
        number = 0
        for step in range(count):
            await self._connection.execute(_START, (self._run, step))
            await self._connection.commit()
            number = await _noop(number)
            await self._connection.execute(_DONE, (json.dumps({"number": number}), self._run, step))
            await self._connection.commit()
        return time.perf_counter() - began

    async def group_commit(self, count: int) -> float:
        """The seconds of steps by groups: one commit for the starts of a group, one for its outputs."""
        self._run += 1
        began = time.perf_counter()
        for first in range(0, count, GROUP):
            steps = range(first, min(first + GROUP, count))
            await self._connection.executemany(_START, [(self._run, step) for step in steps])
            await self._connection.commit()
            outputs = [json.dumps({"number": await _noop(step)}) for step in steps]
            rows = [(output, self._run, step) for output, step in zip(outputs, steps, strict=True)]
            await self._connection.executemany(_DONE, rows)
            await self._connection.commit()
        return time.perf_counter() - began


async def _noop(number: int) -> int:
    return number + 1


@asynccontextmanager
async def floor(path: Path, synchronous: str) -> AsyncIterator[Floor]:
    async with aiosqlite.connect(path) as connection:
        await connection.execute("PRAGMA journal_mode = WAL")
        await connection.execute(f"PRAGMA synchronous = {synchronous}")
        await connection.execute(_TABLE)
        yield Floor(connection)
