"""`astro-mcp serve --in-process`: shim and daemon in one stdio process, for containers, Inspector and tests."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import anyio
from anyio.abc import UNIXSocketStream

from astro_mcp.daemon.door import Door
from astro_mcp.daemon.house import open_house
from astro_mcp.daemon.lock import FolderLock
from astro_mcp.daemon.run import LOOP, describe, fail
from astro_mcp.observe.logs import to_stderr
from astro_mcp.shim.hello import greet, hello
from astro_mcp.shim.place import ShimError, data_folder, make_private

log = logging.getLogger(__name__)

DRAIN_SECONDS: Final = 5
FLUSH_SECONDS: Final = 2.0


class Stdio:
    """The host's two pipes, taken away from everybody else in this process, and carried to and from a socket.

    Reading a pipe blocks a thread that nothing can wake; such a thread must not be the event loop's.
    """

    def __init__(self) -> None:
        self._in, self._out = os.dup(0), os.dup(1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(2, 1)  # what prints by accident, here or in a child, lands on stderr
        os.close(nothing)
        self.ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._back = threading.Thread(target=self._downstream, daemon=True)

    def start(self, greeting: Mapping[str, Any]) -> None:
        """Greet as the shim would, then carry; raises `ShimError` where the greeting is refused."""
        if greet(self._theirs, greeting, 30.0) is None:
            raise ShimError("the server ended before it answered")
        self._back.start()
        threading.Thread(target=self._upstream, daemon=True).start()

    def flush(self) -> None:
        """Wait until the host was given what had been written for it."""
        if self._back.ident is not None:
            self._back.join(FLUSH_SECONDS)

    def _upstream(self) -> None:
        try:
            while data := os.read(self._in, 262_144):
                self._theirs.sendall(data)
            self._theirs.shutdown(socket.SHUT_WR)
        except OSError:
            return  # the other direction ends as well, and that is what ends the process

    def _downstream(self) -> None:
        try:
            while data := self._theirs.recv(262_144):
                view = memoryview(data)
                while view:
                    view = view[os.write(self._out, view) :]
        except OSError:
            self._theirs.close()  # the host is gone


async def serve(folder: Path, stdio: Stdio, greeting: Mapping[str, Any]) -> None:
    """One connection over the host's pipes, until they end or a signal comes."""
    lock = FolderLock(folder)
    await lock.acquire("in-process server")
    scope = anyio.CancelScope()

    def stop() -> None:
        signal.alarm(DRAIN_SECONDS)
        scope.cancel()

    async def until_signal() -> None:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for _ in signals:
                stop()
                return

    async def to_its_end(door: Door, link: UNIXSocketStream) -> None:
        await door.receive(link)
        scope.cancel()

    async with open_house(lock, stop) as (_, door):
        with scope:
            async with anyio.create_task_group() as group:
                group.start_soon(until_signal)
                link = await UNIXSocketStream.from_socket(stdio.ours)
                group.start_soon(to_its_end, door, link)
                await anyio.to_thread.run_sync(stdio.start, greeting)
        signal.alarm(DRAIN_SECONDS)
    lock.release()


def main(arguments: Sequence[str]) -> int:
    """The exit status: 0 at the end of input and after a signal."""
    stdio = Stdio()
    sys.stdout = sys.stderr
    to_stderr()
    try:
        folder = data_folder(os.environ)
        make_private(folder)
        greeting = hello(arguments, os.environ)
        os.chdir(folder)  # libraries read settings from the folder that they are started in, and that is a repository
        anyio.run(serve, Path(folder), stdio, greeting, backend_options=LOOP)
    except Exception as error:
        log.debug("the server ended", exc_info=True)
        return fail(None, describe(error))
    stdio.flush()
    logging.shutdown()
    os._exit(0)  # a worker thread that blocks is no reason to stay
