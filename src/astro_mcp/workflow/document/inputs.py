"""A run's inputs against what the document declares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from astro_mcp.errors import InvalidInput, Problem
from astro_mcp.nearest import nearest
from astro_mcp.workflow.document.model import InputSpec
from astro_mcp.workflow.document.source import load
from astro_mcp.workflow.expressions.bind import kind

_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


def parse(text: str) -> dict[str, Any]:
    """Inputs as an object, from JSON or YAML; empty text is none."""
    value = load(text, "inputs") if text.strip() else {}
    if not isinstance(value, dict):
        raise InvalidInput(f"inputs are an object of name and value; this is {kind(value)}", '{"path": "."}')
    return value


def settled(declared: Mapping[str, InputSpec], given: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Given values and defaults together, and everything that is wrong with them."""
    problems = []
    for name in given:
        if name not in declared:
            near = nearest(name, list(declared))
            reason = f"the workflow has no such input; it takes: {', '.join(declared) or 'none'}"
            problems.append(Problem(f"inputs.{name}", reason, near or ""))
    values = {}
    for name, spec in declared.items():
        if name not in given and spec.required:
            problems.append(Problem(f"inputs.{name}", f"is missing ({spec.type}) {spec.description}".strip()))
            continue
        value = given.get(name, spec.default)
        values[name] = value
        if name in given and (wrong := mismatch(value, spec)):
            problems.append(Problem(f"inputs.{name}", wrong))
    return values, problems


def mismatch(value: Any, spec: InputSpec) -> str:
    """Why `value` is not of the type, or nothing."""
    if not fits(value, spec.type):
        return f"{spec.type} is wanted; this is {kind(value)}"
    if spec.type == "array" and spec.items and not all(fits(item, spec.items.type) for item in value):
        return f"a list of {spec.items.type} is wanted"
    return ""


def fits(value: Any, type_name: str) -> bool:
    """Whether a JSON value is of that type; true and false are no numbers."""
    if isinstance(value, bool):
        return type_name == "boolean"
    return isinstance(value, _TYPES[type_name])
