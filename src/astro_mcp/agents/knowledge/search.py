"""Hybrid search: by words from SQLite, by meaning from the index, ranked together."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio

from astro_mcp.agents.knowledge.backlog import Shelf
from astro_mcp.agents.knowledge.candidates import Asked, Filter, Shelves
from astro_mcp.agents.knowledge.catch_up import CatchUp
from astro_mcp.agents.knowledge.embedding import Space
from astro_mcp.agents.knowledge.making import Resized
from astro_mcp.agents.knowledge.question import Beside, Meaning, Near, Ranking
from astro_mcp.agents.knowledge.record import Record
from astro_mcp.agents.knowledge.serving import Serving
from astro_mcp.agents.knowledge.vectors import Vectors
from astro_mcp.agents.knowledge.words import phrases, terms
from astro_mcp.core.authority import Scope
from astro_mcp.errors import AstroError
from astro_mcp.store.connection import Row

if TYPE_CHECKING:
    from astro_mcp.agents.knowledge.embedding import Matrix

CANDIDATES: Final = 100
NARROWED: Final = 1000
"""Candidates by meaning where a filter will let only some of them pass."""
PATIENCE: Final = 3.0
"""Seconds that a search waits for an index that is being opened."""
WORDS_PATIENCE: Final = 0.25
"""Seconds that a thread with one of the record's readers waits for what words find; they seldom take a tenth of it."""

NEAR_SECONDS: Final = 10.0
"""Seconds that the index is asked for what is near, a collection at a time."""
SHELVES_AT_ONCE: Final = 50
"""Collections that one thread asks for without a break; more are asked so that it may be left."""


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


class Search:
    """Answers for the scopes that it is given, and for no other."""

    def __init__(self, record: Record, serving: Serving, index: Vectors, catch_up: CatchUp) -> None:
        self._record = record
        self._serving = serving
        self._index = index
        self._catch_up = catch_up
        self._alone = threading.Lock()

    async def find(
        self, scopes: Sequence[Scope], query: str, only: Filter, most: int, *, secret: bool = False
    ) -> Answer:
        """The `most` best chunks for `query` that `only` lets pass. Words and meaning are asked at once. No
        endpoint is sent a `secret` query."""
        space, ready = (await self._serving.settled()).space, self._catch_up.ready
        beside = Beside(query)
        rows, ranking = None, None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._words, scopes, only, space.model, beside)
            try:
                rows, ranking = await self._at_once(only, most, space, beside)
                if ranking is None:
                    meaning = await self._meaning(scopes, only, space, beside, ready=ready, secret=secret)
            except AstroError as error:
                beside.failed.append(error)
        if beside.failed:
            raise beside.failed[0]
        if rows is None or ranking is None:
            if meaning.space != space:  # another model took over meanwhile: these are the vectors of before
                await self._words(scopes, only, meaning.space.model, beside)
            ranking = Ranking(beside, meaning)
            rows = await self._record.chosen(ranking.asked, only, most)
        found = [Found(row, ranking.scores[row["chunk"]], ranking.cosines.get(row["chunk"])) for row in rows]
        notices = [_notice(query, ranking.meaning.problem, ranking.meaning.pending), self._serving.notice]
        return Answer(found, "; ".join(filter(None, notices)))

    async def _words(self, scopes: Sequence[Scope], only: Filter, model: str, beside: Beside) -> None:
        try:
            await self._record.matches(
                scopes, [*terms(beside.query), *phrases(beside.query)], only, CANDIDATES, model, beside
            )
        except AstroError as error:
            beside.failed.append(error)
        finally:
            beside.said.set()

    async def _at_once(
        self, only: Filter, most: int, space: Space, beside: Beside
    ) -> tuple[list[Row] | None, Ranking | None]:
        """All that follows from the query's meaning, in one thread: to go by way of the event loop between two parts
        takes a third of a millisecond each time. Nothing where it can't be done so now; what was found out stays in
        `beside`."""
        if not self._catch_up.ready or not self._alone.acquire(blocking=False):
            return None, None
        made: list[Ranking] = []

        def ask() -> Asked | None:
            beside.vector = self._serving.now.at_once(beside.query)
            with suppress(Exception):  # whatever Chroma raises it raises again when it is asked as usual
                beside.near = self._near_at_once(only, space, beside)
            if beside.near is None or not beside.said.wait(WORDS_PATIENCE) or beside.failed:
                return None
            made.append(Ranking(beside, beside.meaning(space)))
            return made[0].asked

        try:
            rows = await self._record.chosen_at_once(ask, only, most)
        finally:
            self._alone.release()
        return (rows, made[0]) if made and rows is not None else (None, None)

    def _near_at_once(self, only: Filter, space: Space, beside: Beside) -> Near | None:
        """What is near to the query's vector; None where the record has not said yet what to ask for, or something came
        between."""
        near: Near = {}
        if beside.vector is None or beside.shelves is None or _count(beside.shelves) > SHELVES_AT_ONCE:
            return None
        for scope, names in beside.shelves.items():
            near[scope] = {}
            for name in names:
                found = self._index.at_once(Shelf(scope.tenant, scope.key, name), beside.vector, _most(only), space)
                if found is None:
                    return None
                near[scope] |= found
        return near if self._catch_up.ready and self._serving.space == space else None

    async def _meaning(
        self, scopes: Sequence[Scope], only: Filter, space: Space, beside: Beside, *, ready: bool, secret: bool
    ) -> Meaning:
        if beside.vector is None:
            space = self._serving.space
            problem = await self._vector(beside, secret=secret)
        else:  # made at once
            problem = await self._index_problem()
        if space != self._serving.space:  # another model took over just now
            space = self._serving.space
            problem = await self._vector(beside, secret=secret)
        if beside.shelves is None or not ready:  # what was opened anew meanwhile lacks what it had before
            beside.count(await self._record.shelves(scopes))
        near: Near = {}
        shelves = beside.shelves or {}
        with anyio.move_on_after(NEAR_SECONDS) as patience:
            for scope, names in shelves.items():
                if beside.vector is not None and not problem:
                    near[scope], problem = await self._nearest(scope, list(names), beside.vector, only, space)
        if patience.cancelled_caught:
            problem = f"{_count(shelves)} collections took the vector index too long"
        beside.near = near
        return beside.meaning(space, problem)

    async def _vector(self, beside: Beside, *, secret: bool) -> str:
        """Leaves the query's vector in `beside`, or says why there is none, or why it is of no use."""
        beside.vector = None
        if secret and self._serving.now.leaves:
            return "this session holds a secret, and the endpoint that embeds is not sent what it asks"
        try:
            beside.vector = await self._serving.now.query(beside.query)
        except AstroError as error:
            if isinstance(error, Resized):
                self._catch_up.resized()
            return error.message
        return await self._index_problem()

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


def _count(shelves: Shelves) -> int:
    return sum(map(len, shelves.values()))


def _notice(query: str, problem: str, pending: int) -> str:
    parts = []
    if not terms(query):
        parts.append(f"{'nothing to go by' if problem else 'by meaning alone'}: the question has no word to look for")
        parts.append(problem)
    elif problem:
        parts.append(f"by words only: {problem}")
    if pending:
        parts.append(f"{pending} chunks are not in the vector index yet; they are found by words")
    return "; ".join(filter(None, parts))
