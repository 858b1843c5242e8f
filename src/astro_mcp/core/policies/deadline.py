"""Ends what takes too long."""

from __future__ import annotations

import anyio

from astro_mcp.core.call import Result
from astro_mcp.core.dispatcher import Invocation, Proceed
from astro_mcp.errors import TimedOut


class Deadline:
    """The tool's own timeout, or the call's where that is shorter; both in seconds."""

    async def apply(self, invocation: Invocation, proceed: Proceed) -> Result:
        seconds = invocation.tool.declaration.timeout
        if invocation.call.timeout is not None:
            seconds = min(seconds, invocation.call.timeout)
        with anyio.move_on_after(seconds) as scope:
            return await proceed(invocation)
        if not scope.cancelled_caught:
            raise AssertionError("a cancel scope that was left early was cancelled")
        raise TimedOut(f"{invocation.tool.name} took longer than {seconds:g} s", "give it less to do, or more time")
