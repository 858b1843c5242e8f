"""Calls of every git tool that there is, made up from what each takes: a tool that comes later is asked as well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from astro_mcp.core.registry import Registry

VALUES: Final[dict[str, list[Any]]] = {
    "message": ["m"],
    "name": ["made-up"],
    "from": ["aside", "HEAD~1", "beside"],
    "into": ["HEAD", "main"],
    "ref": ["HEAD", "aside"],
    "to": ["worktree", "index"],
    "path": ["a.txt", "new.txt"],
    "paths": [["a.txt"], ["."]],
    "recovery_ref": ["refs/astro/recovery/20260131T120000Z-0123abcd"],
    "hunk_ids": [["0123456789ab"]],
}
"""By the name of an argument: what it is given, one call each. Others are left out, or are given each of few values."""


def asked(registry: Registry) -> list[tuple[str, dict[str, Any]]]:
    """Tools by name, each with what it must be given, and then with each other argument in turn."""
    names = sorted(name for name, tool in registry.tools.items() if tool.agent == "git")
    return [(name, arguments) for name in names for arguments in _each(registry, name)]


def _each(registry: Registry, name: str) -> Iterator[dict[str, Any]]:
    schema = registry.tool(name).declaration.input.model_json_schema(by_alias=True)
    needed = {field: VALUES[field][0] for field in schema.get("required", [])}
    yield needed
    for field, node in schema["properties"].items():
        few = node.get("enum") or ([True] if node.get("type") == "boolean" else [])
        for value in VALUES.get(field, few):
            if needed.get(field) != value:
                yield {**needed, field: value}
