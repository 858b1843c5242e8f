"""The full-text index's own scores, kept in memory by word, so that a question in a large scope only adds them up.

FTS5's bm25 of several words is the sum of their scores, and takes a microsecond for each row and word. So each word is
asked for once, and its rows are kept; their sum, in the order of the words, is to the bit what FTS5 gives. The record
stays the only truth: rows that came since are asked for and put behind the others, rows that went are left out, and all
is asked for again when a hundredth of the scope's rows came or went (decision 053).
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from astro_mcp.agents.knowledge import libraries
from astro_mcp.agents.knowledge import statements as sql
from astro_mcp.agents.knowledge.frequencies import DRIFT, Size
from astro_mcp.agents.knowledge.words import any_of
from astro_mcp.store.connection import Transaction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_BYTES: Final = 48 * 1024 * 1024
"""Of all scopes together: most words of 100,000 chunks. What was asked for longest ago is let go."""
BYTES_OF_A_ROW: Final = 12
"""Of one word: a place and a score."""
BYTES_OF_AN_ID: Final = 8


@dataclass(frozen=True, slots=True)
class _Posting:
    """The places (in `_Held.ids`) of the rows that have a word, and what the word gives each of them; `upto` is the
    newest row that was asked."""

    places: NDArray[np.uint32]
    scores: NDArray[np.float64]
    upto: int


class _Held:
    """A scope's rows (those that went meanwhile are among them) and its words. One thread at a time has it."""

    def __init__(self, words: str) -> None:
        self.asking = threading.Lock()
        self._words = words
        self.bytes = 0
        self._begin(0)

    def _begin(self, rows: int) -> None:
        self._rows = rows
        self._ids: NDArray[np.int64] = libraries.numpy().empty(0, "i8")
        self._postings: OrderedDict[str, _Posting] = OrderedDict()
        self.bytes = 0

    def follow(self, tx: Transaction, size: Size) -> None:
        """Know the rows that are new; where too much came or went, all begins anew."""
        self._know(tx, size.newest)
        came, gone = len(self._ids) - self._rows, abs(len(self._ids) - size.rows)
        if came + gone > self._rows * DRIFT:
            self._begin(size.rows)
            self._know(tx, size.newest)

    def _know(self, tx: Transaction, newest: int) -> None:
        np = libraries.numpy()
        after = int(self._ids[-1]) if len(self._ids) else 0
        if newest > after:
            came = tx.rows(sql.WORDS_SINCE.format(words=self._words), {"after": after})
            self._ids = np.concatenate([self._ids, np.fromiter((row["id"] for row in came), "i8", len(came))])
            self.bytes += BYTES_OF_AN_ID * len(came)

    def best(self, tx: Transaction, terms: Sequence[str], size: Size, most: int) -> dict[int, float]:
        """As `Postings.best`."""
        np = libraries.numpy()
        scores = np.zeros(len(self._ids))
        for term in terms:
            posting = self._posting(tx, term, size.newest)
            scores[posting.places] += posting.scores
        found = np.flatnonzero(scores)
        wanted = most + abs(len(self._ids) - size.rows)  # some of the best may be gone
        if len(found) > wanted:
            found = found[scores[found] >= np.partition(scores[found], -wanted)[-wanted]]
        found = found[np.lexsort((found, -scores[found]))]
        pairs = list(zip(self._ids[found].tolist(), scores[found].tolist(), strict=True))
        return dict(pairs[:most] if wanted == most else self._there(tx, pairs, most))

    def _there(self, tx: Transaction, pairs: Sequence[tuple[int, float]], most: int) -> list[tuple[int, float]]:
        """The first `most` that the record has."""
        there: list[tuple[int, float]] = []
        for start in range(0, len(pairs), 2 * most):
            part = pairs[start : start + 2 * most]
            chunks = json.dumps([chunk for chunk, _ in part])
            known = {row["id"] for row in tx.rows(sql.WORDS_THERE.format(words=self._words), {"chunks": chunks})}
            there += [pair for pair in part if pair[0] in known]
            if len(there) >= most:
                break
        return there[:most]

    def _posting(self, tx: Transaction, term: str, newest: int) -> _Posting:
        """A word's rows, all of those up to `newest`."""
        np = libraries.numpy()
        known = self._postings.get(term) or _Posting(np.empty(0, "u4"), np.empty(0, "f8"), 0)
        if known.upto < newest:
            params = {"match": any_of([term]), "after": known.upto, "upto": newest}
            rows = tx.rows(sql.WORD_SCORES.format(words=self._words), params)
            came = np.fromiter((row["chunk"] for row in rows), "i8", len(rows))
            scores = np.fromiter((row["score"] for row in rows), "f8", len(rows))
            places = np.minimum(np.searchsorted(self._ids, came), len(self._ids) - 1)
            there = self._ids[places] == came  # an older snapshot has rows that were gone when the numbers were read
            known = _Posting(
                np.concatenate([known.places, places[there].astype("u4")]),
                np.concatenate([known.scores, scores[there]]),
                newest,
            )
            self.bytes += BYTES_OF_A_ROW * int(there.sum())
        self._postings[term] = known
        self._postings.move_to_end(term)
        return known

    def let_go(self, much: int) -> None:
        """The words asked for longest ago, of so many bytes or all."""
        while much > 0 and self._postings:
            freed = BYTES_OF_A_ROW * len(self._postings.popitem(last=False)[1].places)
            self.bytes -= freed
            much -= freed


class Postings:
    """Words by full-text table. Used from several threads: a scope answers one question at a time."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._held: OrderedDict[str, _Held] = OrderedDict()

    @property
    def bytes(self) -> int:
        """What all of it takes."""
        with self._guard:
            return sum(held.bytes for held in self._held.values())

    def best(self, tx: Transaction, words: str, terms: Sequence[str], size: Size, most: int) -> dict[int, float]:
        """The `most` rows of the table `words`, which is of `size`, with the best bm25 (the higher the better) for
        `terms`, best first."""
        with self._guard:
            held = self._held.setdefault(words, _Held(words))
            self._held.move_to_end(words)
        with held.asking:
            held.follow(tx, size)
            found = held.best(tx, terms, size, most)
            held.let_go(self._over(words))
        return found

    def _over(self, words: str) -> int:
        """Bytes too many, once the scopes asked for longest ago were let go; not that of `words`."""
        with self._guard:
            over = sum(held.bytes for held in self._held.values()) - MOST_BYTES
            for name in list(self._held):
                if over > 0 and name != words:
                    over -= self._held.pop(name).bytes
        return over
