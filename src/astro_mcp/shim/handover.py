"""The host's pipes given to the daemon: it reads and writes them itself, and the shim waits for the end.

What would pass through the shim wakes two processes more for every call. So where both are pipes or sockets the shim
sends their descriptors, and stays for its exit status: whoever started it sees it end with the connection. What else a
host may have put there (a terminal, a file) is carried by `pump`.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import stat
import sys
import termios
import time
from array import array
from typing import Final

from astro_mcp.shim.place import ShimError

IN: Final = 0
OUT: Final = 1
MODES: Final = {IN: os.O_RDONLY, OUT: os.O_WRONLY}
TAKEN: Final = b"+"
LEFT: Final = b"-"
"""What the daemon says of what it was given."""
SECONDS: Final = 10.0
TICK_MS: Final = 100


def can_be_given() -> bool:
    """Whether the daemon can use both without a flag that others would see who hold them, too: a socket is asked not to
    wait each time, and a pipe is opened once more."""
    return sys.platform == "linux" and all(_can_be_given(descriptor) for descriptor in MODES)


def _can_be_given(descriptor: int) -> bool:
    try:
        if stat.S_ISSOCK(mode := os.fstat(descriptor).st_mode):
            return True
        if stat.S_ISFIFO(mode):
            os.close(reopened(descriptor, MODES[descriptor]))
            return True
    except OSError:
        pass  # closed, or another user's
    return False


def reopened(descriptor: int, mode: int) -> int:
    """A pipe's own open file, which never waits; the flags of the one it was opened by stay as they are."""
    return os.open(f"/proc/self/fd/{descriptor}", mode | os.O_NONBLOCK | os.O_CLOEXEC)


def give(link: socket.socket) -> bool:
    """Send both to the daemon, which offered to take them; whether it did. (What confines a host may keep descriptors
    back.) Raises `ShimError` where it does not say: two would read then, and each have a part."""
    link.settimeout(SECONDS)
    try:
        socket.send_fds(link, [b"\0"], [IN, OUT])
        return link.recv(1) == TAKEN
    except TimeoutError:
        raise ShimError(f"the daemon did not answer within {SECONDS:g} s") from None
    except OSError:
        return False  # it is gone, which is seen again
    finally:
        link.settimeout(None)


def until_end(link: socket.socket, drain: float) -> bool:
    """Wait until the daemon closes the connection; whether that was the host's doing.

    When the host's end of input was read, the daemon has `drain` seconds to answer what came before.
    """
    waiting = select.poll()
    waiting.register(IN, select.POLLRDHUP)  # and, unasked, POLLHUP and POLLERR
    waiting.register(OUT, 0)
    waiting.register(link, select.POLLIN)
    over: float | None = None
    while over is None or time.monotonic() < over:
        found = dict(waiting.poll(None if over is None else TICK_MS))
        if OUT in found:
            return True  # nobody reads any more
        if IN in found:
            waiting.unregister(IN)
        if IN in found or (over is not None and _unread()):
            over = time.monotonic() + drain
        if link.fileno() in found and _is_closed(link):
            return over is not None
    return True


def _unread() -> int:
    """Bytes of the host's that the daemon did not take yet."""
    found = array("i", [0])
    fcntl.ioctl(IN, termios.FIONREAD, found)
    return found[0]


def _is_closed(link: socket.socket) -> bool:
    try:
        return not link.recv(4096)
    except ConnectionError:
        return True
