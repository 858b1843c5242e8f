"""One connection while it lasts: who is at the other end, and what it is told of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import anyio
from anyio.abc import TaskGroup

from astro_mcp.errors import LimitHit
from astro_mcp.faces.mcp.peer import Peer

WATCHED: Final = 64
"""Addresses that one connection may watch at once."""


@dataclass(slots=True, eq=False)
class Connection:
    """`tasks` end with it; `watched` are the addresses of the handshake's era, each with what ends its watch, and
    `listened` counts those of the modern era's open streams."""

    peer: Peer
    tasks: TaskGroup
    watched: dict[str, anyio.CancelScope] = field(default_factory=dict)
    listened: int = 0

    def make_room(self, count: int) -> None:
        """Raises `LimitHit` where `count` more addresses would be too many."""
        if len(self.watched) + self.listened + count > WATCHED:
            raise LimitHit(f"a connection watches at most {WATCHED} addresses", "end a subscription first")
