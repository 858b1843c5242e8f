"""Bounds how much runs at once, and keeps one host from taking every place.

A call first takes a place among its own scope's (in all, and by agent: at most three quarters of the agent's), and only
then one of the agent's and one of the total. So whoever asks for too much waits in a line of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import anyio

from astro_mcp.core.call import Result
from astro_mcp.core.dispatcher import Invocation, Proceed
from astro_mcp.core.places import Places
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
class _Own:
    """One scope's places."""

    all: Places
    agents: dict[str, Places] = field(default_factory=dict)
    calls: int = 0


class Limit:
    """Where no place gets free in time the caller is told `busy`.

    The scheduler's own tools wait for other calls, so they hold no place (`exempt`), or a full house would wait for
    itself. Nor does a call that only ends others.
    """

    def __init__(self, limits: Limits, exempt: frozenset[str] = frozenset()) -> None:
        self._limits = limits
        self._exempt = exempt
        self._total = Places(limits.total)
        self._agents: dict[str, Places] = {}
        self._scopes: dict[tuple[str, str], _Own] = {}

    async def apply(self, invocation: Invocation, proceed: Proceed) -> Result:
        tool = invocation.tool
        if tool.agent in self._exempt or tool.frees(invocation.arguments):
            return await proceed(invocation)
        scope = invocation.call.session.scope
        whose = scope.tenant, scope.key  # the scope itself takes five times as long to look up
        own = self._scopes.get(whose)
        if own is None:
            own = self._scopes[whose] = _Own(Places(self._limits.by_scope))
        own.calls += 1
        taken: list[Places] = []
        try:
            for places in (own.all, self._share(own, tool.agent), self._agent(tool.agent), self._total):
                if places.free:
                    places.free -= 1
                else:
                    await self._wait(places, tool.name)
                taken.append(places)
            return await proceed(invocation)
        finally:
            for places in taken:
                places.leave()
            own.calls -= 1
            if not own.calls and len(self._scopes) > KEPT:
                del self._scopes[whose]

    async def _wait(self, places: Places, name: str) -> None:
        with anyio.move_on_after(self._limits.wait) as waited:
            await places.wait()
        if waited.cancelled_caught:
            raise Busy(f"{name} waited {self._limits.wait:g} s for a free place", retry_after_ms=1000)

    def _agent(self, name: str) -> Places:
        places = self._agents.get(name)
        if places is None:
            places = self._agents[name] = Places(self._limits.of(name))
        return places

    def _share(self, own: _Own, name: str) -> Places:
        places = own.agents.get(name)
        if places is None:
            places = own.agents[name] = Places(self._limits.share(name))
        return places
