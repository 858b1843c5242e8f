"""Linux's inotify: the kernel tells what happens in a folder."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

_MODIFY, _ATTRIB, _CLOSE_WRITE = 0x2, 0x4, 0x8
_MOVED, _CREATE, _DELETE, _SELF = 0xC0, 0x100, 0x200, 0xC00
_ONLYDIR, _IGNORED = 0x1000000, 0x8000
_ALL: Final = _MODIFY | _ATTRIB | _CLOSE_WRITE | _MOVED | _CREATE | _DELETE | _SELF | _ONLYDIR
_EVENT: Final = struct.Struct("iIII")
_READ: Final = 64 * 1024


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
    try:
        data = os.read(queue, _READ)
    except BlockingIOError:
        return
    at = 0
    while at < len(data):
        watch, mask, _, length = _EVENT.unpack_from(data, at)
        at += _EVENT.size + length
        if not mask & _IGNORED:
            yield watch


def _checked(number: int) -> int:
    if number < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(number)


@cache
def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)
