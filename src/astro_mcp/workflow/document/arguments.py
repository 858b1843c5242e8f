"""A step's `with` against its tool: names, literal values, what is missing; and what the call may do."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pydantic import ValidationError

from astro_mcp.core.authority import Effect
from astro_mcp.core.model import flat_schema
from astro_mcp.core.tool import Tool
from astro_mcp.errors import AstroError, Problem
from astro_mcp.nearest import nearest
from astro_mcp.workflow.document.inputs import mismatch
from astro_mcp.workflow.document.model import Document, StepSpec
from astro_mcp.workflow.expressions.template import has_expression


def argument_problems(step: StepSpec, path: str, tool: Tool) -> Iterator[Problem]:
    """Every problem of the arguments that can be seen before the run; what an expression gives is checked then."""
    model = tool.declaration.input
    open_names = {name for name, value in step.with_.items() if has_expression(value)}
    literal = {name: value for name, value in step.with_.items() if name not in open_names}
    for name in open_names - set(model.model_fields):
        yield _unknown(path, name, step, tool)
    try:
        model.model_validate(literal)
    except ValidationError as error:
        for item in error.errors(include_input=False, include_url=False):
            first = str(item["loc"][0]) if item["loc"] else ""
            if first in open_names or (not first and open_names):
                continue
            if item["type"] == "extra_forbidden" and len(item["loc"]) == 1:
                yield _unknown(path, first, step, tool)
            else:
                where = ".".join([path, "with", *(str(part) for part in item["loc"])])
                reason = f"is missing: {tool.name} needs it" if item["type"] == "missing" else str(item["msg"])
                yield Problem(where, reason, _wanted(tool, first))


def input_problems(step: StepSpec, path: str, used: Document) -> Iterator[Problem]:
    """The same of a workflow's inputs."""
    for name, value in step.with_.items():
        if name not in used.inputs:
            near = nearest(name, list(used.inputs))
            reason = f"{step.uses} takes no {name}; it takes: {', '.join(used.inputs) or 'nothing'}"
            yield Problem(f"{path}.with.{name}", reason, f"{near}: {json.dumps(value)[:200]}" if near else "")
        elif not has_expression(value) and (wrong := mismatch(value, used.inputs[name])):
            yield Problem(f"{path}.with.{name}", wrong, f"{name}: <{used.inputs[name].type}>")
    for name, spec in used.inputs.items():
        if spec.required and name not in step.with_:
            wanted = f"{name}: <{spec.type}> {spec.description}".strip()
            yield Problem(f"{path}.with.{name}", f"is missing: {step.uses} needs it", wanted)


def _unknown(path: str, name: str, step: StepSpec, tool: Tool) -> Problem:
    fields = list(tool.declaration.input.model_fields)
    near = nearest(name, fields)
    fragment = f"{near}: {json.dumps(step.with_[name], ensure_ascii=False)[:200]}" if near else ""
    return Problem(f"{path}.with.{name}", f"{tool.name} takes no {name}; it takes: {', '.join(fields)}", fragment)


def _wanted(tool: Tool, name: str) -> str:
    spec = flat_schema(tool.declaration.input)["properties"].get(name, {})
    return f"{name}: <{spec.get('type', 'value')}> {spec.get('description', '')}".strip() if spec else ""


def called_effects(step: StepSpec, tool: Tool) -> frozenset[Effect]:
    """What the call may do: told by its arguments where they are all literal, else the most that the tool declares."""
    if not has_expression(step.with_):
        try:
            return tool.effects(tool.parse(step.with_))
        except AstroError:
            return tool.declaration.effects
    return tool.declaration.effects
