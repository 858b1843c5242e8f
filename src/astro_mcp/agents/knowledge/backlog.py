"""What the vector index still lacks, and what it must lose: the record's side of catching up."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from astro_mcp.agents.knowledge import statements as sql
from astro_mcp.agents.knowledge.embedding import MODEL
from astro_mcp.store.connection import Row, Transaction
from astro_mcp.store.database import Database

GONE_AT_ONCE: Final = 2000
VECTORS_AT_ONCE: Final = 2000


class Shelf(NamedTuple):
    """What one collection of the index belongs to."""

    tenant: str
    scope: str
    collection: str


class Backlog:
    """For the one task that writes the index; it works for every scope, and hands nothing out."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def any(self) -> bool:
        """Whether there is something to do."""
        return bool((await self._database.read(lambda tx: tx.rows(sql.WORK)))[0]["work"])

    async def unplaced(self, most: int, model: str = MODEL) -> list[Row]:
        """The newest chunks that the index lacks; `vector` is None where it must be made."""
        return await self._database.read(lambda tx: tx.rows(sql.UNPLACED, (model, most)))

    async def kept(self, before: int, most: int, model: str = MODEL) -> list[Row]:
        """The newest chunks below `before` that the index lacks and whose vector is kept."""
        return await self._database.read(lambda tx: tx.rows(sql.KEPT, (model, before, most)))

    async def keep_vectors(self, vectors: Mapping[tuple[str, str, str], bytes], model: str = MODEL) -> None:
        """Vectors by (tenant, scope, sha256); those whose text is gone meanwhile are let go."""
        rows = [{"tenant": t, "scope": s, "sha256": h, "model": model, "vector": v} for (t, s, h), v in vectors.items()]
        await self._database.write(lambda tx: tx.execute_many(sql.KEEP_VECTOR, rows))

    async def placed(self, chunks: Sequence[int]) -> None:
        """The index holds them now."""
        await self._database.write(lambda tx: tx.execute_many(sql.PLACED, [(chunk,) for chunk in chunks]))

    async def gone(self) -> dict[Shelf, list[int]]:
        """Chunks that the index must lose, some at a time."""
        rows = await self._database.read(lambda tx: tx.rows(sql.GONE, (GONE_AT_ONCE,)))
        found: dict[Shelf, list[int]] = {}
        for row in rows:
            found.setdefault(Shelf(row["tenant"], row["scope"], row["collection"]), []).append(row["chunk"])
        return found

    async def forget_gone(self, chunks: Sequence[int]) -> None:
        """The index has lost them."""
        await self._database.write(lambda tx: tx.execute_many(sql.FORGET_GONE, [(chunk,) for chunk in chunks]))

    async def start_over(self) -> None:
        """The index holds nothing."""

        def reset(tx: Transaction) -> None:
            tx.execute(sql.UNPLACE_ALL)
            tx.execute(sql.FORGET_ALL_GONE)

        await self._database.write(reset)

    async def fingerprint(self, model: str = MODEL) -> str:
        """A short text that changes with what the index must hold."""
        row = (await self._database.read(lambda tx: tx.rows(sql.FINGERPRINT)))[0]
        return f"{model}:{row['fingerprint']}"

    async def vectors(self) -> int:
        """How many vectors the index must hold."""
        return int((await self._database.read(lambda tx: tx.rows(sql.PLACED_COUNT)))[0]["placed"])

    async def shelves(self) -> list[Shelf]:
        """Every collection that the index holds something of."""
        rows = await self._database.read(lambda tx: tx.rows(sql.TOUCHED))
        return [Shelf(row["tenant"], row["scope"], row["collection"]) for row in rows]

    async def has_vectors(self, model: str) -> bool:
        """Whether anything was embedded by it."""
        return bool((await self._database.read(lambda tx: tx.rows(sql.HAS_VECTORS, (model,))))[0]["found"])

    async def lacking(self, model: str, before: int, most: int, *, secrets: bool) -> list[Row]:
        """The newest chunks below `before` without a vector of `model`, with those of secret documents or not."""
        return await self._database.read(lambda tx: tx.rows(sql.LACKING, (model, before, secrets, most)))

    async def lacking_count(self, model: str, *, secrets: bool) -> int:
        """How many there are."""
        row = (await self._database.read(lambda tx: tx.rows(sql.LACKING_COUNT, (model, secrets))))[0]
        return int(row["lacking"])

    async def withhold(self) -> None:
        """Chunks of secret documents wait for no vector."""
        await self._database.write(lambda tx: tx.execute(sql.WITHHOLD))

    async def having(self, model: str, before: int, most: int) -> list[Row]:
        """The newest chunks below `before` that have a vector of `model`."""
        return await self._database.read(lambda tx: tx.rows(sql.HAVING, (model, before, most)))

    async def place_only(self, chunks: Sequence[int]) -> None:
        """The index holds these, and no others."""

        def work(tx: Transaction) -> None:
            tx.execute(sql.UNPLACE_ALL)
            tx.execute_many(sql.PLACED, [(chunk,) for chunk in chunks])

        await self._database.write(work)

    async def keep_models(self, models: Sequence[str]) -> None:
        """Let go vectors of all other models, some at a time."""
        row = {"models": json.dumps(list(models)), "most": VECTORS_AT_ONCE}
        while await self._database.write(lambda tx: tx.execute(sql.DROP_MODELS, row)):
            pass
