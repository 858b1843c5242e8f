"""Programs that go over each limit on purpose: what they meet is told, and not what the engine said it would do.

They run in one container with small limits, so that going over them takes milliseconds.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Final

from astro_mcp.config import RunLimits
from astro_mcp.sandbox.job import Job, Outcome, SandboxFile

LIMITS: Final = RunLimits(
    memory_mb=64, cpus=0.5, processes=16, open_files=64, workspace_mb=16, output_bytes=1000, timeout_seconds=60, runs=2
)
BELOW_GVISOR: Final = LIMITS.model_copy(update={"memory_mb": 256})
"""gVisor's own kernel is in a container's memory."""
NAMES: Final = (
    "memory",
    "CPUs",
    "processes",
    "disk",
    "open files",
    "wall clock",
    "output",
    "network",
    "read-only root",
)
SECONDS: Final = 20.0
KILLED: Final = 137
CLOCK_SECONDS: Final = 0.35
PATIENCE: Final = 4
"""How often the clock's program runs, each time for five times as long, where a busy machine let it say nothing."""
FULL_SPEED: Final = 0.85
"""Of a CPU's time; half a CPU gets 0.5, and up to a tenth of a second more at the beginning."""

_BOUNDED: Final = f"""
import errno, json, os, socket, sys
held = {{}}

def stopped_by(act, *numbers):
    try:
        act()
    except OSError as error:
        return not numbers or error.errno in numbers
    return False

def files():
    kept = [open('/dev/null') for _ in range({LIMITS.open_files} * 4)]

def disk():
    for number in range({LIMITS.workspace_mb} + 8):
        with open(f'/workspace/full-{{number}}', 'wb') as file:
            file.write(bytes(1 << 20))

def processes():
    reader, writer = os.pipe()
    children = []
    try:
        for _ in range({LIMITS.processes} * 4):
            children.append(os.fork())
            if not children[-1]:
                os.close(writer)
                os.read(reader, 1)
                os._exit(0)
    finally:
        os.close(reader)
        os.close(writer)
        for child in children:
            os.waitpid(child, 0)

unreachable = errno.ENETUNREACH, errno.EHOSTUNREACH
held['network'] = stopped_by(lambda: socket.create_connection(('192.0.2.1', 80), timeout=2), *unreachable)
held['read-only root'] = stopped_by(lambda: open('/opt/site/x', 'w'), errno.EROFS)
held['open files'] = stopped_by(files, errno.EMFILE)
held['disk'] = stopped_by(disk)
for name in os.listdir('/workspace'):
    if name.startswith('full-'):
        os.unlink(f'/workspace/{{name}}')
held['processes'] = stopped_by(processes)
sys.stderr.write(json.dumps(held))
sys.stdout.write('x' * {LIMITS.output_bytes * 100})
"""
_CLOCK: Final = """
import time
began, used = time.monotonic(), time.process_time()
said = began
while True:
    now = time.monotonic()
    if now - said > 0.1:
        said = now
        print((time.process_time() - used) / (now - began), flush=True)
"""

_MEMORY: Final = """
import os, signal, sys
print('begun', flush=True)
child = os.fork()
if not child:
    kept = bytearray(int(sys.argv[1]) + 16 << 20)
    kept[::4096] = bytes(len(kept) // 4096)
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL)
"""

Try = Callable[[Job], Awaitable[Outcome]]
"""`await try_(job)`: the next turn of a container with `LIMITS`, or `BELOW_GVISOR`."""


async def not_held(try_: Try, limits: RunLimits) -> list[str]:
    """The limits that a program went over unhindered; raises what `try_` raises."""
    held = await _bounds(try_) | await _clock(try_) | await _memory(try_, limits)
    return [name for name in NAMES if not held.get(name)]


async def _bounds(try_: Try) -> dict[str, bool]:
    outcome = await try_(_job(_BOUNDED, SECONDS))
    try:
        found = dict(json.loads(outcome.stderr))
    except ValueError:
        found = {}
    return {name: value is True for name, value in found.items()} | {"output": "output" in outcome.limits_hit}


async def _clock(try_: Try) -> dict[str, bool]:
    seconds = CLOCK_SECONDS
    for _ in range(PATIENCE):
        outcome = await try_(_job(_CLOCK, seconds))
        if said := outcome.stdout.split():
            return {"CPUs": float(said[-1]) < FULL_SPEED, "wall clock": "timeout" in outcome.limits_hit}
        seconds *= 5
    return {}


async def _memory(try_: Try, limits: RunLimits) -> dict[str, bool]:
    """The last turn: gVisor's memory is that of its container, which ends with it."""
    outcome = await try_(_job(_MEMORY, SECONDS, str(limits.memory_mb)))
    ended = outcome.exit_code == KILLED and "timeout" not in outcome.limits_hit
    return {"memory": outcome.stdout.split() in ([b"begun", b"True"], [b"begun"] if ended else [])}


def _job(program: str, seconds: float, *arguments: str) -> Job:
    file = SandboxFile("canary.py", program.encode())
    return Job(("python3", file.path, *arguments), (file,), timeout=seconds, collect="", script=True, session=True)
