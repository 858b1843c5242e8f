"""Programs that go over each limit on purpose: what they meet is told, and not what the engine said it would do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import anyio

from astro_mcp.sandbox.job import Job, Outcome
from astro_mcp.sandbox.sandbox import Sandbox

SECONDS: Final = 15.0
HELD: Final = b"held\n"

_MEMORY: Final = """
import glob
[file] = glob.glob('/sys/fs/cgroup/memory.max') or glob.glob('/sys/fs/cgroup/memory/memory.limit_in_bytes')
kept = b'x' * (int(open(file).read()) + (1 << 24))
"""
_PROCESSES: Final = """
import os, time
try:
    for _ in range(5000):
        if os.fork() == 0:
            time.sleep(60)
except OSError:
    pass
"""
_DISK: Final = """
import os
try:
    for number in range(1 << 20):
        with open(f'full-{number}', 'wb') as file:
            while True:
                file.write(bytes(1 << 20))
except OSError:
    pass
"""
_FILES: Final = """
kept = []
try:
    for _ in range(1 << 17):
        kept.append(open('/dev/null'))
except OSError:
    print('held')
"""
_NETWORK: Final = """
import socket
try:
    socket.create_connection(('192.0.2.1', 80), timeout=2)
except OSError as error:
    print('held' if error.errno == 101 else error)
"""
_ROOT: Final = """
try:
    open('/opt/x', 'w')
except OSError as error:
    print('held' if error.errno == 30 else error)
"""


def _hit(*limits: str) -> Callable[[Outcome], bool]:
    return lambda outcome: bool(set(limits) & set(outcome.limits_hit))


def _said(outcome: Outcome) -> bool:
    return outcome.stdout == HELD


PROBES: Final[Mapping[str, tuple[str, float, Callable[[Outcome], bool]]]] = {
    "memory": (_MEMORY, SECONDS, _hit("memory")),
    "processes": (_PROCESSES, SECONDS, _hit("processes")),
    "disk": (_DISK, SECONDS, _hit("disk", "memory")),
    "open files": (_FILES, SECONDS, _said),
    "wall clock": ("import time; time.sleep(60)", 0.5, _hit("timeout")),
    "output": ("for _ in range(10**5): print('x' * 1000)", SECONDS, _hit("output")),
    "network": (_NETWORK, SECONDS, _said),
    "read-only root": (_ROOT, SECONDS, _said),
}
"""By limit: a program, its seconds, and whether what became of it shows that the limit holds."""


async def not_held(sandbox: Sandbox) -> list[str]:
    """The limits that a program went over unhindered; raises what `Sandbox.run` raises."""
    found: list[str] = []

    async def one(name: str) -> None:
        code, seconds, holds = PROBES[name]
        if not holds(await sandbox.run(Job(("python3", "-I", "-c", code), timeout=seconds, collect=""))):
            found.append(name)

    async with anyio.create_task_group() as group:
        for name in PROBES:
            group.start_soon(one, name)
    return sorted(found)
