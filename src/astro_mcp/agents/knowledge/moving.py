"""From one embedding model to another, while the old one answers.

By the record alone, so that it may end anywhere and be taken up again: a chunk that has a vector of the new model is
not embedded again. Once all have one they are placed beside the old ones, and then the new model answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import anyio
import anyio.to_thread

from astro_mcp.agents.knowledge import libraries
from astro_mcp.agents.knowledge.backlog import Backlog, Shelf
from astro_mcp.agents.knowledge.embedding import Embedding, Space
from astro_mcp.agents.knowledge.making import PROBE, vectors_of
from astro_mcp.agents.knowledge.serving import Serving
from astro_mcp.agents.knowledge.vectors import Vectors
from astro_mcp.store.connection import Row

AT_ONCE: Final = 64
"""Chunks that are embedded between two looks at what is new."""
PLACED_AT_ONCE: Final = 2000
LATEST: Final = 2**63 - 1
"""Above every chunk's number."""


class Move:
    """Steps that its owner takes one by one, with other work between them."""

    def __init__(self, backlog: Backlog, index: Vectors, serving: Serving) -> None:
        self._backlog = backlog
        self._index = index
        self._serving = serving
        self._begin(None)

    def _begin(self, coming: Embedding | None) -> None:
        self._coming = coming
        self._before = LATEST
        self._refused: set[int] = set()
        self._fresh = False
        """Whether anything was made since the newest was looked at."""

    async def step(self) -> None:
        """One step, the last of which ends the move. Raises what embedding does, and what Chroma raises."""
        coming = self._serving.next
        if coming is None:
            return
        if coming is not self._coming:
            self._begin(coming)
        if coming.space is None:
            await coming.documents([PROBE])
        space = coming.space
        if space is None:
            raise AssertionError("an endpoint that has answered knows its space")
        if space == self._serving.space:  # it became what it had been
            await self._serving.take_over()
            await self.tidy()
            return
        if space != self._serving.other:
            await self.tidy(space)
            await self._serving.note(space)
        rows = await self._backlog.lacking(space.model, self._before, AT_ONCE, secrets=not coming.leaves)
        if rows:
            await self._embed(coming, space, [row for row in rows if row["chunk"] not in self._refused])
            self._before = rows[-1]["chunk"]
        elif self._fresh:
            self._before, self._fresh = LATEST, False  # what came meanwhile
        else:
            await self._take_over(space)

    async def tidy(self, *coming: Space) -> None:
        """Let go the vectors of a move that was given up, or that had no time for that at its end."""
        if self._serving.other is not None:
            await self._backlog.keep_models([space.model for space in (self._serving.space, *coming)])
            await self._serving.note(None)

    async def _embed(self, coming: Embedding, space: Space, rows: Sequence[Row]) -> None:
        self._serving.left = await self._backlog.lacking_count(space.model, secrets=not coming.leaves)
        made = await vectors_of(rows, coming, self._backlog, space.model)
        self._refused |= {row["chunk"] for row in rows} - made.keys()
        self._fresh = self._fresh or bool(rows)

    async def _take_over(self, space: Space) -> None:
        """Place all; what came or went meanwhile is new work for the model that answers then."""
        placed: list[int] = []
        before = LATEST
        while rows := await self._backlog.having(space.model, before, PLACED_AT_ONCE):
            await self._place(space, rows)
            placed += [row["chunk"] for row in rows]
            before = rows[-1]["chunk"]
        with anyio.CancelScope(shield=True):  # the seal must find record, index and file of one mind
            await self._backlog.place_only(placed)
            await self._serving.take_over()
            await self._index.keep([space])
        await self.tidy()

    async def _place(self, space: Space, rows: Sequence[Row]) -> None:
        np = libraries.numpy()
        shelves: dict[Shelf, list[int]] = {}
        for position, row in enumerate(rows):
            shelves.setdefault(Shelf(row["tenant"], row["scope"], row["collection"]), []).append(position)
        for shelf, positions in shelves.items():
            kept = [np.frombuffer(rows[position]["vector"], "<f4") for position in positions]
            vectors = await anyio.to_thread.run_sync(np.stack, kept)
            await self._index.place(shelf, [rows[position]["chunk"] for position in positions], vectors, space)
