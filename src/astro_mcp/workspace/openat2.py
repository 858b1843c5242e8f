"""Linux's openat2: the kernel itself resolves a path below a folder, and refuses whatever in it is a link."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from typing import Any, ClassVar, Final

_CALL: Final = 437
"""The same number on every architecture but Alpha."""
_NO_XDEV: Final = 0x01
_NO_MAGICLINKS: Final = 0x02
_NO_SYMLINKS: Final = 0x04
_BENEATH: Final = 0x08
_CACHED: Final = 0x20
_HERE: Final = -100
"""AT_FDCWD."""


class _How(ctypes.Structure):
    """`struct open_how` of linux/openat2.h."""

    _fields_: ClassVar = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


def open_beneath(folder: int, path: str, flags: int) -> int:
    """The descriptor of what lies at `path`, which is relative to the descriptor `folder` and stays below it.

    Raises `OSError`: ELOOP for a link anywhere in the path, EXDEV for what would leave the folder.
    """
    return _open(folder, path, flags, _BENEATH | _NO_MAGICLINKS | _NO_SYMLINKS)


def open_known(path: str, flags: int) -> int:
    """The descriptor of what lies at the absolute `path`, free of links, where the kernel has all of its names in
    memory. Raises `OSError`: EAGAIN where a disk would have to be waited for, EINVAL before Linux 5.12."""
    return _open(_HERE, path, flags, _NO_MAGICLINKS | _NO_SYMLINKS | _CACHED)


def open_known_beneath(folder: int, path: str, flags: int) -> int:
    """`open_beneath` and `open_known` in one, and on the folder's own file system; EXDEV for what lies on another."""
    return _open(folder, path, flags, _BENEATH | _NO_MAGICLINKS | _NO_SYMLINKS | _NO_XDEV | _CACHED)


def _open(folder: int, path: str, flags: int, resolve: int) -> int:
    how = ctypes.byref(_how(flags, resolve))
    descriptor = int(_libc().syscall(_CALL, folder, os.fsencode(path), how, ctypes.sizeof(_How)))
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return descriptor


@cache
def _how(flags: int, resolve: int) -> _How:
    """The same for the same: the kernel only reads it."""
    return _How(flags, 0, resolve)


@cache
def is_available() -> bool:
    """Whether this kernel has the call and lets us make it: a container's filter may refuse it (ENOSYS, EPERM)."""
    if sys.platform != "linux":
        return False
    folder = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.close(open_beneath(folder, ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    except OSError:
        return False
    finally:
        os.close(folder)
    return True


@cache
def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)
