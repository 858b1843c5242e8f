"""Where a Docker engine may be. A host's `DOCKER_HOST` is not taken over: the daemon serves several hosts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from astro_mcp.errors import SandboxUnavailable

SOCKET: Final = Path("/var/run/docker.sock")


@dataclass(frozen=True, slots=True)
class Address:
    """`unix:///path` or `tcp://host:port`; `path` is empty for the latter."""

    url: str
    path: str = ""
    host: str = ""
    port: int = 0


def parse(url: str) -> Address:
    """Raises `SandboxUnavailable` for what can't be spoken to: TLS, ssh and named pipes."""
    parts = urlsplit(url)
    if parts.scheme == "unix" and parts.path:
        return Address(f"unix://{parts.path}", path=parts.path)
    if parts.scheme == "tcp" and parts.hostname:
        port = parts.port or 2375
        return Address(f"tcp://{parts.hostname}:{port}", host=parts.hostname, port=port)
    raise SandboxUnavailable(
        f"{url[:200]!r} is no engine address that can be used here",
        "set sandbox.engine to unix:///path/to/docker.sock or tcp://host:port",
    )


def candidates(setting: str, home: Path) -> Iterator[Address]:
    """The operator's engine alone, or else: the machine's own socket, the current Docker context, Docker Desktop's."""
    if setting:
        yield parse(setting)
        return
    yield parse(f"unix://{SOCKET}")
    if context := _context(home):
        yield parse(context)
    desktop = home / ".docker/run/docker.sock"
    if desktop.exists():
        yield parse(f"unix://{desktop}")


def _context(home: Path) -> str:
    """The endpoint of the context that `docker context use` chose, or nothing."""
    try:
        name = json.loads((home / ".docker/config.json").read_bytes())["currentContext"]
        folder = hashlib.sha256(str(name).encode()).hexdigest()
        meta = json.loads((home / ".docker/contexts/meta" / folder / "meta.json").read_bytes())
        return str(meta["Endpoints"]["docker"]["Host"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
