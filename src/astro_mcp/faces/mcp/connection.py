"""One connection while it lasts: who is at the other end, what it is told of, and what its person was asked."""

from __future__ import annotations

import secrets
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
from anyio.abc import TaskGroup
from mcp.server.context import ServerRequestContext

from astro_mcp.core.call import Call
from astro_mcp.core.question import Question
from astro_mcp.errors import LimitHit
from astro_mcp.faces.mcp.peer import Peer

WATCHED: Final = 64
"""Addresses that one connection may watch at once."""
OPEN: Final = 16
"""Questions of one connection that wait for the second time of their call."""
REMEMBERED: Final = 1_000
"""Questions of one connection of which it is known how often they were asked, or what they are called."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that was put, the call that it keeps waiting, all that this call has asked so far, and when it is
    over on the monotonic clock."""

    call: Call
    question: Question
    so_far: frozenset[str]
    until: float


@dataclass(slots=True, eq=False)
class Connection:
    """`tasks` end with it.

    watched    addresses of the handshake's era, each with what ends its watch; `listened` counts the modern ones
    asked      how often the person was asked, by the question's digest
    questions  of the modern era, by the state that the host gives back
    keys       what each question of a task is called here, by its digest
    """

    peer: Peer
    tasks: TaskGroup
    watched: dict[str, anyio.CancelScope] = field(default_factory=dict)
    listened: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    questions: dict[str, Asked] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    def make_room(self, count: int) -> None:
        """Raises `LimitHit` where `count` more addresses would be too many."""
        if len(self.watched) + self.listened + count > WATCHED:
            raise LimitHit(f"a connection watches at most {WATCHED} addresses", "end a subscription first")

    def count(self, digest: str) -> None:
        """The person is asked once more."""
        while len(self.asked) >= REMEMBERED and digest not in self.asked:
            del self.asked[next(iter(self.asked))]
        self.asked[digest] += 1

    def key(self, digest: str) -> str:
        """What a task's question is called on this connection, until it is answered: the name says nothing, and no
        other question gets it."""
        while len(self.keys) >= REMEMBERED and digest not in self.keys:
            del self.keys[next(iter(self.keys))]
        return self.keys.setdefault(digest, secrets.token_urlsafe(24))

    def keep(self, state: str, asked: Asked) -> None:
        """Until the host comes back with `state`, or with too many others before it."""
        while len(self.questions) >= OPEN:
            del self.questions[next(iter(self.questions))]
        self.questions[state] = asked


Ctx = ServerRequestContext[Connection, Any]
