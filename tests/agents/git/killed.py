"""Children of tests that are killed at an fsync: the boundary between what is on disk and what is not."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio

Fsync = Callable[[int], None]


def fork_for_each(cases: Path, moment: str, act: Callable[[Path, Fsync], Awaitable[None]]) -> None:
    """Fork for each folder in `cases`, and `act` there with an fsync that kills: the one whose number the folder bears,
    "before" or "after" it. Prints how each ended (`os.waitpid`)."""
    for folder in sorted(cases.iterdir()):
        child = os.fork()
        if child == 0:
            try:
                anyio.run(act, folder, _die_at(int(folder.name), moment))
            except BaseException as error:  # noqa: BLE001 - a fork never goes back into what it was forked from
                print(error, file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        print(os.waitpid(child, 0)[1], flush=True)


def _die_at(fatal: int, moment: str) -> Fsync:
    plain, count = os.fsync, 0

    def fsync(descriptor: int) -> None:
        nonlocal count
        count += 1
        if count == fatal and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        plain(descriptor)
        if count == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    return fsync
