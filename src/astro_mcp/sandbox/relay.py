"""The connections of one run, between frames of PID 1 and sockets of this process; both ends are hostile.

A frame is never waited with: what it may bring is bounded by the connection's window, and whatever does not fit the
connection's state is a broken protocol. With the run everything here ends.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import anyio
from anyio.abc import SocketStream, TaskGroup

from astro_mcp.sandbox.egress import AT_ONCE, IDLE_SECONDS, IN_ALL, Egress, Refused, named
from astro_mcp.sandbox.frames import NUMBER, WINDOW, BrokenProtocol, Frame, encode
from astro_mcp.sandbox.job import Traffic

log = logging.getLogger(__name__)

STATUS: Final = struct.Struct(">H")
CHUNK: Final = 1 << 15
LEAST: Final = 512
"""What a piece of data counts at least: a byte at a time costs this process as much as a kilobyte."""
MOST_TOLD: Final = 20
"""Destinations that are told one by one."""
END_SECONDS: Final = 5.0
_GONE: Final = (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError)


@dataclass(slots=True)
class _Tally:
    connections: int = 0
    sent: int = 0
    received: int = 0


@dataclass(slots=True, eq=False)
class _Link:
    """One connection. PID 1 may send `room` more bytes, and takes `credit`; `held` are on their way out."""

    number: int
    room: int = WINDOW
    credit: int = WINDOW
    held: bytearray = field(default_factory=bytearray)
    shut: bool = False
    """PID 1 sends no more data."""
    quit: bool = False
    """PID 1 is done with it."""
    left: bool = False
    """This side is."""
    tally: _Tally = field(default_factory=_Tally)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    _bell: anyio.Event = field(default_factory=anyio.Event)

    def ring(self) -> None:
        self._bell.set()
        self._bell = anyio.Event()

    async def until(self, ready: Callable[[], object]) -> None:
        while not ready():
            await self._bell.wait()


class Relay:
    """`send` gives whole frames to PID 1, one call at a time; `run` names the run in the log. `upload` are the bytes
    that PID 1 may send in all, where that is bound."""

    def __init__(
        self, egress: Egress, send: Callable[[bytes], Awaitable[None]], run: str, upload: int | None = None
    ) -> None:
        self._egress = egress
        self._send = send
        self._run = run
        self._links: dict[int, _Link] = {}
        self._last = 0
        self._spent = 0
        self._upload = upload
        self._told: dict[tuple[str, str], _Tally] = {}
        self._outbox, self._frames = anyio.create_memory_object_stream[bytes](0)
        self._pumped = anyio.Event()
        self._group: TaskGroup | None = None
        self.over = False
        """Whether the bytes of the run were spent."""

    def traffic(self) -> tuple[Traffic, ...]:
        """What went where, and what was refused."""
        return tuple(
            Traffic(to, tally.connections, tally.sent, tally.received, reason)
            for (to, reason), tally in self._told.items()
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While this lasts, `take` may be called. No connection is left after it, and PID 1 has whole frames alone;
        raises `BrokenProtocol` where it does not take the last one."""
        problem: Exception | None = None
        try:
            async with anyio.create_task_group() as pumping:
                pumping.start_soon(self._pump)
                async with self._outbox, anyio.create_task_group() as self._group:
                    try:
                        yield
                    except Exception as error:  # noqa: BLE001 - raised below as it is, and not in a group
                        problem = error
                    finally:
                        self._group.cancel_scope.cancel()
                if problem is None:
                    with anyio.move_on_after(END_SECONDS):
                        await self._pumped.wait()
                pumping.cancel_scope.cancel()
        finally:
            for one in self.traffic():
                log.info("egress of %s: %s", self._run, one)
        if problem is not None:
            raise problem
        if not self._pumped.is_set():
            raise BrokenProtocol(hint="it takes no more frames")

    def take(self, frame: Frame) -> None:
        """One frame of PID 1's. Raises `BrokenProtocol`."""
        if len(frame.payload) < NUMBER.size:
            raise BrokenProtocol(hint="a frame without the number of its connection")
        (number,) = NUMBER.unpack_from(frame.payload)
        body = frame.payload[NUMBER.size :]
        if frame.kind == b"c":
            self._open(number, body)
            return
        link = self._links.get(number)
        if link is None or link.quit:
            raise BrokenProtocol(hint="a frame of a connection that is not open")
        if frame.kind == b"d":
            self._data(link, body)
        elif frame.kind == b"w":
            _more(link, body)
        elif body or (link.shut and frame.kind == b"s"):
            raise BrokenProtocol(hint="a connection ends twice, or with data")
        elif frame.kind == b"s":
            link.shut = True
        else:
            link.quit = True
            link.scope.cancel()
            self._forget(link)
        link.ring()

    def _open(self, number: int, raw: bytes) -> None:
        if number != self._last + 1 or number > IN_ALL or len(self._links) >= AT_ONCE or self._group is None:
            raise BrokenProtocol(hint="a connection out of turn, or too many")
        self._last = number
        link = self._links[number] = _Link(number)
        self._group.start_soon(self._carry, link, raw)

    def _data(self, link: _Link, body: bytes) -> None:
        if link.shut or not 0 < len(body) <= link.room:
            raise BrokenProtocol(hint="data after a connection's end, or beyond its window")
        link.room -= len(body)
        if self._upload is not None:
            self._upload -= len(body)
        if self._upload is not None and self._upload < 0:
            self._end()
        elif not link.left:
            link.held += body
            self._charge(len(body))

    def _charge(self, size: int) -> None:
        """Count the bytes; with the last of them every connection ends."""
        self._spent += max(size, LEAST)
        if self._spent > self._egress.bytes:
            self._end()

    def _end(self) -> None:
        self.over = True
        for link in self._links.values():
            link.scope.cancel()

    def _most(self) -> str:
        if self._upload is not None and self._upload < 0:
            return "sent the bytes"
        return f"sent and received the {self._egress.bytes >> 20} MiB"

    def _forget(self, link: _Link) -> None:
        if link.left and link.quit:
            self._links.pop(link.number, None)

    async def _carry(self, link: _Link, raw: bytes) -> None:
        """One connection, from its request to its end."""
        with link.scope:
            await self._connected(link, raw)
        link.left = True
        link.held.clear()
        self._forget(link)
        await self._tell(b"q", link)

    async def _connected(self, link: _Link, raw: bytes) -> None:
        target = "?"
        try:
            target = named(raw)
            if self.over:
                raise Refused(429, f"the run has {self._most()} that it may")
            stream = await self._egress.connect(target)
        except Refused as refused:
            self._count(target, refused.reason)
            await self._tell(b"c", link, STATUS.pack(refused.status) + refused.reason.encode("ascii", "replace")[:500])
            return
        async with stream:
            link.tally = self._count(target, "")
            _touch(link)
            await self._tell(b"c", link, STATUS.pack(200))
            async with anyio.create_task_group() as both:
                both.start_soon(self._out, link, stream)
                both.start_soon(self._in, link, stream)

    async def _out(self, link: _Link, stream: SocketStream) -> None:
        try:
            while True:
                await link.until(lambda: link.held or link.shut)
                if not link.held:
                    break
                part = bytes(link.held)
                link.held.clear()
                await stream.send(part)
                _touch(link)
                link.tally.sent += len(part)
                link.room += len(part)
                await self._tell(b"w", link, NUMBER.pack(len(part)))
            await stream.send_eof()
        except _GONE:
            link.scope.cancel()

    async def _in(self, link: _Link, stream: SocketStream) -> None:
        try:
            while True:
                await link.until(lambda: link.credit)
                part = await stream.receive(min(link.credit, CHUNK))
                _touch(link)
                link.credit -= len(part)
                link.tally.received += len(part)
                self._charge(len(part))
                await self._tell(b"d", link, part)
        except anyio.EndOfStream:
            await self._tell(b"s", link)
        except _GONE:
            link.scope.cancel()

    async def _tell(self, kind: bytes, link: _Link, body: bytes = b"") -> None:
        try:
            await self._outbox.send(encode(kind, NUMBER.pack(link.number) + body))
        except anyio.BrokenResourceError:
            link.scope.cancel()  # the container is gone, and who reads from it finds out

    async def _pump(self) -> None:
        try:
            with self._frames:
                async for frame in self._frames:
                    await self._send(frame)
        except _GONE:
            log.debug("the container of %s is gone", self._run)
        self._pumped.set()

    def _count(self, target: str, reason: str) -> _Tally:
        key = (target, reason) if (target, reason) in self._told or len(self._told) < MOST_TOLD else ("others", "")
        tally = self._told.setdefault(key, _Tally())
        tally.connections += 1
        return tally


def _more(link: _Link, body: bytes) -> None:
    more = NUMBER.unpack(body)[0] if len(body) == NUMBER.size else 0
    if not 0 < more <= WINDOW - link.credit:
        raise BrokenProtocol(hint="a window that grows beyond its size")
    link.credit += more


def _touch(link: _Link) -> None:
    link.scope.deadline = anyio.current_time() + IDLE_SECONDS
