"""Vectors for texts of the record, kept as they are made; a text that an endpoint refuses is found among the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from astro_mcp.agents.knowledge.backlog import Backlog
from astro_mcp.agents.knowledge.embedding import Embedding
from astro_mcp.errors import ProviderFailed
from astro_mcp.store.connection import Row

PROBE: Final = "What a sentence looks like here."


class Refused(ProviderFailed):
    """The endpoint does not take these texts, or one of them."""


class Resized(ProviderFailed):
    """The endpoint gives another count of numbers than before: it is another model under the same name."""


async def vectors_of(rows: Sequence[Row], embedding: Embedding, backlog: Backlog, model: str) -> dict[int, Any]:
    """chunk → vector, kept in the record as `model`'s. A chunk whose text is refused, alone and while a plain sentence
    is not, has none. Raises what `Embedding.documents` does."""
    if not rows:
        return {}
    try:
        made = await embedding.documents([f"{row['context']}\n{row['text']}" for row in rows])
    except Refused:
        if len(rows) == 1:
            await embedding.documents([PROBE])  # refused as well: it is not for the text
            return {}
        half = len(rows) // 2
        first = await vectors_of(rows[:half], embedding, backlog, model)
        return first | await vectors_of(rows[half:], embedding, backlog, model)
    keys = [(row["tenant"], row["scope"], row["sha256"]) for row in rows]
    await backlog.keep_vectors(dict(zip(keys, (vector.tobytes() for vector in made), strict=True)), model)
    return {row["chunk"]: vector for row, vector in zip(rows, made, strict=True)}
