"""A process to be killed: indexes the project, and says so once a part of it stands in the vector index."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import anyio

open_house: Any = runpy.run_path(str(Path(__file__).with_name("conftest.py")))["open_house"]


async def main(folder: Path, project: Path) -> None:
    async with open_house(folder, project) as desk, anyio.create_task_group() as tasks:
        tasks.start_soon(desk.value, "kb_index")
        while not await desk.rows("SELECT 1 FROM knowledge_chunk WHERE placed = 1 AND collection = 'workspace'"):
            await anyio.sleep(0.005)
        print("placed", flush=True)


anyio.run(main, Path(sys.argv[1]), Path(sys.argv[2]))
