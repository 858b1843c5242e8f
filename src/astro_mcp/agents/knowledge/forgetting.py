"""Taking documents out of the record, and bringing them back: whole, by the id of the forgetting, for thirty days."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from astro_mcp.agents.knowledge import statements as sql
from astro_mcp.agents.knowledge.chunks import Chunk
from astro_mcp.agents.knowledge.record import Draft, add_chunks, and_above, drop
from astro_mcp.core.authority import Scope
from astro_mcp.core.ids import new_id
from astro_mcp.core.ports import Clock
from astro_mcp.errors import NotFound, TooLarge
from astro_mcp.store.connection import Row, Transaction
from astro_mcp.store.database import Database

MOST: Final = 20_000
"""Documents of one forgetting."""
KEPT_SECONDS: Final = 30 * 24 * 3600.0


class Forgetting:
    """Each forgetting and each return is one transaction."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def forget(self, scopes: Sequence[Scope], ids: Sequence[str], sources: Sequence[str]) -> tuple[int, str]:
        """Take out the documents with these ids, and those that lie at or below these sources (notes go by their ids
        alone); how many there were, and the id that brings them back ("" where there were none). Raises `TooLarge`."""
        undo_id, now = new_id("undo"), self._clock.now()
        removed = await self._database.write(
            lambda tx: sum(_forget(tx, scope, ids, sources, undo_id, now) for scope in scopes)
        )
        return removed, undo_id if removed else ""

    async def bring_back(self, scopes: Sequence[Scope], undo_id: str) -> tuple[int, int]:
        """How many documents are there again, and how many are left out, since there is a newer one of that source. A
        second time is nothing. Raises `NotFound` for what was never forgotten, or more than thirty days ago."""

        def work(tx: Transaction) -> tuple[int, int]:
            found = [(scope, row) for scope in scopes for row in _kept(tx, scope, undo_id)]
            if not found:
                raise NotFound("nothing was forgotten under that id", "undo ids are kept for 30 days")
            back = [_bring_back(tx, scope, row) for scope, row in found if not row["back"]]
            for scope in scopes:
                tx.execute(sql.BROUGHT_BACK, (scope.tenant, scope.key, undo_id))
            return sum(back), len(back) - sum(back)

        return await self._database.write(work)


def _forget(tx: Transaction, scope: Scope, ids: Sequence[str], sources: Sequence[str], undo_id: str, now: float) -> int:
    owner = {"tenant": scope.tenant, "scope": scope.key}
    for statement in (sql.DROP_FORGOTTEN, sql.EMPTY_FORGOTTEN):
        tx.execute(statement, (scope.tenant, scope.key, now - KEPT_SECONDS))
    meant = [*ids, *_at(tx, scope, frozenset(sources))]
    rows = tx.rows(sql.NAMED, {**owner, "ids": json.dumps(meant), "most": MOST + 1})
    if len(rows) > MOST:
        raise TooLarge(f"more than {MOST:,} documents are meant", "name fewer at once")
    for row in rows:
        key = (scope.tenant, scope.key, row["id"])
        versions = _plain(tx.rows(sql.VERSIONS, key))
        body = {"document": dict(row), "chunks": _plain(tx.rows(sql.CHUNKS, key)), "versions": versions}
        place = (scope.tenant, scope.key, undo_id, row["collection"], row["source"])
        tx.execute(sql.ADD_FORGOTTEN, (*place, json.dumps(body), now))
        tx.execute(sql.DROP_VERSIONS, (*key, max((one["version"] for one in versions), default=0)))
    if rows:
        drop(tx, scope, [row["id"] for row in rows])
        tx.execute(sql.DROP_ORPHAN_VECTORS, owner)
    return len(rows)


def _at(tx: Transaction, scope: Scope, sources: frozenset[str]) -> list[str]:
    """The ids of documents whose source, or a folder of it, is among `sources`; each is looked at once, however many
    there are of those."""
    rows = tx.rows(sql.WITH_SOURCES, (scope.tenant, scope.key)) if sources else []
    return [row["id"] for row in rows if not sources.isdisjoint(and_above(row["source"]))]


def _kept(tx: Transaction, scope: Scope, undo_id: str) -> list[Row]:
    return tx.rows(sql.FORGOTTEN, (scope.tenant, scope.key, undo_id))


def _bring_back(tx: Transaction, scope: Scope, kept: Row) -> bool:
    """Whether the document is there again; not where another one of its source is."""
    if tx.one(sql.DOCUMENT, (scope.tenant, scope.key, kept["collection"], kept["source"])) is not None:
        return False
    body: dict[str, Any] = json.loads(kept["body"])
    row = body["document"]
    chunks = tuple(Chunk(**chunk) for chunk in body["chunks"])
    tags, labels = tuple(json.loads(row["tags"])), tuple(row["labels"].split(","))
    draft = Draft(row["source"], row["kind"], row["title"], row["sha256"], chunks, tags, labels)
    tx.execute(sql.RESTORE_DOCUMENT, row)
    add_chunks(tx, scope, row["collection"], row["id"], draft)
    owner = {"tenant": scope.tenant, "scope": scope.key, "document": row["id"]}
    tx.execute_many(sql.ADD_VERSION, [{**owner, **version} for version in body["versions"]])
    return True


def _plain(rows: Iterable[Row]) -> list[dict[str, Any]]:
    return [dict(row) for row in rows]
