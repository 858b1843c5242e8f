"""Hybrid search: by words from SQLite, by meaning from the index, ranked together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio

from astro_mcp.agents.knowledge import libraries
from astro_mcp.agents.knowledge.backlog import Shelf
from astro_mcp.agents.knowledge.catch_up import CatchUp
from astro_mcp.agents.knowledge.embedding import Space
from astro_mcp.agents.knowledge.ranking import combine, weights
from astro_mcp.agents.knowledge.record import Filter, Record
from astro_mcp.agents.knowledge.serving import Serving
from astro_mcp.agents.knowledge.vectors import Vectors
from astro_mcp.agents.knowledge.words import covered, terms
from astro_mcp.core.authority import Scope
from astro_mcp.errors import AstroError
from astro_mcp.store.connection import Row

if TYPE_CHECKING:
    from astro_mcp.agents.knowledge.embedding import Matrix

CANDIDATES: Final = 100
NARROWED: Final = 1000
"""Candidates by meaning where a filter will let only some of them pass."""
BEST: Final = 5
"""Matches by words that tell how much of the query words can find."""
PATIENCE: Final = 3.0
"""Seconds that a search waits for an index that is being opened."""


@dataclass(frozen=True, slots=True)
class Found:
    """A chunk's row; `score` ranks it among the others, `cosine` (None: no vector yet) tells how near it is."""

    row: Row
    score: float
    cosine: float | None


@dataclass(frozen=True, slots=True)
class Answer:
    """The best first; `notice` says what the ranking did without."""

    found: list[Found]
    notice: str


@dataclass(frozen=True, slots=True)
class _Meaning:
    """The query's vector in its space, and what is near it; `problem` says why that is not all, `pending` how many
    chunks the index lacks."""

    vector: Matrix | None
    near: Mapping[Scope, Sequence[int]]
    problem: str
    space: Space
    pending: int


class Search:
    """Answers for the scopes that it is given, and for no other."""

    def __init__(self, record: Record, serving: Serving, index: Vectors, catch_up: CatchUp) -> None:
        self._record = record
        self._serving = serving
        self._index = index
        self._catch_up = catch_up

    async def find(
        self, scopes: Sequence[Scope], query: str, only: Filter, most: int, *, secret: bool = False
    ) -> Answer:
        """The `most` best chunks for `query` that `only` lets pass. Words and meaning are asked at once. No
        endpoint is sent a `secret` query."""
        words: dict[Scope, dict[int, float]] = {}
        failed: list[AstroError] = []  # a task group would wrap them
        meaning: _Meaning | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._words, scopes, query, only, words, failed)
            try:
                meaning = await self._meaning(scopes, query, only, secret=secret)
            except AstroError as error:
                failed.append(error)
        if failed or meaning is None:
            raise failed[0]
        rows: list[Row] = []
        for scope in scopes:
            candidates = {**words[scope], **dict.fromkeys(meaning.near.get(scope, ()))}
            rows += await self._record.hits(scope, list(candidates), only, meaning.space.model)
        by_words = {chunk: score for found in words.values() for chunk, score in found.items()}
        found = _ranked(rows, by_words, meaning.vector, query)
        notices = [_notice(meaning.problem, meaning.pending), self._serving.notice]
        return Answer(found[:most], "; ".join(filter(None, notices)))

    async def _words(
        self,
        scopes: Sequence[Scope],
        query: str,
        only: Filter,
        words: dict[Scope, dict[int, float]],
        failed: list[AstroError],
    ) -> None:
        try:
            for scope in scopes:
                words[scope] = await self._record.find_words(scope, terms(query), only, CANDIDATES)
        except AstroError as error:
            failed.append(error)

    async def _meaning(self, scopes: Sequence[Scope], query: str, only: Filter, *, secret: bool) -> _Meaning:
        space = (await self._serving.settled()).space
        vector, problem = await self._vector(query, secret=secret)
        if space != self._serving.space:  # another model took over just now
            space = self._serving.space
            vector, problem = await self._vector(query, secret=secret)
        near: dict[Scope, list[int]] = {}
        pending = 0
        for scope in scopes:  # after the wait for the index: what was opened anew lacks what it had before
            names = await self._record.shelves(scope)
            pending += sum(names.values())
            if vector is not None and not problem:
                near[scope], problem = await self._nearest(scope, list(names), vector, only, space)
        return _Meaning(vector, near, problem, space, pending)

    async def _vector(self, query: str, *, secret: bool) -> tuple[Matrix | None, str]:
        if secret and self._serving.now.leaves:
            return None, "this session holds a secret, and the endpoint that embeds is not sent what it asks"
        try:
            return await self._serving.now.query(query), await self._index_problem()
        except AstroError as error:
            return None, error.message

    async def _index_problem(self) -> str:
        """ "" once the index answers; waits a little for that."""
        if not self._catch_up.ready:
            self._catch_up.wake()
            with anyio.move_on_after(PATIENCE):
                await self._catch_up.moved().wait()
        return "" if self._catch_up.ready else self._catch_up.failure or "the vector index is being opened"

    async def _nearest(
        self, scope: Scope, collections: Sequence[str], vector: Matrix, only: Filter, space: Space
    ) -> tuple[list[int], str]:
        near: list[int] = []
        try:
            for name in collections:
                shelf = Shelf(scope.tenant, scope.key, name)
                most = NARROWED if only.narrows else CANDIDATES
                near += await self._index.nearest(shelf, vector, most, space)
        except AstroError as error:  # a server's; what is there is kept
            self._catch_up.doubt(error)
            return [], error.message
        except Exception as error:  # noqa: BLE001 - whatever Chroma raises, words still answer, and the index is made again
            self._catch_up.doubt(error)
            return [], "the vector index failed and is made again"
        return near, ""


def _ranked(rows: Sequence[Row], words: Mapping[int, float], vector: Matrix | None, query: str) -> list[Found]:
    cosines = _cosines(rows, vector)
    best = sorted((row for row in rows if row["chunk"] in words), key=lambda row: -words[row["chunk"]])[:BEST]
    texts = (f"{row['source']} {row['title']} {row['text']}" for row in best)
    coverage = max((covered(query, text) for text in texts), default=0.0)
    scores = combine(words, cosines, {row["chunk"]: row["kind"] for row in rows}, weights(query), coverage)
    found = [Found(row, scores[row["chunk"]], cosines.get(row["chunk"])) for row in rows]
    return sorted(found, key=lambda item: (-item.score, item.row["chunk"]))


def _cosines(rows: Sequence[Row], vector: Matrix | None) -> dict[int, float]:
    """Exact, from the record's vectors; the index only names the candidates."""
    known = [row for row in rows if row["vector"] is not None]
    if vector is None or not known:
        return {}
    np = libraries.numpy()
    matrix = np.stack([np.frombuffer(row["vector"], "<f4") for row in known])
    return dict(zip((row["chunk"] for row in known), (matrix @ vector[0]).tolist(), strict=True))


def _notice(problem: str, pending: int) -> str:
    parts = []
    if problem:
        parts.append(f"by words only: {problem}")
    if pending:
        parts.append(f"{pending} chunks are not in the vector index yet; they are found by words")
    return "; ".join(parts)
