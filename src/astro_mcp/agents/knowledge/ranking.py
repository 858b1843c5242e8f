"""One score from two: a convex combination of normalized scores over the union of both candidate lists.

(Bruch, Gai, Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", 2023.) The weights were measured on code
search, technical documents and abstracts; reciprocal rank fusion was behind on all three. Decision 042 has the figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from astro_mcp.agents.knowledge.words import names_identifier

VECTOR_WEIGHT: Final = {"code": 0.9, "document": 0.5, "note": 0.65, "run": 0.5}
"""How much meaning counts, by kind: who asks for code in plain words seldom hits its words."""
NAMED: Final = 0.5
"""The most that meaning counts where the query names an identifier: that very word is sought."""


def weights(query: str) -> dict[str, float]:
    """kind → how much meaning counts for this query; words have the rest."""
    most = NAMED if names_identifier(query) else 1.0
    return {kind: min(weight, most) for kind, weight in VECTOR_WEIGHT.items()}


def combine(
    words: Mapping[int, float],
    meaning: Mapping[int, float],
    kinds: Mapping[int, str],
    weights: Mapping[str, float],
    coverage: float = 1.0,
) -> dict[int, float]:
    """Scores from 0 to 1 of every chunk in `kinds`, from bm25 (higher is better) and cosines. `coverage` is the share
    of the query's words that the best match by words has: bm25 alone does not tell a match from the best of nothing.

    A list has one weight, the mean of its chunks': with one for each kind a half meant function would stand above the
    document that is meant. A chunk without a cosine has no vector yet: it goes by its words alone, and not to the end
    of the list. Where there are such, cosines count from 0: the lowest of the few that are known is not the worst of
    all, and may be the very chunk that the query's words name.
    """
    best = max(words.values(), default=0.0)
    low, high = min(meaning.values(), default=0.0), max(meaning.values(), default=0.0)
    if meaning.keys() < kinds.keys():
        low = min(low, 0.0)
    weight = sum(weights[kind] for kind in kinds.values()) / max(1, len(kinds))
    scores = {}
    for chunk in kinds:
        by_words = coverage * words.get(chunk, 0.0) / best if best > 0 else 0.0
        by_meaning = by_words
        if chunk in meaning:
            by_meaning = (meaning[chunk] - low) / (high - low) if high > low else 1.0
        scores[chunk] = weight * by_meaning + (1 - weight) * by_words
    return scores
