"""What a question is ranked by: chunks by their words with their vectors, and the rows of the few that are the best."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from astro_mcp.agents.knowledge import statements as sql
from astro_mcp.agents.knowledge.frequencies import Frequencies, size_of
from astro_mcp.agents.knowledge.kinds import Kinds
from astro_mcp.agents.knowledge.postings import Postings, terms_table
from astro_mcp.agents.knowledge.words import any_of, terms_of_text
from astro_mcp.core.authority import Scope
from astro_mcp.store.connection import Row, Transaction

Shelves = Mapping[Scope, Mapping[str, int]]
"""By scope, collection → chunks that the vector index does not hold yet."""
KindsOf = Callable[[Transaction, Scope, Sequence[int]], Mapping[int, str]]
"""As `Words.kinds`, of the chunks that a filter lets pass."""
SAMPLE: Final = 400
"""Rows that tell which words are common."""
COMMON: Final = 0.01
"""Share of the rows from where on a word is: rarer ones are read in a fifth of a millisecond."""
BEST: Final = 5
"""Matches by words that tell how much of the query words can find."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which documents count: of any of these kinds (none: all), with every one of these tags."""

    kinds: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    @property
    def params(self) -> dict[str, str]:
        return {"kinds": json.dumps(self.kinds), "tags": json.dumps(self.tags)}

    @property
    def narrows(self) -> bool:
        return bool(self.kinds or self.tags)


@dataclass(frozen=True, slots=True)
class Matches:
    """What words found in some scopes: chunk → bm25, the higher the better; of each its scope, its kind and, where it
    has one, its vector; and the texts of the best of all."""

    scores: dict[int, float] = field(default_factory=dict)
    scopes: dict[int, Scope] = field(default_factory=dict)
    kinds: dict[int, str] = field(default_factory=dict)
    vectors: dict[int, bytes] = field(default_factory=dict)
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be chosen from: chunks that are `near` by scope, and those that are `known` already; `order` gives the
    best first, from the kinds of those near."""

    near: Mapping[Scope, Sequence[int]]
    known: Mapping[int, Scope]
    order: Callable[[Mapping[int, str]], Sequence[int]]


class Told(Protocol):
    """Is told in the connection's thread what was found, as soon as it is."""

    def count(self, shelves: Shelves) -> None:
        """What `Record.shelves` gives."""

    def match(self, matches: Matches) -> None:
        """What words found."""


class Words:
    """Finds by words; remembers what it may of large scopes. Used from several threads."""

    def __init__(self) -> None:
        self._frequencies = Frequencies()
        self._postings = Postings()
        self._kinds = Kinds()

    def find(
        self, tx: Transaction, scope: Scope, words: str, terms: Sequence[str], only: Filter, most: int
    ) -> dict[int, float]:
        """chunk → bm25 of the best `most` in the table `words`, best first."""
        if not terms or not tx.one(sql.WORDS_EXIST, (words,)):
            return {}
        params = {"tenant": scope.tenant, "scope": scope.key, "most": most}
        if only.narrows:
            chosen = {**params, **only.params, "match": any_of(terms)}
            return _scores(tx.rows(sql.FIND_CHOSEN_WORDS.format(words=words), chosen))
        size = size_of(tx, words)
        telling = self._frequencies.telling(tx, words, terms, size)
        if size.large:
            return self._postings.best(tx, words, telling, size, most)
        return _scores(tx.rows(sql.FIND_WORDS.format(words=words), {**params, "match": any_of(telling)}))

    def common(self, tx: Transaction, scope: Scope, words: str) -> list[str]:
        """What is worth knowing of the table `words` before somebody asks: the words that many rows of a large scope
        have, as far as some of its rows tell; the commonest first."""
        if not tx.one(sql.WORDS_EXIST, (terms_table(words),)) or not (size := size_of(tx, words)).large:
            return []  # without the table of terms, which comes with what is written next, a word takes too long
        chunks = self._postings.spread(tx, words, size, SAMPLE)
        params = {"tenant": scope.tenant, "scope": scope.key, "chunks": json.dumps(chunks)}
        counts = Counter(term for row in tx.rows(sql.SAMPLE, params) for term in terms_of_text(row["text"]))
        return [term for term, count in counts.most_common() if count > SAMPLE * COMMON]

    def warm(self, tx: Transaction, words: str, term: str) -> bool:
        """Know `term` in the table `words`, unless it tells nothing there; False where enough is known."""
        if not tx.one(sql.WORDS_EXIST, (words,)) or not (size := size_of(tx, words)).large:
            return True  # the scope became small or went, and others may follow
        return not self._frequencies.tells(tx, words, term, size) or self._postings.warm(tx, words, term, size)

    def kinds(self, tx: Transaction, scope: Scope, words: str, chunks: Sequence[int], only: Filter) -> dict[int, str]:
        """chunk → kind of those of `chunks` that are this scope's and that `only` lets pass."""
        if not only.narrows and tx.one(sql.WORDS_EXIST, (words,)):
            size = size_of(tx, words)
            if self._kinds.hold(size):
                return self._kinds.of(tx, scope, words, size, chunks)
        return {row["chunk"]: str(row["kind"]) for row in _of(tx, sql.KINDS, scope, chunks, only)}


def _scores(rows: Sequence[Row]) -> dict[int, float]:
    return {row["chunk"]: row["score"] for row in rows}


def hits(tx: Transaction, scope: Scope, chunks: Sequence[int], only: Filter) -> list[Row]:
    """Those of `chunks` that are this scope's and that `only` lets pass, with their document."""
    return _of(tx, sql.HITS, scope, chunks, only)


def _of(tx: Transaction, statement: str, scope: Scope, chunks: Sequence[int], only: Filter, **more: Any) -> list[Row]:
    if not chunks:
        return []
    params = {"tenant": scope.tenant, "scope": scope.key, "chunks": json.dumps(list(chunks))}
    return tx.rows(statement, {**params, **only.params, **more})


def matches(
    tx: Transaction, found: Mapping[Scope, dict[int, float]], kinds_of: KindsOf, only: Filter, model: str
) -> Matches:
    """What is to be known of what words `found`, of that which the record has."""
    scores, scopes, kinds, vectors = {}, {}, {}, {}
    for scope, by_words in found.items():
        for chunk, kind in kinds_of(tx, scope, list(by_words)).items():
            scores[chunk], scopes[chunk], kinds[chunk] = by_words[chunk], scope, kind
        rows = _of(tx, sql.VECTORS, scope, [chunk for chunk in by_words if chunk in kinds], only, model=model)
        vectors.update({row["chunk"]: row["vector"] for row in rows})
    best = sorted(scores, key=lambda chunk: -scores[chunk])[:BEST]
    texts = [
        f"{row['source']} {row['title']} {row['text']}"
        for scope in found
        for row in hits(tx, scope, [chunk for chunk in best if scopes[chunk] == scope], only)
    ]
    return Matches(scores, scopes, kinds, vectors, tuple(texts))


def chosen(tx: Transaction, asked: Asked, kinds_of: KindsOf, only: Filter, most: int) -> list[Row]:
    """The rows of the `most` best, best first, on one snapshot; what is gone meanwhile is left out, and so is what an
    earlier row says: the same passage of the same source, which another collection has too."""
    scopes, kinds = dict(asked.known), dict[int, str]()
    for scope, chunks in asked.near.items():
        there = kinds_of(tx, scope, [chunk for chunk in chunks if chunk not in asked.known])
        kinds.update(there)
        scopes.update(dict.fromkeys(there, scope))
    order = asked.order(kinds)
    found: dict[tuple[Any, ...], Row] = {}
    for start in range(0, len(order), max(1, most)):
        part = order[start : start + most]
        rows = {
            row["chunk"]: row
            for scope in dict.fromkeys(scopes[chunk] for chunk in part)
            for row in hits(tx, scope, [chunk for chunk in part if scopes[chunk] == scope], only)
        }
        for row in (rows[chunk] for chunk in part if chunk in rows):
            found.setdefault(_passage(row), row)
        if len(found) >= most:
            break
    return list(found.values())[:most]


def _passage(row: Row) -> tuple[Any, ...]:
    source = row["document"] if row["kind"] == "note" else row["source"]
    return source, row["start_line"], row["end_line"], row["text"]
