"""Names to addresses."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address

import anyio
import anyio.to_thread

from astro_mcp.net.addresses import Address

Resolver = Callable[[str], Awaitable[Sequence[Address]]]
"""`await resolve(host)`: every address of a name; raises OSError."""


class SystemResolver:
    """The machine's own, in threads of its own: a slow name server holds up nobody else."""

    def __init__(self) -> None:
        self._threads = anyio.CapacityLimiter(8)

    async def __call__(self, host: str) -> list[Address]:
        found = await anyio.to_thread.run_sync(
            lambda: socket.getaddrinfo(host, None, type=socket.SOCK_STREAM),
            abandon_on_cancel=True,
            limiter=self._threads,
        )
        return list(dict.fromkeys(ip_address(str(item[4][0])) for item in found))
