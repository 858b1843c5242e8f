"""A port of this machine that leads to a Unix socket: an engine over TCP, whose connections a test can reset."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of no seconds: closing drops what is under way, and the other side is told of a reset."""


class Forwarder:
    """`url` is the engine's; `reset` ends every connection that is there."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._server = socket.create_server(("127.0.0.1", 0))
        self._links: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        self.url = f"tcp://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def reset(self) -> int:
        """How many there were."""
        with self._lock:
            links, self._links = self._links, []
        for near, far in links:
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            for side in (near, far):
                with contextlib.suppress(OSError):
                    side.shutdown(socket.SHUT_RD)  # who reads from it lets go of it
            near.close()
            far.close()
        return len(links)

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.reset()

    def _accept(self) -> None:
        while True:
            try:
                near = self._server.accept()[0]
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._path)
            with self._lock:
                self._links.append((near, far))
            for here, there in ((near, far), (far, near)):
                threading.Thread(target=_carry, args=(here, there), daemon=True).start()


def _carry(here: socket.socket, there: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := here.recv(1 << 16):
            there.sendall(data)
        there.shutdown(socket.SHUT_WR)


@contextmanager
def forwarder(path: str) -> Iterator[Forwarder]:
    """One for as long as the block."""
    made = Forwarder(path)
    try:
        yield made
    finally:
        made.close()
