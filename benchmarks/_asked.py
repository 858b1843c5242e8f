"""A peer's side of the workflow benchmark, in the peer's own environment: standard library alone.

Each line on stdin is `chain 100` or `fan-out 1000`; each answer is the seconds until all of those steps were done.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable

Run = Callable[[int], Awaitable[int]]


async def answer(runs: dict[str, Run]) -> None:
    """Say `ready`, and carry out what is asked until stdin ends. Blocks the loop between two runs, when nothing goes
    on. Raises RuntimeError where a run gives something else than the number of its steps."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        name, count = line.split()
        began = time.perf_counter()
        done = await runs[name](int(count))
        took = time.perf_counter() - began
        if done != int(count):
            raise RuntimeError(f"{name} {count} gave {done}")
        sys.stdout.write(f"{took}\n")
        sys.stdout.flush()
