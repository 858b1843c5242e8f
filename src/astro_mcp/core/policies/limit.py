"""Bounds how much runs at once, and keeps one host from taking every place.

A call first takes a place among its own scope's (in all, and by agent: at most three quarters of the agent's), and only
then one of the agent's and one of the total. So whoever asks for too much waits in a line of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import anyio

from astro_mcp.core.authority import Scope
from astro_mcp.core.call import Result
from astro_mcp.core.dispatcher import Invocation, Proceed
from astro_mcp.errors import Busy

KEPT: Final = 64
"""Scopes whose places stay when none of their calls is here; beyond, a scope's places go with its last call."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Calls at once: in all, by agent (`agents` names exceptions), by scope. `wait` is in seconds."""

    total: int = 64
    by_agent: int = 16
    by_scope: int = 32
    wait: float = 30.0
    agents: Mapping[str, int] | None = None

    def of(self, agent: str) -> int:
        return (self.agents or {}).get(agent, self.by_agent)

    def share(self, agent: str) -> int:
        """What one scope may have of an agent's places: some are always left for others, where there are several."""
        places = self.of(agent)
        return max(1, places - max(1, places // 4))


@dataclass(slots=True)
class _Places:
    """One scope's."""

    all: anyio.CapacityLimiter
    agents: dict[str, anyio.CapacityLimiter] = field(default_factory=dict)
    calls: int = 0


class Limit:
    """Where no place gets free in time the caller is told `busy`.

    The scheduler's own tools wait for other calls, so they hold no place (`exempt`), or a full house would wait for
    itself. Nor does a call that only ends others.
    """

    def __init__(self, limits: Limits, exempt: frozenset[str] = frozenset()) -> None:
        self._limits = limits
        self._exempt = exempt
        self._total = anyio.CapacityLimiter(limits.total)
        self._agents: dict[str, anyio.CapacityLimiter] = {}
        self._scopes: dict[Scope, _Places] = {}

    async def apply(self, invocation: Invocation, proceed: Proceed) -> Result:
        if invocation.tool.agent in self._exempt or invocation.tool.frees(invocation.arguments):
            return await proceed(invocation)
        scope, agent = invocation.call.session.scope, invocation.tool.agent
        places = self._scopes.get(scope)
        if places is None:
            places = self._scopes[scope] = _Places(anyio.CapacityLimiter(self._limits.by_scope))
        share = self._share(places, agent)
        taken: list[anyio.CapacityLimiter] = []
        places.calls += 1
        try:
            for limiter in (places.all, share, self._agent(agent), self._total):
                try:
                    limiter.acquire_on_behalf_of_nowait(invocation.call.id)
                except anyio.WouldBlock:
                    await self._wait(limiter, invocation)
                taken.append(limiter)
            return await proceed(invocation)
        finally:
            for limiter in taken:
                limiter.release_on_behalf_of(invocation.call.id)
            places.calls -= 1
            if not places.calls and len(self._scopes) > KEPT:
                del self._scopes[scope]

    async def _wait(self, limiter: anyio.CapacityLimiter, invocation: Invocation) -> None:
        with anyio.move_on_after(self._limits.wait) as waited:
            await limiter.acquire_on_behalf_of(invocation.call.id)
        if waited.cancelled_caught:
            raise Busy(f"{invocation.tool.name} waited {self._limits.wait:g} s for a free place", retry_after_ms=1000)

    def _agent(self, name: str) -> anyio.CapacityLimiter:
        if name not in self._agents:
            self._agents[name] = anyio.CapacityLimiter(self._limits.of(name))
        return self._agents[name]

    def _share(self, places: _Places, name: str) -> anyio.CapacityLimiter:
        if name not in places.agents:
            places.agents[name] = anyio.CapacityLimiter(self._limits.share(name))
        return places.agents[name]
