"""An agent: a named group of tools and resources with a life of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

from astro_mcp.core.authority import Effect, Session
from astro_mcp.core.resource import Completer, Resource
from astro_mcp.core.tool import Declaration, Tool


@dataclass(frozen=True, slots=True)
class Health:
    """How an agent is: `ok`, one line of detail, and the fix where it is not ok."""

    ok: bool
    detail: str = ""
    fix: str = ""
    facts: dict[str, str] = field(default_factory=dict)


class Agent:
    """Subclass, name it, and declare tools with `@tool`. Dependencies come as constructor arguments."""

    name: ClassVar[str]
    title: ClassVar[str]
    always: frozenset[Effect] = frozenset()
    """Declared effects that each of its calls has, beyond those that the arguments tell: what a setting opened."""

    def tools(self) -> tuple[Tool, ...]:
        """Every method of this class that was declared a tool, in the order of the source."""
        found: dict[str, Tool] = {}
        for cls in reversed(type(self).__mro__):
            for attribute in vars(cls).values():
                declaration = getattr(attribute, "__tool__", None)
                if isinstance(declaration, Declaration):
                    run = partial(declaration.method, self)
                    found[declaration.name] = Tool(self.name, declaration, run, self.always)
        return tuple(found.values())

    def resources(self) -> tuple[Resource, ...]:
        """The resources that this agent publishes."""
        return ()

    def completers(self) -> Mapping[str, Completer]:
        """Who knows values that have no URI of their own, by the name under which a prompt's argument asks for them."""
        return {}

    async def open(self) -> None:
        """Take what the agent needs for its life; called once, before the first call."""

    async def close(self) -> None:
        """Give it back; called once, after the last call."""

    async def state(self, session: Session) -> dict[str, Any]:
        """What of the agent belongs to the session's scope, for `astro://agents/{name}`."""
        return {}

    async def health(self) -> Health:
        """How the agent is, without side effects, within a second."""
        return Health(ok=True)
