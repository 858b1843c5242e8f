"""Linux's openat2: the kernel itself resolves a path below a folder, and refuses whatever in it is a link."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from typing import Any, ClassVar, Final

_CALL: Final = 437
"""The same number on every architecture but Alpha."""
_NO_MAGICLINKS: Final = 0x02
_NO_SYMLINKS: Final = 0x04
_BENEATH: Final = 0x08


class _How(ctypes.Structure):
    """`struct open_how` of linux/openat2.h."""

    _fields_: ClassVar = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


def open_beneath(folder: int, path: str, flags: int) -> int:
    """The descriptor of what lies at `path`, which is relative to the descriptor `folder` and stays below it.

    Raises `OSError`: ELOOP for a link anywhere in the path, EXDEV for what would leave the folder.
    """
    how = _How(flags, 0, _BENEATH | _NO_MAGICLINKS | _NO_SYMLINKS)
    descriptor = int(_libc().syscall(_CALL, folder, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how)))
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return descriptor


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
