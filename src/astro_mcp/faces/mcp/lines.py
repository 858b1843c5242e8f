"""Lines out of a stream of bytes, never holding more of one than its bound."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import anyio

ENDS: Final = 4096
"""What is kept of each end of a line that was too long."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its line feed; of one that was too long (`cut`), its head and its tail."""

    data: bytes
    cut: bool = False


class LineReader:
    """`await next(most)`: the next line, or None at the end of the stream."""

    def __init__(self, receive: Callable[[], Awaitable[bytes]]) -> None:
        self._receive = receive
        self._buffer = bytearray()

    async def next(self, most: int) -> Line | None:
        """A line over `most` bytes is read to its end and comes cut; a last line without its feed counts."""
        searched = 0
        while True:
            end = self._buffer.find(b"\n", searched)
            if end >= 0:
                line = bytes(self._buffer[:end])
                del self._buffer[: end + 1]
                return Line(line) if end <= most else Line(line[:ENDS] + line[-ENDS:], cut=True)
            if len(self._buffer) > most:
                return await self._discard()
            searched = len(self._buffer)
            if not await self._fill():
                line = bytes(self._buffer)
                self._buffer.clear()
                return Line(line) if line else None

    async def _discard(self) -> Line:
        head = bytes(self._buffer[:ENDS])
        tail = bytes(self._buffer[-ENDS:])
        self._buffer.clear()
        while await self._fill():
            end = self._buffer.find(b"\n")
            if end >= 0:
                tail = (tail + bytes(self._buffer[:end]))[-ENDS:]
                del self._buffer[: end + 1]
                break
            tail = (tail + bytes(self._buffer))[-ENDS:]
            self._buffer.clear()
        return Line(head + tail, cut=True)

    async def _fill(self) -> bool:
        try:
            self._buffer += await self._receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            return False
        return True
