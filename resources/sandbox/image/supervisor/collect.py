"""Hands back the files below one folder. No process of a run is left, but what it left behind is hostile.

Every step is relative to an open folder and follows no link: a symlink in place of the folder exported the image's own
files once.
"""

from __future__ import annotations

import os
import stat
import struct

import frames
from request import WORKSPACE

TYPE_CHECKING = False  # importing typing would cost every run 5 ms
if TYPE_CHECKING:
    from typing import Final

FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
DEEPEST: Final = 16
LONGEST: Final = 1024


def empty(folder: str) -> bool:
    """Whether there is nothing to hand back."""
    opened = _opened(folder)
    if opened is None:
        return True
    try:
        return not os.listdir(opened)
    except OSError:
        return True
    finally:
        os.close(opened)


def send(folder: str, files: int, size: int, since: int) -> list[str]:
    """Send regular files that changed after `since` (ns) as `a` frames, at most `files` of them and `size` bytes; the
    paths of those left out."""
    opened = _opened(folder)
    if opened is None:
        return []
    walk = _Walk(files, size, since)
    try:
        walk.folder(opened, "")
    finally:
        os.close(opened)
    return (
        walk.withheld[:100] if len(walk.withheld) <= 100 else [*walk.withheld[:99], f"… {len(walk.withheld) - 99} more"]
    )


def _opened(folder: str) -> int | None:
    """A session's next turn needs the descriptors again, so that only the last one stays open."""
    try:
        opened = os.open(WORKSPACE, FOLDER)
        for part in folder.split("/"):
            outer = opened
            try:
                opened = os.open(part, FOLDER, dir_fd=outer)
            finally:
                os.close(outer)
    except OSError:
        return None
    return opened


class _Walk:
    def __init__(self, files: int, size: int, since: int) -> None:
        self._since = since
        self._files = files
        self._size = size
        self.withheld: list[str] = []

    def folder(self, opened: int, prefix: str) -> None:
        for name in sorted(os.listdir(opened)):
            path = f"{prefix}{name}"
            try:
                self._entry(opened, name, path)
            except (OSError, UnicodeEncodeError):
                self.withheld.append(_shown(path))

    def _entry(self, opened: int, name: str, path: str) -> None:
        found = os.stat(name, dir_fd=opened, follow_symlinks=False)
        kind = found.st_mode
        if stat.S_ISDIR(kind) and path.count("/") < DEEPEST:
            inner = os.open(name, FOLDER, dir_fd=opened)
            try:
                self.folder(inner, f"{path}/")
            finally:
                os.close(inner)
        elif found.st_ctime_ns < self._since:
            return
        elif stat.S_ISREG(kind):
            self._file(opened, name, path)
        else:
            self.withheld.append(_shown(path))

    def _file(self, opened: int, name: str, path: str) -> None:
        encoded = path.encode()
        source = os.open(name, FILE, dir_fd=opened)
        found = os.fstat(source)
        if (
            not stat.S_ISREG(found.st_mode)  # a session's threads go on, and may have put another in its place
            or len(encoded) > LONGEST
            or any(byte < 32 or byte == 127 for byte in encoded)
            or self._files < 1
            or found.st_size > self._size
        ):
            self.withheld.append(_shown(path))
        else:
            self._files -= 1
            self._size -= found.st_size
            head = struct.pack(">HB", len(encoded), bool(found.st_mode & 0o111)) + encoded
            frames.write(frames.HEADER.pack(b"a", len(head) + found.st_size) + head)
            _copy(source, found.st_size)
        os.close(source)


def _copy(source: int, left: int) -> None:
    while left:
        chunk = os.read(source, min(left, frames.CHUNK)) or bytes(min(left, frames.CHUNK))
        left -= len(chunk)
        frames.write(chunk)


def _shown(path: str) -> str:
    return path.encode("utf-8", "backslashreplace").decode()[:200]
