"""The full-text index's own scores, kept in memory by word, so that a question in a large scope only adds them up.

FTS5's bm25 of several words is the sum of their scores, and takes microseconds for each row and word. Where a word
stands is read once instead (`bm25`), and its rows are kept; their sum, in the order of the words, is to the bit what
FTS5 gives. The record stays the only truth: rows that came since are asked for and put behind the others, rows that
went are left out, and all is asked for again when a hundredth of the scope's rows came or went (decisions 053, 059).
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
from astro_mcp.agents.knowledge.bm25 import lengths, numbers, scored, weighed
from astro_mcp.agents.knowledge.frequencies import DRIFT, Size
from astro_mcp.agents.knowledge.words import any_of
from astro_mcp.store.connection import Transaction, in_memory

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_BYTES: Final = 48 * 1024 * 1024
"""Of all scopes together: most words of 100,000 chunks. What was asked for longest ago is let go."""
WARM_BYTES: Final = MOST_BYTES // 2
"""What nobody asked for yet may fill."""
BYTES_OF_A_ROW: Final = 12
"""Of one word: a place and a score."""
BYTES_OF_AN_ID: Final = 12
"""Of a row of the scope: its number, and how many tokens it has."""


def terms_table(words: str) -> str:
    """The name of the table of the terms of the full-text table `words`."""
    return words.replace("knowledge_words_", "knowledge_terms_")


class _Stems:
    """Words as the terms that FTS5 makes of them. Used from several threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._scratch: Transaction | None = None

    def of(self, words: Sequence[str]) -> dict[str, list[str]]:
        """word → its terms, in their order."""
        found: dict[str, list[str]] = {word: [] for word in words}
        if not words:
            return found
        with self._guard:
            if self._scratch is None:
                self._scratch = in_memory()
                for statement in sql.MAKE_SCRATCH:
                    self._scratch.execute(statement)
            self._scratch.execute_many(sql.SCRATCH_WORD, list(enumerate(words)))
            for row in self._scratch.rows(sql.SCRATCH_TERMS):
                found[words[row["doc"]]].append(str(row["term"]))
            self._scratch.execute(sql.EMPTY_SCRATCH)
        return found


@dataclass(frozen=True, slots=True)
class _Posting:
    """The places (in `_Held.ids`) of the rows that have a word, and what the word gives each of them; `upto` is the
    newest row that was asked."""

    places: NDArray[np.uint32]
    scores: NDArray[np.float64]
    upto: int


class _Held:
    """A scope's rows (those that went meanwhile are among them) and its words. One thread at a time has it."""

    def __init__(self, words: str, stems: _Stems) -> None:
        self.asking = threading.Lock()
        self._words = words
        self._stems = stems
        self.bytes = 0
        self._begin(0)

    def _begin(self, rows: int) -> None:
        self._rows = rows
        self._ids: NDArray[np.int64] = libraries.numpy().empty(0, "i8")
        self._lengths: NDArray[np.uint32] = libraries.numpy().empty(0, "u4")
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
            came = tx.rows(sql.WORDS_SINCE.format(words=self._words), {"after": after})[0]
            ids = numbers(came["ids"])
            self._ids = np.concatenate([self._ids, ids])
            self._lengths = np.concatenate([self._lengths, lengths(came["sizes"], len(ids))])
            self.bytes += BYTES_OF_AN_ID * len(ids)

    def best(self, tx: Transaction, terms: Sequence[str], size: Size, most: int) -> dict[int, float]:
        """As `Postings.best`."""
        np = libraries.numpy()
        scores = np.zeros(len(self._ids))
        stems = self._stems.of([term for term in dict.fromkeys(terms) if term not in self._postings])
        postings = [self._posting(tx, term, size, stems.get(term, ())) for term in terms]
        for posting in postings:
            scores[posting.places] += posting.scores
        wanted = most + abs(len(self._ids) - size.rows)  # some of the best may be gone
        found = np.flatnonzero(scores >= _least(scores, postings, wanted))
        if len(found) > wanted:
            found = found[scores[found] >= np.partition(scores[found], -wanted)[-wanted]]
        found = found[np.lexsort((found, -scores[found]))]
        pairs = list(zip(self._ids[found].tolist(), scores[found].tolist(), strict=True))
        return dict(pairs[:most] if wanted == most else self._there(tx, pairs, most))

    def warm(self, tx: Transaction, term: str, size: Size) -> None:
        """Read a word that nobody asked for; it is the first to be let go."""
        if term not in self._postings:
            self._posting(tx, term, size, self._stems.of([term])[term])
            self._postings.move_to_end(term, last=False)

    def spread(self, most: int) -> list[int]:
        """At most so many of its rows, from the oldest to the newest."""
        found: list[int] = self._ids[:: len(self._ids) // most + 1].tolist()
        return found

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

    def _posting(self, tx: Transaction, term: str, size: Size, stems: Sequence[str]) -> _Posting:
        """A word's rows, all of those up to the newest of `size`; `stems` are the terms of one that is not known."""
        np = libraries.numpy()
        known = self._postings.get(term)
        if known is None:
            known = self._whole(tx, stems, size) or _Posting(np.empty(0, "u4"), np.empty(0, "f8"), 0)
            self.bytes += BYTES_OF_A_ROW * len(known.places)
        if known.upto < size.newest:
            params = {"match": any_of([term]), "after": known.upto, "upto": size.newest}
            rows = tx.rows(sql.WORD_SCORES.format(words=self._words), params)
            came = np.fromiter((row["chunk"] for row in rows), "i8", len(rows))
            scores = np.fromiter((row["score"] for row in rows), "f8", len(rows))
            places, there = self._places(came)
            known = _Posting(
                np.concatenate([known.places, places]), np.concatenate([known.scores, scores[there]]), size.newest
            )
            self.bytes += BYTES_OF_A_ROW * len(places)
        self._postings[term] = known
        self._postings.move_to_end(term)
        return known

    def _whole(self, tx: Transaction, stems: Sequence[str], size: Size) -> _Posting | None:
        """All rows of a word that is one term; None where it is none or several, or the table of terms is not there
        yet (it comes with what is written next)."""
        terms = terms_table(self._words)
        if len(stems) != 1 or not tx.one(sql.WORDS_EXIST, (terms,)):
            return None
        found = numbers(tx.rows(sql.TERM_PLACES.format(terms=terms), {"term": stems[0]})[0]["places"])
        rows, weights = weighed(found)
        upto = int(libraries.numpy().searchsorted(rows, size.newest, "right"))
        rows, weights = rows[:upto], weights[:upto]
        places, there = self._places(rows)
        return _Posting(places, scored(weights[there], self._lengths[places], len(rows), size), size.newest)

    def _places(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
        """The places of those of `rows` that are known, and which those are: an older snapshot has rows that were gone
        when the numbers were read."""
        np = libraries.numpy()
        places = np.minimum(np.searchsorted(self._ids, rows), len(self._ids) - 1)
        there = self._ids[places] == rows
        return places[there].astype("u4"), there

    def let_go(self, much: int) -> None:
        """The words asked for longest ago, of so many bytes or all."""
        while much > 0 and self._postings:
            freed = BYTES_OF_A_ROW * len(self._postings.popitem(last=False)[1].places)
            self.bytes -= freed
            much -= freed


def _least(scores: NDArray[np.float64], postings: Sequence[_Posting], wanted: int) -> float:
    """A score that at least `wanted` rows reach, where so many have any: the whole of `scores` need not be sorted."""
    np = libraries.numpy()
    enough = [posting for posting in postings if len(posting.places) >= wanted]
    if not enough:
        return float(np.nextafter(0, 1))
    few = scores[min(enough, key=lambda posting: len(posting.places)).places]
    return float(np.partition(few, -wanted)[-wanted])


class Postings:
    """Words by full-text table. Used from several threads: a scope answers one question at a time."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._stems = _Stems()

    @property
    def bytes(self) -> int:
        """What all of it takes."""
        with self._guard:
            return sum(held.bytes for held in self._held.values())

    def best(self, tx: Transaction, words: str, terms: Sequence[str], size: Size, most: int) -> dict[int, float]:
        """The `most` rows of the table `words`, which is of `size`, with the best bm25 (the higher the better) for
        `terms`, best first."""
        held = self._of(words, asked=True)
        with held.asking:
            held.follow(tx, size)
            found = held.best(tx, terms, size, most)
            held.let_go(self._over(words))
        return found

    def warm(self, tx: Transaction, words: str, term: str, size: Size) -> bool:
        """Read `term` before somebody asks for it; False where enough is held."""
        if self.bytes >= WARM_BYTES:
            return False
        held = self._of(words, asked=False)
        with held.asking:
            held.follow(tx, size)
            held.warm(tx, term, size)
        return True

    def spread(self, tx: Transaction, words: str, size: Size, most: int) -> list[int]:
        """At most so many rows of the table `words`, from the oldest to the newest."""
        held = self._of(words, asked=False)
        with held.asking:
            held.follow(tx, size)
            return held.spread(most)

    def _of(self, words: str, *, asked: bool) -> _Held:
        """What is held of the table `words`; one that nobody asked yet is let go first."""
        with self._guard:
            held = self._held.get(words)
            if held is None:
                held = self._held[words] = _Held(words, self._stems)
                self._held.move_to_end(words, last=asked)
            elif asked:
                self._held.move_to_end(words)
            return held

    def _over(self, words: str) -> int:
        """Bytes too many, once the scopes asked for longest ago were let go; not that of `words`."""
        with self._guard:
            over = sum(held.bytes for held in self._held.values()) - MOST_BYTES
            for name in list(self._held):
                if over > 0 and name != words:
                    over -= self._held.pop(name).bytes
        return over
