"""What holds the vectors that are searched: Chroma in this process, or a Chroma server."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from astro_mcp.agents.knowledge.backlog import Holding, Shelf
from astro_mcp.agents.knowledge.embedding import BUILTIN, Space

if TYPE_CHECKING:
    from astro_mcp.agents.knowledge.embedding import Matrix


Holdings = Callable[[], Awaitable[Mapping[Shelf, Holding]]]


class Vectors(Protocol):
    """Vectors by shelf and space. Closed until `open`; every method raises what Chroma raises, or an `AstroError`."""

    async def open(
        self,
        fingerprint: str,
        vectors: int,
        shelves: Sequence[Shelf],
        spaces: Sequence[Space],
        holdings: Holdings | None = None,
    ) -> bool:
        """Open; True where it holds what the record says (`vectors` of the first space on `shelves`), False where it
        starts empty. What lies in none of `spaces` goes. `holdings` says it of every vector, where that is needed."""

    async def keep(self, spaces: Sequence[Space]) -> None:
        """Let go what lies in none of `spaces`."""

    async def place(self, shelf: Shelf, chunks: Sequence[int], vectors: Matrix, space: Space = BUILTIN) -> None:
        """Put vectors on a shelf, over what stands there of the same chunks."""

    async def drop(self, shelf: Shelf, chunks: Sequence[int], space: Space = BUILTIN) -> None:
        """Take chunks off a shelf; those that are not there don't matter."""

    async def nearest(self, shelf: Shelf, query: Matrix, most: int, space: Space = BUILTIN) -> dict[int, float]:
        """The chunks of a shelf that are nearest to the one row of `query`, nearest first, with their cosines."""

    def at_once(self, shelf: Shelf, query: Matrix, most: int, space: Space = BUILTIN) -> dict[int, float] | None:
        """As `nearest`, in the caller's thread and without a wait; None where that can't be."""

    async def close(self, fingerprint: str | None) -> None:
        """Close; `fingerprint` tells what it holds, and is None where that is in doubt."""


def ending(space: Space) -> str:
    """How the names of a space's collections end."""
    return f"-{space.model}-{space.dimension}"


def collection_name(shelf: Shelf, space: Space) -> str:
    """A name of our own making: nothing of a caller's text, model and dimension in it."""
    return f"kb-{hashlib.sha256(chr(0).join(shelf).encode()).hexdigest()[:40]}{ending(space)}"


def cosines(answer: Mapping[str, Any]) -> dict[int, float]:
    """chunk → cosine, in the order of Chroma's answer to one query; a distance is what the inner product lacks to 1."""
    return {int(key): 1 - float(far) for key, far in zip(answer["ids"][0], answer["distances"][0], strict=True)}
