"""Where a Docker engine may be. A host's `DOCKER_HOST` and `DOCKER_CONTEXT` are not taken over: the daemon serves
several hosts. The context that a person chose with `docker context use` is asked first, as `docker` itself does it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from astro_mcp.errors import SandboxUnavailable
from astro_mcp.observe.printable import printable

SOCKET: Final = Path("/var/run/docker.sock")


@dataclass(frozen=True, slots=True)
class Address:
    """`unix:///path` or `tcp://host:port`; `path` is empty for the latter."""

    url: str
    path: str = ""
    host: str = ""
    port: int = 0


def parse(url: str) -> Address:
    """Raises `SandboxUnavailable` for what can't be spoken to: TLS, ssh, named pipes, and what is no address."""
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme == "unix" and parts.path and "\0" not in parts.path:
            return Address(f"unix://{parts.path}", path=parts.path)
        if parts.scheme == "tcp" and parts.hostname:
            host, port = parts.hostname, parts.port or 2375
            host.encode("idna")
            return Address(f"tcp://{f'[{host}]' if ':' in host else host}:{port}", host=host, port=port)
    raise SandboxUnavailable(
        f"{url[:200]!r} is no engine address that can be used here",
        "set sandbox.engine to unix:///path/to/docker.sock or tcp://host:port",
    )


@dataclass(frozen=True, slots=True)
class Context:
    """A Docker context, as `docker context create` wrote it down."""

    name: str
    endpoint: str
    tls: bool

    def address(self) -> Address:
        """Raises `SandboxUnavailable` where its engine can't be spoken to, with the reason."""
        scheme = self.endpoint.partition("://")[0].lower()
        why = "it is reached with TLS" if self.tls else f"it is reached by {scheme}" if scheme == "ssh" else ""
        if why:
            raise SandboxUnavailable(
                printable(f"the engine of the Docker context {self.name!r} can't be used here: {why}")[:300],
                "choose another (docker context use default), or set sandbox.engine to unix:///path/to/docker.sock",
            )
        return parse(self.endpoint)


def candidates(setting: str, home: Path) -> Iterator[Address]:
    """The operator's engine alone, or else: the current Docker context, the machine's own socket, Docker Desktop's."""
    if setting:
        yield parse(setting)
        return
    if chosen := context(home):
        with contextlib.suppress(SandboxUnavailable):
            yield chosen.address()
    yield parse(f"unix://{SOCKET}")
    desktop = home / ".docker/run/docker.sock"
    if desktop.exists():
        yield parse(f"unix://{desktop}")


def context(home: Path) -> Context | None:
    """The context that `docker context use` chose; None where there is none."""
    folder = home / ".docker"
    try:
        name = str(json.loads((folder / "config.json").read_bytes())["currentContext"])
        digest = hashlib.sha256(name.encode()).hexdigest()
        meta = json.loads((folder / "contexts/meta" / digest / "meta.json").read_bytes())
        endpoint = str(meta["Endpoints"]["docker"]["Host"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Context(name, endpoint, tls=any((folder / "contexts/tls" / digest / "docker").glob("*.pem")))
