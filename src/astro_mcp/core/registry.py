"""Agents, tools and resources by name. Both ways while the server runs: calls in flight finish on what they hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from astro_mcp.core.agent import Agent
from astro_mcp.core.authority import Grant
from astro_mcp.core.resource import Completer, Resource
from astro_mcp.core.tool import Tool
from astro_mcp.errors import Conflict, NotFound
from astro_mcp.nearest import nearest


class Registry:
    """The one table of what can be called."""

    def __init__(self, off: Mapping[str, str] = MappingProxyType({})) -> None:
        """`off` are tools that the operator did not turn on: by name, the line that does."""
        self._off = off
        self._agents: dict[str, Agent] = {}
        self._tools: dict[str, Tool] = {}
        self._resources: dict[str, tuple[Resource, ...]] = {}
        self._completers: dict[str, dict[str, Completer]] = {}
        self._listeners: list[Callable[[], None]] = []

    @property
    def agents(self) -> Mapping[str, Agent]:
        return MappingProxyType(self._agents)

    @property
    def tools(self) -> Mapping[str, Tool]:
        return MappingProxyType(self._tools)

    def resources(self, grant: Grant) -> tuple[Resource, ...]:
        """What the toolsets of `grant` publish."""
        return tuple(resource for agent, group in self._resources.items() if grant.holds(agent) for resource in group)

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Tell `listener` of every change; the returned function ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def register(self, agent: Agent) -> None:
        """Open `agent` and list it; raises `Conflict` if its name or a tool's is taken, and changes nothing then."""
        tools = agent.tools()
        if agent.name in self._agents:
            raise Conflict(f"an agent named {agent.name} is registered")
        if taken := [tool.name for tool in tools if tool.name in self._tools]:
            raise Conflict(f"a tool named {taken[0]} is registered", f"by the agent {self._tools[taken[0]].agent}")
        self._agents[agent.name] = agent
        try:
            await agent.open()
        except BaseException:
            del self._agents[agent.name]
            raise
        self._tools.update({tool.name: tool for tool in tools})
        self._resources[agent.name] = agent.resources()
        self._completers[agent.name] = {**_by_uri(agent.resources()), **agent.completers()}
        self._changed()

    async def unregister(self, name: str) -> None:
        """Take the agent off the list, then close it; raises `NotFound`."""
        agent = self._agents.pop(name, None)
        if agent is None:
            raise NotFound(f"no agent is named {name}")
        self._tools = {key: tool for key, tool in self._tools.items() if tool.agent != name}
        self._resources.pop(name, None)
        self._completers.pop(name, None)
        self._changed()
        await agent.close()

    def tool(self, name: str) -> Tool:
        """The tool of that name; raises `NotFound` with the nearest right name."""
        found = self._tools.get(name)
        if found is None:
            if name in self._off:
                raise NotFound(f"{name} is off", self._off[name])
            near = nearest(name, list(self._tools))
            raise NotFound(f"no tool is named {name[:60]!r}", f"did you mean {near}?" if near else "")
        return found

    def resource(self, uri: str, grant: Grant) -> tuple[Resource, dict[str, str]]:
        """The resource that answers `uri`, with its variables; a fixed URI goes before a template. Raises `NotFound`,
        and `Forbidden` where the toolsets of `grant` leave its agent out."""
        for agent, resource in self._fixed_first():
            variables = resource.match(uri)
            if variables is not None:
                grant.check_toolset(agent, resource.uri)
                return resource, variables
        raise NotFound(f"nothing is published at {uri[:200]!r}", "resources/templates/list names what there is")

    def completer(self, name: str, grant: Grant) -> Completer | None:
        """Who knows values for `name`, a template's URI or one of an agent's `completers`; raises `Forbidden` as
        `resource` does."""
        for agent, completers in self._completers.items():
            if name in completers:
                grant.check_toolset(agent, name)
                return completers[name]
        return None

    def _fixed_first(self) -> list[tuple[str, Resource]]:
        found = [(agent, resource) for agent, group in self._resources.items() for resource in group]
        return sorted(found, key=lambda pair: pair[1].is_template)

    def _changed(self) -> None:
        for listener in list(self._listeners):
            listener()


def _by_uri(resources: tuple[Resource, ...]) -> dict[str, Completer]:
    return {resource.uri: resource.complete for resource in resources if resource.complete is not None}
