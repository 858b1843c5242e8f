"""What is kept in memory of the chunks' kinds is what the record says, on each snapshot and for each scope."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from astro_mcp.agents.knowledge import frequencies, kinds
from astro_mcp.agents.knowledge.candidates import Filter, Words
from astro_mcp.agents.knowledge.chunks import Chunk, Kind
from astro_mcp.agents.knowledge.frequencies import size_of
from astro_mcp.agents.knowledge.record import Draft, Record, words_table
from astro_mcp.core.authority import Scope
from astro_mcp.core.ports import SystemClock
from astro_mcp.store.connection import Transaction
from astro_mcp.store.database import Database

SCOPE, OTHER = Scope("local", "here"), Scope("local", "elsewhere")
ROWS = 400
KINDS: tuple[Kind, ...] = ("code", "note", "run", "document")
EVERYTHING = range(-3, 3 * ROWS)


@pytest.fixture
async def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Record]:
    """Four hundred chunks of all kinds, and as many of another scope between them. They count as large."""
    monkeypatch.setattr(frequencies, "LARGE", ROWS // 4)
    async with Database.open(tmp_path / "astro.db") as database:
        made = Record(database, SystemClock())
        for number in range(ROWS // 10):
            for scope in (SCOPE, OTHER):
                await put(made, f"source {number}", random.Random(number).choice(KINDS), scope)
        yield made


async def put(record: Record, source: str, kind: Kind, scope: Scope = SCOPE, text: str = "heron") -> None:
    chunks = tuple(Chunk(f"{text} {number}", 1, 1, "", source) for number in range(10))
    await record.put(scope, "c", [Draft(source, kind, source, f"{kind} {text}", chunks)])


async def told(record: Record, scope: Scope = SCOPE, chunks: Sequence[int] = EVERYTHING) -> dict[int, str]:
    words = words_table(scope)
    return await record._database.read(lambda tx: record._words.kinds(tx, scope, words, chunks, Filter()))


async def by_record(record: Record, scope: Scope = SCOPE) -> dict[int, str]:
    every = "SELECT c.id, d.kind FROM knowledge_chunk AS c JOIN knowledge_document AS d ON d.id = c.document"
    rows = await record._database.read(lambda tx: tx.rows(f"{every} WHERE c.scope = ? ORDER BY c.id", (scope.key,)))
    return {row["id"]: row["kind"] for row in rows}


async def test_they_are_the_records_as_chunks_come_go_and_change(record: Record) -> None:
    changes: list[Callable[[], Awaitable[object]]] = [
        lambda: put(record, "new", "run"),
        lambda: put(record, "source 3", "document", text="another"),
        lambda: put(record, "source 3", "note", text="again another"),
        lambda: record.remove(SCOPE, "c", ["source 5"]),
        lambda: put(record, "theirs", "code", OTHER),
        lambda: record.remove(SCOPE, "c", [f"source {number}" for number in range(8, 20)]),
        lambda: put(record, "source 5", "code"),
    ]
    for change in changes:
        await change()
        for scope in (SCOPE, OTHER):
            assert await told(record, scope) == await by_record(record, scope)
            assert await told(record, scope, [1, 2, 401, 402]) == {
                chunk: kind for chunk, kind in (await by_record(record, scope)).items() if chunk in (1, 2, 401, 402)
            }
    assert set((await told(record)).values()) == set(KINDS)


async def test_an_older_snapshot_is_told_of_nothing_that_came_later(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinds, "DRIFT", 1.0)
    before = await by_record(record)
    with closing(sqlite3.connect(tmp_path / "astro.db", isolation_level=None)) as raw:
        raw.row_factory = sqlite3.Row
        raw.execute("BEGIN")
        older, words = Transaction(raw), words_table(SCOPE)
        size = size_of(older, words)
        await put(record, "newer", "note")
        await told(record)
        assert record._words._kinds.of(older, SCOPE, words, size, EVERYTHING) == before
    assert await told(record) == await by_record(record)


async def test_what_is_kept_has_a_bound(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "MOST_ROWS", ROWS + 100)
    for _ in range(3):
        for scope in (SCOPE, OTHER):
            assert await told(record, scope) == await by_record(record, scope)
            assert record._words._kinds.rows <= ROWS + 100
    monkeypatch.setattr(kinds, "MOST_ROWS", ROWS - 1)
    record._words = Words()
    monkeypatch.delattr(kinds.Kinds, "of")
    assert await told(record) == await by_record(record), "a scope that is too large alone is asked for each time"
