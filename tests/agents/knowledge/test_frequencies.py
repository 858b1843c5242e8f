"""Words that most chunks of a large scope have are left out beside rarer ones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from astro_mcp.agents.knowledge import frequencies
from astro_mcp.agents.knowledge.candidates import Filter
from astro_mcp.agents.knowledge.chunks import Chunk
from astro_mcp.agents.knowledge.frequencies import RAREST, size_of
from astro_mcp.agents.knowledge.record import Draft, Record, words_table
from astro_mcp.agents.knowledge.statements import HITS, KINDS
from astro_mcp.core.authority import Scope
from astro_mcp.core.ports import SystemClock
from astro_mcp.store.connection import Transaction
from astro_mcp.store.database import Database

SCOPE = Scope("local", "here")
ROWS = 40
COMMON = [f"common{letter}" for letter in "abcd"]


@pytest.fixture
async def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Record]:
    """Forty chunks of the same words; the first one has a word of its own. Forty count as large."""
    monkeypatch.setattr(frequencies, "LARGE", ROWS)
    async with Database.open(tmp_path / "astro.db") as database:
        made = Record(database, SystemClock())
        texts = [" ".join(COMMON)] * ROWS
        await put(made, "first", [f"{texts[0]} wombat", *texts[1:]])
        yield made


async def put(record: Record, source: str, texts: list[str]) -> None:
    chunks = tuple(Chunk(text, 1, 1, "", source) for text in texts)
    await record.put(SCOPE, "c", [Draft(source, "document", source, str(len(texts)), chunks)])


async def find(record: Record, *terms: str, only: Filter | None = None) -> dict[int, float]:
    return await record.find_words(SCOPE, terms, only or Filter(), 100)


async def test_a_rare_word_is_found_among_common_ones_with_the_score_that_it_had(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await find(record, *COMMON, "wombat")
    assert len(found) == 1
    monkeypatch.setattr(frequencies, "LARGE", ROWS + 1)
    whole = await find(record, *COMMON, "wombat")
    assert len(whole) == ROWS
    assert next(iter(whole)) == next(iter(found))
    assert max(whole.values()) == pytest.approx(max(found.values()), abs=1e-4)


async def test_a_question_of_only_common_words_still_finds_and_asks_for_the_rarest_three(record: Record) -> None:
    assert len(await find(record, *COMMON)) == ROWS
    assert len(await find(record, *COMMON, "missing")) == ROWS  # what is nowhere is not the rarer word
    assert not await find(record, "missing")
    rarest = await record._database.read(
        lambda tx: record._words._frequencies.telling(
            tx, words_table(SCOPE), [*COMMON, "missing"], size_of(tx, words_table(SCOPE))
        )
    )
    assert len(rarest) == RAREST
    assert "missing" not in rarest


async def test_words_are_counted_again_when_the_scope_has_grown(record: Record) -> None:
    assert len(await find(record, "commona", "wombat")) == 1
    await put(record, "second", ["something else"] * (ROWS + 10))
    found = await find(record, "commona", "wombat")
    assert len(found) == ROWS  # fewer than half have it now


async def test_words_are_counted_again_when_much_was_taken_out(record: Record) -> None:
    await put(record, "second", ["something else"] * (ROWS + 10))
    assert len(await find(record, "else", "wombat")) == 1
    await record.remove(SCOPE, "c", ["second"])
    await put(record, "third", ["something else"])
    assert len(await find(record, "else", "wombat")) == 2


async def test_a_search_that_is_narrowed_looks_for_every_word(record: Record) -> None:
    assert len(await find(record, "commona", "wombat", only=Filter(kinds=("document",)))) == ROWS


async def test_chunks_are_looked_up_by_their_numbers_and_not_by_a_walk_through_the_scope(record: Record) -> None:
    params = {"tenant": SCOPE.tenant, "scope": SCOPE.key, "model": "m", "chunks": "[1]", **Filter().params}
    for statement in (KINDS, HITS):
        plan = await record._database.read(
            partial(Transaction.rows, sql=f"EXPLAIN QUERY PLAN {statement}", params=params)
        )
        assert "SEARCH c USING INTEGER PRIMARY KEY (rowid=?)" in [row["detail"] for row in plan]
