"""FTS5's bm25 of one word from the places where it stands: to the bit what its own function gives.

That function looks up the size of every row that has the word, and goes through them twice; this needs the places
alone, and takes a third of the time.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from astro_mcp.agents.knowledge import libraries
from astro_mcp.agents.knowledge.frequencies import Size

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Whole = NDArray[np.int64]
    Sizes = NDArray[np.uint32]
    Weights = NDArray[np.float64]

K1: Final = 1.2
B: Final = 0.75
LEAST: Final = 1e-6
"""Weight of a word that more than half of the rows have."""
COLUMNS: Final = (2.0, 1.0, 0.7)
"""Weights of title, body and parts, as in `statements.FIND_WORDS`."""


def numbers(text: str | None) -> Whole:
    """Whole numbers from what SQLite's group_concat gives."""
    np = libraries.numpy()
    found: Whole = np.fromstring(text, "i8", sep=",") if text else np.empty(0, "i8")
    return found


def lengths(sizes: str | None, rows: int) -> Sizes:
    """Tokens of each row, from FTS5's own sizes: hexadecimal, and as SQLite's varints a number for each column."""
    np = libraries.numpy()
    data = np.frombuffer(bytes.fromhex(sizes or ""), "u1")
    ends = np.flatnonzero(data < 0x80)
    counts = np.diff(ends, prepend=-1)
    values = data[ends].astype("u4")
    for byte in range(1, int(counts.max(initial=0))):
        longer = counts > byte
        values[longer] |= (data[ends[longer] - byte] & 0x7F).astype("u4") << np.uint32(7 * byte)
    found: Sizes = values.reshape(rows, -1).sum(axis=1, dtype="u4") if rows else values
    return found


def weighed(places: Whole) -> tuple[Whole, Weights]:
    """The rows among `places` (`statements.TERM_PLACES`), ascending, and how much the word stands in each: the sum of
    its columns' weights, in their order."""
    np = libraries.numpy()
    places = np.sort(places, kind="stable")
    if not len(places):
        return places, np.empty(0, "f8")
    rows = places >> 2
    new = np.diff(rows, prepend=rows[0] - 1) != 0
    return rows[new], np.bincount(np.cumsum(new) - 1, np.array(COLUMNS)[places & 3])


def scored(weights: Weights, sizes: Sizes, having: int, size: Size) -> Weights:
    """What the word gives each row, the higher the better. `having` rows of the table have it."""
    rarity = math.log((size.rows - having + 0.5) / (having + 0.5))
    rarity = rarity if rarity > 0 else LEAST
    average = size.tokens / size.rows
    return rarity * ((weights * (K1 + 1)) / (weights + K1 * (1 - B + B * sizes / average)))
