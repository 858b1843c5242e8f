"""Linux's inotify: the kernel tells what happens in a folder."""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
import sys
import termios
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

_MODIFY, _ATTRIB, _CLOSE_WRITE = 0x2, 0x4, 0x8
_MOVED, _CREATE, _DELETE, _SELF = 0xC0, 0x100, 0x200, 0xC00
_ONLYDIR, _IGNORED = 0x1000000, 0x8000
_ALL: Final = _MODIFY | _ATTRIB | _CLOSE_WRITE | _MOVED | _CREATE | _DELETE | _SELF | _ONLYDIR
_EVENT: Final = struct.Struct("iIII")
_READ: Final = 64 * 1024
_READS: Final = 64
"""Readings of a queue after which its writers are taken for faster than its reader."""
_LOST: Final = 0x2000 | 0x4000 | _SELF | _IGNORED
_ISDIR: Final = 0x40000000
_LOCAL: Final = frozenset(
    {0xEF53, 0x58465342, 0x9123683E, 0xF2F52010, 0x2FC12FC1, 0xCA451A4E, 0x01021994, 0x794C7630, 0x858458F6}
)
"""statfs(2)'s numbers of ext, xfs, btrfs, f2fs, zfs, bcachefs, tmpfs, overlayfs and ramfs."""


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to `name` in a watched folder, or, where that is empty, to the folder itself."""

    watch: int
    mask: int
    name: bytes

    @property
    def folder(self) -> bool:
        """Whether it happened to a folder."""
        return bool(self.mask & _ISDIR) or not self.name

    @property
    def lost(self) -> bool:
        """Whether more happened than is told: an overflow, or a watch that ended."""
        return bool(self.mask & _LOST)


def open_queue() -> int:
    """The descriptor of a queue of events, which does not block. Raises `OSError`: also where there is no inotify, and
    where this user has as many queues as the system allows."""
    if sys.platform != "linux":
        raise OSError("this system has no inotify")
    return _checked(_libc().inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))


def add(queue: int, folder: int) -> int:
    """Have `queue` told of what happens to names in the open folder, whatever is called so by now; the number of this
    watch, the same for the same folder. Raises `OSError`."""
    return _checked(_libc().inotify_add_watch(queue, f"/proc/self/fd/{folder}".encode(), _ALL))


def remove(queue: int, watch: int) -> None:
    """Have it told no more; nothing where the folder is gone."""
    _libc().inotify_rm_watch(queue, watch)


def told(queue: int) -> Iterator[int]:
    """The watches of which something was told since; -1 for all of them, where there was too much to tell."""
    for event in _read(queue):
        if not event.mask & _IGNORED:
            yield event.watch


def queued(queue: int) -> int:
    """Bytes of what was told and not read yet."""
    room = array("i", [0])
    fcntl.ioctl(queue, termios.FIONREAD, room)
    return room[0]


def drained(queue: int) -> list[Event] | None:
    """Everything that was told since; None where that is not all that happened, or goes on and on."""
    found: list[Event] = []
    for _ in range(_READS):
        events = _read(queue)
        found += events
        if any(event.lost for event in events):
            return None
        if not events:
            return found
    return None


def tells_all(folder: int) -> bool:
    """Whether whatever changes the files below an open folder passes this kernel: not over a network, nor where a
    process of its own keeps them. False on other systems, which are not asked."""
    if sys.platform != "linux":
        return False
    room = ctypes.create_string_buffer(256)
    _checked(_libc().fstatfs(folder, room))
    return ctypes.c_long.from_buffer(room).value & 0xFFFFFFFF in _LOCAL


def _read(queue: int) -> list[Event]:
    try:
        data = os.read(queue, _READ)
    except BlockingIOError:
        return []
    found, at = [], 0
    while at < len(data):
        watch, mask, _, length = _EVENT.unpack_from(data, at)
        at += _EVENT.size + length
        found.append(Event(watch, mask, data[at - length : at].rstrip(b"\0")))
    return found


def _checked(number: int) -> int:
    if number < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(number)


@cache
def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)
