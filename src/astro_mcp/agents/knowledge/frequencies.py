"""Which words of a question tell chunks apart: in a large scope, those that at most half of the chunks have.

FTS5's bm25 gives a word that more than half of the rows have a weight of 1e-6, and takes longest for just those words.
Words below that are never left out: their sum ranks questions of many words (decision 046).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from astro_mcp.agents.knowledge import statements as sql
from astro_mcp.agents.knowledge.words import any_of
from astro_mcp.store.connection import Transaction

LARGE: Final = 2000
"""Chunks of a scope from where on words are counted; below that every word is looked for."""
DRIFT: Final = 0.01
"""Share of the chunks that may come or go before words are counted again."""
RAREST: Final = 3
"""Words that are looked for where a question has only common ones."""
MOST_TERMS: Final = 20_000
"""Counts that are remembered of one scope."""
MOST_SCOPES: Final = 64
"""Scopes of which counts are remembered."""


class Size(NamedTuple):
    """Of a full-text table: its rows, the number of the newest, and all of their tokens. Never twice the same of two
    states of one table: numbers are not given again."""

    rows: int
    newest: int
    tokens: int

    @property
    def large(self) -> bool:
        """Whether words are worth counting and keeping."""
        return self.rows >= LARGE


def size_of(tx: Transaction, words: str) -> Size:
    """The size of the table `words`, which exists."""
    row = tx.rows(sql.WORDS_SIZE.format(words=words))[0]
    rows, *columns = _varints(row["totals"] or b"") or [0]
    return Size(rows, row["newest"] or 0, sum(columns))


def _varints(data: bytes) -> list[int]:
    """SQLite's numbers: seven bits a byte, the highest says that more follow."""
    found, value = [], 0
    for byte in data:
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            found.append(value)
            value = 0
    return found


@dataclass(frozen=True, slots=True)
class _Counted:
    """How many rows each term has, at most one more than half of `rows`; `newest` is the highest row of that time."""

    rows: int
    newest: int
    counts: dict[str, int] = field(default_factory=dict)

    def holds(self, rows: int, newest: int) -> bool:
        """Whether what came and what went since then is little."""
        came = max(0, newest - self.newest)  # at most: numbers are given to all scopes in turn
        return came + (self.rows + came - rows) <= self.rows * DRIFT


class Frequencies:
    """Remembers counts by full-text table. Used from several threads: what two count at once is the same."""

    def __init__(self) -> None:
        self._counted: dict[str, _Counted] = {}

    def telling(self, tx: Transaction, words: str, terms: Sequence[str], size: Size) -> list[str]:
        """Those of `terms` to look for in the table `words`, which exists and is of `size`."""
        if not size.large:
            return list(terms)
        counted = self._of(words, size.rows, size.newest)
        half = counted.rows // 2
        counts = {term: _count(tx, words, term, half + 1, counted) for term in terms}
        rare = [term for term in terms if counts[term] <= half]
        if any(counts[term] for term in rare):
            return rare
        return sorted(terms, key=lambda term: (not counts[term], counts[term]))[:RAREST]

    def tells(self, tx: Transaction, words: str, term: str, size: Size) -> bool:
        """Whether `term` alone would be looked for in the table `words`, which is of `size` and large."""
        counted = self._of(words, size.rows, size.newest)
        half = counted.rows // 2
        return 0 < _count(tx, words, term, half + 1, counted) <= half

    def _of(self, words: str, rows: int, newest: int) -> _Counted:
        counted = self._counted.get(words)
        if counted is None or not counted.holds(rows, newest):
            if len(self._counted) >= MOST_SCOPES:
                self._counted = {}
            counted = self._counted[words] = _Counted(rows, newest)
        return counted


def _count(tx: Transaction, words: str, term: str, most: int, counted: _Counted) -> int:
    found = counted.counts.get(term)
    if found is None:
        row = tx.rows(sql.WORDS_WITH.format(words=words), {"match": any_of([term]), "most": most})[0]
        if len(counted.counts) >= MOST_TERMS:
            counted.counts.clear()
        found = counted.counts[term] = int(row["rows"])
    return found
