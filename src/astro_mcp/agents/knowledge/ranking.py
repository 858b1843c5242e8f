"""One score from two: a convex combination of normalized scores over the union of both candidate lists.

(Bruch, Gai, Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", 2023.) The weights were measured on code
search, technical documents and abstracts; reciprocal rank fusion was behind on all three.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

VECTOR_WEIGHT: Final = {"code": 0.75, "document": 0.5, "note": 0.65, "run": 0.5}


def combine(words: Mapping[int, float], meaning: Mapping[int, float], kinds: Mapping[int, str]) -> dict[int, float]:
    """Scores from 0 to 1 of every chunk in `kinds`, from bm25 (higher is better) and cosines.

    A chunk without a cosine has no vector yet: it goes by its words alone, and not to the end of the list.
    """
    best = max(words.values(), default=0.0)
    low, high = min(meaning.values(), default=0.0), max(meaning.values(), default=0.0)
    scores = {}
    for chunk, kind in kinds.items():
        by_words = words.get(chunk, 0.0) / best if best > 0 else 0.0
        by_meaning = by_words
        if chunk in meaning:
            by_meaning = (meaning[chunk] - low) / (high - low) if high > low else 1.0
        weight = VECTOR_WEIGHT[kind]
        scores[chunk] = weight * by_meaning + (1 - weight) * by_words
    return scores
