"""httpcore's connections, to the very addresses that were checked. TLS and the Host header keep the name."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import httpcore

from astro_mcp.net.addresses import AddressPolicy
from astro_mcp.net.pacing import Paced
from astro_mcp.net.pinning import checked
from astro_mcp.net.resolver import Resolver


class PinnedBackend(httpcore.AsyncNetworkBackend):
    """Resolves, checks, and connects. `policy_of(host, port)` says which rule a connection falls under."""

    def __init__(self, resolve: Resolver, policy_of: Callable[[str, int], AddressPolicy]) -> None:
        self._resolve = resolve
        self._policy_of = policy_of
        self._tcp = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await checked(host, port, self._policy_of(host, port), self._resolve)
        for address in addresses[:-1]:
            try:
                return Paced(await self._tcp.connect_tcp(str(address), port, timeout, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return Paced(await self._tcp.connect_tcp(str(addresses[-1]), port, timeout, local_address, socket_options))
