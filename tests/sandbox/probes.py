"""Runs in the sandbox: tries the walls, and prints what happened as JSON."""

import ctypes
import errno
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import partial

libc = ctypes.CDLL(None, use_errno=True)


def syscall(*arguments: int) -> str:
    ctypes.set_errno(0)
    libc.syscall(*arguments)
    return errno.errorcode.get(ctypes.get_errno(), "done")


def tried(work: Callable[[], object]) -> str:
    try:
        return f"done {work()}"
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))


def written(path: str) -> None:
    with open(path, "wb") as file:
        file.write(b"x")


def program(folder: str) -> str:
    path = f"{folder}/program"
    with open(path, "w") as file:
        file.write("#!/bin/sh\nid -u\n")
    os.chmod(path, 0o6755)
    return subprocess.check_output([path], text=True).strip()


def family(number: int) -> str:
    return tried(lambda: socket.socket(number, socket.SOCK_RAW if number == 16 else socket.SOCK_STREAM))


def connected(address: tuple[str, int]) -> str:
    with socket.create_connection(address, timeout=2):
        return "connected"


def open_descriptors() -> list[str]:
    return sorted(name for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}"))


with open("/proc/self/status") as status:
    fields = dict(line.split(":", 1) for line in status.read().splitlines())
ARM = os.uname().machine == "aarch64"
NUMBERS = {
    "io_uring_setup": 425,
    "bpf": 280 if ARM else 321,
    "perf_event_open": 241 if ARM else 298,
    "userfaultfd": 282 if ARM else 323,
    "keyctl": 219 if ARM else 250,
    "unshare": 97 if ARM else 272,
    "open_tree": 428,
    "fsopen": 430,
}
PTRACE_ATTACH = 16
PR_GET_NO_NEW_PRIVS = 39
find = ["find", "/", "-xdev", "-perm", "/6000", "-type", "f"]
setuid = subprocess.run(find, check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

json.dump(
    {
        "ids": [*os.getresuid(), *os.getresgid(), *os.getgroups()],
        "capabilities": int(fields["CapEff"], 16) | int(fields["CapBnd"], 16) | int(fields.get("CapAmb", "0"), 16),
        "no_new_privileges": libc.prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0),
        "filters": int(fields.get("Seccomp_filters", "0")),
        "writes": {path: tried(partial(written, path)) for path in ("/x", "/etc/passwd", "/opt/site/x", "/usr/bin/x")},
        "sysctl": tried(lambda: written("/proc/sys/kernel/core_pattern")),
        "tmp_exec": tried(lambda: program("/tmp")),
        "workspace_exec": tried(lambda: program("/workspace")),
        "setuid": setuid.stdout.split(),
        "interfaces": os.listdir("/sys/class/net"),
        "connect": tried(lambda: connected(("192.0.2.1", 80))),
        "metadata": tried(lambda: connected(("169.254.169.254", 80))),
        "resolve": tried(lambda: socket.getaddrinfo("example.org", 80)),
        "families": {
            name: family(number) for name, number in {"netlink": 16, "alg": 38, "vsock": 40, "packet": 17}.items()
        },
        "pair": tried(lambda: socket.socketpair(16, socket.SOCK_RAW)),
        "unix": family(1)[:4],
        "syscalls": {name: syscall(number, 0, 0, 0, 0, 0) for name, number in NUMBERS.items()},
        "ptrace_1": (libc.ptrace(PTRACE_ATTACH, 1, 0, 0), errno.errorcode[ctypes.get_errno()]),
        "memory_1": tried(lambda: os.open("/proc/1/mem", os.O_RDONLY)),
        "output_1": tried(lambda: os.open("/proc/1/fd/1", os.O_WRONLY)),
        "descriptors": open_descriptors(),
        "engine": [path for path in ("/var/run/docker.sock", "/run/docker.sock") if os.path.exists(path)],
        "devices": tried(lambda: os.mknod("/workspace/disk", 0o60600, os.makedev(254, 0))),
        "kill_1": tried(lambda: os.kill(1, 9)),
        "environment": sorted(os.environ),
    },
    sys.stdout,
)
