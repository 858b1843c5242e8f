"""Refuses what the session's grant does not cover."""

from __future__ import annotations

from astro_mcp.core.call import Result
from astro_mcp.core.dispatcher import Invocation, Proceed
from astro_mcp.errors import Forbidden, NoRoot


class Authorize:
    """A call's effects lie within the grant, its agent within the toolsets, and a workspace tool has a workspace.

    A workflow's step passes here with the run's frozen grant, which knows no toolsets: profiles choose what a host
    is shown, and workflows see every tool.
    """

    async def apply(self, invocation: Invocation, proceed: Proceed) -> Result:
        grant, tool = invocation.call.session.grant, invocation.tool
        if beyond := invocation.effects - grant.effects:
            allowed = ", ".join(sorted(grant.effects)) or "nothing"
            raise Forbidden(
                f"{tool.name} needs {', '.join(sorted(beyond))}; this session allows {allowed}",
                "the operator or the host started this session with a narrower grant",
            )
        if grant.toolsets and tool.agent not in grant.toolsets and not invocation.call.run_id:
            raise Forbidden(
                f"{tool.name} belongs to the toolset {tool.agent}, which this session left out",
                f"start the server with --toolsets {','.join(sorted(grant.toolsets | {tool.agent}))}",
            )
        if tool.declaration.needs_root and not grant.roots:
            raise NoRoot(
                "this session has no workspace root",
                "add --root /path/to/project to the server's arguments in the host's configuration",
            )
        return await proceed(invocation)
