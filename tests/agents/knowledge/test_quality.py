"""Words alone, vectors alone, Chroma as it comes and ours, on a small labelled set. `scripts/bench knowledge` has the
public sets, and Chroma with its own weights in float32; here it gets the same weights in int8."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from anyio import from_thread
from benchmarks._labelled import ndcg, recall, scored
from benchmarks._rankings import compared
from chromadb import EmbeddingFunction
from tests.agents.knowledge.labelled import small

from astro_mcp.agents.knowledge.embedding import MODEL, Embedder
from astro_mcp.packs import Pack

FOLDER = Pack.find().resources / "models" / MODEL
BEHIND = 0.005


class Int8(EmbeddingFunction[Any]):
    """The shipped model as Chroma's embedding function."""

    def __init__(self) -> None:
        self._embedder = Embedder(FOLDER)

    def __call__(self, input: Any) -> Any:  # noqa: A002 - Chroma's name
        return [np.asarray(vector) for vector in from_thread.run(self._embedder.documents, list(input))]

    @staticmethod
    def name() -> str:
        return "int8"

    def get_config(self) -> dict[str, Any]:
        return {}


async def test_ours_is_the_best_of_four_or_nearly(tmp_path: Path) -> None:
    found = await compared(small(), tmp_path, FOLDER, Int8())
    print(found)
    ours = found["astro-mcp"]
    assert found["vectors"][0] > 0.7
    assert all(ours[0] >= gain - BEHIND for gain, _ in found.values()), found


def test_the_measures_are_those_of_the_book() -> None:
    assert ndcg(["a", "b"], {"a"}) == 1.0
    assert round(ndcg(["b", "a"], {"a"}), 3) == 0.631
    assert round(ndcg(["a", "x", "b"], {"a", "b"}), 3) == 0.92
    assert ndcg([*"0123456789", "a"], {"a"}) == 0.0
    assert recall(["x", "a", "y", "z", "w", "b"], {"a", "b"}) == 0.5
    assert scored([["a", "a", "b"], ["x"], []], [{"b"}, {"y"}, set()])[1] == 0.5
