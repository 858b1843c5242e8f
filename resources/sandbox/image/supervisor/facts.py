"""What holds in this container, read back from the kernel: the host compares, and sends nothing if one is missing."""

from __future__ import annotations

import os
import resource
import sys

import jail

TYPE_CHECKING = False  # importing typing would cost every run 5 ms
if TYPE_CHECKING:
    from typing import Any, Final

CGROUP: Final = "/sys/fs/cgroup"
LIMITS: Final = ("NOFILE", "FSIZE", "CORE", "NPROC")
MOUNTS: Final = ("/", "/tmp", "/workspace", "/dev/shm")  # noqa: S108 - mount points, and no files of ours


def gather() -> dict[str, Any]:
    status = dict(line.split(":", 1) for line in _read("/proc/self/status").splitlines() if ":" in line)
    mounts = {row[1]: row[3].split(",") for row in map(str.split, _read("/proc/self/mounts").splitlines())}
    return {  # gVisor knows no ambient capabilities, and has no line for them
        "uid": [*os.getresuid(), *os.getresgid()],
        "groups": os.getgroups(),
        "capabilities": [int(status.get(name, "0"), 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")],
        "no_new_privileges": jail.no_new_privileges(),
        "seccomp": status["Seccomp"].strip() == "2",
        "memory": _number("memory.max", "memory/memory.limit_in_bytes"),
        "processes": _number("pids.max", "pids/pids.max"),
        "cpus": _cpus(),
        "interfaces": os.listdir("/sys/class/net"),
        "writable": [path for path in mounts if os.path.isdir(path) and os.access(path, os.W_OK)],
        "mounts": {path: _mount(path, mounts.get(path, [])) for path in MOUNTS},
        "limits": {name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))[1] for name in LIMITS},
        "python": _python(),
    }


def counters() -> dict[str, int]:
    """How often the kernel refused memory by killing, and a process by EAGAIN."""
    memory = _read(f"{CGROUP}/memory.events") or _read(f"{CGROUP}/memory/memory.oom_control")
    processes = _read(f"{CGROUP}/pids.events") or _read(f"{CGROUP}/pids/pids.events")
    return {"memory": _field(memory, "oom_kill"), "processes": _field(processes, "max")}


def full(path: str) -> bool:
    """Whether a file system has neither a page nor an inode left; where inodes are not bounded, none are counted."""
    room = os.statvfs(path)
    return room.f_bavail * room.f_frsize < resource.getpagesize() or (room.f_files > 0 and room.f_favail == 0)


def _mount(path: str, options: list[str]) -> dict[str, Any]:
    """Flags as the mount table has them: gVisor's statvfs knows none."""
    room = os.statvfs(path)
    flags: dict[str, Any] = {name: name in options for name in ("nosuid", "nodev", "noexec")}
    return {**flags, "read_only": "ro" in options, "bytes": room.f_blocks * room.f_frsize}


def _python() -> dict[str, str]:
    """The environment of dependency markers (PEP 508) and what names the wheels that fit."""
    system = os.uname()
    version = sys.version_info
    return {
        "implementation_name": sys.implementation.name,
        "implementation_version": ".".join(map(str, version[:3])),
        "os_name": os.name,
        "platform_machine": system.machine,
        "platform_python_implementation": "CPython",
        "platform_release": system.release,
        "platform_system": system.sysname,
        "platform_version": system.version,
        "python_full_version": ".".join(map(str, version[:3])),
        "python_version": ".".join(map(str, version[:2])),
        "sys_platform": sys.platform,
        "libc": os.confstr("CS_GNU_LIBC_VERSION") or "",
    }


def _cpus() -> float:
    quota, period = (_read(f"{CGROUP}/cpu.max") or " ").split(" ", 1)
    if not quota:
        quota = _read(f"{CGROUP}/cpu/cpu.cfs_quota_us") or "max"
        period = _read(f"{CGROUP}/cpu/cpu.cfs_period_us") or "1"
    return float(quota) / float(period) if quota.strip().isdigit() else 0.0


def _number(unified: str, legacy: str) -> int:
    """A limit, or 0 where there is none."""
    text = (_read(f"{CGROUP}/{unified}") or _read(f"{CGROUP}/{legacy}")).strip()
    return int(text) if text.isdigit() else 0


def _field(text: str, name: str) -> int:
    return sum(int(line.split()[1]) for line in text.splitlines() if line.split()[:1] == [name])


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""
