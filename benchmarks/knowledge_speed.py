"""Knowledge: first answer after 2,000 files, embedding beside onnxruntime's floor, questions at 100,000 chunks."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import anyio
import numpy as np
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from astro_mcp.agents.knowledge.candidates import Filter
from astro_mcp.agents.knowledge.embedding import MODEL
from astro_mcp.packs import Pack
from benchmarks import _many
from benchmarks._rankings import SCOPE, Shelf, shelf
from benchmarks._rate_of_embedding import Rate
from benchmarks._report import report, row
from benchmarks.start import end_daemon

QUESTIONS: Final = 200
FIRST: Final = "first answer by words / 5 s"
RATE: Final = "onnxruntime's chunks per second of CPU / ours"
CLOCK: Final = "the same by the clock"
HARD: Final = "question, p50 / 10 ms"
BESIDE: Final = "question, p50 / 3 x (hnswlib + embedding alone)"
TARGETS: Final = {FIRST: 1.0, RATE: 1 / 0.9, CLOCK: 1 / 0.9, HARD: 1.0, BESIDE: 1.0}
FOLDER: Final = Pack.find().resources / "models" / MODEL


async def first_answer(repository: Path, home: Path) -> float:
    """Seconds from `kb_index` to the first hit of `kb_search`, by a client on stdio."""
    home.mkdir(mode=0o700)
    ours = str(Path(sys.executable).parent / "astro-mcp")
    environment = {**os.environ, "ASTRO_MCP_HOME": str(home)}
    server = StdioServerParameters(command=ours, args=["--root", str(repository)], cwd=repository, env=environment)
    word = next(repository.rglob("*.py")).read_text(encoding="utf-8", errors="replace").split()[1].split("(")[0]
    try:
        async with Client(stdio_client(server)) as client, anyio.create_task_group() as tasks:
            began = time.perf_counter()
            tasks.start_soon(client.call_tool, "kb_index", {})
            items: list[Any] = []
            while not items:
                found = await client.call_tool("kb_search", {"query": word})
                items = (found.structured_content or {}).get("items", [])
            took = time.perf_counter() - began
            tasks.cancel_scope.cancel()
    finally:
        end_daemon(home)
    return took


async def rate(repository: Path) -> Rate:
    """Of a process of its own, which keeps to one core."""
    command = [sys.executable, "-m", "benchmarks._rate_of_embedding", str(repository), str(FOLDER)]
    done = await anyio.to_thread.run_sync(lambda: subprocess.run(command, check=True, capture_output=True))
    return Rate.told(done.stdout)


async def asked(ours: Shelf) -> tuple[list[float], list[float], list[float], Any]:
    """Seconds of whole questions, of their embedding alone and of the same questions again, whose words are known by
    then; and the vectors of the questions."""
    words = _many.Words(_many.RECORD, order=3)
    queries = [" ".join(words.some(5)) for _ in range(QUESTIONS)]
    whole, alone, again, vectors = [], [], [], []
    await ours.settled()
    while (await ours.search.find([SCOPE], queries[0], Filter(), 8)).notice:
        await anyio.sleep(0.1)
    await ours.at_rest()
    for query in queries:
        began = time.perf_counter()
        await ours.search.find([SCOPE], query, Filter(), 8)
        whole.append(time.perf_counter() - began)
        began = time.perf_counter()
        vectors.append((await ours.embedder.query(query))[0])
        alone.append(time.perf_counter() - began)
    for query in queries:
        began = time.perf_counter()
        await ours.search.find([SCOPE], query, Filter(), 8)
        again.append(time.perf_counter() - began)
    return whole, alone, again, np.stack(vectors)


async def peer(ours: Shelf, vectors: Any, folder: Path) -> list[float]:
    """Seconds of hnswlib alone, for the same vectors."""
    child = Path(os.environ.get("ASTRO_BENCH_PEERS", ".tools/peers")).with_name("knowledge") / "bin" / "python"
    held, queries = folder / "held.npy", folder / "queries.npy"
    rows = await ours.database.read(lambda tx: tx.rows("SELECT vector FROM knowledge_vector"))
    np.save(held, np.stack([np.frombuffer(row["vector"], "<f4") for row in rows]))
    np.save(queries, vectors)
    command = [str(child), "-m", "benchmarks._hnsw", str(held), str(queries)]
    done = await anyio.to_thread.run_sync(lambda: subprocess.run(command, check=True, capture_output=True))
    found: list[float] = json.loads(done.stdout)
    return found


async def resident(folder: Path) -> int:
    """MB that a process takes which does nothing but open that record, embed some texts and answer some questions."""
    command = [sys.executable, "-m", "benchmarks._resident", str(folder), str(FOLDER)]
    done = await anyio.to_thread.run_sync(lambda: subprocess.run(command, check=True, capture_output=True))
    return int(done.stdout)


async def run(folder: Path, given: Path | None, chunks: int) -> tuple[list[Any], dict[str, float]]:
    repository = given or folder / "repository"
    if given is None and not repository.exists():
        _many.repository(repository)
    with tempfile.TemporaryDirectory() as fresh:
        first = await first_answer(repository.resolve(), Path(fresh) / "home")
    speed = await rate(repository)
    async with shelf(folder / "many", FOLDER) as ours:
        await _many.grow(ours, chunks)
        whole, alone, again, vectors = await asked(ours)
        graph = await peer(ours, vectors, folder)
    memory = await resident(folder / "many")
    rows: list[Any] = [
        row("first answer by words", [first]),
        row(f"question at {chunks:,} chunks", whole),
        row("the same questions again", again),
        row("its embedding alone", alone),
        row("hnswlib alone", graph),
        row("a first file embedded, with all that is opened for it", [speed.opening.wall]),
        *speed.rows(),
        {"name": f"largest RSS of ours at {chunks:,} chunks", "note": f"{memory:,} MB"},
    ]
    middle = median(whole)
    ratios = {FIRST: first / 5, RATE: speed.ratio("cpu"), CLOCK: speed.ratio("wall"), HARD: middle / 0.010}
    return rows, {**ratios, BESIDE: middle / (3 * (median(graph) + median(alone)))}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench knowledge-speed")
    parser.add_argument("--repo", type=Path, help="a repository to index, in place of a generated one")
    parser.add_argument("--chunks", type=int, default=100_000, help="of the record that is asked; default: %(default)s")
    parser.add_argument("--keep", type=Path, help="a folder for that record: a run that ended early goes on")
    parser.add_argument("--json", action="store_true", help="also one JSON object, on the last line")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as made:
        rows, ratios = anyio.run(run, given.keep or Path(made), given.repo, given.chunks)
    return report("knowledge-speed", rows, ratios, TARGETS, as_json=given.json)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
