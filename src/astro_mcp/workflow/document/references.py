"""What expressions refer to: whether it is there and seen from where they stand, and whether CEL takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from astro_mcp.core.authority import Effect
from astro_mcp.core.model import Output
from astro_mcp.core.tool import Tool
from astro_mcp.errors import AstroError, Problem
from astro_mcp.nearest import nearest
from astro_mcp.workflow.document.model import Document, StepSpec
from astro_mcp.workflow.document.plan import prepared_of, texts_of
from astro_mcp.workflow.expressions.prepare import Path, Prepared
from astro_mcp.workflow.expressions.template import expressions


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a document is checked against. `compile_expression` gives the static type or raises an `AstroError`;
    `workflows` are those that its steps may run."""

    tools: Mapping[str, Tool]
    allowed: frozenset[Effect]
    compile_expression: Callable[[str], str]
    workflows: Mapping[str, Document] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a step sees: the steps of its body and of those around it, and whether it stands in an item or a round."""

    steps: Mapping[str, StepSpec]
    inputs: frozenset[str]
    item: bool = False
    last: bool = False


def step_problems(step: StepSpec, path: str, scope: Scope, outer: Scope, around: Surroundings) -> Iterator[Problem]:
    try:
        prepared = list(prepared_of(step))
    except AstroError as error:
        word = _broken_word(step)
        yield Problem(f"{path}.{word}", error.message, error.hint)
        return
    for expression, word in prepared:
        seen = scope
        if word in ("if", "foreach"):
            seen = Scope(scope.steps, scope.inputs, outer.item, outer.last)
        elif word == "repeat.until":
            seen = Scope({**scope.steps, **{s.id: s for s in step.do or []}}, scope.inputs, scope.item, True)
        if expression.statuses and word != "if":
            yield Problem(f"{path}.{word}", f"{min(expression.statuses)}() belongs into `if`")
        if expression.statuses == {"failure"} and not step.needs and not expression.paths:
            yield Problem(
                f"{path}.if", "failure() looks at the steps that this one needs, and it needs none", "needs: [id]"
            )
        yield from expression_problems(
            expression, f"{path}.{word}", seen, around, step.id if word != "repeat.until" else ""
        )


def _broken_word(step: StepSpec) -> str:
    for word, value in texts_of(step):
        try:
            list(expressions(value))
        except AstroError:
            return word
    return "if" if step.if_ is not None else "repeat.until"


def expression_problems(
    prepared: Prepared, path: str, scope: Scope, around: Surroundings, own: str = ""
) -> Iterator[Problem]:
    """What is wrong with one expression: its references, then its grammar and types."""
    found = False
    for reference in prepared.paths:
        problem = _reference_problem(reference, path, scope, around, own)
        if problem:
            found = True
            yield problem
    if not found and prepared.literal is None:
        try:
            around.compile_expression(prepared.source)
        except AstroError as error:
            yield Problem(path, error.message, error.hint)


def _reference_problem(reference: Path, path: str, scope: Scope, around: Surroundings, own: str) -> Problem | None:
    root, *rest = reference
    name = str(rest[0]) if rest else ""
    if root == "inputs" and rest and name not in scope.inputs:
        near = nearest(name, sorted(scope.inputs))
        return Problem(path, f"there is no input {name}", f"inputs.{near}" if near else "declare it under inputs")
    if root in ("item", "index") and not scope.item:
        return Problem(path, f"`{root}` is there only inside of a foreach")
    if root == "last" and not scope.last:
        return Problem(path, "`last` is there only inside of a repeat")
    if root != "steps" or not rest:
        return None
    if name == own:
        return Problem(path, f"the step {name} refers to itself")
    step = scope.steps.get(name)
    if step is None:
        near = nearest(name, sorted(set(scope.steps) - {own}))
        known = ", ".join(sorted(set(scope.steps) - {own})) or "none"
        return Problem(path, f"there is no step {name} here; there are: {known}", f"steps.{near}" if near else "")
    return _field_problem(step, [part for part in rest[1:] if part != "outputs"], path, around)


def _field_problem(step: StepSpec, rest: list[str | int], path: str, around: Surroundings) -> Problem | None:
    """Whether a step's output has the first field that is asked for; one that failed has `error`."""
    if not rest or not isinstance(rest[0], str) or rest[0] == "error" or step.foreach is not None:
        return None
    fields = _fields(step, around)
    if not fields or rest[0] in fields or step.continue_on_error:
        return None
    near = nearest(rest[0], fields)
    who = step.tool or step.workflow or "the ask"
    reason = f"steps.{step.id}.{rest[0]}: {who} gives no {rest[0]}; it gives: {', '.join(fields)}"
    return Problem(path, reason, f"steps.{step.id}.{near}" if near else "")


def _fields(step: StepSpec, around: Surroundings) -> list[str]:
    if step.workflow is not None:
        used = around.workflows.get(step.uses)
        return list(used.outputs) if used else []
    tool = around.tools.get(step.tool or "")
    return list(output_fields(tool.declaration.output)) if tool else list(step.answer)


@cache
def output_fields(model: type[Output]) -> tuple[str, ...]:
    """The names that an output's fields have outside, which may be other ones than in the code."""
    return tuple(model.model_json_schema(mode="serialization").get("properties", {}))
