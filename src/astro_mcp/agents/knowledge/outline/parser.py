"""The parsing child from the daemon's side: files in, outlines out, and no file can take more than its part."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from astro_mcp.agents.knowledge.outline.protocol import ANSWERED, ASKED, MARK, MOST_MARKS

WALL_SECONDS: Final = 30.0
"""Without a byte from the child: far more than the processor time that it gives a file."""
PATIENCE: Final = 120.0
"""Seconds that one call waits for the child in all; after that, files have no outline."""
SLICE: Final = 0.2
"""Seconds after which a wait looks whether it is still wanted."""
CHUNK: Final = 1 << 16
OWN_DOING: Final = frozenset(
    (signal.SIGPROF, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)
)
"""How a child ends that its file broke."""


@dataclass(frozen=True, slots=True)
class Outline:
    """`marks` are (start, end, name) in characters, as the child says and nobody checked; None where there are none to
    be had. `settled` says that asking again would give the same."""

    marks: tuple[tuple[int, int, int], ...] | None
    settled: bool


_LEFT_OUT: Final = Outline(None, settled=False)


class Parser:
    """Blocking, for one thread at a time. The child starts with the first file, and `close` ends it.

    `check` is called now and then during a wait, and raises where the answer is not wanted any more.
    """

    def __init__(self, check: Callable[[], None] = lambda: None) -> None:
        self._check = check
        self._child: subprocess.Popen[bytes] | None = None
        self._usable = True
        self._waited = 0.0

    def outlines(self, asked: Sequence[tuple[int, str]]) -> Iterator[Outline]:
        """The outline of each text by the grammar of that number, in order. A text that ends the child has none, and
        the next gets a new child."""
        done = 0
        while done < len(asked):
            if not self._usable or self._waited > PATIENCE:
                yield from (_LEFT_OUT for _ in asked[done:])
                return
            for outline in self._exchange(asked[done:]):
                done += 1
                yield outline
            if done < len(asked):
                done += 1
                yield self._ended()

    def close(self) -> None:
        """End the child and reap it."""
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def _exchange(self, asked: Sequence[tuple[int, str]]) -> Iterator[Outline]:
        """Answers until all are there, or the child ended or says what it may not."""
        child = self._child or self._start()
        if child is None or child.stdin is None or child.stdout is None:
            return
        writes, reads = child.stdin.fileno(), child.stdout.fileno()
        frames = (_frame(number, text) for number, text in asked)
        left = memoryview(next(frames, b""))
        heard = bytearray()
        answered = 0
        while answered < len(asked):
            ready = self._wait(reads, writes if left else None)
            if writes in ready:
                left = _sent(writes, left, frames)
            if reads in ready:
                chunk = os.read(reads, CHUNK)
                if not chunk:
                    return
                heard += chunk
                while answer := _taken(heard):
                    answered += 1
                    yield answer
                if _count(heard) > MOST_MARKS:
                    return
            if not ready:
                return

    def _wait(self, reads: int, writes: int | None) -> frozenset[int]:
        """Which of the pipes is ready; none where nothing came for too long."""
        poll = select.poll()
        poll.register(reads, select.POLLIN)
        if writes is not None:
            poll.register(writes, select.POLLOUT)
        began = time.monotonic()
        try:
            while time.monotonic() - began < WALL_SECONDS:
                if ready := poll.poll(SLICE * 1000):
                    return frozenset(descriptor for descriptor, _ in ready)
                self._check()
            return frozenset()
        finally:
            self._waited += time.monotonic() - began

    def _start(self) -> subprocess.Popen[bytes] | None:
        began = time.monotonic()
        try:
            self._child = subprocess.Popen(
                [sys.executable, "-I", "-m", "astro_mcp.agents.knowledge.outline.child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env={},
                cwd="/",
                start_new_session=True,
            )
        except OSError:
            self._usable = False  # this machine has no room for one more process now
            return None
        if self._child.stdin is not None:
            os.set_blocking(self._child.stdin.fileno(), False)
        self._waited += time.monotonic() - began
        return self._child

    def _ended(self) -> Outline:
        """What the file gets at which the child ended, or had to be ended."""
        child = self._child
        if child is None:
            return _LEFT_OUT
        try:
            status = child.wait(SLICE)
        except subprocess.TimeoutExpired:
            status = 0
        self.close()
        if status > 0:
            self._usable = False  # it could not begin: a grammar is not there, or not for this machine
        return Outline(None, settled=-status in OWN_DOING)


def _frame(number: int, text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    return ASKED.pack(number, len(data)) + data


def _sent(writes: int, left: memoryview, frames: Iterator[bytes]) -> memoryview:
    """What is still to be sent when the pipe took as much as it wanted."""
    try:
        left = left[os.write(writes, left[:CHUNK]) :]
    except BlockingIOError:
        return left
    except BrokenPipeError:
        return memoryview(b"")  # the other pipe tells that it ended
    return left or memoryview(next(frames, b""))


def _count(heard: bytearray) -> int:
    """How many marks the child says that it found in the file."""
    return int(ANSWERED.unpack_from(heard)[1]) if len(heard) >= ANSWERED.size else 0


def _taken(heard: bytearray) -> Outline | None:
    """The first answer, taken off what was heard; None where it is not whole, or too long to be one."""
    count = _count(heard)
    size = ANSWERED.size + count * MARK.size
    if count > MOST_MARKS or len(heard) < size:
        return None
    marks = tuple((start, end, name) for start, end, name in MARK.iter_unpack(heard[ANSWERED.size : size]))
    there = heard[0]
    del heard[:size]
    return Outline(marks if there else None, settled=True)
