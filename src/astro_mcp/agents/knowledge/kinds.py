"""Which kind each chunk of a large scope is, kept in memory: to ask the record takes longer than to rank by it.

A chunk's kind never changes, and its number is not given again. Whether it is still there the record says each time.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from astro_mcp.agents.knowledge import libraries
from astro_mcp.agents.knowledge import statements as sql
from astro_mcp.agents.knowledge.bm25 import numbers
from astro_mcp.agents.knowledge.frequencies import DRIFT, Size
from astro_mcp.core.authority import Scope
from astro_mcp.store.connection import Transaction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAMES: Final = ("note", "document", "code", "run")
"""By the number that `statements.KINDS_SINCE` gives them."""
MOST_ROWS: Final = 2_000_000
"""Of all scopes together, at eight bytes each. The scope asked for longest ago is let go."""


class _Held(NamedTuple):
    """The scope's chunks, ascending, four times each with its kind; those that went meanwhile are among them. `newest`
    is the last that was asked for."""

    coded: NDArray[np.int64]
    newest: int


class Kinds:
    """By scope. Used from several threads: what is held is never changed, only put in another's place."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._held: OrderedDict[Scope, _Held] = OrderedDict()

    @property
    def rows(self) -> int:
        """How many of all scopes are held."""
        with self._guard:
            return self._rows()

    def _rows(self) -> int:
        return sum(len(held.coded) for held in self._held.values())

    @staticmethod
    def hold(size: Size) -> bool:
        """Whether a scope of that size is worth keeping, and not too large."""
        return size.large and size.rows <= MOST_ROWS

    def of(self, tx: Transaction, scope: Scope, words: str, size: Size, chunks: Sequence[int]) -> dict[int, str]:
        """chunk → kind of those of `chunks` that the scope has. Its table `words` has a row for each, and `size`."""
        np = libraries.numpy()
        coded, newest = self._upto(tx, scope, size)
        if not len(coded) or not chunks:
            return {}
        sought = np.array(chunks, "i8")
        places = np.minimum(np.searchsorted(coded, sought << 2), len(coded) - 1)
        found = coded[places]
        known = found >> 2 == sought
        pairs = zip(sought[known].tolist(), (found[known] & 3).tolist(), strict=True)
        kinds = {chunk: NAMES[kind] for chunk, kind in pairs}
        if len(coded) == size.rows and newest == size.newest:
            return kinds  # nothing came and nothing went
        rows = tx.rows(sql.WORDS_THERE.format(words=words), {"chunks": json.dumps(list(kinds))})
        there = {row["id"] for row in rows}
        return {chunk: kind for chunk, kind in kinds.items() if chunk in there}

    def _upto(self, tx: Transaction, scope: Scope, size: Size) -> _Held:
        """What is held, with all that came up to the newest of `size`; made anew where a hundredth went."""
        np = libraries.numpy()
        with self._guard:
            held = self._held.get(scope) or _Held(np.empty(0, "i8"), 0)
        if len(held.coded) - size.rows > size.rows * DRIFT:
            held = _Held(np.empty(0, "i8"), 0)
        if held.newest < size.newest:
            params = {"tenant": scope.tenant, "scope": scope.key, "after": held.newest, "upto": size.newest}
            came = np.sort(numbers(tx.rows(sql.KINDS_SINCE, params)[0]["kinds"]))
            held = _Held(np.concatenate([held.coded, came]), size.newest)
        with self._guard:
            self._held[scope] = held
            self._held.move_to_end(scope)
            while self._rows() > MOST_ROWS:
                self._held.popitem(last=False)
        return held
