"""A URL from outside, taken apart and refused where it is anything but plain."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from astro_mcp.errors import InvalidInput
from astro_mcp.net.addresses import literal

if TYPE_CHECKING:
    from httpx import URL

LONGEST: Final = 4096
_PORTS: Final = {"http": 80, "https": 443}
_NAME: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\Z")
_NUMBER: Final = re.compile(r"(0x[0-9a-f]*|[0-9]+)\Z")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes. `host` is ASCII, lower case, without a trailing dot; `url` has no fragment."""

    url: str
    scheme: str
    host: str
    port: int

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port


def target(url: str, base: str = "") -> Target:
    """`url`, or where it leads from `base`. Raises `InvalidInput` for other schemes than http and https, for names
    with credentials, numbers that resolvers take for addresses (`127.1`, `0x7f000001`), zones and bad names."""
    parsed = _parsed(url.strip(), base)
    if parsed.scheme not in _PORTS:
        raise InvalidInput(f"{_shown(url)} is not an http or https URL", "write the whole address, with https://")
    if parsed.userinfo:
        raise InvalidInput("a URL with a user name or password in it is refused", "leave out what stands before the @")
    host = parsed.raw_host.decode("ascii").lower().removesuffix(".")
    _check(host)
    port = _PORTS[parsed.scheme] if parsed.port is None else parsed.port
    if not 0 < port < 65536:
        raise InvalidInput(f"port {port} is out of range")
    return Target(str(parsed.copy_with(fragment=None, host=host)), parsed.scheme, host, port)


def _parsed(url: str, base: str) -> URL:
    import httpx  # noqa: PLC0415 - loaded at the first fetch, and not at the daemon's start

    if len(url) > LONGEST:
        raise InvalidInput(f"the URL has {len(url):,} characters; {LONGEST:,} are allowed")
    try:
        return httpx.URL(base).join(url) if base else httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise InvalidInput(f"{_shown(url)} is not a URL: {error}") from None


def _check(host: str) -> None:
    if literal(host) is not None and "%" not in host:
        return
    if _NUMBER.match(host.rsplit(".", 1)[-1]):
        raise InvalidInput(f"{_shown(host)} is not an address", "write an IPv4 address as four decimal numbers")
    if not _NAME.match(host) or len(host) > 253:
        raise InvalidInput(f"{_shown(host)} is not a host name")


def _shown(text: str) -> str:
    return repr(text[:120])
