"""Runs the program and streams what it says; with its end, the deadline or the host gone, everything else ends too."""

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
    from relay import Relay

STREAMS: Final = {1: b"o", 2: b"e"}
WRITABLE: Final = (WORKSPACE, "/tmp", "/dev/shm")  # noqa: S108 - the run's own, in memory
SETUP_FAILED: Final = 125
CLOCK_REALTIME_COARSE: Final = 5
INTERRUPT_SECONDS: Final = 2.0
"""What an interrupted turn has to come to its end."""
PIPES: Final = 16
"""Reads of a session's pipe at the end of a turn: a whole pipe at most."""


def carry_out(job: Job, program: Program, relay: Relay | None) -> dict[str, Any]:
    """Run `job` as `program`; the fields of its exit frame. `over`: the program is gone, and nothing more is taken.
    `built`: it could be made, where it had to be. `relay` is its way out, where it has one."""
    if job.error:
        return {"code": SETUP_FAILED, "error": job.error, "limits": [], "withheld": [], "over": not job.session}
    before = facts.counters()
    # The clock that the file system stamps with: what a session's former turn left is not handed back again.
    since = time.clock_gettime_ns(CLOCK_REALTIME_COARSE) if job.session else 0
    limits: set[str] = set()
    turn = _Turn(job, program, relay, limits)
    code = turn.until_end()
    limits.update(name for name, count in facts.counters().items() if count > before[name])
    if any(facts.full(path) for path in WRITABLE):
        limits.add("disk")
    withheld = []
    if job.collect and not collect.empty(job.collect):
        turn.reap()
        withheld = collect.send(job.collect, job.collect_files, job.collect_bytes, since)
    if withheld:
        limits.add("files")
    built = not job.build or bool(program.said())
    return {"code": code, "limits": sorted(limits), "withheld": withheld, "over": turn.over, "built": built}


class _Turn:
    """One run of the program, or one turn of a session's."""

    def __init__(self, job: Job, program: Program, relay: Relay | None, limits: set[str]) -> None:
        self._limits = limits
        self._relay = relay
        self._left = {1: job.output_bytes, 2: job.output_bytes}
        self._deadline = time.monotonic() + job.timeout
        wake, poke = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._wake, self._poke = wake, poke
        signal.set_wakeup_fd(poke, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._program, self._session = program, job.session
        self._tells = job.session or job.script
        self._code: int | None = None
        self._told = False
        self.over = False
        program.tell(job)
        self._reap(os.WNOHANG)  # it may have ended before SIGCHLD was listened to

    def until_end(self) -> int:
        """The exit code: 128 + the signal where one ended the program."""
        poll = self._watched()
        while self._code is None:
            left = self._deadline - time.monotonic()
            if left <= 0 and not self._late():
                break
            if self._relay:
                left = self._relay.settle(left)
            for descriptor, _ in poll.poll(max(0, left) * 1000):
                self._serve(descriptor, poll)
        if self._relay:
            self._relay.end()
            self._limits.update({"network"} if self._relay.over else ())
        if not self._session or self._code is None:
            self.over = True
        if self.over:
            self._end()
        for reader in self._program.streams:
            self._drain(reader)
        signal.set_wakeup_fd(-1)
        for descriptor in (self._wake, self._poke):
            os.close(descriptor)
        return self._code or 0

    def _watched(self) -> select.poll:
        """What may happen until the end."""
        poll = select.poll()
        poll.register(0, select.POLLIN if self._relay else 0)
        for reader in (self._wake, *self._program.streams):
            poll.register(reader, select.POLLIN)
        if self._tells:
            poll.register(self._program.done, select.POLLIN)
        if self._relay:
            self._relay.begin(poll)
        return poll

    def _late(self) -> bool:
        """The time is over: a session's turn is interrupted, once, so that what it knows is not lost with it."""
        first = "timeout" not in self._limits
        self._limits.add("timeout")
        if not (first and self._session):
            return False
        self._deadline += INTERRUPT_SECONDS
        try:
            os.killpg(self._program.pid, signal.SIGINT)
        except ProcessLookupError:
            return False
        return True

    def _serve(self, descriptor: int, poll: select.poll) -> None:
        if self._relay and self._relay.owns(descriptor):
            self._relay.serve(descriptor)
        elif descriptor == 0:
            if not (self._relay and self._relay.hear()):
                os._exit(1)
        elif descriptor == self._wake:
            os.read(descriptor, 512)
            self._reap(os.WNOHANG)
        elif descriptor == self._program.done:
            said = self._program.said()
            if said == b"":
                poll.unregister(descriptor)
            elif said and self._code is None and (self._session or len(said) == 1):  # more is no code of a script's
                self._code, self._told = said[-1], True
        elif descriptor in self._program.streams and not self._forward(descriptor):
            poll.unregister(descriptor)  # what is none of them was a connection, and ended in this round

    def _forward(self, reader: int) -> bool:
        try:
            data = os.read(reader, 1 << 16)
        except BlockingIOError:
            return True  # the program read it back
        stream = self._program.streams[reader]
        if len(data) > self._left[stream]:
            self._limits.add("output")
        if kept := data[: self._left[stream]]:
            self._left[stream] -= len(kept)
            frames.send(STREAMS[stream], kept)
        return bool(data)

    def _drain(self, reader: int) -> None:
        """What was said before the end. A session's threads may go on talking: what stands in the pipe now is this
        turn's, and no more is waited for."""
        poll = select.poll()
        poll.register(reader, select.POLLIN)
        left = PIPES
        while left > 0 and poll.poll(0) and self._forward(reader):
            left -= 1 if not self.over else 0

    def _reap(self, flags: int) -> None:
        """Reap whatever ended: PID 1 inherits every orphan."""
        try:
            while (found := os.waitpid(-1, flags))[0]:
                if found[0] == self._program.pid:
                    if not self._told:  # else it was killed at its end, and may be dead already
                        self._code = _code(found[1])
                    self.over = True
        except ChildProcessError:
            pass

    def reap(self) -> None:
        """Wait until no process is left, where the program is over."""
        if self.over:
            self._reap(0)

    def _end(self) -> None:
        """Kill what is there. A script that told its end is not waited for here: the kernel takes longer to take an
        interpreter apart than most scripts run."""
        try:  # noqa: SIM105 - contextlib is not imported: it would cost every run some milliseconds
            os.kill(-1, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._reap(os.WNOHANG if self._told else 0)


def _code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
