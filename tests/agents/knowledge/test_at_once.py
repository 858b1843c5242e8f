"""A question's vector is looked up in the thread that made it, where nobody else talks to the index."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import numpy as np
import pytest
from tests.agents.knowledge.conftest import MODEL_FOLDER

from astro_mcp.agents.knowledge.backlog import Shelf
from astro_mcp.agents.knowledge.embedding import Embedder
from astro_mcp.agents.knowledge.index import Index
from astro_mcp.agents.knowledge.record import Shelves
from astro_mcp.agents.knowledge.search import _Beside

QUESTION = "is this person's credential correct"
SHELF = Shelf("local", "here", "c")


def words_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """What there is to ask for is known before the question's vector is."""
    known, count, run = threading.Event(), _Beside.count, Embedder._run

    def counted(beside: _Beside, shelves: Shelves) -> None:
        count(beside, shelves)
        known.set()

    def embedded(embedder: Embedder, texts: Sequence[str]) -> Any:
        assert known.wait(10)
        return run(embedder, texts)

    monkeypatch.setattr(_Beside, "count", counted)
    monkeypatch.setattr(Embedder, "_run", embedded)


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


async def test_what_follows_an_embedding_is_left_out_where_nobody_waits_any_more() -> None:
    embedder = Embedder(MODEL_FOLDER)
    await embedder.query("loaded")
    begun, go = threading.Event(), threading.Event()
    followed: list[Any] = []
    run = embedder._run

    def slow(texts: Any) -> Any:
        made = run(texts)
        begun.set()
        assert go.wait(10)
        return made

    embedder._run = slow  # type: ignore[method-assign]

    async def ask() -> None:
        await embedder.query("a question", followed.append)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await anyio.to_thread.run_sync(begun.wait, 10)
        tasks.cancel_scope.cancel()
        go.set()
    assert not followed
    await embedder.query("the next one", followed.append)
    assert len(followed) == 1
