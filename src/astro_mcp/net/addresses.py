"""Which addresses may be reached.

The blocks are those of the IANA special-purpose registries (IPv4 and IPv6, RFC 6890) that are not globally reachable.
They stand here rather than in `ipaddress.is_global` alone, whose answers changed between Python's patch releases.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, Protocol

Address = IPv4Address | IPv6Address

# fmt: off
_V4: Final = tuple(map(IPv4Network, (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/4", "240.0.0.0/4",
)))
_V6_GLOBAL: Final = IPv6Network("2000::/3")
_V6_SPECIAL: Final = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
"""Within global unicast, and still not plain hosts: protocol assignments with Teredo, documentation, 6to4."""
_NAT64: Final = IPv6Network("64:ff9b::/96")
_OWN: Final = tuple(map(IPv4Network, ("10.0.0.0/8", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
_OWN_V6: Final = (IPv6Network("::1/128"), IPv6Network("fc00::/7"))
# fmt: on
PORTS: Final = frozenset({80, 443, 8080, 8443})
"""Where web servers listen. Others belong to mail, databases and the like, which a URL could be made to talk to."""


class AddressPolicy(Protocol):
    """What a connection may go to. Each answers with the reason of a refusal, or with nothing."""

    def address(self, address: Address) -> str:
        """Why `address` is refused; empty if it is not."""

    def port(self, port: int) -> str:
        """Why `port` is refused; empty if it is not."""


class Public:
    """The open internet alone. No setting replaces this."""

    def address(self, address: Address) -> str:
        return "" if is_public(carried(address)) else f"{carried(address)} is not a public address"

    def port(self, port: int) -> str:
        return "" if port in PORTS else f"port {port} is not one of {', '.join(map(str, sorted(PORTS)))}"


class Named(Public):
    """The open internet alone, on any port: for a host and a port that the operator named."""

    def port(self, port: int) -> str:
        return "" if 0 < port < 65536 else f"port {port} is out of range"


class OwnNetwork(Named):
    """The open internet, and this machine and its private networks: for an address that the operator configured.

    Link-local addresses stay closed, for clouds answer there with credentials.
    """

    def address(self, address: Address) -> str:
        return "" if _is_host(carried(address)) else f"{carried(address)} is not a host's address"


def carried(address: Address) -> Address:
    """`address`, or the IPv4 address that it stands for: mapped (RFC 4291) and NAT64 (RFC 6052) are told apart by
    their prefix and reach exactly that address. 6to4, Teredo and the local-use NAT64 prefix are refused whole."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return IPv4Address(int(address) & 0xFFFF_FFFF) if address in _NAT64 else address


def is_public(address: Address) -> bool:
    """Whether `address` is a host of the open internet."""
    if isinstance(address, IPv4Address):
        return not any(address in block for block in _V4)
    return address in _V6_GLOBAL and not any(address in block for block in _V6_SPECIAL) and not address.scope_id


def _is_host(address: Address) -> bool:
    own = _OWN if isinstance(address, IPv4Address) else _OWN_V6
    return is_public(address) or any(address in block for block in own)


def literal(host: str) -> Address | None:
    """The address that `host` writes out, or None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None
