"""Whatever happens to the process or to the index's files: the record stands, and the index comes to equal it."""

from __future__ import annotations

import errno
import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.agents.knowledge.sameness import same_as_record

from astro_mcp.agents.knowledge.catch_up import CatchUp
from astro_mcp.agents.knowledge.embedding import Embedder
from astro_mcp.agents.knowledge.seal import Seal

HARMS = ("gone", "cut", "unsealed", "folder", "bit", "grown", "more")
CHILD = "tests.agents.knowledge.indexing_child"


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A project of 100 chunks: several rounds of the background task."""
    root = tmp_path / "large"
    root.mkdir()
    for number in range(10):
        body = "".join(f"def task_{number}_{i}(queue):\n    return '{'word ' * 40}{i}'\n\n\n" for i in range(10))
        (root / f"module_{number}.py").write_text(body)
    return root


def count(folder: Path, what: str) -> int:
    with sqlite3.connect(folder / "astro.db") as connection:
        return int(connection.execute(f"SELECT count(*) FROM {what}").fetchone()[0])


@pytest.mark.full
async def test_after_kill_9_while_indexing_no_row_is_lost_and_the_index_equals_the_record(
    house: Any, tmp_path: Path, large: Path
) -> None:
    folder = tmp_path / "data"
    async with house(folder, large) as desk:
        await desk.value("kb_remember", title="Kept", text="Marzipan is acknowledged before the kill.")
    child = subprocess.Popen(
        [sys.executable, "-m", CHILD, str(folder), str(large)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"placed\n"
    child.send_signal(signal.SIGKILL)
    child.wait(timeout=10)
    child.stdout.close()
    committed = count(folder, "knowledge_chunk")
    assert 0 < count(folder, "knowledge_chunk WHERE placed = 1") < committed
    async with house(folder, large) as desk:
        assert count(folder, "knowledge_chunk") == committed
        assert (await desk.search("marzipan"))[0].title == "Kept"
        await desk.value("kb_index")
        await desk.caught_up()
    assert count(folder, "knowledge_chunk WHERE placed = 1") == same_as_record(folder) == 101


@pytest.mark.full
async def test_an_end_in_the_middle_of_embedding_is_taken_up_again_by_itself(
    house: Any, tmp_path: Path, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    embed, rounds, reached = Embedder.documents, 0, anyio.Event()

    async def held(self: Embedder, texts: Sequence[str]) -> Any:
        nonlocal rounds
        rounds += 1
        if rounds > 1:
            reached.set()
            await anyio.sleep_forever()
        return await embed(self, texts)

    with monkeypatch.context() as patched:
        patched.setattr(Embedder, "documents", held)
        async with house(folder, large) as desk, anyio.create_task_group() as tasks:
            tasks.start_soon(desk.value, "kb_index")
            with anyio.fail_after(60):
                await reached.wait()
            tasks.cancel_scope.cancel()
    placed, chunks = count(folder, "knowledge_chunk WHERE placed = 1"), count(folder, "knowledge_chunk")
    assert 0 < placed < chunks
    (kept,) = (path.name for path in (folder / "knowledge" / "index").iterdir() if path.is_dir())
    async with house(folder, large) as desk:
        with anyio.fail_after(60):
            while count(folder, "knowledge_chunk WHERE placed = 0"):
                await anyio.sleep(0.02)
    assert (folder / "knowledge" / "index" / kept).is_dir()
    assert same_as_record(folder) == chunks


@pytest.mark.parametrize("harm", ["bytes", *(pytest.param(harm, marks=pytest.mark.full) for harm in HARMS)])
async def test_an_index_that_is_not_as_it_was_closed_is_made_again(
    house: Any, tmp_path: Path, project: Path, harm: str
) -> None:
    folder = tmp_path / "data"
    async with house(folder, project) as desk:
        await desk.value("kb_index")
    index = folder / "knowledge" / "index"
    before = {path.name for path in index.iterdir() if path.is_dir()}
    damage(index, harm)
    async with house(folder, project) as desk:
        await desk.caught_up()
        assert not before & {path.name for path in index.iterdir()}, "what was damaged is not opened"
        assert (await desk.search("is this person's credential correct"))[0].source == "src/accounts.py"
    assert same_as_record(folder) == 5


async def test_what_was_embedded_before_is_placed_again_before_anything_new_is_embedded(
    house: Any, tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    async with house(folder, project) as desk:
        await desk.value("kb_index")
    damage(folder / "knowledge" / "index", "unsealed")
    asked = anyio.Event()

    async def held(self: Embedder, texts: Sequence[str]) -> Any:
        asked.set()
        await anyio.sleep_forever()

    monkeypatch.setattr(Embedder, "documents", held)
    async with house(folder, project) as desk:
        await desk.value("kb_remember", title="New", text="This one waits.")
        with anyio.fail_after(60):
            await asked.wait()
        assert count(folder, "knowledge_chunk WHERE placed = 1") == 5
        assert count(folder, "knowledge_chunk WHERE placed = 0") == 1
        assert (await desk.search("is this person's credential correct"))[0].source == "src/accounts.py"


def turned(data: bytes) -> bytes:
    """One bit is another."""
    half = len(data) // 2
    return data[:half] + bytes([data[half] ^ 1]) + data[half + 1 :]


SPOILED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "bytes": ("chroma.sqlite3", lambda data: data[: len(data) // 2] + bytes(b ^ 0x55 for b in data[len(data) // 2 :])),
    "cut": ("chroma.sqlite3", lambda data: data[: len(data) // 3]),
    "bit": ("*/data_level0.bin", turned),
    "grown": ("**/*.*", lambda data: data.ljust(3 * len(data) + 1, b"\0")),
}


def damage(index: Path, harm: str) -> None:
    if harm in SPOILED:
        pattern, spoiled = SPOILED[harm]
        for path in list(index.glob(pattern)):
            path.write_bytes(spoiled(path.read_bytes()))
    elif harm == "more":
        (index / "chroma.sqlite3-wal").write_bytes(bytes(4096))
    elif harm == "gone":
        for header in index.glob("*/header.bin"):
            header.unlink()
    elif harm == "unsealed":
        index.with_name("index.seal.json").unlink()
    else:
        index.rename(index.with_name("elsewhere"))


async def test_a_search_that_waited_for_an_index_made_anew_says_what_it_lacks(
    house: Any, tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    async with house(folder, project) as desk:
        await desk.value("kb_index")
    (folder / "knowledge" / "index.seal.json").unlink()

    async def held(self: CatchUp) -> None:
        await anyio.sleep_forever()

    monkeypatch.setattr(CatchUp, "_refill", held)
    async with house(folder, project) as desk:
        found = await desk.value("kb_search", query="is this person's credential correct")
    assert found.notice == "5 chunks are not in the vector index yet; they are found by words"


@pytest.mark.full
async def test_a_clean_end_keeps_the_index(house: Any, tmp_path: Path, project: Path) -> None:
    folder = tmp_path / "data"
    async with house(folder, project) as desk:
        await desk.value("kb_index")
        await desk.value("kb_remember", title="Retries", text="Five.")
        await desk.caught_up()
    index = folder / "knowledge" / "index"
    before = {path.name for path in index.iterdir()}
    async with house(folder, project) as desk:
        await desk.caught_up()
        seal = json.loads(index.with_name("index.seal.json").read_text())
        assert seal.keys() == {"maker", "graphs"}, "the seal of a clean end is broken while the index is open"
    assert {path.name for path in index.iterdir()} >= before
    assert same_as_record(folder) == 6


async def test_an_end_on_a_full_disk_is_an_end_and_the_index_is_looked_at_again(
    house: Any, tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Seal, fingerprint: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Seal, "put", full)
        async with house(tmp_path / "data", project) as desk:
            await desk.value("kb_index")
            await desk.caught_up()
    async with house(tmp_path / "data", project) as desk:
        await desk.caught_up()
        assert (await desk.search("is this person's credential correct"))[0].source == "src/accounts.py"


@pytest.mark.full
async def test_an_index_that_fails_under_way_is_made_again(house: Any, tmp_path: Path, project: Path) -> None:
    folder = tmp_path / "data"
    async with house(folder, project) as desk:
        await desk.value("kb_index")
        (folder / "knowledge" / "index" / "chroma.sqlite3").write_bytes(b"garbage" * 100_000)
        note = await desk.value("kb_remember", title="Still", text="Notes are kept while the index is broken.")
        assert (await desk.search("broken"))[0].source == note.id
        await desk.caught_up()
        assert (await desk.search("is this person's credential correct"))[0].source == "src/accounts.py"
    assert same_as_record(folder) == 6


async def test_nothing_heavy_is_loaded_before_it_is_needed(tmp_path: Path) -> None:
    code = """
import runpy, sys, anyio
from pathlib import Path
open_house = runpy.run_path(sys.argv[1])["open_house"]
async def main():
    async with open_house(Path(sys.argv[2])):
        pass
anyio.run(main)
heavy = {"chromadb", "onnxruntime", "tokenizers", "numpy"} & sys.modules.keys()
assert not heavy, heavy
"""
    arguments = [sys.executable, "-c", code, str(Path(__file__).with_name("conftest.py")), str(tmp_path / "data")]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


async def test_what_left_the_record_leaves_the_index(house: Any, tmp_path: Path, project: Path) -> None:
    folder = tmp_path / "data"
    async with house(folder, project) as desk:
        await desk.value("kb_index")
        (project / "src" / "upload.py").unlink()
        (project / "docs" / "guide.md").write_text("# Guide\n\nNothing grows here.\n")
        await desk.value("kb_index")
        await desk.caught_up()
    assert same_as_record(folder) == 4
