"""What the engine's defaults leave open: PID 1 can't be traced, and the child gets a second seccomp filter.

Docker 20.10's profile lets io_uring and exotic socket families (AF_VSOCK, AF_NETLINK, AF_ALG) through. And the kernel
lets a process take limits and the scheduler's favour away from any other of its uid, which PID 1 is here.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import struct

TYPE_CHECKING = False  # importing typing would cost every run 5 ms
if TYPE_CHECKING:
    from typing import Final

PR_SET_DUMPABLE: Final = 4
PR_SET_SECCOMP: Final = 22
PR_SET_NO_NEW_PRIVS: Final = 38
PR_GET_NO_NEW_PRIVS: Final = 39
SECCOMP_MODE_FILTER: Final = 2
ALLOW: Final = 0x7FFF0000
REFUSE: Final = 0x00050000
LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCH, FIRST, SECOND = 0, 4, 16, 24  # where struct seccomp_data has them (low halves, little-endian)
FAMILIES: Final = (1, 2, 10)  # AF_UNIX, AF_INET, AF_INET6
X32: Final = 0x40000000
NAMESPACES: Final = 0x7E020000  # every CLONE_NEW flag that clone takes
PRIO_USER: Final = 2
CLONE3: Final = 435
# io_uring_setup, _enter, _register; open_tree, move_mount, fsopen, fsconfig, fsmount, fspick, mount_setattr
COMMON: Final = (425, 426, 427, 428, 429, 430, 431, 432, 433, 442)
# architecture; socket, socketpair; bpf, perf_event_open, userfaultfd, add_key, request_key, keyctl, unshare, setns;
# prlimit64, sched_setparam, _setscheduler, _setaffinity, _setattr; setpriority; clone
MACHINES: Final = {
    "x86_64": (
        0xC000003E,
        (41, 53),
        (321, 298, 323, 248, 249, 250, 272, 308),
        (302, 142, 144, 203, 314),
        (141,),
        (56,),
    ),
    "aarch64": (
        0xC00000B7,
        (198, 199),
        (280, 241, 282, 217, 218, 219, 97, 268),
        (261, 118, 119, 122, 274),
        (140,),
        (220,),
    ),
}

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def hide() -> None:
    """PID 1 becomes undumpable: its memory, descriptors and links are closed to the child, which has the same uid. And
    deaf to the one signal that Python handles by itself: the kernel keeps those from PID 1 that it has no handler for.
    """
    _prctl(PR_SET_DUMPABLE, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def no_new_privileges() -> bool:
    """Asked of the kernel: gVisor has no line for it in /proc."""
    return bool(_libc.prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)


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
    arch, sockets, own, on_others, priority, clone = MACHINES[machine]
    allow, refuse = (RETURN, 0, 0, ALLOW), (RETURN, 0, 0, REFUSE | errno.EPERM)
    unknown = (RETURN, 0, 0, REFUSE | errno.ENOSYS)
    families = [(EQUAL, len(FAMILIES) - index, 0, family) for index, family in enumerate(FAMILIES)]
    lines = [
        (LOAD, 0, 0, ARCH),
        (EQUAL, 1, 0, arch),
        unknown,
        (LOAD, 0, 0, NUMBER),
        (AT_LEAST, 0, 1, X32),
        unknown,
        *_calls((*own, *COMMON), refuse),
        *_calls(sockets, (LOAD, 0, 0, FIRST), *families, (RETURN, 0, 0, REFUSE | errno.EAFNOSUPPORT), allow),
        *_calls(on_others, (LOAD, 0, 0, FIRST), (EQUAL, 0, 1, 1), refuse, allow),
        *_calls(
            priority,
            (LOAD, 0, 0, FIRST),
            (EQUAL, 2, 0, PRIO_USER),
            (LOAD, 0, 0, SECOND),
            (EQUAL, 0, 1, 1),
            refuse,
            allow,
        ),
        *_calls(clone, (LOAD, 0, 0, FIRST), (ANY_BIT, 0, 1, NAMESPACES), refuse, allow),
        *_calls((CLONE3,), unknown),  # its flags lie in memory; the C library goes on with clone
        allow,
    ]
    return b"".join(struct.pack("HBBI", *line) for line in lines)


def _calls(numbers: tuple[int, ...], *body: tuple[int, int, int, int]) -> list[tuple[int, int, int, int]]:
    """For a call of one of these numbers, which is loaded: `body`, whose every way ends in a RETURN. Others go on."""
    last = len(numbers) - 1
    found = [(EQUAL, last - index, 0 if index < last else len(body), number) for index, number in enumerate(numbers)]
    return [*found, *body]


def _prctl(option: int, value: int, argument: object = 0) -> None:
    if _libc.prctl(option, value, argument, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
