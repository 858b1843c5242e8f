"""One set answered in four ways: by words alone, by vectors alone, by Chroma as it comes, and by ours."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio
import numpy as np

from astro_mcp.agents.knowledge.backlog import Backlog
from astro_mcp.agents.knowledge.candidates import Filter
from astro_mcp.agents.knowledge.catch_up import CatchUp
from astro_mcp.agents.knowledge.chunks import document_chunks, kind_of
from astro_mcp.agents.knowledge.embedding import Embedder
from astro_mcp.agents.knowledge.index import Index
from astro_mcp.agents.knowledge.record import Draft, Record
from astro_mcp.agents.knowledge.search import Search
from astro_mcp.agents.knowledge.serving import Serving
from astro_mcp.agents.knowledge.warming import Warming
from astro_mcp.agents.knowledge.words import terms
from astro_mcp.config import KnowledgeSettings
from astro_mcp.core.authority import Scope
from astro_mcp.core.ports import SystemClock
from astro_mcp.store.connection import Row
from astro_mcp.store.database import Database
from benchmarks._labelled import Labelled, scored

SCOPE: Final = Scope("bench", "bench")
COLLECTION: Final = "bench"
MOST: Final = 100
FILES_AT_ONCE: Final = 64
CHUNKS: Final = """
SELECT c.id AS chunk, d.source, c.text, v.vector FROM knowledge_chunk AS c
JOIN knowledge_document AS d ON d.tenant = c.tenant AND d.scope = c.scope AND d.id = c.document
JOIN knowledge_vector AS v ON v.tenant = c.tenant AND v.scope = c.scope AND v.sha256 = c.sha256
WHERE c.tenant = ? AND c.scope = ? ORDER BY c.id
"""


@dataclass(frozen=True, slots=True)
class Shelf:
    """The record with its index, as the knowledge agent puts them together."""

    database: Database
    record: Record
    embedder: Embedder
    catch_up: CatchUp
    search: Search

    async def fill(self, made: Labelled) -> None:
        """Read the set as `kb_index` would, and wait until all is embedded; what is there already stays."""
        known = await self.record.known(SCOPE, COLLECTION)
        drafts = [draft(source, text) for source, text in made.files.items() if source not in known]
        for start in range(0, len(drafts), FILES_AT_ONCE):
            await self.record.put(SCOPE, COLLECTION, drafts[start : start + FILES_AT_ONCE])
        await self.settled()

    async def settled(self) -> None:
        """Wait until all stands in the index: what is asked meanwhile would only hold that up."""
        self.catch_up.wake()
        while await self.record.pending(SCOPE, COLLECTION):
            await self.catch_up.moved().wait()
            if self.catch_up.failure:
                raise RuntimeError(self.catch_up.failure)

    async def at_rest(self) -> None:
        """Wait until nothing else is to be done either, as in a server that has been up for some seconds."""
        while not self.catch_up.at_rest:
            await anyio.sleep(0.1)

    async def chunks(self) -> list[Row]:
        return await self.database.read(lambda tx: tx.rows(CHUNKS, (SCOPE.tenant, SCOPE.key)))


@asynccontextmanager
async def shelf(folder: Path, model: Path) -> AsyncIterator[Shelf]:
    """Opens what lies in `folder`, or makes it: a set that was interrupted goes on."""
    folder.mkdir(parents=True, exist_ok=True)
    async with Database.open(folder / "astro.db") as database, anyio.create_task_group() as tasks:
        record = Record(database, SystemClock())
        settings, place = KnowledgeSettings(), folder / "knowledge"
        embedder, index = Embedder(model), Index(place)
        serving = Serving(place, embedder, settings.embedding, None)
        backlog = Backlog(database)
        catch_up = CatchUp(backlog, serving, index, Warming(record, backlog))
        catch_up.start(tasks)
        try:
            yield Shelf(database, record, embedder, catch_up, Search(record, serving, index, catch_up))
        finally:
            await catch_up.stop()


def draft(source: str, text: str) -> Draft:
    sha256 = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    return Draft(source, kind_of(source), source, sha256, tuple(document_chunks(text, source)))


async def compared(made: Labelled, folder: Path, model: Path, embedding: Any) -> dict[str, tuple[float, float]]:
    """way → nDCG@10 and recall@5. `embedding` is Chroma's embedding function."""
    async with shelf(folder, model) as ours:
        await ours.fill(made)
        rows = await ours.chunks()
        units, relevant = made.judged([(row["source"], row["text"]) for row in rows])
        unit = {row["chunk"]: unit for row, unit in zip(rows, units, strict=True)}
        everything = Filter()
        words = [list(await ours.record.find_words(SCOPE, terms(query), everything, MOST)) for query in made.queries]
        vectors = await _nearest(ours, rows, made.queries)
        found = [
            [item.row["chunk"] for item in (await ours.search.find([SCOPE], query, everything, MOST)).found]
            for query in made.queries
        ]
    chroma = await anyio.to_thread.run_sync(_chroma, folder / "chroma", rows, made.queries, embedding)
    ways = {"words (FTS5)": words, "vectors": vectors, "Chroma as it comes": chroma, "astro-mcp": found}
    return {
        way: scored([[unit[chunk] for chunk in ranked] for ranked in rankings], relevant)
        for way, rankings in ways.items()
    }


async def _nearest(ours: Shelf, rows: Sequence[Row], queries: Sequence[str]) -> list[list[int]]:
    """Exactly, by the record's vectors."""
    matrix = np.stack([np.frombuffer(row["vector"], "<f4") for row in rows])
    asked = await ours.embedder.documents(queries)
    return [[rows[place]["chunk"] for place in np.argsort(-(matrix @ query))[:MOST]] for query in asked]


def _chroma(folder: Path, rows: Sequence[Row], queries: Sequence[str], embedding: Any) -> list[list[int]]:
    """A collection with every default, given the same chunks as its documents."""
    import chromadb  # noqa: PLC0415 - a second, and only here

    settings = chromadb.config.Settings(_env_file=None, anonymized_telemetry=False)
    client: Any = chromadb.PersistentClient(str(folder), settings=settings)
    try:
        collection = client.get_or_create_collection(COLLECTION, embedding_function=embedding)
        there = set(collection.get(include=[])["ids"])
        new = [row for row in rows if str(row["chunk"]) not in there]
        for start in range(0, len(new), FILES_AT_ONCE):
            part = new[start : start + FILES_AT_ONCE]
            collection.add(ids=[str(row["chunk"]) for row in part], documents=[row["text"] for row in part])
        return [
            [int(key) for key in collection.query(query_texts=[query], n_results=MOST, include=[])["ids"][0]]
            for query in queries
        ]
    finally:
        client.close()
