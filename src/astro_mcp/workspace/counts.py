"""How many entries folders have, as far as it is known without reading them again.

What comes into a folder or leaves it changes the folder's own times, so a count stands as long as they are the same. A
count is believed where the folder had been at rest before it was taken: a change within one tick of a file system's
clock would not show.
"""

from __future__ import annotations

import os
import time
from typing import Final

from astro_mcp.workspace.fingerprint import MARGIN_SECONDS
from astro_mcp.workspace.inotify import tells_all
from astro_mcp.workspace.walk import Stamp

MOST: Final = 65_536
"""Folders that are remembered; beyond, all are forgotten."""


class Counts:
    """Of all roots; for any number of worker threads."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], tuple[Stamp, int]] = {}

    def of(self, stamp: Stamp) -> int | None:
        """The count of the folder with this stamp; None where it is not known."""
        found = self._known.get(_folder(stamp))
        return found[1] if found is not None and found[0] == stamp else None

    def keep(self, stamp: Stamp, count: int) -> None:
        """The folder had this stamp, and was counted after that."""
        changed, modified, *_ = stamp
        if max(changed, modified) > (time.time() - MARGIN_SECONDS) * 1e9:
            return
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[_folder(stamp)] = stamp, count


def device_of(folder: int) -> int | None:
    """The device of the open folder, where this kernel keeps its files and so the times of its folders; else None."""
    return os.fstat(folder).st_dev if tells_all(folder) else None


def _folder(stamp: Stamp) -> tuple[int, int]:
    _, _, device, inode, *_ = stamp
    return device, inode
