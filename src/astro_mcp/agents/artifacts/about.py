"""What the server tells of itself: agents, tools, health."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import anyio

from astro_mcp.core.agent import Agent, Health
from astro_mcp.core.authority import Session
from astro_mcp.core.model import flat_schema
from astro_mcp.core.registry import Registry
from astro_mcp.core.resource import Body, Resource
from astro_mcp.core.tool import Tool
from astro_mcp.errors import NotFound
from astro_mcp.nearest import nearest

HEALTH_SECONDS: Final = 2.0
_JSON: Final = "application/json"


class About:
    """Resources over the registry; of a scope they tell only what an agent's `state` does."""

    def __init__(self, registry: Registry, guides: Path) -> None:
        self._registry = registry
        self._guides = guides

    def resources(self) -> tuple[Resource, ...]:
        return (
            Resource("astro://agents", "agents", "Agents", "Every agent and its tools.", _JSON, self._agents),
            Resource(
                "astro://agents/{name}",
                "agent",
                "An agent",
                "An agent's tools, resources and health.",
                _JSON,
                self._agent,
                self._agent_names,
            ),
            Resource(
                "astro://tools/{name}",
                "tool",
                "A tool's documentation",
                "All of a tool's documentation, with examples and schemas.",
                "text/markdown",
                self._tool,
                self._tool_names,
            ),
            Resource("astro://health", "health", "Health", "How each agent is, with the fix.", _JSON, self._health),
            Resource(
                "astro://guides/{name}",
                "guide",
                "A guide",
                "How to write what the tools take: workflows.",
                "text/markdown",
                self._guide,
                self._guide_names,
            ),
        )

    async def _agents(self, session: Session, variables: dict[str, str]) -> Body:
        return _body({"agents": [self._about(agent) for agent in self._registry.agents.values()]})

    async def _agent(self, session: Session, variables: dict[str, str]) -> Body:
        name = variables["name"]
        agent = self._registry.agents.get(name)
        if agent is None:
            near = nearest(name, list(self._registry.agents))
            raise NotFound(f"no agent is named {name[:60]!r}", f"did you mean {near}?" if near else "")
        state = await agent.state(session)
        return _body({**self._about(agent), "health": _health(await check(agent)), **state})

    async def _tool(self, session: Session, variables: dict[str, str]) -> Body:
        return Body("text/markdown", text=documentation(self._registry.tool(variables["name"])))

    async def _guide(self, session: Session, variables: dict[str, str]) -> Body:
        name, names = variables["name"], await self._named_guides()
        if name not in names:
            near = nearest(name, names)
            raise NotFound(f"no guide is named {name[:60]!r}", f"did you mean {near}?" if near else ", ".join(names))
        return Body("text/markdown", text=await anyio.Path(self._guides, f"{name}.md").read_text(encoding="utf-8"))

    async def _named_guides(self) -> list[str]:
        return sorted([path.stem async for path in anyio.Path(self._guides).glob("*.md")])

    async def _guide_names(self, session: Session, prefix: str) -> list[str]:
        return [name for name in await self._named_guides() if name.startswith(prefix)][:100]

    async def _health(self, session: Session, variables: dict[str, str]) -> Body:
        found: dict[str, Health] = {}

        async def ask(agent: Agent) -> None:
            found[agent.name] = await check(agent)

        async with anyio.create_task_group() as group:
            for agent in self._registry.agents.values():
                group.start_soon(ask, agent)
        agents = {name: _health(found[name]) for name in sorted(found)}
        return _body({"ok": all(health.ok for health in found.values()), "agents": agents})

    async def _agent_names(self, session: Session, prefix: str) -> list[str]:
        return [name for name in self._registry.agents if name.startswith(prefix)][:100]

    async def _tool_names(self, session: Session, prefix: str) -> list[str]:
        return [name for name in self._registry.tools if name.startswith(prefix)][:100]

    def _about(self, agent: Agent) -> dict[str, Any]:
        tools = [tool for tool in self._registry.tools.values() if tool.agent == agent.name]
        return {
            "name": agent.name,
            "title": agent.title,
            "tools": [{"name": tool.name, "title": tool.declaration.title} for tool in tools],
            "resources": [resource.uri for resource in agent.resources()],
        }


async def check(agent: Agent) -> Health:
    """The agent's health; one that does not answer in time, or breaks, is not well."""
    try:
        with anyio.fail_after(HEALTH_SECONDS):
            return await agent.health()
    except TimeoutError:
        return Health(ok=False, detail=f"it did not answer within {HEALTH_SECONDS:g} s")
    except Exception as error:  # noqa: BLE001 - any defect of an agent is a finding about it, not one of ours
        return Health(ok=False, detail=f"its check failed: {type(error).__name__}")


def documentation(tool: Tool) -> str:
    """All that a model or a person needs to call `tool`, in Markdown."""
    about = tool.declaration
    effects = ", ".join(sorted(about.effects)) or "none"
    marks = [name for name, held in (("idempotent", about.idempotent), ("pure", about.pure)) if held]
    marks += ["works on a copy"] if about.on_copy else []
    marks += ["takes an idempotency key: a workflow's step does it once, whatever dies"] if about.takes_key else []
    facts = "; ".join([f"effects: {effects}", *marks, f"at most {about.timeout:g} s", f"agent: {tool.agent}"])
    schemas = [
        f"## {title}\n\n```json\n{json.dumps(flat_schema(model), indent=1, ensure_ascii=False)}\n```"
        for title, model in (("Parameters", about.input), ("Result", about.output))
    ]
    parts = [f"# {tool.name}: {about.title}", about.description, about.details, facts, *schemas]
    return "\n\n".join(part for part in parts if part) + "\n"


def _health(health: Health) -> dict[str, Any]:
    body = {"ok": health.ok, "detail": health.detail, "fix": health.fix, "facts": health.facts}
    return {key: value for key, value in body.items() if value or key == "ok"}


def _body(value: object) -> Body:
    return Body(_JSON, text=json.dumps(value, indent=1, ensure_ascii=False))
