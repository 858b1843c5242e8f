"""THE call path: face or scheduler → resolve → policies, outermost first → the agent's tool → Result.

There is no other way to a tool. Errors come back as results; only cancellation travels as an exception.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from astro_mcp.core import bounds
from astro_mcp.core.authority import Effect
from astro_mcp.core.bearing import bearing
from astro_mcp.core.call import Call, Context, Gate, NoGate, Result
from astro_mcp.core.model import Input
from astro_mcp.core.registry import Registry
from astro_mcp.core.tool import Tool
from astro_mcp.errors import AstroError, Internal

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Invocation:
    """A call whose tool was found, whose arguments were parsed, and whose effects are known. What leaves by it passes
    `gate`."""

    call: Call
    tool: Tool
    arguments: Input
    effects: frozenset[Effect]
    gate: Gate = field(default_factory=NoGate)


Proceed = Callable[[Invocation], Awaitable[Result]]


class Policy(Protocol):
    """One rule on the path. It refuses by raising an `AstroError`, and lets through by awaiting `proceed`."""

    async def apply(self, invocation: Invocation, proceed: Proceed) -> Result:
        """Carry the invocation on, or refuse it."""


class Refusals(Protocol):
    """Who is told of calls that never became an invocation."""

    async def refused(self, call: Call, error: AstroError) -> None:
        """An unknown tool, or arguments that are none."""


class Dispatcher:
    """Resolves a call and carries it through the policies."""

    def __init__(
        self, registry: Registry, policies: Sequence[Policy], refusals: Refusals, argument_bytes: int = 8_000_000
    ) -> None:
        self.registry = registry
        self._refusals = refusals
        self._argument_bytes = argument_bytes
        proceed: Proceed = _run
        for policy in reversed(policies):
            proceed = _Step(policy, proceed)
        self._proceed = proceed

    async def call(self, call: Call) -> Result:
        """Carry out `call`. Always a Result; `Internal` stands for a defect, whose trace is in the log alone."""
        try:
            invocation = self._resolve(call)
        except Exception as error:  # noqa: BLE001 - whatever arguments can provoke ends this call and nothing else
            return await self._refuse(call, error)
        try:
            return await self._proceed(invocation)
        except AstroError as error:
            return Result(error=error)
        except Exception:  # a defect of a tool or policy ends its call alone
            log.exception("call %s of %s broke", call.id, call.tool)
            return Result(error=Internal(hint=f"call id {call.id}"))

    def _resolve(self, call: Call) -> Invocation:
        tool = self.registry.tool(call.tool)
        bounds.check(call.arguments, self._argument_bytes, tool.name)
        arguments = tool.parse(call.arguments)
        return Invocation(call, tool, arguments, tool.effects(arguments))

    async def _refuse(self, call: Call, error: Exception) -> Result:
        known = error if isinstance(error, AstroError) else Internal(hint=f"call id {call.id}")
        if known is not error:
            log.error("the arguments of call %s of %s broke it", call.id, call.tool, exc_info=error)
        try:
            await self._refusals.refused(call, known)
        except AstroError:
            log.exception("the refusal of call %s could not be recorded", call.id)
        return Result(error=known)


class _Step:
    __slots__ = ("_policy", "_proceed")

    def __init__(self, policy: Policy, proceed: Proceed) -> None:
        self._policy = policy
        self._proceed = proceed

    def __call__(self, invocation: Invocation) -> Awaitable[Result]:
        return self._policy.apply(invocation, self._proceed)


async def _run(invocation: Invocation) -> Result:
    ctx = Context(invocation.call, invocation.effects, invocation.gate)
    try:
        with bearing(ctx.labels):
            value = await invocation.tool.run(invocation.arguments, ctx)
    except AstroError:
        raise
    except Exception as error:
        log.exception("%s broke in call %s", invocation.tool.name, invocation.call.id)
        raise Internal(hint=f"call id {invocation.call.id}") from error
    labels = invocation.call.labels | invocation.tool.declaration.labels | ctx.labels
    tray = tuple(ctx.sources), tuple(ctx.blobs), tuple(ctx.questions)
    return Result(value, None, labels, *tray, ctx.durable, tuple(invocation.gate.passed))
