"""What a run may reach, once the policy of flow has had its say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from astro_mcp.agents.code.model import CodeInput, Reached
from astro_mcp.core.authority import Effect
from astro_mcp.core.call import Context
from astro_mcp.core.flow import Leaving, Sort, Verdict
from astro_mcp.errors import Forbidden, LimitHit
from astro_mcp.sandbox.sandbox import Sandbox

UPLOAD: Final = 16 * 1024
"""Bytes that a run may send where it holds what must not get out, and nobody approved it: requests, and no more."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Whether a run reaches the operator's hosts, and the bytes that it may send them where that is bound. `refused`
    has those that it does not, and why."""

    open: bool = False
    upload: int | None = None
    refused: tuple[Reached, ...] = ()


def reach(args: CodeInput, sandbox: Sandbox, ctx: Context) -> Reach:
    """A run that may not reach anything goes on without a network. `ctx` has the labels of the files that it is given;
    those of a session's earlier turns count as well. Raises `ApprovalRequired` where a person is asked."""
    hosts = sandbox.reachable
    if Effect.NETWORK not in ctx.effects or not hosts:
        return Reach()
    earlier = [one.labels for one in sandbox.sessions(ctx.session.scope) if args.session and one.name == args.session]
    brings = frozenset(ctx.labels).union(*earlier)
    try:
        [verdict] = ctx.let_out(Leaving(Sort.STREAM, ", ".join(hosts), (args.code,), brings))
    except (Forbidden, LimitHit) as error:
        none = [Reached(to=to, connections=0, sent=0, received=0, refused=error.message) for to in hosts]
        return Reach(refused=tuple(none))
    return Reach(True, UPLOAD if verdict is Verdict.WITHIN else None)
