"""A scheduler in a child, `crash.py FOLDER`: it runs a workflow until it is killed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import anyio
from tests.workflow.house import Toys, house

SLOW: dict[str, Any] = {
    "name": "slow",
    "steps": [
        {"id": "done", "tool": "toy_write", "with": {"text": "done"}},
        {"id": "again", "tool": "toy_hold", "needs": "done", "with": {"text": "again"}},
        {"id": "once", "tool": "toy_hold_write", "needs": "done", "with": {"text": "once"}},
        {"id": "after", "tool": "toy_say", "needs": ["again", "once"], "with": {"text": "after"}},
    ],
}


async def live(folder: Path) -> None:
    async with house(folder, toys=Toys(folder / "log")) as h:
        await h.run(SLOW, wait_seconds=30)


if __name__ == "__main__":
    anyio.run(live, Path(sys.argv[1]))
