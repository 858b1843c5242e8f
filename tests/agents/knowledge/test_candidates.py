"""The last look at the record: what is gone meanwhile is no hit, and takes no place among them."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from astro_mcp.agents.knowledge.backlog import Shelf
from astro_mcp.agents.knowledge.candidates import Asked, Filter
from astro_mcp.agents.knowledge.chunks import Chunk
from astro_mcp.agents.knowledge.index import Index
from astro_mcp.agents.knowledge.record import Draft, Record
from astro_mcp.core.authority import Scope
from astro_mcp.core.ports import SystemClock
from astro_mcp.store.database import Database, migrations

SCOPE, OTHER = Scope("local", "here"), Scope("local", "elsewhere")
MODEL = "some model"
EVERYTHING = Filter()


@pytest.fixture
async def record(tmp_path: Path) -> AsyncIterator[Record]:
    """Chunks 1 to 6 are of six sources, 7 is another scope's."""
    async with Database.open(tmp_path / "astro.db") as database:
        made = Record(database, SystemClock())
        for number in range(1, 7):
            await made.put(SCOPE, "c", [draft(f"source {number}", f"heron {number}")])
        await made.put(OTHER, "c", [draft("theirs", "heron 7")])
        yield made


def draft(source: str, text: str) -> Draft:
    return Draft(source, "document", source, text, (Chunk(text, 1, 1, "", source),), tags=("bird",))


async def best(
    record: Record, near: list[int], known: dict[int, Scope], most: int, only: Filter = EVERYTHING
) -> list[int]:
    """The best are those with the lowest numbers."""
    rows = await record.chosen(Asked({SCOPE: near}, known, lambda kinds: sorted({*kinds, *known})), only, most)
    return [row["chunk"] for row in rows]


async def test_what_is_gone_is_no_hit_and_the_next_takes_its_place(record: Record) -> None:
    known = (await record.matches([SCOPE], ["heron"], EVERYTHING, 3, MODEL)).scopes
    assert await best(record, [4, 5, 6], known, 2) == [1, 2]
    await record.remove(SCOPE, "c", ["source 1", "source 2", "source 4"])
    assert await best(record, [4, 5, 6], known, 2) == [3, 5]
    assert await best(record, [4, 5, 6], known, 9) == [3, 5, 6]


async def test_a_foreign_number_is_no_hit_whoever_names_it(record: Record) -> None:
    assert await best(record, [6, 7], {}, 9) == [6]
    assert await best(record, [], {6: SCOPE, 7: SCOPE}, 9) == [6]
    matches = await record.matches([SCOPE, OTHER], ["heron"], EVERYTHING, 100, MODEL)
    assert matches.scopes == {**dict.fromkeys(range(1, 7), SCOPE), 7: OTHER}


@pytest.mark.parametrize(
    ("only", "found"),
    [
        (Filter(kinds=("document",)), 6),
        (Filter(kinds=("note",)), 0),
        (Filter(tags=("bird",)), 6),
        (Filter(tags=("bird", "heron")), 0),
    ],
)
async def test_what_is_near_must_pass_the_filter_too(record: Record, only: Filter, found: int) -> None:
    assert len(await best(record, [1, 2, 3, 4, 5, 6], {}, 9, only)) == found


async def test_an_index_tells_the_cosines_of_what_it_names(tmp_path: Path) -> None:
    index, shelf = Index(tmp_path), Shelf("local", "here", "c")
    vectors = np.random.default_rng(3).standard_normal((40, 384)).astype("<f4")
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    await index.open("", 0, [], [])
    try:
        await index.place(shelf, range(40), vectors)
        near = await index.nearest(shelf, vectors[:1], 10)
    finally:
        await index.close(None)
    exact = {chunk: float(vectors[chunk] @ vectors[0]) for chunk in near}
    assert near == pytest.approx(exact, abs=1e-5)
    assert list(near) == sorted(near, key=lambda chunk: -near[chunk])


async def test_vectors_of_before_are_there_after_the_table_was_made_anew(tmp_path: Path) -> None:
    raw = sqlite3.connect(tmp_path / "astro.db")
    for number, script in migrations():
        if number < 10:
            raw.executescript(f"{script}\nPRAGMA user_version = {number};")
    rows = [("local", "here", f"{number:064}", model, bytes([number] * 1536)) for number in range(50) for model in "ab"]
    raw.executemany("INSERT INTO knowledge_vector VALUES (?, ?, ?, ?, ?)", rows)
    raw.commit()
    raw.close()
    async with Database.open(tmp_path / "astro.db") as database:
        found = await database.read(lambda tx: tx.rows("SELECT * FROM knowledge_vector"))
        names = await database.read(lambda tx: tx.rows("SELECT name FROM sqlite_master WHERE name LIKE '%vector%'"))
    assert sorted(map(tuple, found)) == sorted(rows)
    assert sorted(row["name"] for row in names) == ["knowledge_vector", "sqlite_autoindex_knowledge_vector_1"]
