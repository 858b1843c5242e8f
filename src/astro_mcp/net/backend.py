"""Connections that go to the very addresses that were checked.

A name is resolved once, every address of the answer must pass, and the connection is made to one of them: there is
no second look-up that could give another answer (DNS rebinding). TLS and the Host header keep the name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import anyio
import httpcore

from astro_mcp.errors import Forbidden, ProviderFailed
from astro_mcp.net.addresses import Address, AddressPolicy, literal
from astro_mcp.net.resolver import Resolver

RESOLVE_SECONDS: Final = 5.0
_MOST: Final = 4
"""Addresses tried of one name."""


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
        addresses = await self._checked(host, port)
        for address in addresses[:-1]:
            try:
                return await self._tcp.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._tcp.connect_tcp(str(addresses[-1]), port, timeout, local_address, socket_options)

    async def _checked(self, host: str, port: int) -> list[Address]:
        policy = self._policy_of(host, port)
        if reason := policy.port(port):
            raise Forbidden(f"{host}:{port} is refused: {reason}", "only public web servers can be reached")
        written = literal(host)
        addresses = [written] if written is not None else await self._look_up(host)
        for address in addresses:
            if reason := policy.address(address):
                raise Forbidden(f"{host} is refused: {reason}", "only public web servers can be reached")
        return addresses[:_MOST]

    async def _look_up(self, host: str) -> list[Address]:
        try:
            with anyio.fail_after(RESOLVE_SECONDS):
                addresses = list(await self._resolve(host))
        except TimeoutError:
            raise ProviderFailed(f"the name server took longer than {RESOLVE_SECONDS:g} s for {host}") from None
        except (OSError, UnicodeError):
            raise ProviderFailed(
                f"{host} is not known to the name server", "check the name, and that this machine is online"
            ) from None
        if not addresses:
            raise ProviderFailed(f"{host} has no address")
        return addresses
