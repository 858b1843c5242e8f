"""tools/list: the registry's tools as hosts see them, made once a profile and kept until the registry changes."""

from __future__ import annotations

from typing import Any

from astro_mcp.core.authority import HARMLESS, Effect
from astro_mcp.core.model import Page, flat_schema
from astro_mcp.core.registry import Registry
from astro_mcp.core.tool import Tool
from astro_mcp.faces.mcp.icons import icon
from astro_mcp.faces.mcp.peer import Peer, Profile

CURSOR = {"type": "string", "description": "A next_cursor"}
_UNSAID = frozenset({"pattern", "minLength", "maxLength"})
_LONG = ("content", "code", "spec", "edits", "text", "message")


class Listing:
    """Described tools by name, in the registry's order."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._known: dict[tuple[str, bool], dict[str, Any]] = {}
        registry.on_change(self._known.clear)

    def tools(self, peer: Peer, profile: Profile) -> list[dict[str, Any]]:
        """What tools/list answers to `peer`."""
        return [
            self._described(tool, profile.schemas) for tool in self._registry.tools.values() if peer.sees(tool, profile)
        ]

    def _described(self, tool: Tool, schemas: bool) -> dict[str, Any]:
        key = (tool.name, schemas)
        if key not in self._known:
            self._known[key] = describe(tool, schemas=schemas)
        return self._known[key]


def describe(tool: Tool, *, schemas: bool) -> dict[str, Any]:
    """One tool in MCP's words; the output's schema where the profile shows it."""
    declared = tool.declaration
    body: dict[str, Any] = {
        "name": tool.name,
        "title": declared.title,
        "description": declared.description,
        "inputSchema": input_schema(tool),
        "annotations": {
            "readOnlyHint": declared.effects <= HARMLESS,
            "destructiveHint": Effect.DESTROY in declared.effects,
            "idempotentHint": declared.idempotent,
            "openWorldHint": Effect.NETWORK in declared.effects,
        },
    }
    if schemas:
        # A default says nothing of a result, and one that was cut says so in a field of its own.
        body["outputSchema"] = _open(flat_schema(declared.output, described=False), frozenset({"default"}))
    if picture := icon(tool.agent):
        body["icons"] = [picture]
    return body


def input_schema(tool: Tool) -> dict[str, Any]:
    """The arguments' schema, without defaults that are empty: an argument that may be left out says as much. A tool
    whose result comes in pages takes a cursor, which no agent ever sees. How long a text may be, and that no other
    argument is taken, is not said of every tool: a call that is wrong is refused, with the reason and the name that
    comes nearest."""
    schema = _open(flat_schema(tool.declaration.input), _UNSAID)
    for argument in schema.setdefault("properties", {}).values():
        if argument.get("default") in ("", []):
            del argument["default"]
    if issubclass(tool.declaration.output, Page):
        properties = schema["properties"]
        long = {name: properties.pop(name) for name in _LONG if name in properties}
        schema["properties"] = {**properties, "cursor": CURSOR, **long}
    return schema


def _open(node: dict[str, Any], unsaid: frozenset[str]) -> dict[str, Any]:
    """Without the ban on further fields, and without the keywords `unsaid`, here and below."""
    out: dict[str, Any] = {}
    for key, value in node.items():
        if key in unsaid or (key == "additionalProperties" and not isinstance(value, dict)):
            continue
        if key == "properties":
            out[key] = {name: _open(child, unsaid) for name, child in value.items()}
        elif key in ("items", "additionalProperties"):
            out[key] = _open(value, unsaid)
        else:
            out[key] = value
    return out
