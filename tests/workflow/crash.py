"""A daemon's life in a child: it runs a workflow and dies, by itself at a point of the journal or by a signal.

`crash.py FOLDER NUMBER WHERE`: die at the NUMBERth save, `before`, `inside` or `after` its commit; `-` never by itself.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import anyio
from tests.workflow.house import Toys, house

from astro_mcp.store.connection import Transaction
from astro_mcp.store.database import Database

SPEC: dict[str, Any] = {
    "name": "crash",
    "steps": [
        {"id": "a", "tool": "toy_write", "with": {"text": "a"}},
        {"id": "b", "tool": "toy_say", "with": {"text": "b"}, "needs": "a"},
        {
            "id": "each",
            "needs": "b",
            "foreach": ["x", "y"],
            "max_parallel": 1,
            "tool": "toy_say",
            "with": {"text": "${{ item }}"},
        },
        {"id": "c", "tool": "toy_write", "with": {"text": "c"}, "needs": "each"},
    ],
    "outputs": {"c": "${{ steps.c.text_ }}"},
}

SLOW: dict[str, Any] = {
    "name": "slow",
    "steps": [
        {"id": "done", "tool": "toy_write", "with": {"text": "done"}},
        {"id": "again", "tool": "toy_hold", "needs": "done", "with": {"text": "again"}},
        {"id": "once", "tool": "toy_hold_write", "needs": "done", "with": {"text": "once"}},
        {"id": "after", "tool": "toy_say", "needs": ["again", "once"], "with": {"text": "after"}},
    ],
}


class Dying(Database):
    """A store that takes its process down at one save of the journal."""

    number = 0
    where = "-"
    seen = 0

    async def write(self, work: Any) -> Any:
        if "Journal.save" not in getattr(work, "__qualname__", ""):
            return await super().write(work)
        Dying.seen += 1
        if Dying.seen != Dying.number:
            return await super().write(work)
        if Dying.where == "before":
            os._exit(9)

        def fatal(tx: Transaction) -> None:
            work(tx)
            os._exit(9)

        if Dying.where == "inside":
            return await super().write(fatal)
        await super().write(work)
        os._exit(9)


async def live(folder: Path, spec: dict[str, Any]) -> None:
    toys = Toys(folder / "log")
    async with house(folder, toys=toys, database=Dying) as h:
        result = await h.run(spec, wait_seconds=30)
        (folder / "result").write_text(result["status"])


def main() -> None:
    folder, number, where = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    Dying.number, Dying.where = (0, "-") if number == "-" else (int(number), where)
    anyio.run(live, folder, SLOW if number == "-" else SPEC)


if __name__ == "__main__":
    main()
