"""What the vector index still lacks, and what it must lose: the record's side of catching up."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import anyio
import anyio.to_thread

from astro_mcp.agents.knowledge import statements as sql
from astro_mcp.agents.knowledge.embedding import MODEL
from astro_mcp.store.connection import Row, Transaction
from astro_mcp.store.database import Database

GONE_AT_ONCE: Final = 2000
VECTORS_AT_ONCE: Final = 2000
AT_ONCE: Final = 2000
DIGEST_BYTES: Final = 16
NO_LIMIT: Final = -1
"""SQLite's."""


class Shelf(NamedTuple):
    """What one collection of the index belongs to."""

    tenant: str
    scope: str
    collection: str


@dataclass(frozen=True, slots=True)
class Holding:
    """What a shelf must hold, and what it may beside that; vectors by their digest."""

    placed: dict[int, str] = field(default_factory=dict)
    waiting: dict[int, str] = field(default_factory=dict)
    """Placed perhaps, and not marked yet: done again."""
    gone: set[int] = field(default_factory=set)
    """Dropped perhaps: done again."""

    def fits(self, held: Mapping[int, str]) -> bool:
        """Whether `held` (chunk → digest) is that."""
        if any(held.get(chunk) != digest for chunk, digest in self.placed.items()):
            return False
        others = held.keys() - self.placed.keys() - self.gone
        return all(self.waiting.get(chunk) == held[chunk] for chunk in others)


class Backlog:
    """For the one task that writes the index; it works for every scope, and hands nothing out."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def any(self) -> bool:
        """Whether there is something to do."""
        return bool((await self._database.read(lambda tx: tx.rows(sql.WORK)))[0]["work"])

    async def unplaced(self, most: int, model: str = MODEL, *, secrets: bool = True) -> list[Row]:
        """The newest chunks that the index lacks, with those of secret documents or not; `vector` is None where it
        must be made."""
        return await self._database.read(lambda tx: tx.rows(sql.UNPLACED, (model, secrets, most)))

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

    async def refuse(self, chunks: Sequence[int]) -> None:
        """Nothing makes a vector of these: they are found by their words alone."""
        await self._database.write(lambda tx: tx.execute_many(sql.REFUSED, [(chunk,) for chunk in chunks]))

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

    async def holdings(self, model: str) -> dict[Shelf, Holding]:
        """By shelf, what the index must hold of `model`'s vectors."""
        found: dict[Shelf, Holding] = {}
        after = 0
        while rows := await self._holding_after(after, model):
            await anyio.to_thread.run_sync(_note, found, rows)
            after = rows[-1]["chunk"]
        for row in await self._database.read(lambda tx: tx.rows(sql.GONE, (NO_LIMIT,))):
            _holding(found, row).gone.add(row["chunk"])
        return found

    async def _holding_after(self, after: int, model: str) -> list[Row]:
        return await self._database.read(lambda tx: tx.rows(sql.HOLDING, (model, after, AT_ONCE)))

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


def digest(vector: bytes) -> str:
    """Of a vector as float32, little-endian."""
    return hashlib.blake2b(vector, digest_size=DIGEST_BYTES).hexdigest()


def _holding(found: dict[Shelf, Holding], row: Row) -> Holding:
    return found.setdefault(Shelf(row["tenant"], row["scope"], row["collection"]), Holding())


def _note(found: dict[Shelf, Holding], rows: Sequence[Row]) -> None:
    for row in rows:
        holding = _holding(found, row)
        (holding.placed if row["placed"] else holding.waiting)[row["chunk"]] = digest(row["vector"])
