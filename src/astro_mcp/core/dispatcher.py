"""THE call path: face or scheduler → resolve → policies, outermost first → the agent's tool → Result.

There is no other way to a tool. Errors come back as results; only cancellation travels as an exception.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, NamedTuple, Protocol

from astro_mcp.core import bounds
from astro_mcp.core.authority import Effect
from astro_mcp.core.bearing import Bearing
from astro_mcp.core.call import Call, Context, Gate, NoGate, Result
from astro_mcp.core.model import Input
from astro_mcp.core.registry import Registry
from astro_mcp.core.tool import Tool
from astro_mcp.errors import AstroError, Internal

log = logging.getLogger(__name__)


NO_GATE: Final = NoGate()


class Invocation(NamedTuple):
    """A call whose tool was found, whose arguments were parsed, and whose effects are known. What leaves by it passes
    `gate`."""

    call: Call
    tool: Tool
    arguments: Input
    effects: frozenset[Effect]
    gate: Gate = NO_GATE


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
            proceed = partial(policy.apply, proceed=proceed)
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
        little = bounds.check(call.arguments, self._argument_bytes, tool.name)
        arguments = tool.parse(call.arguments, little=little)
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


async def _run(invocation: Invocation) -> Result:
    call, tool, arguments, effects, gate = invocation
    ctx = Context(call, effects, gate)
    try:
        with Bearing(ctx.labels):
            value = await tool.run(arguments, ctx)
    except AstroError:
        raise
    except Exception as error:
        log.exception("%s broke in call %s", tool.name, call.id)
        raise Internal(hint=f"call id {call.id}") from error
    labels = call.labels | tool.declaration.labels | ctx.labels
    tray = tuple(ctx.sources), tuple(ctx.blobs), tuple(ctx.questions)
    return Result(value, None, labels, *tray, ctx.durable, tuple(gate.passed))
