"""Refuses what the session's grant does not cover."""

from __future__ import annotations

from astro_mcp.core.call import Result
from astro_mcp.core.dispatcher import Invocation, Proceed
from astro_mcp.errors import NoRoot


class Authorize:
    """A call's effects lie within the grant, its agent within the toolsets, and a workspace tool has a workspace.

    A workflow's step passes here with the run's frozen grant, which knows no toolsets: profiles choose what a host
    is shown, and workflows see every tool.
    """

    async def apply(self, invocation: Invocation, proceed: Proceed) -> Result:
        authorize(invocation)
        return await proceed(invocation)


def authorize(invocation: Invocation) -> None:
    """Raises `Forbidden` or `NoRoot` where the session's grant does not cover the invocation."""
    grant, tool = invocation.call.session.grant, invocation.tool
    grant.check_effects(invocation.effects, tool.name)
    if not invocation.call.run_id:
        grant.check_toolset(tool.agent, tool.name)
    if tool.declaration.needs_root and not grant.roots:
        raise NoRoot(
            "this session has no workspace root",
            "add --root /path/to/project to the server's arguments in the host's configuration",
        )
