"""One git process: an absolute program, an environment from nothing, its own session, a deadline, bounded output.

It is started by the standard library in a worker thread, which does not copy the daemon's memory map as the loop's own
start of processes does: that takes longer than most of what git is asked.
"""

from __future__ import annotations

import fcntl
import math
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Final

import anyio
import anyio.lowlevel
import anyio.to_thread

from astro_mcp.errors import Conflict, TimedOut, Unavailable

PLACES: Final = "/usr/bin:/bin:/usr/local/bin:/opt/homebrew/bin"
SECONDS: Final = 45.0
OUTPUT: Final = 32 * 1024 * 1024
CHUNK: Final = 64 * 1024
MUCH: Final = 32 * 1024
"""Bytes after which git is let say more before it is heard again: it says 4 KB at a time."""
PAUSE: Final = 0.001
SHARE: Final = 16
"""A pause is one part in so many of the time since it was asked, and `PAUSE` seconds at most: one that grew with that
time would make the next longer."""
PIPE: Final = 1024 * 1024
"""Bytes of a pipe's room, where the system gives that much."""
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
    # memory in large pages, and kept between questions: a third of a short question's time went to single pages
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1:glibc.malloc.top_pad=16777216:glibc.malloc.trim_threshold=67108864",
}


@dataclass(frozen=True, slots=True)
class Ran:
    """What a git process left. `cut` tells that there was more output than was kept, or may have been."""

    code: int
    out: bytes
    err: str
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Patience:
    """Once a git said so many bytes, it has so many seconds for the rest, and is ended."""

    bytes: int
    seconds: float


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
    patience: Patience | None = None,
) -> Ran:
    """Run git in `folder` with `environment` and nothing of ours; `limit` is in bytes of output.

    A process that says more than `limit` is ended, and one that `patience` ends. Raises `TimedOut`; whatever happens,
    no process stays behind.
    """
    child = await start_git(arguments, folder=folder, environment=environment, stdin=bool(stdin), memory=memory)
    try:
        with anyio.fail_after(seconds):
            return await _talk(child, stdin, limit, patience)
    except TimeoutError:
        raise too_slow(seconds) from None
    finally:
        await child.close()


class Child:
    """A started git, and our ends of its pipes. Who starts it closes it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._said, self._since, self._is_ahead = 0, time.monotonic(), False
        for pipe in self._pipes():
            os.set_blocking(pipe.fileno(), False)
        if process.stdout is not None:
            _widen(process.stdout)

    async def receive(self) -> bytes:
        """Some of what it says; nothing where it says no more. Nothing is lost by a cancel."""
        if self._said > MUCH and not self._is_ahead:
            await anyio.sleep(min(PAUSE, (time.monotonic() - self._since) / SHARE))
        chunk = await _some_of(self._process.stdout)
        self._said += len(chunk)
        self._is_ahead = len(chunk) == CHUNK  # there is more already
        return chunk

    async def errors(self, kept: bytearray) -> None:
        """Read what it says on its standard error until that ends; the first `ERRORS` bytes are kept."""
        while chunk := await _some_of(self._process.stderr):
            kept += chunk[: max(0, ERRORS - len(kept))]

    async def send(self, data: bytes | memoryview) -> None:
        """All of it, or as much as it wants: who had read enough says itself why it stopped."""
        left = self.offer(memoryview(data))
        while left and self._process.stdin is not None:
            await anyio.wait_writable(self._process.stdin.fileno())
            left = self.offer(left)

    def offer(self, data: memoryview) -> memoryview:
        """Send what it takes without a wait; returns what is left."""
        self._said, self._since = 0, time.monotonic()
        if not data or self._process.stdin is None:
            return data[:0]
        try:
            return data[os.write(self._process.stdin.fileno(), data) :]
        except BlockingIOError:
            return data
        except BrokenPipeError:
            return data[:0]

    def no_more(self) -> None:
        """Let its standard input end."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    async def wait(self) -> int:
        """Its exit code, once it ended."""
        code = self._process.poll()
        if code is None and await _ended(self._process.pid):
            code = self._process.poll()
        return await anyio.to_thread.run_sync(self._process.wait, abandon_on_cancel=True) if code is None else code

    def kill(self) -> None:
        """The whole session, where it still runs: the leader is not reaped yet, so its number is still its own."""
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def close(self) -> None:
        """Kill what still runs and reap it, whoever cancels."""
        with anyio.CancelScope(shield=True):
            self.kill()
            await self.wait()
            for pipe in self._pipes():
                pipe.close()

    def _pipes(self) -> list[IO[bytes]]:
        ends = (self._process.stdin, self._process.stdout, self._process.stderr)
        return [end for end in ends if end is not None and not end.closed]


async def start_git(
    arguments: Sequence[str | bytes],
    *,
    folder: Path,
    environment: Mapping[str, str],
    stdin: bool,
    memory: int = MEMORY,
) -> Child:
    """Git with all that bounds it, started; who starts it closes it. Raises `Unavailable`, and `Conflict` where
    `folder` is gone."""
    begin = partial(_started, arguments, folder, {**ALWAYS, **environment}, stdin=stdin, memory=memory)
    return await anyio.to_thread.run_sync(begin)


def _started(
    arguments: Sequence[str | bytes], folder: Path, environment: Mapping[str, str], *, stdin: bool, memory: int
) -> Child:
    try:
        process = subprocess.Popen(  # noqa: S603 - git by its absolute path, and no shell
            [program(), "--no-pager", "-c", "safe.bareRepository=explicit", *arguments],
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
    except (FileNotFoundError, NotADirectoryError):
        raise Conflict("the repository's folder went away meanwhile", "look what is there now, then repeat") from None
    _bound(process.pid, memory)
    return Child(process)


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


async def _talk(child: Child, stdin: bytes, limit: int, patience: Patience | None) -> Ran:
    errors = bytearray()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(child.errors, errors)
        if stdin:
            tasks.start_soon(_feed, child, stdin)
        out, cut = await (_collect(child, limit) if patience is None else _patiently(child, limit, patience))
        if cut:
            child.kill()
        code = await child.wait()
    return Ran(code, out, errors.decode("utf-8", "replace"), cut)


async def _collect(child: Child, limit: int) -> tuple[bytes, bool]:
    data = bytearray()
    while chunk := await child.receive():
        data += chunk
        if len(data) > limit:
            return bytes(data[:limit]), True
    return bytes(data), False


async def _patiently(child: Child, limit: int, patience: Patience) -> tuple[bytes, bool]:
    data, end = bytearray(), math.inf
    chunk = b"-"
    while chunk and len(data) <= limit:
        chunk = b""
        if end == math.inf and len(data) >= patience.bytes:
            end = anyio.current_time() + patience.seconds
        with anyio.CancelScope(deadline=end) as scope:
            chunk = await child.receive()
        if scope.cancelled_caught:
            return bytes(data), True
        data += chunk
    return bytes(data[:limit]), len(data) > limit


async def _feed(child: Child, data: bytes) -> None:
    await child.send(data)
    child.no_more()


async def _some_of(pipe: IO[bytes] | None) -> bytes:
    if pipe is None:
        raise AssertionError("a process was started without its pipes")
    await anyio.lowlevel.checkpoint()
    while True:
        try:
            return os.read(pipe.fileno(), CHUNK)
        except BlockingIOError:
            await anyio.wait_readable(pipe.fileno())


async def _ended(pid: int) -> bool:
    """Wait for the end of a child that is not reaped yet; False where the system can't tell the event loop of it."""
    if sys.platform != "linux":
        return False
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        await anyio.wait_readable(handle)
    finally:
        os.close(handle)
    return True


def _widen(pipe: IO[bytes]) -> None:
    if sys.platform == "linux":
        with suppress(OSError):  # what one user's pipes may hold is bounded
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, PIPE)
