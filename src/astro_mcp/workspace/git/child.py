"""One git process: an absolute program, an environment from nothing, its own session, a deadline, bounded output."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import ByteReceiveStream, Process

from astro_mcp.errors import TimedOut, Unavailable

PLACES: Final = "/usr/bin:/bin:/usr/local/bin:/opt/homebrew/bin"
SECONDS: Final = 45.0
OUTPUT: Final = 32 * 1024 * 1024
ERRORS: Final = 16 * 1024
MEMORY: Final = 2 * 1024 * 1024 * 1024
"""Bytes that one git may allocate: a small repository can hold objects that unpack to any size."""
ALWAYS: Final[Mapping[str, str]] = {
    "PATH": "/usr/bin:/bin",
    "LC_ALL": "C.UTF-8",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_PAGER": "cat",
    "GIT_EDITOR": "false",
    "GIT_ASKPASS": "false",
}


@dataclass(frozen=True, slots=True)
class Ran:
    """What a git process left. `cut` tells that there was more output than was kept."""

    code: int
    out: bytes
    err: str
    cut: bool = False


def program() -> str:
    """The git of this machine, by its absolute path; raises `Unavailable`."""
    found = shutil.which("git", path=PLACES)
    if found is None:
        raise Unavailable("git is not installed", "install it: apt-get install git (or: brew install git)")
    return found


async def run_git(
    arguments: Sequence[str | bytes],
    *,
    folder: Path,
    environment: Mapping[str, str],
    stdin: bytes = b"",
    limit: int = OUTPUT,
    seconds: float = SECONDS,
    memory: int = MEMORY,
) -> Ran:
    """Run git in `folder` with `environment` and nothing of ours; `limit` is in bytes of output.

    A process that says more than `limit` is ended. Raises `TimedOut`; whatever happens, no process stays behind.
    """
    process = await start_git(arguments, folder=folder, environment=environment, stdin=bool(stdin), memory=memory)
    try:
        with anyio.fail_after(seconds):
            return await _talk(process, stdin, limit)
    except TimeoutError:
        raise too_slow(seconds) from None
    finally:
        await end_git(process)


async def start_git(
    arguments: Sequence[str | bytes],
    *,
    folder: Path,
    environment: Mapping[str, str],
    stdin: bool,
    memory: int = MEMORY,
) -> Process:
    """Git with all that bounds it, started; who starts it ends it with `end_git`."""
    argv = [program(), "--no-pager", "-c", "safe.bareRepository=explicit", *arguments]
    process = await anyio.open_process(
        argv,
        stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
        cwd=folder,
        env={**ALWAYS, **environment},
        start_new_session=True,
    )
    _bound(process.pid, memory)
    return process


async def end_git(process: Process) -> None:
    """Kill what still runs of it and reap it, whoever cancels."""
    with anyio.CancelScope(shield=True):
        _kill(process)
        await process.wait()
        await process.aclose()


def too_slow(seconds: float) -> TimedOut:
    """What is raised where git was given `seconds` and needs more."""
    return TimedOut(f"git took longer than {seconds:g} s", "ask for less: a path, a range, stat_only")


def _bound(pid: int, memory: int) -> None:
    """Bound what the process allocates, where the system can do that to a child; packs are mapped, and not counted."""
    if sys.platform == "linux":
        try:
            resource.prlimit(pid, resource.RLIMIT_DATA, (memory, memory))
        except (ProcessLookupError, PermissionError):
            return  # it has ended already, or the system does not allow it


async def _talk(process: Process, stdin: bytes, limit: int) -> Ran:
    if process.stdout is None or process.stderr is None:
        raise AssertionError("a process was started without its pipes")
    errors = bytearray()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(keep_errors, process.stderr, errors)
        if stdin:
            tasks.start_soon(_feed, process, stdin)
        out, cut = await _collect(process.stdout, limit)
        if cut:
            _kill(process)
        code = await process.wait()
    return Ran(code, out, errors.decode("utf-8", "replace"), cut)


async def _collect(stream: ByteReceiveStream, limit: int) -> tuple[bytes, bool]:
    data = bytearray()
    async for chunk in stream:
        data += chunk
        if len(data) > limit:
            return bytes(data[:limit]), True
    return bytes(data), False


async def keep_errors(stream: ByteReceiveStream, errors: bytearray) -> None:
    """Read what git says on its standard error until it ends; the first `ERRORS` bytes are kept."""
    async for chunk in stream:
        errors += chunk[: max(0, ERRORS - len(errors))]


async def _feed(process: Process, data: bytes) -> None:
    if process.stdin is None:
        raise AssertionError("a process was started without its pipes")
    try:
        await process.stdin.send(data)
        await process.stdin.aclose()
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        return  # git had read enough, and says itself why it stopped


def _kill(process: Process) -> None:
    """The whole session, where it still runs: the leader is not reaped yet, so its number is still its own."""
    if process.returncode is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
