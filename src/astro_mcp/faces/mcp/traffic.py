"""The requests of one connection that were read and not answered: how many, how large, and whose turn it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import anyio
from mcp.shared.dispatcher import coerce_request_id
from mcp_types import RequestId

from astro_mcp.errors import AstroError, Busy, InvalidInput

REQUESTS: Final = 64
REQUEST_BYTES: Final = 16 * 1024 * 1024
READS: Final = 2
"""Resources at once: their answers have no budget, and wait in memory for a peer that does not read."""


class Request:
    """One that was read and not answered yet."""

    def __init__(self, size: int, reads: anyio.CapacityLimiter) -> None:
        self.size = size
        self._reads = reads
        self._reading = False
        self._closed = False
        self.standing = False

    def stand(self) -> None:
        """Its answer is an end, and not to be waited for when the peer's bytes end."""
        self.standing = True

    async def turn_to_read(self) -> None:
        """Wait until few other resources are read, or are read and not yet taken by the peer."""
        await self._reads.acquire_on_behalf_of(self)
        self._reading = True
        if self._closed:  # cancelled while it waited: nobody will close it again
            self._give_back()

    def close(self) -> None:
        self._closed = True
        self._give_back()

    def _give_back(self) -> None:
        if self._reading:
            self._reading = False
            self._reads.release_on_behalf_of(self)


class Traffic:
    """Opened as requests are read, closed as their answers go out or they are cancelled."""

    def __init__(self) -> None:
        self._open: dict[RequestId, Request] = {}
        self._bytes = 0
        self._writing = False
        self._quiet: anyio.Event | None = None
        self._reads = anyio.CapacityLimiter(READS)

    def open(self, request_id: RequestId, size: int) -> Request:
        """Raises `Busy` at the bound, and `InvalidInput` for an id that waits for its answer."""
        key = coerce_request_id(request_id)
        if key in self._open:
            raise InvalidInput("a request with this id is not answered yet", "give each request an id of its own")
        if self._open and (len(self._open) >= REQUESTS or self._bytes + size > REQUEST_BYTES):
            raise _busy()
        request = self._open[key] = Request(size, self._reads)
        self._bytes += size
        return request

    def close(self, request_id: RequestId | None) -> None:
        """Answered, or cancelled: nobody waits for it any more."""
        request = None if request_id is None else self._open.pop(coerce_request_id(request_id), None)
        if request is not None:
            self._bytes -= request.size
            request.close()
            self._look()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """While an answer goes out."""
        self._writing = True
        try:
            yield
        finally:
            self._writing = False
            self._look()

    async def quiet(self) -> None:
        """Wait until everything was answered."""
        while self._awaited() or self._writing:
            self._quiet = self._quiet or anyio.Event()
            await self._quiet.wait()

    def _awaited(self) -> bool:
        return any(not request.standing for request in self._open.values())

    def _look(self) -> None:
        if self._quiet is not None and not self._awaited() and not self._writing:
            self._quiet.set()
            self._quiet = None


def _busy() -> AstroError:
    return Busy(
        f"{REQUESTS} requests of this connection, or {REQUEST_BYTES:,} bytes, wait for answers", retry_after_ms=200
    )
