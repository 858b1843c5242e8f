"""A process to be killed: indexes the project, and says so once a part of it stands in the vector index and the next
is being embedded, which does not end before the process does."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
from tests.agents.knowledge.conftest import open_house

from astro_mcp.agents.knowledge.embedding import Embedder


async def main(folder: Path, project: Path) -> None:
    embed, rounds = Embedder.documents, 0

    async def held(self: Embedder, texts: Sequence[str]) -> Any:
        nonlocal rounds
        rounds += 1
        if rounds > 1:
            print("placed", flush=True)
            await anyio.sleep_forever()
        return await embed(self, texts)

    Embedder.documents = held  # type: ignore[method-assign]  # this process is here to be killed in it
    async with open_house(folder, project) as desk:
        await desk.value("kb_index")
        await anyio.sleep_forever()


anyio.run(main, Path(sys.argv[1]), Path(sys.argv[2]))
