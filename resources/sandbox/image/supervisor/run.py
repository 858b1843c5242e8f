"""Runs the child and streams what it says; with its end, the deadline or the host gone, everything else ends too."""

from __future__ import annotations

import os
import select
import signal
import time

import collect
import facts
import frames
from request import WORKSPACE, Job

TYPE_CHECKING = False  # importing typing would cost every run 5 ms
if TYPE_CHECKING:
    from typing import Any, Final

    from program import Program

STREAMS: Final = {1: b"o", 2: b"e"}
SETUP_FAILED: Final = 125


def carry_out(job: Job, program: Program) -> dict[str, Any]:
    """Run `job` as `program`; the fields of its exit frame."""
    if job.error:
        return {"code": SETUP_FAILED, "error": job.error, "limits": [], "withheld": []}
    before = facts.counters()
    limits: set[str] = set()
    status = _Run(job, program, limits).until_end()
    limits.update(name for name, count in facts.counters().items() if count > before[name])
    if facts.full(WORKSPACE) or facts.full("/tmp"):  # noqa: S108 - the run's own tmpfs
        limits.add("disk")
    withheld = collect.send(job.collect, job.collect_files, job.collect_bytes) if job.collect else []
    if withheld:
        limits.add("files")
    return {"code": _code(status), "limits": sorted(limits), "withheld": withheld}


class _Run:
    def __init__(self, job: Job, program: Program, limits: set[str]) -> None:
        self._limits = limits
        self._left = {1: job.output_bytes, 2: job.output_bytes}
        self._deadline = time.monotonic() + job.timeout
        wake, poke = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._wake = wake
        signal.set_wakeup_fd(poke, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._pid, self._streams = program.pid, program.streams
        self._status: int | None = None
        program.tell(job)
        self._reap(os.WNOHANG)  # it may have ended before SIGCHLD was listened to

    def until_end(self) -> int:
        poll = select.poll()
        poll.register(0, 0)
        poll.register(self._wake, select.POLLIN)
        for reader in self._streams:
            poll.register(reader, select.POLLIN)
        while self._status is None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                self._limits.add("timeout")
                break
            for descriptor, _ in poll.poll(left * 1000):
                self._serve(descriptor, poll)
        self._end()
        return self._status or 0

    def _serve(self, descriptor: int, poll: select.poll) -> None:
        if descriptor == 0:
            os._exit(1)
        if descriptor == self._wake:
            os.read(descriptor, 512)
            self._reap(os.WNOHANG)
        elif not self._forward(descriptor):
            poll.unregister(descriptor)

    def _forward(self, reader: int) -> bool:
        data = os.read(reader, 1 << 16)
        stream = self._streams[reader]
        if len(data) > self._left[stream]:
            self._limits.add("output")
        if kept := data[: self._left[stream]]:
            self._left[stream] -= len(kept)
            frames.send(STREAMS[stream], kept)
        return bool(data)

    def _reap(self, flags: int) -> None:
        """Reap whatever ended: PID 1 inherits every orphan."""
        try:
            while (found := os.waitpid(-1, flags))[0]:
                if found[0] == self._pid:
                    self._status = found[1]
        except ChildProcessError:
            pass

    def _end(self) -> None:
        try:  # noqa: SIM105 - contextlib is not imported: it would cost every run some milliseconds
            os.kill(-1, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._reap(0)
        for reader in self._streams:
            while self._forward(reader):
                pass


def _code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
