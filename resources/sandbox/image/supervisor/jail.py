"""What the engine's defaults leave open: PID 1 can't be traced, and the child gets a second seccomp filter.

Docker 20.10's profile lets io_uring and exotic socket families (AF_VSOCK, AF_NETLINK, AF_ALG) through.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

TYPE_CHECKING = False  # importing typing would cost every run 5 ms
if TYPE_CHECKING:
    from typing import Final

PR_SET_DUMPABLE: Final = 4
PR_SET_SECCOMP: Final = 22
PR_SET_NO_NEW_PRIVS: Final = 38
SECCOMP_MODE_FILTER: Final = 2
ALLOW: Final = 0x7FFF0000
REFUSE: Final = 0x00050000
LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
FAMILIES: Final = (1, 2, 10)  # AF_UNIX, AF_INET, AF_INET6
X32: Final = 0x40000000
# io_uring_setup, _enter, _register; open_tree, move_mount, fsopen, fsconfig, fsmount, fspick, mount_setattr
COMMON: Final = (425, 426, 427, 428, 429, 430, 431, 432, 433, 442)
# architecture; socket, socketpair; bpf, perf_event_open, userfaultfd, add_key, request_key, keyctl, unshare, setns
MACHINES: Final = {
    "x86_64": (0xC000003E, (41, 53), (321, 298, 323, 248, 249, 250, 272, 308)),
    "aarch64": (0xC00000B7, (198, 199), (280, 241, 282, 217, 218, 219, 97, 268)),
}

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def hide() -> None:
    """PID 1 becomes undumpable: its memory, descriptors and links are closed to the child, which has the same uid."""
    _prctl(PR_SET_DUMPABLE, 0)


def enter() -> None:
    """In the child, before exec: first in line for the OOM killer, then the filter."""
    _prctl(PR_SET_DUMPABLE, 1)
    target = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
    os.write(target, b"1000")
    os.close(target)
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    code = program(os.uname().machine)
    buffer = ctypes.create_string_buffer(code, len(code))
    _prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(_Program(len(code) // 8, ctypes.addressof(buffer))))


def program(machine: str) -> bytes:
    """The classic BPF program (seccomp(2)); raises KeyError on a machine that it was not written for."""
    arch, sockets, own = MACHINES[machine]
    denied = (*own, *COMMON)
    lines = [(LOAD, 0, 0, 4), (EQUAL, 1, 0, arch), (RETURN, 0, 0, REFUSE | errno.ENOSYS), (LOAD, 0, 0, 0)]
    lines += [(AT_LEAST, 0, 1, X32), (RETURN, 0, 0, REFUSE | errno.ENOSYS)]
    for index, number in enumerate(denied):
        lines.append((EQUAL, len(denied) - index + len(sockets), 0, number))
    for index, number in enumerate(sockets):
        lines.append((EQUAL, len(sockets) - index + 1, 0, number))
    lines += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, REFUSE | errno.EPERM), (LOAD, 0, 0, 16)]
    for index, family in enumerate(FAMILIES):
        lines.append((EQUAL, len(FAMILIES) - index, 0, family))
    lines += [(RETURN, 0, 0, REFUSE | errno.EAFNOSUPPORT), (RETURN, 0, 0, ALLOW)]
    return b"".join(struct.pack("HBBI", *line) for line in lines)


def _prctl(option: int, value: int, argument: object = 0) -> None:
    if _libc.prctl(option, value, argument, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
