"""Refuses what the session's grant does not cover."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from astro_mcp.core.authority import Grant
from astro_mcp.core.call import Result
from astro_mcp.core.dispatcher import Invocation, Proceed
from astro_mcp.errors import Forbidden


class Authorize:
    """A call's effects lie within the grant, its agent within the toolsets, and a workspace tool has a workspace.

    A workflow's step passes here with the run's frozen grant, which knows no toolsets: profiles choose what a host
    is shown, and workflows see every tool. That grant may be older than `ceiling`, the folders that the operator
    allows now (real paths; none: every folder), so its roots are held against it too.
    """

    def __init__(self, ceiling: Iterable[Path] = ()) -> None:
        self._ceiling = tuple(ceiling)

    async def apply(self, invocation: Invocation, proceed: Proceed) -> Result:
        authorize(invocation)
        self._still_allowed(invocation.call.session.grant)
        return await proceed(invocation)

    def _still_allowed(self, grant: Grant) -> None:
        for root in grant.roots if self._ceiling else ():
            if not any(root.is_relative_to(folder) for folder in self._ceiling):
                raise Forbidden(
                    f"{root} lies outside of the folders that the operator allows now",
                    "the operator adds it to roots.ceiling, or the work is begun anew within it",
                )


def authorize(invocation: Invocation) -> None:
    """Raises `Forbidden` or `NoRoot` where the session's grant does not cover the invocation."""
    grant, tool = invocation.call.session.grant, invocation.tool
    grant.check_effects(invocation.effects, tool.name)
    if not invocation.call.run_id:
        grant.check_toolset(tool.agent, tool.name)
    if tool.declaration.needs_root and not grant.roots:
        raise invocation.call.session.no_root()
