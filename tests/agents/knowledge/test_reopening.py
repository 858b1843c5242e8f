"""An index that nobody closed: kept where a child reads back what the record says, and else made again."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.agents.knowledge.sameness import same_as_record
from tests.agents.knowledge.test_durability import count, turned

from astro_mcp.agents.knowledge import reopening
from astro_mcp.agents.knowledge.backlog import Holding
from astro_mcp.agents.knowledge.catch_up import CatchUp
from astro_mcp.agents.knowledge.seal import Seal

ANSWER = "is this person's credential correct"


async def killed(house: Any, folder: Path, project: Path) -> set[str]:
    """Leaves the files as `kill -9` would, at rest; the index's folders of graphs."""
    index = folder / "knowledge" / "index"
    async with house(folder, project) as desk:
        await desk.value("kb_index")
        await desk.caught_up()
        shutil.copytree(folder / "knowledge", folder / "as_killed")
    shutil.rmtree(folder / "knowledge")
    (folder / "as_killed").rename(folder / "knowledge")
    assert "graphs" in json.loads(index.with_name("index.seal.json").read_text())
    return {path.name for path in index.iterdir() if path.is_dir()}


async def kept(house: Any, folder: Path, project: Path, before: set[str]) -> bool:
    """Whether the index is the one of before; it answers and equals the record in either case."""
    index = folder / "knowledge" / "index"
    async with house(folder, project) as desk:
        await desk.caught_up()
        assert (await desk.search(ANSWER))[0].source == "src/accounts.py"
        after = {path.name for path in index.iterdir() if path.is_dir()}
    assert same_as_record(folder) == count(folder, "knowledge_chunk")
    assert after == before or not after & before
    return after == before


@pytest.mark.full
async def test_an_index_that_was_left_by_a_kill_is_kept_where_it_equals_the_record(
    house: Any, tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await killed(house, tmp_path / "data", project)

    async def refilled(self: CatchUp) -> None:
        assert not await self._backlog.kept(2**63 - 1, 1), "nothing is placed again"

    monkeypatch.setattr(CatchUp, "_refill", refilled)
    assert await kept(house, tmp_path / "data", project, before)


@pytest.mark.full
async def test_what_was_placed_or_dropped_and_not_marked_before_the_kill_is_done_again(
    house: Any, tmp_path: Path, project: Path
) -> None:
    folder = tmp_path / "data"
    before = await killed(house, folder, project)
    with closing(sqlite3.connect(folder / "astro.db")) as record, record:
        (first, last) = record.execute("SELECT min(id), max(id) FROM knowledge_chunk").fetchone()
        record.execute("UPDATE knowledge_chunk SET placed = 0 WHERE id = ?", (first,))
        record.execute("DELETE FROM knowledge_chunk WHERE id = ?", (last,))
    assert count(folder, "knowledge_gone") == 1
    assert await kept(house, folder, project, before)


def in_chroma(*statements: str) -> Callable[[Path], None]:
    def harm(index: Path) -> None:
        with closing(sqlite3.connect(index / "chroma.sqlite3")) as database, database:
            for statement in statements:
                assert database.execute(statement).rowcount

    return harm


def in_files(pattern: str, spoiled: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def harm(index: Path) -> None:
        paths = list(index.glob(pattern))
        assert paths
        for path in paths:
            path.write_bytes(spoiled(path.read_bytes()))

    return harm


ONE = "(SELECT min(seq_id) FROM embeddings_queue)"
HARMS: dict[str, Callable[[Path], None]] = {
    "a graph cut": in_files("*/data_level0.bin", lambda data: data[: len(data) // 2]),
    "a graph's head cut": in_files("*/header.bin", lambda data: data[:50]),
    "a graph's links of another time": in_files("*/link_lists.bin", lambda data: data + b"\1\0\0\0"),
    "a bit of a graph": in_files("*/data_level0.bin", turned),
    "a database cut": in_files("chroma.sqlite3", lambda data: data[: len(data) // 3]),
    "a database of noise": in_files("chroma.sqlite3", lambda data: data[:100] + b"\x55" * (len(data) - 100)),
    "an id that is another": in_chroma(
        f"UPDATE embeddings_queue SET id = '999' WHERE seq_id = {ONE}",
        "UPDATE embeddings SET embedding_id = '999' WHERE id = (SELECT min(id) FROM embeddings)",
    ),
    "two ids swapped": in_chroma(
        "UPDATE embeddings_queue SET id = (SELECT 3 - CAST(id AS INTEGER)) WHERE id IN ('1', '2')",
    ),
    "a byte of a vector": in_chroma(
        f"UPDATE embeddings_queue SET vector = CAST(X'00000000' || substr(vector, 5) AS BLOB) WHERE seq_id = {ONE}"
    ),
    "a row that is missing": in_chroma(
        f"DELETE FROM embeddings_queue WHERE seq_id = {ONE}",
        "DELETE FROM embeddings WHERE id = (SELECT min(id) FROM embeddings)",
    ),
}


@pytest.mark.full
@pytest.mark.parametrize("harm", HARMS)
async def test_an_index_that_was_left_by_a_kill_and_differs_is_made_again(
    house: Any, tmp_path: Path, project: Path, harm: str
) -> None:
    before = await killed(house, tmp_path / "data", project)
    HARMS[harm](tmp_path / "data" / "knowledge" / "index")
    assert not await kept(house, tmp_path / "data", project, before)


@pytest.mark.full
@pytest.mark.parametrize(
    ("name", "value"),
    [("CHILD", "astro_mcp.nothing"), ("CHILD", "this"), ("SECONDS", 0.2), ("ANSWER_BYTES", -10_000)],
    ids=["crashes", "says something else", "takes too long", "says too much"],
)
async def test_an_index_whose_reader_fails_is_made_again(
    house: Any, tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: Any
) -> None:
    before = await killed(house, tmp_path / "data", project)
    monkeypatch.setattr(reopening, name, value)
    assert not await kept(house, tmp_path / "data", project, before)


def test_what_a_shelf_holds_fits_only_where_all_that_was_placed_is_there_and_nothing_strange() -> None:
    record = Holding({1: "a", 2: "b"}, {3: "c"}, {4})
    assert record.fits({1: "a", 2: "b"})
    assert record.fits({1: "a", 2: "b", 3: "c", 4: "whatever"})
    for strange in ({1: "a"}, {1: "b", 2: "a"}, {1: "a", 2: "b", 3: "x"}, {1: "a", 2: "b", 5: "e"}, {}):
        assert not record.fits(strange), strange


def test_a_loose_seal_holds_while_the_graphs_are_as_they_were_saved(tmp_path: Path) -> None:
    graph = tmp_path / "index" / "one" / "data.bin"
    graph.parent.mkdir(parents=True)
    graph.write_bytes(b"saved")

    def left(maker: str = "maker") -> str:
        (graph.parent.parent / "chroma.sqlite3").write_bytes(b"changes all the time")
        return Seal(graph.parent.parent).take("what it holds", maker, 1)

    seal = Seal(graph.parent.parent)
    seal.loosen("maker")
    assert left() == "loose"
    assert left() == "gone", "once taken it is broken"
    for spoil in (lambda: graph.write_bytes(b"torn"), graph.unlink, lambda: graph.with_name("more").write_bytes(b"")):
        graph.parent.mkdir(parents=True, exist_ok=True)
        graph.write_bytes(b"saved")
        Seal(graph.parent.parent).loosen("maker")
        spoil()
        assert left() == "gone"
        assert not graph.parent.exists()
    graph.parent.mkdir(parents=True)
    Seal(graph.parent.parent).loosen("maker")
    assert left("another maker") == "gone"
    graph.parent.mkdir(parents=True)
    seal.loosen("maker")
    seal.break_()
    assert left() == "gone"
