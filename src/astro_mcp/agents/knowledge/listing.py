"""`kb_list`: what is known, newest first."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from astro_mcp.agents.knowledge.candidates import Filter
from astro_mcp.agents.knowledge.models import Collection, Item, Kept, ListOutput
from astro_mcp.agents.knowledge.reach import labels_of, told
from astro_mcp.agents.knowledge.record import Record
from astro_mcp.core.authority import Scope
from astro_mcp.core.call import Context
from astro_mcp.store.connection import Row

MOST: Final = 10_000
"""Items of one scope."""


async def listed(record: Record, scopes: Mapping[Scope, Kept], only: Filter, ctx: Context) -> ListOutput:
    """The documents of `scopes` that `only` lets pass, and every collection there."""
    rows: list[Row] = []
    collections: list[Collection] = []
    for scope, name in scopes.items():
        rows += await record.listed(scope, only, MOST)
        collections += [
            Collection(
                name=shelf["collection"],
                scope=name,
                documents=shelf["documents"],
                chunks=shelf["chunks"],
                pending=shelf["pending"],
            )
            for shelf in await record.collections(scope)
        ]
    ctx.label(*labels_of(*rows))
    rows.sort(key=lambda row: (-row["updated"], row["id"]))
    items = [
        Item(
            id=row["id"],
            title=row["title"],
            source=row["id"] if row["kind"] == "note" else told(ctx.session, row),
            kind=row["kind"],
            collection=row["collection"],
            updated=moment(row["updated"]),
        )
        for row in rows
    ]
    return ListOutput(items=items, total=len(items), collections=collections)


def moment(at: float) -> str:
    """Unix seconds as people read them, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
