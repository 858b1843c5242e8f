"""Files that the kernel holds in memory: read on the event loop, since a worker thread costs more than such a read.

Nothing here waits for a disk. Names are resolved from the kernel's own memory or not at all (RESOLVE_CACHED), bytes are
taken from the page cache or not at all (RWF_NOWAIT), and only on file systems of this kernel: what a network or a
process answers may keep any call waiting. Whatever is not there, or not plain, is the worker threads'.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

from astro_mcp.workspace import openat2
from astro_mcp.workspace.beneath import LONGEST_PATH, open_folder
from astro_mcp.workspace.inotify import tells_all

_LOOK: Final = getattr(os, "O_PATH", 0) | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class PageCache:
    """What is known of the file systems that files were read from."""

    def __init__(self) -> None:
        self._quick: dict[int, bool] = {}

    def learn(self, root: Path) -> None:
        """Look whether files below `root` can be read without waiting. Blocks: for worker threads. Raises what opening
        a root raises."""
        if not openat2.is_available():
            return
        with open_folder(root, (), str(root)) as folder:
            device = os.fstat(folder).st_dev
            if device in self._quick:
                return
            try:
                os.close(openat2.open_known(str(root), _LOOK | os.O_DIRECTORY))
                self._quick[device] = tells_all(folder)
            except OSError:
                self._quick[device] = False

    def read(self, root: Path, path: str, most: int) -> bytes | None:
        """`read_whole` without the file's status."""
        found = self.read_whole(root, path, most)
        return None if found is None else found[0]

    def read_whole(self, root: Path, path: str, most: int) -> tuple[bytes, os.stat_result] | None:
        """Bytes and status of the regular file at `path`, which is relative to `root`, spelled as the root's own walk
        would and without a link; None for any other, where it has over `most` bytes, and where it would have to be
        waited for."""
        if not self._quick or not is_plain(path):
            return None
        device = 0
        try:
            folder = openat2.open_known(str(root), _LOOK | os.O_DIRECTORY)
            try:
                device = os.fstat(folder).st_dev
                return read_beneath(folder, path, most) if self._quick.get(device) else None
            finally:
                os.close(folder)
        except OSError as error:
            if error.errno == errno.EOPNOTSUPP:  # overlayfs, where its pages are another's
                self._quick[device] = False
            return None

    def lacks(self, root: Path, path: str) -> bool:
        """Whether the kernel knows that there is nothing at `path`; False where it does not know."""
        if not self._quick or not is_plain(path):
            return False
        try:
            folder = openat2.open_known(str(root), _LOOK | os.O_DIRECTORY)
            try:
                os.close(openat2.open_known_beneath(folder, path, _LOOK))
            finally:
                os.close(folder)
        except (FileNotFoundError, NotADirectoryError):
            return True
        except OSError:
            return False
        return False


def is_plain(path: str) -> bool:
    """Whether `path` is relative and each of its parts a name."""
    return path.isprintable() and len(path) < LONGEST_PATH // 4 and not {"", ".", ".."} & set(path.split("/"))


def read_beneath(folder: int, path: str, most: int) -> tuple[bytes, os.stat_result] | None:
    """Bytes and status of the regular file at `path` in an open folder of a file system of this kernel; None for any
    other, and where it has over `most` bytes. Raises `OSError` where there is none, or it would be waited for."""
    looked = openat2.open_known_beneath(folder, path, _LOOK)  # a pipe or a device is not opened to see what it is
    try:
        seen = os.fstat(looked)
    finally:
        os.close(looked)
    if not stat.S_ISREG(seen.st_mode) or seen.st_size > most:
        return None
    descriptor = openat2.open_known_beneath(folder, path, _READ)
    try:
        status = os.fstat(descriptor)
        if (status.st_dev, status.st_ino, status.st_size) != (seen.st_dev, seen.st_ino, seen.st_size):
            return None
        room = bytearray(seen.st_size + 1)
        count = os.preadv(descriptor, [room], 0, os.RWF_NOWAIT)
    finally:
        os.close(descriptor)
    return (bytes(memoryview(room)[:count]), status) if count == seen.st_size else None
