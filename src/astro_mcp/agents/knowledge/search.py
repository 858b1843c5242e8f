"""Hybrid search: by words from SQLite, by meaning from the index, ranked together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import anyio

from astro_mcp.agents.knowledge import libraries
from astro_mcp.agents.knowledge.backlog import Shelf
from astro_mcp.agents.knowledge.candidates import Filter, Matches
from astro_mcp.agents.knowledge.catch_up import CatchUp
from astro_mcp.agents.knowledge.embedding import Space
from astro_mcp.agents.knowledge.ranking import combine, weights
from astro_mcp.agents.knowledge.record import Record, Shelves
from astro_mcp.agents.knowledge.serving import Serving
from astro_mcp.agents.knowledge.vectors import Vectors
from astro_mcp.agents.knowledge.words import covered, terms
from astro_mcp.core.authority import Scope
from astro_mcp.errors import AstroError
from astro_mcp.store.connection import Row

if TYPE_CHECKING:
    from astro_mcp.agents.knowledge.embedding import Matrix, Then

CANDIDATES: Final = 100
NARROWED: Final = 1000
"""Candidates by meaning where a filter will let only some of them pass."""
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
    """The query's vector in its space, and what is near it (chunk → cosine); `problem` says why that is not all,
    `pending` how many chunks the index lacks."""

    vector: Matrix | None
    near: Mapping[Scope, Mapping[int, float]]
    problem: str
    space: Space
    pending: int


@dataclass(slots=True)
class _Beside:
    """What the record says while the query is embedded (`shelves` is None before it said so), and what is `near` where
    the index was asked at once; `failed` since a task group would wrap it. Two threads fill it."""

    matches: Matches = field(default_factory=Matches)
    shelves: Shelves | None = None
    near: dict[Scope, dict[int, float]] | None = None
    failed: list[AstroError] = field(default_factory=list)

    def count(self, shelves: Shelves) -> None:
        self.shelves = shelves


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
        space = (await self._serving.settled()).space
        beside = _Beside()
        meaning: _Meaning | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._words, scopes, query, only, space.model, beside)
            try:
                meaning = await self._meaning(scopes, query, only, beside, secret=secret)
            except AstroError as error:
                beside.failed.append(error)
        if beside.failed or meaning is None:
            raise beside.failed[0]
        if meaning.space != space:  # another model took over meanwhile: these are the vectors of before
            await self._words(scopes, query, only, meaning.space.model, beside)
        ranking = _Ranking(query, beside.matches, meaning)
        rows = await self._record.chosen(
            {scope: list(near) for scope, near in meaning.near.items()},
            beside.matches.scopes,
            only,
            ranking.order,
            most,
        )
        found = [Found(row, ranking.scores[row["chunk"]], ranking.cosines.get(row["chunk"])) for row in rows]
        notices = [_notice(meaning.problem, meaning.pending), self._serving.notice]
        return Answer(found, "; ".join(filter(None, notices)))

    async def _words(self, scopes: Sequence[Scope], query: str, only: Filter, model: str, beside: _Beside) -> None:
        try:
            beside.matches = await self._record.matches(scopes, terms(query), only, CANDIDATES, model, beside.count)
        except AstroError as error:
            beside.failed.append(error)

    async def _meaning(
        self, scopes: Sequence[Scope], query: str, only: Filter, beside: _Beside, *, secret: bool
    ) -> _Meaning:
        ready, space = self._catch_up.ready, self._serving.space
        then = self._then(only, space, beside) if ready else None
        vector, problem = await self._vector(query, then, secret=secret)
        if space != self._serving.space:  # another model took over just now
            space, beside.near = self._serving.space, None
            vector, problem = await self._vector(query, None, secret=secret)
        shelves = beside.shelves
        if shelves is None or not ready:  # what was opened anew meanwhile lacks what it had before
            shelves = await self._record.shelves(scopes)
        near = beside.near or {}
        for scope, names in shelves.items():
            if vector is not None and not problem and beside.near is None:
                near[scope], problem = await self._nearest(scope, list(names), vector, only, space)
        pending = sum(sum(names.values()) for names in shelves.values())
        return _Meaning(vector, near if beside.near is None or not problem else {}, problem, space, pending)

    def _then(self, only: Filter, space: Space, beside: _Beside) -> Then:
        """Asks the index in the thread that embeds, and leaves the answer in `beside`; does nothing where the record
        has not said yet what to ask for, or something came between."""

        def ask(vector: Matrix) -> None:
            near: dict[Scope, dict[int, float]] = {}
            if beside.shelves is None or not self._catch_up.ready or self._serving.space != space:
                return
            for scope, names in beside.shelves.items():
                near[scope] = {}
                for name in names:
                    found = self._index.at_once(Shelf(scope.tenant, scope.key, name), vector, _most(only), space)
                    if found is None:
                        return
                    near[scope] |= found
            beside.near = near

        def then(vector: Matrix) -> None:
            with suppress(Exception):  # whatever Chroma raises it raises again when it is asked as usual
                ask(vector)

        return then

    async def _vector(self, query: str, then: Then | None, *, secret: bool) -> tuple[Matrix | None, str]:
        if secret and self._serving.now.leaves:
            return None, "this session holds a secret, and the endpoint that embeds is not sent what it asks"
        try:
            return await self._serving.now.query(query, then), await self._index_problem()
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
    ) -> tuple[dict[int, float], str]:
        near: dict[int, float] = {}
        try:
            for name in collections:
                shelf = Shelf(scope.tenant, scope.key, name)
                near |= await self._index.nearest(shelf, vector, _most(only), space)
        except AstroError as error:  # a server's; what is there is kept
            self._catch_up.doubt(error)
            return {}, error.message
        except Exception as error:  # noqa: BLE001 - whatever Chroma raises, words still answer, and the index is made again
            self._catch_up.doubt(error)
            return {}, "the vector index failed and is made again"
        return near, ""


def _most(only: Filter) -> int:
    return NARROWED if only.narrows else CANDIDATES


class _Ranking:
    """The order of what words and meaning found; `scores` and `cosines` by chunk, once it was asked for."""

    def __init__(self, query: str, matches: Matches, meaning: _Meaning) -> None:
        self._query = query
        self._matches = matches
        self._meaning = meaning
        self.scores: dict[int, float] = {}
        self.cosines: dict[int, float] = {}

    def order(self, near: Mapping[int, str]) -> list[int]:
        """Chunks, best first, with those that meaning alone found: chunk → kind."""
        kinds = self._matches.kinds | dict(near)
        self.cosines = _cosines(self._matches.vectors, self._meaning.vector)
        for found in self._meaning.near.values():
            self.cosines |= {chunk: cosine for chunk, cosine in found.items() if chunk in near}
        coverage = max((covered(self._query, text) for text in self._matches.texts), default=0.0)
        self.scores = combine(self._matches.scores, self.cosines, kinds, weights(self._query), coverage)
        return sorted(kinds, key=lambda chunk: (-self.scores[chunk], chunk))


def _cosines(vectors: Mapping[int, bytes], vector: Matrix | None) -> dict[int, float]:
    """Exact, from the record's vectors."""
    if vector is None or not vectors:
        return {}
    np = libraries.numpy()
    matrix = np.frombuffer(b"".join(vectors.values()), "<f4").reshape(len(vectors), -1)
    return dict(zip(vectors, (matrix @ vector[0]).tolist(), strict=True))


def _notice(problem: str, pending: int) -> str:
    parts = []
    if problem:
        parts.append(f"by words only: {problem}")
    if pending:
        parts.append(f"{pending} chunks are not in the vector index yet; they are found by words")
    return "; ".join(parts)
