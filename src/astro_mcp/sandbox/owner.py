"""Whose container it is: a daemon that was killed leaves containers that end by themselves, or that never started.

A house is this machine and one data folder, whose lock lets one daemon in at a time; only containers of one's own house
are ever looked at.
"""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

HOUSE: Final = "astro-mcp.house"
PROCESS: Final = "astro-mcp.process"
BOOT: Final = "astro-mcp.boot"


def labels(folder: Path) -> dict[str, str]:
    """The labels of containers that this process makes for the data in `folder`."""
    return {HOUSE: house(folder), PROCESS: process(), BOOT: boot()}


def house(folder: Path) -> str:
    return hashlib.sha256(f"{socket.gethostname()}\0{folder.resolve()}".encode()).hexdigest()[:16]


def process() -> str:
    """This one, as no other of this boot is named."""
    return f"{os.getpid()}:{_started(os.getpid())}"


def is_orphan(found: Mapping[str, str]) -> bool:
    """Whether the process that these labels name is gone."""
    return found.get(BOOT) != boot() or is_gone(found.get(PROCESS, ""))


def is_gone(process: str) -> bool:
    """Whether the process of this boot that was named so is gone."""
    pid, _, started = process.partition(":")
    if not pid.isdigit():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return _started(int(pid)) != started


def _started(pid: int) -> str:
    """Clock ticks since boot at which a process began (proc(5)): a reused pid is another process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def boot() -> str:
    """The machine's boot: another one after every start."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
