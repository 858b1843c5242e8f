"""What is known of a question so far, and the order of its answers that follows from it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from astro_mcp.agents.knowledge import libraries
from astro_mcp.agents.knowledge.candidates import Asked, Matches, Shelves
from astro_mcp.agents.knowledge.embedding import Space
from astro_mcp.agents.knowledge.ranking import combine, weights
from astro_mcp.agents.knowledge.words import covered
from astro_mcp.core.authority import Scope
from astro_mcp.errors import AstroError

if TYPE_CHECKING:
    from astro_mcp.agents.knowledge.embedding import Matrix

Near = dict[Scope, dict[int, float]]
"""By scope, chunk → cosine."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """The query's vector in its space, and what is near it (chunk → cosine); `problem` says why that is not all,
    `pending` how many chunks the index lacks."""

    vector: Matrix | None
    near: Near
    problem: str
    space: Space
    pending: int


@dataclass(slots=True)
class Beside:
    """What two threads have found out so far of `query`: `shelves` (None before they are counted), `matches` with the
    share of the query's words that they cover, once that is `said`, the query's `vector`, and what is `near` to it;
    `failed` since a task group would wrap it."""

    query: str
    coverage: float = 0.0
    matches: Matches = field(default_factory=Matches)
    said: threading.Event = field(default_factory=threading.Event)
    shelves: Shelves | None = None
    vector: Matrix | None = None
    near: Near | None = None
    failed: list[AstroError] = field(default_factory=list)

    def count(self, shelves: Shelves) -> None:
        """As `candidates.Told.count`."""
        self.shelves = shelves

    def match(self, matches: Matches) -> None:
        """As `candidates.Told.match`."""
        self.matches = matches
        self.coverage = max((covered(self.query, text) for text in matches.texts), default=0.0)
        self.said.set()

    def meaning(self, space: Space, problem: str = "") -> Meaning:
        """What is known by now, of which `problem` says why that is not all."""
        pending = sum(sum(names.values()) for names in (self.shelves or {}).values())
        return Meaning(self.vector, self.near or {}, problem, space, pending)


class Ranking:
    """The order of what words and meaning found; `scores` and `cosines` by chunk, once it was asked for."""

    def __init__(self, beside: Beside, meaning: Meaning) -> None:
        self._beside = beside
        self._matches = beside.matches
        self.meaning = meaning
        self.scores: dict[int, float] = {}
        self.cosines: dict[int, float] = {}

    @property
    def asked(self) -> Asked:
        """What is to be chosen from."""
        return Asked(
            {scope: list(near) for scope, near in self.meaning.near.items()}, self._matches.scopes, self._order
        )

    def _order(self, near: Mapping[int, str]) -> list[int]:
        """Chunks, best first, with those that meaning alone found: chunk → kind."""
        kinds = self._matches.kinds | dict(near)
        self.cosines = _cosines(self._matches.vectors, self.meaning.vector)
        for found in self.meaning.near.values():
            self.cosines |= {chunk: cosine for chunk, cosine in found.items() if chunk in near}
        beside = self._beside
        self.scores = combine(self._matches.scores, self.cosines, kinds, weights(beside.query), beside.coverage)
        return sorted(kinds, key=lambda chunk: (-self.scores[chunk], chunk))


def _cosines(vectors: Mapping[int, bytes], vector: Matrix | None) -> dict[int, float]:
    """Exact, from the record's vectors."""
    if vector is None or not vectors:
        return {}
    np = libraries.numpy()
    matrix = np.frombuffer(b"".join(vectors.values()), "<f4").reshape(len(vectors), -1)
    return dict(zip(vectors, (matrix @ vector[0]).tolist(), strict=True))
