"""Notes that change: one note a title, its earlier versions kept."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from astro_mcp.agents.knowledge import statements as sql
from astro_mcp.agents.knowledge.record import Draft, put
from astro_mcp.core.authority import Scope
from astro_mcp.core.ports import Clock
from astro_mcp.errors import Conflict, NotFound
from astro_mcp.store.connection import Transaction
from astro_mcp.store.database import Database

MOST: Final = 20
"""Versions of a note that are kept; the oldest go."""


@dataclass(frozen=True, slots=True)
class Noted:
    """A note's id, and which version of it this is, from 1 on."""

    id: str
    version: int


class Versions:
    """Keeps notes, each change whole or not at all."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def keep(self, scope: Scope, collection: str, draft: Draft, text: str, replaces: str = "") -> Noted:
        """`draft` as the newest version of the note `replaces`, else of the one with its source, else as a new one; the
        same again changes nothing. Raises `NotFound`, and `Conflict` where another note has that source."""
        now = self._clock.now()
        return await self._database.write(lambda tx: _keep(tx, scope, collection, draft, text, replaces, now))

    async def tags(self, scope: Scope, collection: str, source: str, replaces: str = "") -> tuple[str, ...]:
        """Those of the note that `keep` would change; none of a new one."""

        def look(tx: Transaction) -> tuple[str, ...]:
            found = None if replaces else tx.one(sql.DOCUMENT, (scope.tenant, scope.key, collection, source))
            row = tx.one(sql.DOCUMENT_BY_ID, (scope.tenant, scope.key, found["id"] if found else replaces))
            return tuple(json.loads(row["tags"])) if row else ()

        return await self._database.read(look)


def _keep(tx: Transaction, scope: Scope, collection: str, draft: Draft, text: str, replaces: str, now: float) -> Noted:
    if replaces:
        _renamed(tx, scope, collection, draft.source, replaces)
    outcome, document = put(tx, scope, collection, draft, now)
    row = tx.one(sql.LATEST, (scope.tenant, scope.key, document))
    latest = int(row["version"]) if row else 0
    if outcome == "unchanged":
        return Noted(document, latest)
    version = {
        "tenant": scope.tenant,
        "scope": scope.key,
        "document": document,
        "version": latest + 1,
        "title": draft.title,
        "tags": json.dumps(draft.tags),
        "labels": ",".join(draft.labels),
        "text": text,
        "at": now,
    }
    tx.execute(sql.ADD_VERSION, version)
    tx.execute(sql.DROP_VERSIONS, (scope.tenant, scope.key, document, latest + 1 - MOST))
    return Noted(document, latest + 1)


def _renamed(tx: Transaction, scope: Scope, collection: str, source: str, document: str) -> None:
    """Give the note `document` the name `source`, so that what is put there is it."""
    found = tx.one(sql.DOCUMENT_BY_ID, (scope.tenant, scope.key, document))
    if found is None or found["collection"] != collection:
        raise NotFound("there is no such note", "kb_list tells the ids; leave id out for a new note")
    other = tx.one(sql.DOCUMENT, (scope.tenant, scope.key, collection, source))
    if other is not None and other["id"] != document:
        raise Conflict(f"the note {other['id']} has that title", "give another title, or that note's id")
    tx.execute(sql.RENAME, (source, scope.tenant, scope.key, document))
