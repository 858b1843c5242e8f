"""One https server, request by request, for protocols whose bodies are streams: the walls are `client`'s, and nothing
is kept, unpacked or followed."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio.to_thread

from astro_mcp.errors import TimedOut
from astro_mcp.net.addresses import AddressPolicy
from astro_mcp.net.client import CONNECT_SECONDS, begun, unreachable
from astro_mcp.net.resolver import Resolver
from astro_mcp.net.trust import trust
from astro_mcp.net.urls import Target

if TYPE_CHECKING:
    import httpcore

IDLE_SECONDS: Final = 60.0
"""For which the server may say, or take, nothing."""


@dataclass(frozen=True, slots=True)
class Streamed:
    """A response whose body is still to come; `headers` has lower-case names."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


class Origin:
    """Connections that end with the block of `origin`."""

    def __init__(self, pool: httpcore.AsyncConnectionPool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def ask(
        self,
        method: str,
        here: Target,
        headers: Mapping[str, str],
        content: AsyncIterator[bytes] | None = None,
    ) -> AsyncIterator[Streamed]:
        """One request; a redirect is an answer as others are. Raises `Forbidden` (address), `ProviderFailed`,
        `TimedOut`, also while the chunks come."""
        import httpcore  # noqa: PLC0415 - loaded at the first request, and not at the daemon's start

        limits = {"connect": CONNECT_SECONDS, "read": IDLE_SECONDS, "write": IDLE_SECONDS, "pool": CONNECT_SECONDS}
        broken = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException)

        async def chunks(response: httpcore.Response) -> AsyncIterator[bytes]:
            try:
                async for chunk in response.aiter_stream():
                    yield chunk
            except broken as error:
                raise _failed(here, error) from None

        try:
            request = self._pool.stream(
                method, here.url, headers=list(headers.items()), content=content, extensions={"timeout": limits}
            )
            async with request as response:
                begun(response)
                got = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
                yield Streamed(response.status, got, chunks(response))
        except broken as error:
            raise _failed(here, error) from None


@asynccontextmanager
async def origin(policy: AddressPolicy, resolve: Resolver, tls: ssl.SSLContext | None = None) -> AsyncIterator[Origin]:
    """Every connection goes to an address that `policy` passed, found by one look-up. `tls` is there for tests; no
    setting reaches it."""
    import httpcore  # noqa: PLC0415 - as above

    from astro_mcp.net.backend import PinnedBackend  # noqa: PLC0415 - as above

    context = tls or await anyio.to_thread.run_sync(trust)
    backend = PinnedBackend(resolve, lambda host, port: policy)
    async with httpcore.AsyncConnectionPool(ssl_context=context, network_backend=backend) as pool:
        yield Origin(pool)


def _failed(here: Target, error: Exception) -> Exception:
    import httpcore  # noqa: PLC0415 - as above

    if isinstance(error, httpcore.ReadTimeout | httpcore.WriteTimeout):
        return TimedOut(f"{here.host} was silent for {IDLE_SECONDS:g} s")
    return unreachable(here, error)
