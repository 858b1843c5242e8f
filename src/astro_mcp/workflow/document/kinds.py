"""The type of what a reference leads to, as far as the document and its tools tell: a condition that is no truth value
and a `foreach` over no list are found before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from astro_mcp.core.model import Page
from astro_mcp.errors import AstroError, Problem
from astro_mcp.workflow.document.fragment import fragment
from astro_mcp.workflow.document.model import InputSpec, StepSpec
from astro_mcp.workflow.document.places import Place
from astro_mcp.workflow.document.surroundings import Scope, Surroundings, output_schema
from astro_mcp.workflow.expressions.prepare import Path, Prepared
from astro_mcp.workflow.expressions.template import condition, parse

_WORDS: Final = {
    "object": "an object",
    "array": "a list",
    "string": "text",
    "boolean": "true or false",
    "integer": "a number",
    "number": "a number",
}
_TRUTH: Final = {
    "boolean": "{}",
    "integer": "{} > 0",
    "number": "{} > 0",
    "array": "size({}) > 0",
    "string": "{} != ''",
}
"""What makes a condition of a value, most telling first."""


def wrong_kind(place: Place, scope: Scope, around: Surroundings) -> Iterator[Problem]:
    """The problem of an `if` or `until` that is one reference to no truth value, or of a `foreach` that is one to no
    list."""
    prepared = _whole(place)
    if prepared is None or prepared.literal is None:
        return
    schema = _schema(prepared.literal, scope, around)
    kind = schema.get("type")
    if kind not in _WORDS:
        return
    at = prepared.source
    if place.bare and kind != "boolean":
        reason = f"{at} is {_WORDS[kind]}, and a condition is true or false"
        yield Problem(place.path, reason, place.corrected(_compared(at, schema)))
    elif not place.bare and kind != "array":
        lists = [name for name, field in schema.get("properties", {}).items() if field.get("type") == "array"]
        over = f"${{{{ {at}.{lists[0]} }}}}" if lists else [f"${{{{ {at} }}}}"]
        yield Problem(place.path, f"{at} is {_WORDS[kind]}, and a foreach takes a list", fragment({"foreach": over}))


def _whole(place: Place) -> Prepared | None:
    """The expression where the text is one and nothing else."""
    try:
        if place.bare:
            return condition(place.text)
        template = parse(place.text)
    except AstroError:
        return None  # told as a broken expression
    piece = template.pieces[0] if template.whole else None
    return piece if isinstance(piece, Prepared) else None


def _compared(at: str, schema: Mapping[str, Any]) -> str:
    """A condition about the value: of an object by the field that says most."""
    if (kind := schema.get("type")) in _TRUTH:
        return _TRUTH[str(kind)].format(at)
    properties = schema.get("properties", {}).items()
    fields = {name: field.get("type") for name, field in properties if name not in Page.model_fields}
    for one, form in _TRUTH.items():
        for name, kind in fields.items():
            if kind == one:
                return form.format(f"{at}.{name}")
    return f"size({at}) > 0"


def _schema(reference: Path, scope: Scope, around: Surroundings) -> Mapping[str, Any]:
    """The JSON schema of what stands at the path, or an empty one where nobody can tell."""
    root, *rest = reference
    schema: Mapping[str, Any] = {}
    if root == "inputs" and rest:
        schema = _typed(scope.inputs.get(str(rest.pop(0))))
    elif root == "index":
        schema = {"type": "integer"}
    elif root == "steps" and rest:
        step = scope.steps.get(str(rest.pop(0)))
        schema = _given(step, around) if step else {}
    for part in rest:
        inner = schema.get("items") if isinstance(part, int) else schema.get("properties", {}).get(part)
        schema = inner if isinstance(inner, dict) else {}
    return schema


def _given(step: StepSpec, around: Surroundings) -> Mapping[str, Any]:
    """What a step gives; a list of it for each item of a `foreach`."""
    tool = around.tool(step.tool) if step.tool else None
    if tool is not None:
        one = output_schema(tool.declaration.output)
    elif step.approve is not None:
        one = _object({"approved": "boolean", "by": "string"})
    elif step.ask is not None:
        one = _object(step.answer)
    else:
        one = {} if step.tool else {"type": "object"}
    return one if step.foreach is None else {"type": "array", "items": one}


def _object(fields: Mapping[str, str]) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": kind} for name, kind in fields.items()}}


def _typed(spec: InputSpec | None) -> Mapping[str, Any]:
    return {} if spec is None else {"type": spec.type, "items": {"type": spec.items.type} if spec.items else {}}
