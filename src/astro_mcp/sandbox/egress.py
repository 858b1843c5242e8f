"""What a run may reach beyond its container: the hosts and ports that the operator named, and nothing else.

The container has no network. What it asks for comes as frames (`relay.py`), and is looked at here, on the host.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import anyio.to_thread
from anyio.abc import SocketStream

from astro_mcp.config import SandboxSettings
from astro_mcp.errors import AstroError, Forbidden, TimedOut
from astro_mcp.net import trust
from astro_mcp.net.addresses import AddressPolicy, Named
from astro_mcp.net.pinning import dial
from astro_mcp.net.resolver import Resolver, SystemResolver
from astro_mcp.sandbox.job import SandboxFile

AT_ONCE: Final = 16
"""Connections of one run at once."""
IN_ALL: Final = 2_000
"""Connections of one run."""
IDLE_SECONDS: Final = 120.0
BUNDLE: Final = ".astro/authorities.pem"
_TARGET: Final = re.compile(rb"([A-Za-z0-9.-]{1,253}?)\.?:([0-9]{1,5})")


class Refused(Exception):
    """A connection that is not made. `status` is what HTTP says of it."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Egress:
    """The operator's list. `resolve` and `policy` are there for tests; no setting reaches them."""

    def __init__(
        self, settings: SandboxSettings, *, resolve: Resolver | None = None, policy: AddressPolicy | None = None
    ) -> None:
        self._allowed = frozenset(settings.egress)
        self._resolve = resolve or SystemResolver()
        self._policy = policy or Named()
        self._bundle: SandboxFile | None = None
        self.bytes = settings.egress_mb << 20

    @property
    def allowed(self) -> tuple[str, ...]:
        """Hosts with ports, in order."""
        return tuple(sorted(self._allowed))

    @property
    def is_open(self) -> bool:
        """Whether anything may be reached."""
        return bool(self._allowed)

    @property
    def environment(self) -> Mapping[str, str]:
        """Where programs find whom this machine trusts: TLS is theirs, from end to end."""
        return dict.fromkeys(("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"), f"/workspace/{BUNDLE}")

    async def authorities(self) -> SandboxFile:
        """Whom this machine trusts, as a file of the run."""
        if self._bundle is None:
            self._bundle = SandboxFile(BUNDLE, await anyio.to_thread.run_sync(trust.bundle))
        return self._bundle

    async def connect(self, target: str) -> SocketStream:
        """A connection to `target`, as `named` gave it. Raises `Refused`."""
        if target not in self._allowed:
            raise Refused(403, f"{target} is not in the operator's sandbox.egress")
        host, _, port = target.rpartition(":")
        try:
            return await dial(host, int(port), self._policy, self._resolve)
        except Forbidden as error:
            raise Refused(403, error.message) from None
        except TimedOut as error:
            raise Refused(504, error.message) from None
        except AstroError as error:
            raise Refused(502, error.message) from None


def named(raw: bytes) -> str:
    """What a container asks for, as `host:port` in lower case. Raises `Refused`."""
    found = _TARGET.fullmatch(raw)
    if found is None or not 0 < int(found[2]) < 65536:
        raise Refused(400, "that is no host name and port")
    return f"{found[1].decode().lower()}:{int(found[2])}"
