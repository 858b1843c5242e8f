"""The run's own process: jailed, with its three streams, waiting to be told what to become.

It is started before the request comes, so that an interpreter is up when it does.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal

import frames
import jail

TYPE_CHECKING = False  # importing typing would cost every run 5 ms
if TYPE_CHECKING:
    from typing import Final

    from request import Job

WAITING: Final = "/opt/astro/waiting.py"
NOT_FOUND: Final = 127
REQUEST, SIGNAL, DONE = 3, 4, 5
"""The program's descriptors: its request, a pipe that tells when that stands there, and one on which it tells that it
waits, the exit code of a script, or that the program is built."""
ENVIRONMENT: Final = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",  # without packages' programs: one may be named python3
    "HOME": "/tmp",  # noqa: S108 - a tmpfs inside of the container
    "TMPDIR": "/tmp",  # noqa: S108 - the same
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "ASTRO_WAITING": "1",  # no package's start-up code runs before the request has been read
}


class Program:
    """`pid`, the reading ends of its `stdout` and `stderr`, and `done`, which has the exit code at a script's end.

    It runs nothing before it is told.
    """

    def __init__(self, folder: str) -> None:
        self._stdin = os.memfd_create("stdin", os.MFD_CLOEXEC)
        self._request = os.memfd_create("request", os.MFD_CLOEXEC)
        pipes = {stream: os.pipe2(os.O_CLOEXEC) for stream in (1, 2)}
        signal_end, self._signal = os.pipe2(os.O_CLOEXEC)
        self.done, done_end = os.pipe2(os.O_CLOEXEC)
        self.pid = os.fork()
        if self.pid == 0:
            ours = {REQUEST: self._request, SIGNAL: signal_end, DONE: done_end}
            _become(folder, {0: self._stdin, 1: pipes[1][1], 2: pipes[2][1], **ours})
        os.close(signal_end)
        os.close(done_end)
        for _, writer in pipes.values():
            os.close(writer)
        self.streams = {reader: stream for stream, (reader, _) in pipes.items()}
        # The program can open its ends the other way round, by /proc, and take what PID 1 was told is there, or fill up
        # what PID 1 writes to.
        for ours_alone in (self.done, self._signal, *self.streams):
            os.set_blocking(ours_alone, False)

    def up(self) -> bool:
        """Wait until the interpreter says that it waits, or has ended; False where the host went away meanwhile. A run
        that is sent to it then has not to wait for its start, and nobody counts on it before."""
        poll = select.poll()
        poll.register(0, 0)
        poll.register(self.done, select.POLLIN)
        happened = [descriptor for descriptor, _ in poll.poll()]
        self.said()
        return 0 not in happened

    def tell(self, job: Job) -> None:
        """What it is to become, and what it may read. Nothing here waits for it: it may be hostile already."""
        request = {"argv": job.argv, "env": job.env, "script": job.script, "session": job.session}
        request["build"] = job.build
        for file, data in ((self._stdin, job.stdin), (self._request, json.dumps(request).encode())):
            os.ftruncate(file, 0)
            os.lseek(file, 0, os.SEEK_SET)
            frames.write(data, file)
            os.lseek(file, 0, os.SEEK_SET)  # the offset is the program's too
        self.said()  # a byte that came after the last turn ends no other
        try:  # noqa: SIM105 - contextlib is not imported: it would cost every run some milliseconds
            os.write(self._signal, b"!")
        except (BrokenPipeError, BlockingIOError):
            pass  # it ended meanwhile, and is found so when it is reaped; or it has more bytes than it can read

    def said(self) -> bytes | None:
        """What it told since this was last asked for: a byte with a script's exit code, or one that it is built. None
        where there is nothing, empty where nothing will come."""
        try:
            return os.read(self.done, 4096)
        except BlockingIOError:
            return None


def _become(folder: str, given: dict[int, int]) -> None:
    """In the child: a session of its own, no descriptor of PID 1's, the filter, then the interpreter. Never returns."""
    try:
        os.setsid()
        apart = {target: fcntl.fcntl(source, fcntl.F_DUPFD, DONE + 1) for target, source in given.items()}
        for target, source in apart.items():
            os.dup2(source, target)
        os.closerange(DONE + 1, 1024)
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        os.chdir(folder)
        jail.enter()
        os.execvpe("python3", ["python3", WAITING], ENVIRONMENT)  # noqa: S606, S607 - there is no shell; the image's own
    except (OSError, KeyError, ValueError) as error:
        os.write(2, f"the program can't be started: {getattr(error, 'strerror', None) or error}\n".encode())
    finally:
        os._exit(NOT_FOUND)
