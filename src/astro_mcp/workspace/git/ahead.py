"""Looks at what moves before somebody asks about it: a hint, without which the same is found when it is asked for."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from astro_mcp.workspace.alarms import Alarms

log = logging.getLogger(__name__)

IDLE: Final = 30.0
"""Seconds after which a folder that nobody asked about is not looked at any more."""
PAUSES: Final = (0.001, 0.01)
"""Seconds after a look that found nothing (a branch's lock comes before it moves) and after one that did, which takes a
tenth of that: a rebase moves a branch hundreds of times."""
MOST: Final = 8
"""Folders that are looked at."""


@dataclass
class _Followed:
    look: Callable[[], bool]
    asked: float


class Ahead:
    """Follows folders of refs; all of it ends with `group`."""

    def __init__(self, group: TaskGroup, threads: anyio.CapacityLimiter) -> None:
        self._group = group
        self._threads = threads
        self._alarms = Alarms()
        self._followed: dict[Path, _Followed] = {}

    def follow(self, folder: Path, look: Callable[[], bool]) -> None:
        """Call `look`, in place of the one before, when something happens in `folder`: on the event loop, so that it
        waits for nothing. It says whether it found something."""
        known = self._followed.get(folder)
        if known is not None:
            known.look, known.asked = look, time.monotonic()
        elif len(self._followed) < MOST:
            self._followed[folder] = one = _Followed(look, time.monotonic())
            self._group.start_soon(self._look, folder, one)

    async def _look(self, folder: Path, one: _Followed) -> None:
        try:
            opened = await anyio.to_thread.run_sync(partial(_open, folder), limiter=self._threads)
            with self._alarms.on(opened) as alarm:
                while (left := one.asked + IDLE - time.monotonic()) > 0:
                    await alarm.wait(left)
                    await anyio.sleep(PAUSES[one.look()])
        except OSError as error:  # the folder is gone, or a link
            log.debug("%s is not looked at: %s", folder, error)
        except Exception:  # whoever asks is told of it; what nobody asked for ends nothing
            log.exception("%s is not looked at any more", folder)
        finally:
            del self._followed[folder]


def _open(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
