"""A question is answered in one thread, where nobody else talks to the index; elsewhere part by part."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import numpy as np
import pytest

from astro_mcp.agents.knowledge.backlog import Shelf
from astro_mcp.agents.knowledge.candidates import Matches, Shelves
from astro_mcp.agents.knowledge.embedding import BUILTIN, Embedder, Space
from astro_mcp.agents.knowledge.index import Index
from astro_mcp.agents.knowledge.question import Beside
from astro_mcp.agents.knowledge.search import WORDS_PATIENCE

QUESTION = "is this person's credential correct"
SHELF = Shelf("local", "here", "c")


def words_first(monkeypatch: pytest.MonkeyPatch, made: Callable[[Embedder, str], Any] = Embedder.at_once) -> None:
    """What there is to ask for is known before the question's vector is `made`."""
    known, count = threading.Event(), Beside.count

    def counted(beside: Beside, shelves: Shelves) -> None:
        count(beside, shelves)
        known.set()

    def embedded(embedder: Embedder, text: str) -> Any:
        assert known.wait(10)
        return made(embedder, text)

    monkeypatch.setattr(Beside, "count", counted)
    monkeypatch.setattr(Embedder, "at_once", embedded)


def refuse(*_: Any) -> Any:
    raise RuntimeError("not asked this way")


@pytest.mark.parametrize("way", ["at_once", "nearest"])
async def test_either_way_finds_by_meaning(
    house: Any, tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """What can't be asked at once (here: Chroma raises) is asked as usual, and the index is not doubted for it."""
    async with house(tmp_path / "data", project) as desk:
        await desk.value("kb_index")
        await desk.caught_up()
        monkeypatch.setattr(Index, "nearest" if way == "at_once" else "at_once", refuse)
        words_first(monkeypatch)
        found = await desk.value("kb_search", query=QUESTION)
    assert found.items[0].source == "src/accounts.py"
    assert not found.notice


@pytest.mark.parametrize("seconds", [WORDS_PATIENCE / 3, WORDS_PATIENCE * 2])
async def test_words_that_take_longer_than_meaning_are_waited_for(
    house: Any, tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    match = Beside.match

    def late(beside: Beside, matches: Matches) -> None:
        time.sleep(seconds)
        match(beside, matches)

    async with house(tmp_path / "data", project) as desk:
        await desk.value("kb_index")
        await desk.caught_up()
        monkeypatch.setattr(Beside, "match", late)
        found = await desk.search("sendWithBackoff")
    assert (found[0].source, found[0].score) == ("src/upload.py", 1.0)


async def test_where_the_index_is_at_work_a_question_waits_for_it_on_the_event_loop(tmp_path: Path) -> None:
    index, vectors = Index(tmp_path), np.eye(5, 384, dtype=np.float32)
    await index.open("", 0, [], [])
    try:
        await index.place(SHELF, range(5), vectors)
        at_once = await anyio.to_thread.run_sync(index.at_once, SHELF, vectors[2:3], 1)
        assert at_once == {2: 1.0}
        asked = anyio.Event()
        found: list[dict[int, float]] = []

        async def ask() -> None:
            asked.set()
            found.append(await index.nearest(SHELF, vectors[3:4], 1))

        async with anyio.create_task_group() as tasks:
            with index._talking:
                assert await anyio.to_thread.run_sync(index.at_once, SHELF, vectors[2:3], 1) is None
                tasks.start_soon(ask)
                await asked.wait()
                await anyio.sleep(0.05)
                assert not found
        assert found == [{3: 1.0}]
    finally:
        await index.close(None)


async def test_a_question_that_nobody_waits_for_any_more_leaves_the_next_one_its_place(
    house: Any, tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go, made = threading.Event(), threading.Event(), Embedder.at_once

    def slow(embedder: Embedder, text: str) -> Any:
        begun.set()
        assert go.wait(10)
        return made(embedder, text)

    async with house(tmp_path / "data", project) as desk:
        await desk.value("kb_index")
        await desk.caught_up()
        monkeypatch.setattr(Embedder, "at_once", slow)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(desk.value, "kb_search", query=QUESTION))
            await anyio.to_thread.run_sync(begun.wait, 10)
            assert (await desk.search(QUESTION))[0].source == "src/accounts.py", "another one waits for no thread"
            tasks.cancel_scope.cancel()
            go.set()
        monkeypatch.setattr(Index, "nearest", refuse)
        words_first(monkeypatch, made)
        assert (await desk.search(QUESTION))[0].source == "src/accounts.py"


async def test_where_another_model_takes_over_nothing_is_asked_of_the_index_with_the_vector_of_before(
    house: Any, tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model that serves changes its space when the vector was made at once."""
    other, made, at_once, query = Space("another", 384), Embedder.at_once, Index.at_once, Embedder.query
    asked: list[Space] = []
    again: list[str] = []

    def changed(embedder: Embedder, text: str) -> Any:
        vector = made(embedder, text)
        monkeypatch.setattr(Embedder, "space", other)
        return vector

    def noted(index: Index, *given: Any) -> Any:
        asked.append(given[-1])
        return at_once(index, *given)

    async def anew(embedder: Embedder, text: str) -> Any:
        again.append(text)
        return await query(embedder, text)

    async with house(tmp_path / "data", project) as desk:
        await desk.value("kb_index")
        await desk.caught_up()
        words_first(monkeypatch, changed)
        monkeypatch.setattr(Embedder, "query", anew)
        monkeypatch.setattr(Index, "at_once", noted)
        found = await desk.value("kb_search", query=QUESTION)
    assert asked == [BUILTIN]
    assert again == [QUESTION]
    assert all(hit.source != "src/accounts.py" for hit in found.items), "the other space holds nothing yet"
