"""A step's `with` against its tool: names, literal values, what is missing; and what the call may do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from astro_mcp.core.authority import Effect
from astro_mcp.core.model import Input, flat_schema
from astro_mcp.core.tool import Tool
from astro_mcp.errors import AstroError, Problem
from astro_mcp.nearest import nearest
from astro_mcp.workflow.document.fragment import fragment
from astro_mcp.workflow.document.inputs import mismatch
from astro_mcp.workflow.document.model import Document, StepSpec
from astro_mcp.workflow.document.slips import ARGUMENTS
from astro_mcp.workflow.expressions.template import has_expression


def named(step: StepSpec, path: str, names: list[str]) -> tuple[StepSpec, list[Problem]]:
    """The step with each argument under the name that is meant, and a problem for each that was named otherwise."""
    problems, given = [], {}
    for name, value in step.with_.items():
        right = name if name in names else _meant(name, names, step.with_)
        if right != name:
            reason = f"{step.tool or step.uses} takes no {name[:60]}; it takes: {', '.join(names[:50]) or 'nothing'}"
            problems.append(Problem(f"{path}.with.{name}", reason, fragment({right: value}) if right else ""))
        if right:
            given[right] = value
    return (step.model_copy(update={"with_": given}), problems) if problems else (step, problems)


def argument_names(tool: Tool) -> list[str]:
    """The arguments as they are written, which may be otherwise in the code."""
    return [spec.alias or name for name, spec in tool.declaration.input.model_fields.items()]


def argument_problems(step: StepSpec, path: str, tool: Tool) -> Iterator[Problem]:
    """Every problem of the values that can be seen before the run; what an expression gives is checked then."""
    open_names = {name for name, value in step.with_.items() if has_expression(value)}
    try:
        tool.declaration.input.model_validate({k: v for k, v in step.with_.items() if k not in open_names})
    except ValidationError as error:
        for item in error.errors(include_input=False, include_url=False):
            first = str(item["loc"][0]) if item["loc"] else ""
            if first in open_names or (not first and open_names):
                continue
            where = ".".join([path, "with", *(str(part) for part in item["loc"])])
            reason = f"is missing: {tool.name} needs it" if item["type"] == "missing" else str(item["msg"])
            yield Problem(where, reason, _wanted(tool, first))


def input_problems(step: StepSpec, path: str, used: Document) -> Iterator[Problem]:
    """The same of a workflow's inputs."""
    for name, value in step.with_.items():
        if not has_expression(value) and (wrong := mismatch(value, used.inputs[name])):
            yield Problem(f"{path}.with.{name}", wrong, f"{name}: <{used.inputs[name].type}>")
    for name, spec in used.inputs.items():
        if spec.required and name not in step.with_:
            wanted = f"{name}: <{spec.type}> {spec.description}".strip()
            yield Problem(f"{path}.with.{name}", f"is missing: {step.uses} needs it", wanted)


def _meant(name: str, names: list[str], given: Mapping[str, object]) -> str:
    """The argument that a wrong name means, or nothing."""
    free = [one for one in names if one not in given]
    elsewhere = ARGUMENTS.get(name.lower(), "")
    return elsewhere if elsewhere in free else nearest(name, free) or ""


def _wanted(tool: Tool, name: str) -> str:
    spec = flat_schema(tool.declaration.input)["properties"].get(name, {})
    return f"{name}: <{spec.get('type', 'value')}> {spec.get('description', '')}".strip() if spec else ""


def called_effects(step: StepSpec, tool: Tool) -> frozenset[Effect]:
    """What the call may do: told by its arguments where they are all literal, or by those that it leaves out where that
    is enough, else the most that the tool declares."""
    try:
        if not has_expression(step.with_):
            return tool.effects(tool.parse(step.with_))
        left_out: Any = _LeftOut(tool.declaration.input, step.with_)
        return tool.effects(left_out)
    except (AstroError, LookupError):
        return tool.declaration.effects


class _LeftOut:
    """Arguments that a step does not give, by their defaults; asking for any other raises `LookupError`."""

    def __init__(self, model: type[Input], given: Mapping[str, object]) -> None:
        fields = {name: field for name, field in model.model_fields.items() if not {name, field.alias} & given.keys()}
        self._values = {name: field.get_default(call_default_factory=True) for name, field in fields.items()}

    def __getattr__(self, name: str) -> Any:
        return self._values[name]
