"""What is kept of a large scope's words in memory gives what FTS5 gives, and nothing that is gone."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from astro_mcp.agents.knowledge import frequencies, postings
from astro_mcp.agents.knowledge.candidates import Filter
from astro_mcp.agents.knowledge.chunks import Chunk
from astro_mcp.agents.knowledge.frequencies import size_of
from astro_mcp.agents.knowledge.record import Draft, Record, words_table
from astro_mcp.core.authority import Scope
from astro_mcp.core.ports import SystemClock
from astro_mcp.store.connection import Transaction
from astro_mcp.store.database import Database

SCOPE, OTHER = Scope("local", "here"), Scope("local", "elsewhere")
ROWS = 600
VOCABULARY = [f"{letter}{number}word" for letter in "abcdef" for number in range(10)]
SMALL = 10**9
MOST = 50


@pytest.fixture
async def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Record]:
    """Six hundred chunks of words that are rarer the later they stand in the vocabulary. They count as large."""
    monkeypatch.setattr(frequencies, "LARGE", ROWS // 2)
    async with Database.open(tmp_path / "astro.db") as database:
        made = Record(database, SystemClock())
        chance = random.Random(5)
        weights = [1 / (place + 1) for place in range(len(VOCABULARY))]
        texts = [" ".join(chance.choices(VOCABULARY, weights, k=chance.randint(3, 40))) for _ in range(ROWS)]
        for start in range(0, ROWS, 20):
            await put(made, f"source {start}", texts[start : start + 20])
        yield made


async def put(record: Record, source: str, texts: list[str], scope: Scope = SCOPE) -> None:
    chunks = tuple(Chunk(text, 1, 1, "", source) for text in texts)
    await record.put(scope, "c", [Draft(source, "document", source, str(hash(tuple(texts))), chunks)])


async def find(record: Record, *terms: str, most: int = MOST, scope: Scope = SCOPE) -> dict[int, float]:
    return await record.find_words(scope, terms, Filter(), most)


async def by_fts(record: Record, monkeypatch: pytest.MonkeyPatch, *terms: str) -> dict[int, float]:
    """What FTS5 finds for those of `terms` that are looked for in a large scope."""
    words = words_table(SCOPE)
    telling = await record._database.read(
        lambda tx: record._words._frequencies.telling(tx, words, terms, size_of(tx, words))
    )
    with monkeypatch.context() as patch:
        patch.setattr(frequencies, "LARGE", SMALL)
        return await find(record, *telling)


async def test_it_is_to_the_bit_and_in_order_what_fts5_gives(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(6)
    for _ in range(40):
        terms = chance.choices(VOCABULARY, k=chance.randint(1, 6))
        found, whole = await find(record, *terms), await by_fts(record, monkeypatch, *terms)
        assert list(found.items()) == list(whole.items())
        assert found


NAMED = "sendFile send_file parseHTTPConfig naïve Läufer läufer running runs ran 日本語 x2 running_shoes"
"""Words that are several, have accents or endings, or no letters of Latin."""


async def test_each_columns_places_give_what_fts5s_function_gives(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words in titles, in the parts of identifiers, with endings and accents; of no term, of several, and of none."""
    chance = random.Random(8)
    for number in range(12):
        texts = [" ".join(chance.choices(NAMED.split(), k=chance.randint(1, 300))) for _ in range(9)]
        await put(record, f"sendFile {number} runs.py", [*texts, "two words", "two more words"])
    for word in [*NAMED.split(), "run", "parse", "http", "sendfile", "two words", "laufer", "nothing", "²", "c"]:
        found = await find(record, word, "f9word", most=900)
        whole = await by_fts(record, monkeypatch, word, "f9word")
        assert list(found.items())[:MOST] == list(whole.items()), word


async def test_a_scope_without_the_table_of_terms_asks_fts5s_function(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was written before there was such a table."""
    terms = postings.terms_table(words_table(SCOPE))
    await record._database.write(lambda tx: tx.execute(f"DROP TABLE {terms}"))
    whole = await by_fts(record, monkeypatch, "f9word", "c3word")
    assert await find(record, "f9word", "c3word") == whole
    await put(record, "new", ["f9word and c3word"])
    assert await record._database.read(lambda tx: tx.one("SELECT 1 FROM sqlite_master WHERE name = ?", (terms,)))


async def test_of_few_rows_that_reach_a_score_the_best_are_found(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer than were asked for, as many, and more."""
    for most in (1, 5, 12, 40, 600):
        found = await find(record, "f9word", "e9word", "a1word", most=most)
        assert (
            list(found.items())[:MOST]
            == list((await by_fts(record, monkeypatch, "f9word", "e9word", "a1word")).items())[:most]
        )


async def test_the_size_is_what_counting_gives(record: Record) -> None:
    words = words_table(SCOPE)
    for change in (None, put(record, "new", ["one", "two"]), record.remove(SCOPE, "c", ["source 0", "new"])):
        if change is not None:
            await change
        size = await record._database.read(lambda tx: size_of(tx, words))
        rows = await record._database.read(lambda tx: tx.rows(f"SELECT count(*) AS n, max(rowid) AS m FROM {words}"))
        assert (size.rows, size.newest) == tuple(rows[0])


async def test_what_came_is_found_at_once_and_what_went_is_not(record: Record) -> None:
    await find(record, "f9word", "zebra")
    await put(record, "added", ["f9word zebra zebra"])
    found = await find(record, "f9word", "zebra")
    assert next(iter(found)) == ROWS + 1
    await record.remove(SCOPE, "c", ["added"])
    assert ROWS + 1 not in await find(record, "f9word", "zebra")
    assert len(await find(record, "zebra")) == 0


async def test_those_that_went_take_nobodys_place(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postings, "DRIFT", 1.0)
    await put(record, "best", ["f9word f9word f9word"] * 30)
    before = await find(record, "f9word", "f8word", most=60)
    await record.remove(SCOPE, "c", ["best"])
    after = await find(record, "f9word", "f8word", most=20)
    assert list(after) == [chunk for chunk in before if chunk <= ROWS][:20]


async def test_all_begins_anew_when_much_came_or_went(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    terms = ("f9word", "c3word", "e5word")
    await find(record, *terms)
    await put(record, "many", ["something else", "f9word and more"] * 20)
    assert await find(record, *terms) == await by_fts(record, monkeypatch, *terms)
    await record.remove(SCOPE, "c", ["many", "source 40"])
    assert await find(record, *terms) == await by_fts(record, monkeypatch, *terms)


async def test_a_reader_with_an_older_snapshot_hides_nothing_from_those_that_follow(record: Record) -> None:
    """It asks for a word when newer rows are known already, which it can't see."""
    words, terms = words_table(SCOPE), ["f9word"]
    old = await record._database.read(lambda tx: size_of(tx, words))
    await put(record, "newer", ["f9word f9word"])
    await find(record, "c3word")
    await record._database.read(lambda tx: record._words._postings.best(tx, words, terms, old, MOST))
    assert ROWS + 1 in await find(record, "f9word")


async def test_a_row_that_an_older_snapshot_still_has_gives_no_other_its_score(record: Record, tmp_path: Path) -> None:
    words = words_table(SCOPE)
    await put(record, "going", ["zebra zebra"])
    await put(record, "staying", ["nothing of it"])
    with closing(sqlite3.connect(tmp_path / "astro.db", isolation_level=None)) as raw:
        raw.row_factory = sqlite3.Row
        raw.execute("BEGIN")
        older = Transaction(raw)
        size = size_of(older, words)
        await record.remove(SCOPE, "c", ["going"])
        await find(record, "c3word")
        found = record._words._postings.best(older, words, ["zebra"], size, MOST)
    assert not found
    assert not await find(record, "zebra")


async def test_a_scope_has_words_of_its_own(record: Record) -> None:
    await find(record, "f9word")
    await put(record, "theirs", ["f9word"] * ROWS, OTHER)
    mine, theirs = await find(record, "f9word", most=ROWS), await find(record, "f9word", most=ROWS, scope=OTHER)
    assert len(theirs) == ROWS
    assert not mine.keys() & theirs.keys()


async def test_what_is_kept_has_a_bound(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    await put(record, "theirs", [" ".join(VOCABULARY)] * ROWS, OTHER)
    most = postings.BYTES_OF_AN_ID * ROWS + 2000
    monkeypatch.setattr(postings, "MOST_BYTES", most)
    for word in VOCABULARY[5:]:
        await find(record, word, scope=OTHER)
        found = await find(record, word)
        assert record._words._postings.bytes <= most
        assert found == await find(record, word)


async def test_questions_at_once_give_what_they_give_in_turn(record: Record) -> None:
    asked = [VOCABULARY[place : place + 4] for place in range(0, 56, 2)]
    found: dict[int, dict[int, float]] = {}

    async def ask(number: int) -> None:
        found[number] = await find(record, *asked[number])

    async with anyio.create_task_group() as tasks:
        for number in range(len(asked)):
            tasks.start_soon(ask, number)
            if number == 10:
                tasks.start_soon(put, record, "meanwhile", ["nothing of this"])
    for number, terms in enumerate(asked):
        assert list(found[number]) == list(await find(record, *terms))
