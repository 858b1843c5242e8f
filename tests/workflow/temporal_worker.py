"""A worker's life in a child, until it is killed or told to end.

`temporal_worker.py FOLDER LOG ADDRESS PREFIX CLAIMS`
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import anyio
from tests.workflow.house import Toys, house

from astro_mcp.run_settings import TemporalSettings, WorkflowSettings


async def live(folder: Path, log: Path, address: str, prefix: str, claims: Path) -> None:
    temporal = TemporalSettings(address=address, task_queue=prefix, claims=claims)
    settings = WorkflowSettings(driver="temporal", temporal=temporal)
    with anyio.open_signal_receiver(signal.SIGTERM) as signals:
        async with house(folder, settings=settings, toys=Toys(log)):
            print("ready", flush=True)
            async for _ in signals:
                break
    print("ended", flush=True)


if __name__ == "__main__":
    anyio.run(live, Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4], Path(sys.argv[5]))
