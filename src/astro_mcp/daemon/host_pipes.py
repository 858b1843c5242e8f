"""A host's stdin and stdout as the shim gave them, read and written by the daemon itself.

No call on them waits, and no flag is set that others see who hold them: a socket is asked not to wait each time, and a
pipe is opened once more.
"""

from __future__ import annotations

import os
import select
import socket
import stat
from array import array
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import anyio
from anyio.abc import ByteStream, SocketAttribute, SocketStream

from astro_mcp.errors import InvalidInput, TimedOut
from astro_mcp.faces.mcp.outbox import LinkAttribute
from astro_mcp.shim.handover import IN, MODES, OUT, reopened

SECONDS: Final = 5.0
"""How long the shim may take to give what it offered."""


@dataclass(frozen=True, slots=True)
class End:
    """One of both. `take` and `give` raise `BlockingIOError` where it would have to be waited for; then `ready` can be
    read when it is worth another try."""

    ready: int
    take: Callable[[int], bytes]
    give: Callable[[bytes | memoryview], int]
    close: Callable[[], None]

    @classmethod
    def of(cls, given: int, mode: int) -> End:
        """Of a descriptor that stays the caller's. Raises `OSError`, and `InvalidInput` for another thing than a pipe
        or a stream socket."""
        kind = os.fstat(given).st_mode
        with ExitStack() as undo:
            ready = undo.enter_context(select.epoll())  # the event loop sets flags of what it watches
            if stat.S_ISFIFO(kind):
                descriptor = reopened(given, mode)
                undo.callback(os.close, descriptor)
                take, give = partial(os.read, descriptor), partial(os.write, descriptor)
            elif stat.S_ISSOCK(kind):
                link = undo.enter_context(socket.socket(fileno=os.dup(given)))
                if link.type != socket.SOCK_STREAM:
                    raise InvalidInput("the shim gave a socket that is no stream")
                descriptor = link.fileno()
                take, give = partial(_without_waiting, link.recv), partial(_without_waiting, link.send)
            else:
                raise InvalidInput("the shim gave neither a pipe nor a socket")
            ready.register(descriptor, select.EPOLLIN if mode == os.O_RDONLY else select.EPOLLOUT)
            return cls(ready.fileno(), take, give, undo.pop_all().close)


def _without_waiting(method: Callable[[Any, int], Any], value: Any) -> Any:
    return method(value, socket.MSG_DONTWAIT)


class HostPipes(ByteStream):
    """Both ends as one stream, which ends with the host's input and with the shim."""

    def __init__(self, shim: SocketStream, host_in: End, host_out: End) -> None:
        self._shim = shim
        self._in = host_in
        self._out = host_out
        self._ended = False
        self._closed = False

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        return {LinkAttribute.at_once: lambda: self._out.give}

    async def until_shim_ends(self) -> None:
        """Whoever ended the shim wants an end of this: no further byte is read then."""
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            while True:
                await self._shim.receive()
        self._ended = True
        if not self._closed:
            anyio.notify_closing(self._in.ready)  # whoever waits for it looks again

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """Raises anyio's `EndOfStream`, `BrokenResourceError` and `ClosedResourceError`."""
        while not self._ended:
            self._check_open()
            try:
                await anyio.wait_readable(self._in.ready)
                data = self._in.take(max_bytes)
            except (BlockingIOError, anyio.ClosedResourceError):
                continue
            except OSError as error:
                raise anyio.BrokenResourceError from error
            if not data:
                break
            return data
        raise anyio.EndOfStream

    async def send(self, item: bytes) -> None:
        """Raises anyio's `BrokenResourceError` and `ClosedResourceError`."""
        left = memoryview(item)
        while left:
            self._check_open()
            try:
                await anyio.wait_readable(self._out.ready)
                left = left[self._out.give(left) :]
            except (BlockingIOError, anyio.ClosedResourceError):
                continue
            except OSError as error:
                raise anyio.BrokenResourceError from error

    def _check_open(self) -> None:
        if self._closed:
            raise anyio.ClosedResourceError

    async def send_eof(self) -> None:
        """Nothing is written any more; the host is told so when all is closed."""

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        for end in (self._in, self._out):
            anyio.notify_closing(end.ready)
            end.close()
        await self._shim.aclose()


async def take_over(shim: SocketStream) -> HostPipes:
    """What the shim sends after it was told that it may. Raises `InvalidInput` where that is not both ends, and
    `TimedOut`."""
    raw = shim.extra(SocketAttribute.raw_socket)  # noqa: S610 - anyio's typed attributes, not Django's SQL
    with anyio.move_on_after(SECONDS):
        await anyio.wait_readable(raw)
        given = _received(raw)
        try:
            return _pipes(shim, given)
        except OSError as error:
            raise InvalidInput(f"what the shim gave can't be used: {error.strerror}") from error
        finally:
            for descriptor in given:
                os.close(descriptor)
    raise TimedOut(f"the shim gave nothing within {SECONDS:g} s")


def _pipes(shim: SocketStream, given: Sequence[int]) -> HostPipes:
    if len(given) != len(MODES):
        raise InvalidInput("the shim did not give its two descriptors")
    host_in = End.of(given[IN], MODES[IN])
    try:
        return HostPipes(shim, host_in, End.of(given[OUT], MODES[OUT]))
    except BaseException:
        host_in.close()
        raise


def _received(raw: socket.socket) -> list[int]:
    size = array("i").itemsize
    room = socket.CMSG_SPACE(len(MODES) * size)
    given = array("i")
    with suppress(BlockingIOError, ConnectionError):
        _, ancillary, _, _ = raw.recvmsg(1, room, socket.MSG_CMSG_CLOEXEC | socket.MSG_DONTWAIT)
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                given.frombytes(data[: len(data) // size * size])
    return list(given)
