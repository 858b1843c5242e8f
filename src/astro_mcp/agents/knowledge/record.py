"""The record: documents, chunks, words and vectors in SQLite. Every look-up names tenant and scope."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from astro_mcp.agents.knowledge import statements as sql
from astro_mcp.agents.knowledge.candidates import (
    Asked,
    Filter,
    KindsOf,
    Matches,
    Shelves,
    Told,
    Words,
    chosen,
    hits,
    matches,
)
from astro_mcp.agents.knowledge.chunks import Chunk, Kind
from astro_mcp.agents.knowledge.languages import language
from astro_mcp.agents.knowledge.postings import terms_table
from astro_mcp.agents.knowledge.words import split_identifiers
from astro_mcp.core.authority import Scope
from astro_mcp.core.ids import new_id
from astro_mcp.core.ports import Clock
from astro_mcp.store.connection import Params, Row, Transaction
from astro_mcp.store.database import Database

Outcome = Literal["added", "updated", "unchanged"]
MOST_SOURCES: Final = 1000
MOST_TAGS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Draft:
    """A document to be kept. `source` is unique in its collection; the same `sha256` means that nothing changed."""

    source: str
    kind: Kind
    title: str
    sha256: str
    chunks: tuple[Chunk, ...]
    tags: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


class Record:
    """Puts documents in and takes them out whole, and finds chunks by their words."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._words = Words()

    async def known(self, scope: Scope, collection: str) -> dict[str, str]:
        """source → sha256 of every document of the collection."""
        rows = await self._rows(sql.KNOWN, (scope.tenant, scope.key, collection))
        return {row["source"]: row["sha256"] for row in rows}

    async def put(self, scope: Scope, collection: str, drafts: Sequence[Draft]) -> list[tuple[Outcome, str]]:
        """Keep `drafts` in one transaction; what each one was, and its id."""
        now = self._clock.now()
        return await self._database.write(lambda tx: [put(tx, scope, collection, draft, now) for draft in drafts])

    async def remove(self, scope: Scope, collection: str, sources: Sequence[str]) -> int:
        """Take documents out, with their chunks, words and vectors; how many there were."""
        return await self._database.write(lambda tx: _remove(tx, scope, collection, sources))

    async def drop_orphans(self, scope: Scope) -> None:
        """Take out the vectors whose text is gone."""
        await self._database.write(
            lambda tx: tx.execute(sql.DROP_ORPHAN_VECTORS, {"tenant": scope.tenant, "scope": scope.key})
        )

    async def find_words(self, scope: Scope, terms: Sequence[str], only: Filter, most: int) -> dict[int, float]:
        """chunk → bm25 (the higher the better) of the best `most` that have any of `terms`. In a large scope words
        that more than half of it has find nothing beside rarer ones, unless `only` narrows the search."""
        return await self._database.read(lambda tx: self._words.find(tx, scope, words_table(scope), terms, only, most))

    async def common(self, scope: Scope) -> list[str]:
        """The words that many chunks of a large scope have; the commonest first."""
        return await self._database.read(lambda tx: self._words.common(tx, scope, words_table(scope)))

    async def warm(self, scope: Scope, word: str) -> bool:
        """Read where `word` stands, before somebody asks for it; False where enough is held in memory."""
        return await self._database.read(lambda tx: self._words.warm(tx, words_table(scope), word))

    async def matches(
        self,
        scopes: Sequence[Scope],
        terms: Sequence[str],
        only: Filter,
        most: int,
        model: str,
        told: Told | None = None,
    ) -> Matches:
        """What `find_words` finds in each of `scopes`, with `model`'s vectors: all of one snapshot. `told` is told of
        their shelves before that."""

        def look(tx: Transaction) -> Matches:
            if told is not None:
                told.count(shelves(tx, scopes))
            found = {scope: self._words.find(tx, scope, words_table(scope), terms, only, most) for scope in scopes}
            matched = matches(tx, found, self._kinds_of(only), only, model)
            if told is not None:
                told.match(matched)
            return matched

        return await self._database.read(look)

    async def chosen(self, asked: Asked, only: Filter, most: int) -> list[Row]:
        """As `candidates.chosen`, in the connection's thread."""
        return await self._database.read(lambda tx: chosen(tx, asked, self._kinds_of(only), only, most))

    async def chosen_at_once(self, ask: Callable[[], Asked | None], only: Filter, most: int) -> list[Row] | None:
        """As `chosen`, of what `ask` gives; that is called in the connection's thread, before the record is looked at,
        and keeps a reader for as long as it takes. None where it gives nothing."""

        def look(tx: Transaction) -> list[Row] | None:
            asked = ask()
            return None if asked is None else chosen(tx, asked, self._kinds_of(only), only, most)

        return await self._database.read(look)

    def _kinds_of(self, only: Filter) -> KindsOf:
        return lambda tx, scope, chunks: self._words.kinds(tx, scope, words_table(scope), chunks, only)

    async def hits(self, scope: Scope, chunks: Sequence[int], only: Filter) -> list[Row]:
        """Those of `chunks` that are this scope's and that `only` lets pass, with their document."""
        return await self._database.read(lambda tx: hits(tx, scope, chunks, only))

    async def shelves(self, scopes: Sequence[Scope]) -> Shelves:
        """scope → collection → chunks that the vector index does not hold yet."""
        return await self._database.read(lambda tx: shelves(tx, scopes))

    async def collections(self, scope: Scope) -> list[Row]:
        """collection, documents, chunks, pending: one row each."""
        return await self._rows(sql.COLLECTIONS, (scope.tenant, scope.key))

    async def sources(self, scope: Scope, collection: str) -> list[Row]:
        """source, kind, title, labels, chunks: the first thousand, by source."""
        return await self._rows(sql.SOURCES, (scope.tenant, scope.key, collection, MOST_SOURCES))

    async def listed(self, scope: Scope, only: Filter, most: int) -> list[Row]:
        """id, title, source, kind, collection, labels, updated: the documents that `only` lets pass, newest first."""
        return await self._rows(sql.LIST, {"tenant": scope.tenant, "scope": scope.key, "most": most, **only.params})

    async def document(self, scope: Scope, collection: str, document: str) -> tuple[Row, list[Row], list[Row]] | None:
        """A document, its chunks in order and, of a note, its versions, newest first; None where there is none."""
        owner = (scope.tenant, scope.key, document)

        def look(tx: Transaction) -> tuple[Row, list[Row], list[Row]] | None:
            row = tx.one(sql.DOCUMENT_BY_ID, owner)
            if row is None or row["collection"] != collection:
                return None
            return row, tx.rows(sql.CHUNKS, owner), tx.rows(sql.VERSIONS, owner)

        return await self._database.read(look)

    async def unknown(self, scope: Scope, collection: str, sources: Sequence[str]) -> list[str]:
        """Those of `sources` that the collection has not, and that were not forgotten."""
        params = {"tenant": scope.tenant, "scope": scope.key, "collection": collection, "sources": json.dumps(sources)}
        return [str(row["source"]) for row in await self._rows(sql.UNKNOWN, params)]

    async def runs(self, scope: Scope, collection: str) -> list[str]:
        """The runs whose documents the collection has."""
        return [str(row["run"]) for row in await self._rows(sql.RUNS, (scope.tenant, scope.key, collection))]

    async def tags(self, scope: Scope) -> list[str]:
        """Every tag that a note of the scope has, sorted: the first ten thousand."""
        return [str(row["tag"]) for row in await self._rows(sql.TAGS, (scope.tenant, scope.key, MOST_TAGS))]

    async def pending(self, scope: Scope, collection: str) -> int:
        """Chunks of the collection that the vector index does not hold yet."""
        return int((await self._rows(sql.PENDING, (scope.tenant, scope.key, collection)))[0]["pending"])

    async def _rows(self, statement: str, params: Params) -> list[Row]:
        return await self._database.read(lambda tx: tx.rows(statement, params))


def shelves(tx: Transaction, scopes: Sequence[Scope]) -> Shelves:
    """As `Record.shelves`."""
    owners = {scope: {"tenant": scope.tenant, "scope": scope.key} for scope in scopes}
    return {
        scope: {row["collection"]: row["pending"] for row in tx.rows(sql.SHELVES, owner)}
        for scope, owner in owners.items()
    }


def and_above(source: str) -> Iterator[str]:
    """`source`, and every folder that it lies in."""
    yield source
    end = source.find("/")
    while end >= 0:
        yield source[:end]
        end = source.find("/", end + 1)


def words_table(scope: Scope) -> str:
    """The name of the scope's full-text table."""
    owner = "\0".join([scope.tenant, scope.key])
    return f"knowledge_words_{hashlib.sha256(owner.encode()).hexdigest()[:24]}"


def put(tx: Transaction, scope: Scope, collection: str, draft: Draft, now: float) -> tuple[Outcome, str]:
    """Keep a draft; what it was, and its document's id."""
    found = tx.one(sql.DOCUMENT, (scope.tenant, scope.key, collection, draft.source))
    if found is not None and found["sha256"] == draft.sha256:
        return "unchanged", str(found["id"])
    document = str(found["id"]) if found else new_id("note" if draft.kind == "note" else "doc")
    row = {
        "id": document,
        "tenant": scope.tenant,
        "scope": scope.key,
        "collection": collection,
        "source": draft.source,
        "kind": draft.kind,
        "title": draft.title,
        "tags": json.dumps(draft.tags),
        "labels": ",".join(draft.labels),
        "sha256": draft.sha256,
        "now": now,
    }
    if found:
        drop_chunks(tx, scope, [document])
    tx.execute(sql.CHANGE_DOCUMENT if found else sql.ADD_DOCUMENT, row)
    add_chunks(tx, scope, collection, document, draft)
    return ("updated" if found else "added"), document


def add_chunks(tx: Transaction, scope: Scope, collection: str, document: str, draft: Draft) -> None:
    """The chunks and words of a document that has none."""
    words = words_table(scope)
    tx.execute(sql.MAKE_WORDS.format(words=words))
    tx.execute(sql.MAKE_TERMS.format(words=words, terms=terms_table(words)))
    for ordinal, chunk in enumerate(draft.chunks, 1):
        place = (scope.tenant, scope.key, collection, document, ordinal, chunk.start_line, chunk.end_line)
        key = tx.insert(sql.ADD_CHUNK, (*place, chunk.title, chunk.context, chunk.text, chunk.sha256))
        named = [] if draft.kind == "note" else [draft.source]  # a note's is its title in small letters
        title = " ".join(dict.fromkeys([*named, draft.title, chunk.title, *draft.tags]))
        parts = f"{split_identifiers(f'{title} {chunk.text}')} {language(draft.source) if draft.kind == 'code' else ''}"
        tx.execute(sql.ADD_WORDS.format(words=words), (key, title, chunk.text, parts))


def drop_chunks(tx: Transaction, scope: Scope, documents: Sequence[str]) -> None:
    """Take out the chunks and words of documents; the index loses them later."""
    owned = _owned(scope, documents)
    if tx.one(sql.WORDS_EXIST, (words := words_table(scope),)):
        tx.execute(sql.DROP_WORDS.format(words=words), owned)
    tx.execute(sql.DROP_CHUNKS, owned)


def drop(tx: Transaction, scope: Scope, documents: Sequence[str]) -> int:
    """Take out documents, with their chunks and words; how many there were."""
    drop_chunks(tx, scope, documents)
    return tx.execute(sql.DROP_DOCUMENTS, _owned(scope, documents))


def _owned(scope: Scope, documents: Sequence[str]) -> dict[str, str]:
    return {"tenant": scope.tenant, "scope": scope.key, "documents": json.dumps(documents)}


def _remove(tx: Transaction, scope: Scope, collection: str, sources: Sequence[str]) -> int:
    found = [tx.one(sql.DOCUMENT, (scope.tenant, scope.key, collection, source)) for source in sources]
    return drop(tx, scope, [row["id"] for row in found if row is not None])
