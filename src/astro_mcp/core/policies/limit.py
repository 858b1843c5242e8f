"""Bounds how much runs at once and how large an argument may be."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import anyio

from astro_mcp.core.authority import Scope
from astro_mcp.core.call import Result
from astro_mcp.core.dispatcher import Invocation, Proceed
from astro_mcp.errors import Busy, TooLarge


@dataclass(frozen=True, slots=True)
class Limits:
    """At once: calls in all, by agent, by scope. `wait` is in seconds, `argument_bytes` in bytes of text."""

    total: int = 64
    by_agent: int = 16
    by_scope: int = 32
    wait: float = 30.0
    argument_bytes: int = 8_000_000
    agents: Mapping[str, int] | None = None


class Limit:
    """A call takes one place in each of three limiters; where none gets free in time the caller is told `busy`.

    The scheduler's own tools wait for other calls, so they hold no place (`exempt`), or a full house would wait for
    itself.
    """

    def __init__(self, limits: Limits, exempt: frozenset[str] = frozenset()) -> None:
        self._limits = limits
        self._exempt = exempt
        self._total = anyio.CapacityLimiter(limits.total)
        self._agents: dict[str, anyio.CapacityLimiter] = {}
        self._scopes: dict[Scope, anyio.CapacityLimiter] = {}

    async def apply(self, invocation: Invocation, proceed: Proceed) -> Result:
        size = measure(invocation.call.arguments)
        most = self._limits.argument_bytes
        if size > most:
            raise TooLarge(
                f"the arguments of {invocation.tool.name} hold {size:,} bytes; {most:,} are allowed",
                "write the content to a file in the workspace and pass its path",
            )
        if invocation.tool.agent in self._exempt:
            return await proceed(invocation)
        scope = invocation.call.session.scope
        taken: list[anyio.CapacityLimiter] = []
        limiters = (self._by_agent(invocation.tool.agent), self._by_scope(scope), self._total)
        try:
            for limiter in limiters:
                await self._take(limiter, invocation)
                taken.append(limiter)
            return await proceed(invocation)
        finally:
            for limiter in taken:
                limiter.release_on_behalf_of(invocation.call.id)
            if not self._scopes[scope].borrowed_tokens and not self._scopes[scope].statistics().tasks_waiting:
                del self._scopes[scope]

    async def _take(self, limiter: anyio.CapacityLimiter, invocation: Invocation) -> None:
        try:
            limiter.acquire_on_behalf_of_nowait(invocation.call.id)
        except anyio.WouldBlock:
            await self._wait(limiter, invocation)

    async def _wait(self, limiter: anyio.CapacityLimiter, invocation: Invocation) -> None:
        with anyio.move_on_after(self._limits.wait) as waited:
            await limiter.acquire_on_behalf_of(invocation.call.id)
        if waited.cancelled_caught:
            raise Busy(f"{invocation.tool.name} waited {self._limits.wait:g} s for a free place", retry_after_ms=1000)

    def _by_agent(self, name: str) -> anyio.CapacityLimiter:
        if name not in self._agents:
            bound = (self._limits.agents or {}).get(name, self._limits.by_agent)
            self._agents[name] = anyio.CapacityLimiter(bound)
        return self._agents[name]

    def _by_scope(self, scope: Scope) -> anyio.CapacityLimiter:
        return self._scopes.setdefault(scope, anyio.CapacityLimiter(self._limits.by_scope))


def measure(value: Any) -> int:
    """Roughly the bytes of text in a JSON value; cheap, and never below a quarter of the truth."""
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, Mapping):
        return sum(measure(key) + measure(item) + 4 for key, item in value.items())
    if isinstance(value, list | tuple):
        return sum(measure(item) + 2 for item in value)
    return 8 if not isinstance(value, int) else max(8, sys.getsizeof(value))
