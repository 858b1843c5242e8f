"""What a server sends, taken in small pieces while its answer begins: whoever else waits has a turn between them."""

from __future__ import annotations

import ssl
from typing import Any, Final

import anyio.lowlevel
import httpcore

PIECE: Final = 4096
"""Bytes of a head that are taken at a time; they may be a hundred interim answers (RFC 9110, section 15.2)."""
HEAD: Final = 256 * 1024
"""Bytes of all heads of one answer, of the interim ones as well."""


class Paced(httpcore.AsyncNetworkStream):
    """A connection that is answered within bounds; `begun` says that the body comes now."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._head: int | None = HEAD

    def begun(self) -> None:
        """The head is read."""
        self._head = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's signature
        if self._head is None:
            return await self._stream.read(max_bytes, timeout)
        if self._head <= 0:
            raise httpcore.RemoteProtocolError(f"the answer begins with more than {HEAD:,} bytes of headers")
        await anyio.lowlevel.checkpoint()  # TLS gives what it has unpacked already without one
        data = await self._stream.read(min(max_bytes, PIECE), timeout)
        self._head -= len(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - as above
        self._head = HEAD
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - as above
    ) -> httpcore.AsyncNetworkStream:
        return Paced(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
