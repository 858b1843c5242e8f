"""A name becomes addresses once, and a connection goes to the very addresses that were checked.

Every address of the answer must pass, and there is no second look-up that could give another one (DNS rebinding).
"""

from __future__ import annotations

from typing import Final

import anyio
from anyio.abc import SocketStream

from astro_mcp.errors import Forbidden, ProviderFailed, TimedOut
from astro_mcp.net.addresses import Address, AddressPolicy, literal
from astro_mcp.net.resolver import Resolver

RESOLVE_SECONDS: Final = 5.0
CONNECT_SECONDS: Final = 5.0
MOST: Final = 4
"""Addresses tried of one name."""


async def checked(host: str, port: int, policy: AddressPolicy, resolve: Resolver) -> list[Address]:
    """The addresses of `host` that may be dialled; raises `Forbidden` where one may not be, `ProviderFailed` where
    there are none."""
    if reason := policy.port(port):
        raise Forbidden(f"{host}:{port} is refused: {reason}", "only public web servers can be reached")
    written = literal(host)
    addresses = [written] if written is not None else await _look_up(host, resolve)
    for address in addresses:
        if reason := policy.address(address):
            raise Forbidden(f"{host} is refused: {reason}", "only public web servers can be reached")
    return addresses[:MOST]


async def dial(host: str, port: int, policy: AddressPolicy, resolve: Resolver) -> SocketStream:
    """A connection to `host`, at the first of its addresses that takes one. Raises what `checked` does, `TimedOut`, and
    `ProviderFailed` where none does."""
    problem: ProviderFailed | TimedOut | None = None
    for address in await checked(host, port, policy, resolve):
        try:
            with anyio.fail_after(CONNECT_SECONDS):
                return await anyio.connect_tcp(str(address), port)
        except TimeoutError:
            problem = TimedOut(f"{host}:{port} took no connection within {CONNECT_SECONDS:g} s")
        except OSError as error:
            reason = getattr(error.__cause__, "strerror", None) or "the connection failed"
            problem = ProviderFailed(f"{host}:{port} can't be reached: {reason}")
    raise problem or ProviderFailed(f"{host} has no address")


async def _look_up(host: str, resolve: Resolver) -> list[Address]:
    try:
        with anyio.fail_after(RESOLVE_SECONDS):
            addresses = list(await resolve(host))
    except TimeoutError:
        raise ProviderFailed(f"the name server took longer than {RESOLVE_SECONDS:g} s for {host}") from None
    except (OSError, UnicodeError):
        raise ProviderFailed(
            f"{host} is not known to the name server", "check the name, and that this machine is online"
        ) from None
    if not addresses:
        raise ProviderFailed(f"{host} has no address")
    return addresses
