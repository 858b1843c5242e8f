"""A repository of many files, and a record of many chunks whose vectors are random."""

from __future__ import annotations

import random
from itertools import accumulate
from pathlib import Path
from typing import Final

import numpy as np

from astro_mcp.agents.knowledge.chunks import Chunk
from astro_mcp.agents.knowledge.embedding import DIMENSION, MODEL
from astro_mcp.agents.knowledge.record import Draft
from astro_mcp.store.connection import Transaction
from benchmarks._rankings import COLLECTION, SCOPE, Shelf

FILES: Final = 2000
IN_FILE: Final = 50
FILES_AT_ONCE: Final = 20
VOCABULARY: Final = 20_000
RECORD: Final = 2
"""Seed of the words that the record is made of."""
UNEMBEDDED_CHUNKS: Final = """
SELECT DISTINCT c.tenant, c.scope, c.sha256 FROM knowledge_chunk AS c
LEFT JOIN knowledge_vector AS v
    ON v.tenant = c.tenant AND v.scope = c.scope AND v.sha256 = c.sha256 AND v.model = ?
WHERE v.sha256 IS NULL
"""
KEEP: Final = "INSERT INTO knowledge_vector (tenant, scope, sha256, model, vector) VALUES (?, ?, ?, ?, ?)"


class Words:
    """Words as often as words are: the n-th is 1/n as frequent as the first (Zipf)."""

    def __init__(self, seed: int, order: int | None = None) -> None:
        """The words of `seed`, in an order of their own where `order` is given: questions want words that are there."""
        self._chance = random.Random(seed)
        letters = "abcdefghiklmnoprstuvw"
        self._all = ["".join(self._chance.choices(letters, k=self._chance.randint(3, 9))) for _ in range(VOCABULARY)]
        self._weights = list(accumulate(1 / (place + 1) for place in range(VOCABULARY)))
        if order is not None:
            self._chance = random.Random(order)

    def some(self, count: int) -> list[str]:
        return self._chance.choices(self._all, cum_weights=self._weights, k=count)


def repository(folder: Path, files: int = FILES) -> None:
    """Modules of ten functions each."""
    words = Words(1)
    for number in range(files):
        body = "".join(
            f'def {"_".join(words.some(3))}(given):\n    """{" ".join(words.some(20))}."""\n'
            f"    return {' + '.join(words.some(12))}\n\n\n"
            for _ in range(10)
        )
        place = folder / f"part_{number // 100}" / f"module_{number}.py"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(body, encoding="utf-8")


async def grow(shelf: Shelf, chunks: int) -> None:
    """Documents with random words and random vectors of length 1; what is there already stays."""
    words, known = Words(RECORD), await shelf.record.known(SCOPE, COLLECTION)
    drafts = []
    for number in range(chunks // IN_FILE if len(known) < chunks // IN_FILE else 0):
        texts = [" ".join(words.some(60)) for _ in range(IN_FILE)]
        source = f"module_{number}.py"
        made = tuple(Chunk(text, 1, 9, f"part {place}", source) for place, text in enumerate(texts))
        if source not in known:
            drafts.append(Draft(source, "code", source, str(number), made))
    for start in range(0, len(drafts), FILES_AT_ONCE):
        await shelf.record.put(SCOPE, COLLECTION, drafts[start : start + FILES_AT_ONCE])
    await shelf.database.write(_embed)


def _embed(tx: Transaction) -> None:
    rows = tx.rows(UNEMBEDDED_CHUNKS, (MODEL,))
    made = np.random.default_rng(1).standard_normal((len(rows), DIMENSION)).astype("<f4")
    made /= np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-12)
    keys = [(row["tenant"], row["scope"], row["sha256"], MODEL) for row in rows]
    tx.execute_many(KEEP, [(*key, vector.tobytes()) for key, vector in zip(keys, made, strict=True)])
