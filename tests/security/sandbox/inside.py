"""Lies in the workspace of every hostile program: what most of them need."""

import ctypes
import errno
import os
import sys
from collections.abc import Callable

libc = ctypes.CDLL(None, use_errno=True)
ARM = os.uname().machine == "aarch64"
# x86-64, arm64
NUMBERS = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "capset": (126, 91),
    "chroot": (161, 51),
    "clock_settime": (227, 112),
    "clone": (56, 220),
    "clone3": (435, 435),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsopen": (430, 430),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pidfd_open": (434, 434),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "sched_setattr": (314, 274),
    "setgroups": (116, 159),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "setuid": (105, 146),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
}


def call(name: str, *arguments: object) -> str:
    """The error of a system call, or `done`."""
    ctypes.set_errno(0)
    words = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    failed = libc.syscall(ctypes.c_long(NUMBERS[name][ARM]), *words) == -1
    return errno.errorcode.get(ctypes.get_errno(), "?") if failed else "done"


def tried(work: Callable[[], object]) -> str:
    try:
        return f"done {work()}"
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, repr(error))


def opened(path: str, flags: int = os.O_RDONLY) -> str:
    return tried(lambda: os.open(path, flags))


def tell(*found: object) -> None:
    """Each outcome once, in order: what is printed says what all of them did."""
    print(*dict.fromkeys(map(str, found)), flush=True)


__all__ = ["ARM", "NUMBERS", "call", "ctypes", "errno", "libc", "opened", "os", "sys", "tell", "tried"]
