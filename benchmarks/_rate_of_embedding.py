"""A child: `_rate_of_embedding REPOSITORY MODEL` embeds files by ours and by the network alone; prints the seconds.

It keeps to one core: two may be of unlike speed for as long as a run lasts, and ours works in another thread than the
network alone.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import astuple, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import anyio

from astro_mcp.store.connection import Row, Transaction
from benchmarks._floor_of_embedding import Floor, Seconds, now
from benchmarks._labelled import by_source
from benchmarks._rankings import Shelf, shelf

EMBEDDED: Final = 120
"""Files of ten chunks each that are embedded, by ours and by the floor."""
IN_TURN: Final = 6
NEWER: Final = "SELECT id, context, text FROM knowledge_chunk WHERE id > ?"


@dataclass(frozen=True, slots=True)
class Rate:
    """Seconds for the same chunks: ours from text to the index, and the network alone in two ways (`Floor`). `opening`
    is what ours took for a file before them."""

    chunks: int
    ours: Seconds
    plain: Seconds
    single: Seconds
    opening: Seconds

    @classmethod
    def told(cls, said: bytes) -> Rate:
        """What this module printed."""
        chunks, *seconds = json.loads(said)
        return cls(chunks, *(Seconds(*each) for each in seconds))

    def rows(self) -> list[dict[str, Any]]:
        return [
            {"name": name, "note": ", ".join(f"{self.chunks / getattr(took, each):.1f} {what}" for what, took in ways)}
            for name, each in (("chunks embedded per second of CPU", "cpu"), ("by the clock", "wall"))
            for ways in [
                (("ours", self.ours), ("onnxruntime alone in batches", self.plain), ("text by text", self.single))
            ]
        ]

    def ratio(self, each: Literal["cpu", "wall"]) -> float:
        """Ours to the faster of the others."""
        took: list[float] = [getattr(seconds, each) for seconds in (self.ours, self.plain, self.single)]
        return took[0] / min(took[1:])


async def rate(ours: Shelf, repository: Path, bare: Floor) -> Rate:
    """In turn, some files at a time, so that whatever else the machine does meets all alike. One file before them loads
    network and index, as an empty text does for the others: what is done once is told, and is no rate."""
    [opening, *paths] = sorted(repository.rglob("*.py"))[: EMBEDDED + 1]
    began = now()
    await ours.fill(by_source("", {opening.name: opening.read_text(encoding="utf-8", errors="replace")}, [], []))
    found = Rate(0, Seconds(), Seconds(), Seconds(), now().since(began))
    newest = max(row["id"] for row in await ours.database.read(partial(_newer, than=0)))
    for start in range(0, len(paths), IN_TURN):
        turn = paths[start : start + IN_TURN]
        files = {path.name: path.read_text(encoding="utf-8", errors="replace") for path in turn}
        began = now()
        await ours.fill(by_source("", files, [], []))
        took = now().since(began)
        rows = await ours.database.read(partial(_newer, than=newest))
        newest = max(row["id"] for row in rows)
        plain, single = bare.seconds([f"{row['context']}\n{row['text']}" for row in rows])
        found = replace(
            found,
            chunks=found.chunks + len(rows),
            ours=found.ours + took,
            plain=found.plain + plain,
            single=found.single + single,
        )
    return found


def _newer(tx: Transaction, than: int) -> list[Row]:
    return tx.rows(NEWER, (than,))


async def main(repository: str, model: str) -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as fresh:
        async with shelf(Path(fresh), Path(model)) as ours:
            print(json.dumps(astuple(await rate(ours, Path(repository), Floor(Path(model))))))


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2])
