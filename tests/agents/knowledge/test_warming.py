"""The common words of a large scope are read before anybody asks, and that changes no answer and holds up no work."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.agents.knowledge.test_postings import MOST, ROWS, SCOPE, VOCABULARY, by_fts, find, put, record

from astro_mcp.agents.knowledge import candidates, frequencies, postings, warming
from astro_mcp.agents.knowledge.backlog import Backlog
from astro_mcp.agents.knowledge.record import Record, words_table
from astro_mcp.agents.knowledge.warming import Warming
from astro_mcp.agents.knowledge.words import terms, terms_of_text
from astro_mcp.core.authority import Scope

__all__ = ["record"]


@pytest.fixture(autouse=True)
def at_full_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warming, "BUSY", 1.0)


def held(record: Record) -> list[str]:
    """The words that are in memory, from the one that goes first."""
    return list(record._words._postings._held[words_table(SCOPE)]._postings)


async def warmed(record: Record) -> int:
    """Steps until all is read, of everything in the record."""
    await record._database.write(lambda tx: tx.execute("UPDATE knowledge_chunk SET placed = 1"))
    one = Warming(record, Backlog(record._database))
    assert not await one.step(), "nobody said that there is anything"
    one.begin()
    steps = 0
    while await one.step():
        steps += 1
    return steps


async def test_common_words_are_known_before_a_question_and_it_gives_what_fts5_gives(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = await warmed(record)
    known = set(held(record))
    assert VOCABULARY[0] not in known, "more than half of the chunks have it: it tells nothing"
    assert known >= set(VOCABULARY[12:30])
    assert steps >= len(known)
    chance = random.Random(7)
    for _ in range(40):
        asked = chance.choices(VOCABULARY, k=chance.randint(1, 6))
        found, whole = await find(record, *asked), await by_fts(record, monkeypatch, *asked)
        assert list(found.items()) == list(whole.items())
    before = await find(record, VOCABULARY[20], most=ROWS)
    await put(record, "later", [VOCABULARY[20]])
    after = await find(record, VOCABULARY[20], most=ROWS)
    assert len(after.keys() - before.keys()) == 1, "what came since is found, too"


async def test_rare_words_and_small_scopes_are_left_until_somebody_asks(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Scope("local", "small")
    await put(record, "one", [VOCABULARY[5]], small)
    await put(record, "rare", ["quetzal"])
    monkeypatch.setattr(candidates, "SAMPLE", 2 * ROWS)
    monkeypatch.setattr(candidates, "COMMON", 3 / (2 * ROWS))
    await warmed(record)
    assert "quetzal" not in held(record)
    assert words_table(small) not in record._words._postings._held
    assert await record.common(small) == []
    assert await record.common(Scope("local", "nobody")) == []
    assert await record.warm(Scope("local", "nobody"), "word"), "what went meanwhile does not end it for the others"


async def test_what_nobody_asked_for_has_a_bound_and_goes_first(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = VOCABULARY[50:53]
    await find(record, *asked)
    most = record._words._postings.bytes + 20_000
    monkeypatch.setattr(postings, "WARM_BYTES", most)
    await warmed(record)
    more = held(record)
    assert most <= record._words._postings.bytes <= most + postings.BYTES_OF_A_ROW * ROWS
    assert set(more) > set(asked)
    assert more[-3:] == asked
    monkeypatch.setattr(postings, "MOST_BYTES", most - 2000)
    await find(record, asked[0])
    assert set(asked) < set(held(record)) < set(more)


async def test_a_scope_that_somebody_asked_stays_longer_than_one_that_was_read_ahead(record: Record) -> None:
    other = Scope("local", "elsewhere")
    await put(record, "theirs", [" ".join(VOCABULARY[:30])] * ROWS, other)
    await find(record, VOCABULARY[20])
    await warmed(record)
    order = list(record._words._postings._held)
    assert order == [words_table(other), words_table(SCOPE)]
    await find(record, VOCABULARY[20], scope=other)
    assert list(record._words._postings._held) == [words_table(SCOPE), words_table(other)]


async def test_a_scope_without_the_table_of_terms_is_not_read_ahead(record: Record) -> None:
    table = postings.terms_table(words_table(SCOPE))
    await record._database.write(lambda tx: tx.execute(f"DROP TABLE {table}"))
    assert await warmed(record) == 0
    assert len(await find(record, "f9word", most=MOST)) > 0


async def test_a_server_reads_ahead_once_its_index_is_open_and_new_work_goes_before_it(
    house: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frequencies, "LARGE", 3)
    monkeypatch.setattr(candidates, "COMMON", 1 / candidates.SAMPLE)
    read: list[str] = []
    plain = Record.warm

    async def warm(record: Record, scope: Scope, word: str) -> bool:
        read.append(word)
        await plain(record, scope, word)
        await anyio.sleep(0.1)
        return True

    monkeypatch.setattr(Record, "warm", warm)
    project = tmp_path / "project"
    project.mkdir()
    for number in range(12):
        (project / f"{number}.md").write_text(
            f"# Note {number}\n\n" + " ".join(f"w{number // 2}x{n}" for n in range(40))
        )
    async with house(tmp_path / "data", project) as desk:
        await desk.value("kb_index")
        await desk.caught_up()
        with anyio.fail_after(20):
            while not read:
                await anyio.sleep(0.01)
        begun = len(read)
        await desk.value("kb_remember", title="Later", text="A zebra crossed.")
        await desk.caught_up()
        assert len(read) < begun + 100, "words were still left, and the note did not wait for them"
        assert (await desk.search("zebra"))[0].title == "Later"


def test_words_of_a_text_are_those_that_a_question_looks_for() -> None:
    for text in ("The parseHTTPConfig of it", "naïve Läufer, send_file x2 日本語 a", ""):
        assert terms_of_text(text) == set(terms(text))
    assert terms_of_text("the of it") == set()
