"""What is checked before anything runs: all problems at once, each with its path, a reason and a correction."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from pydantic import ValidationError

from astro_mcp.core.authority import Effect
from astro_mcp.core.model import Output
from astro_mcp.core.tool import Tool
from astro_mcp.errors import AstroError, Problem
from astro_mcp.nearest import nearest
from astro_mcp.workflow.document.arguments import argument_problems, called_effects
from astro_mcp.workflow.document.inputs import mismatch
from astro_mcp.workflow.document.model import Document, StepSpec
from astro_mcp.workflow.document.order import cycle
from astro_mcp.workflow.document.plan import Plan, build, prepared_of, texts_of
from astro_mcp.workflow.document.source import load
from astro_mcp.workflow.expressions.prepare import Path, Prepared
from astro_mcp.workflow.expressions.template import expressions

STEPS: Final = 500
DEPTH: Final = 5


@dataclass(slots=True)
class Checked:
    """The plan where the document is sound, else what is wrong with it; the effects are what its calls may do."""

    plan: Plan | None = None
    problems: list[Problem] = field(default_factory=list)
    effects: frozenset[Effect] = frozenset()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a document is checked against. `compile_expression` gives the static type or raises an `AstroError`."""

    tools: Mapping[str, Tool]
    allowed: frozenset[Effect]
    compile_expression: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Scope:
    """What a step sees: the steps of its body and of those around it, and whether it stands in an item or a round."""

    steps: Mapping[str, StepSpec]
    inputs: frozenset[str]
    item: bool = False
    last: bool = False


def check(text: str, around: Surroundings) -> Checked:
    """Check a document; the plan is there only where nothing is wrong."""
    try:
        document = Document.model_validate(_steps_listed(load(text)))
    except AstroError as error:
        return Checked(problems=[Problem("spec", error.message, error.hint)])
    except ValidationError as error:
        return Checked(problems=[_model_problem(item) for item in error.errors(include_input=False, include_url=False)])
    checked = Checked()
    for name, spec in document.inputs.items():
        if not spec.required and spec.default is not None and (wrong := mismatch(spec.default, spec)):
            checked.problems.append(Problem(f"inputs.{name}.default", wrong))
    scope = Scope({}, frozenset(document.inputs))
    _check_body(document.steps, "steps", scope, around, checked, 1)
    top = Scope({step.id: step for step in document.steps}, scope.inputs)
    checked.problems += _outputs_problems(document, top, around)
    if sum(1 for _ in _every(document.steps)) > STEPS:
        checked.problems.append(Problem("steps", f"a document has at most {STEPS} steps", "use foreach"))
    if not checked.problems:
        checked.plan = build(document)
    return checked


def parse(text: str) -> Plan:
    """The plan of a document that was checked before."""
    return build(Document.model_validate(_steps_listed(load(text))))


def _steps_listed(value: Any) -> Any:
    """`steps` as an object of id and step means the list of them, in order."""
    if isinstance(value, dict) and isinstance(value.get("steps"), dict):
        steps = [{"id": key, **step} if isinstance(step, dict) else step for key, step in value["steps"].items()]
        return {**value, "steps": steps}
    return value


def _every(steps: list[StepSpec]) -> Iterator[StepSpec]:
    for step in steps:
        yield step
        yield from _every(step.do or [])


def _check_body(
    steps: list[StepSpec], where: str, outer: Scope, around: Surroundings, checked: Checked, depth: int
) -> None:
    if depth > DEPTH:
        checked.problems.append(Problem(where, f"bodies are nested deeper than {DEPTH}"))
        return
    seen: set[str] = set()
    for place, step in enumerate(steps):
        if step.id in seen or step.id in outer.steps:
            checked.problems.append(Problem(f"{where}[{place}].id", f"the id {step.id} is taken", f"{step.id}_2"))
        seen.add(step.id)
    visible = {**outer.steps, **{step.id: step for step in steps}}
    for place, step in enumerate(steps):
        path = f"{where}[{place}]"
        own = Scope(visible, outer.inputs, outer.item or step.foreach is not None, outer.last)
        checked.problems += _step_problems(step, path, own, outer, around)
        checked.problems += [
            Problem(f"{path}.needs", f"there is no step {need} beside this one", nearest(need, sorted(seen)) or "")
            for need in step.needs
            if need not in seen
        ]
        _check_tool(step, path, around, checked)
        if step.do is not None:
            inside = Scope(visible, own.inputs, own.item, own.last or step.repeat is not None)
            _check_body(step.do, f"{path}.do", inside, around, checked, depth + 1)
    if ring := cycle(steps):
        checked.problems.append(Problem(where, f"a cycle: {' → '.join(ring)}", "no step may wait for itself"))


def _check_tool(step: StepSpec, path: str, around: Surroundings, checked: Checked) -> None:
    if step.tool is None:
        return
    tool = around.tools.get(step.tool)
    if tool is None:
        near = nearest(step.tool, list(around.tools))
        reason = f"there is no tool {step.tool[:60]}"
        checked.problems.append(Problem(f"{path}.tool", reason, f"tool: {near}" if near else ""))
        return
    if tool.agent == "workflow":
        checked.problems.append(
            Problem(f"{path}.tool", "a step can't start or steer workflows", "write its steps here")
        )
    checked.problems += argument_problems(step, path, tool)
    effects = called_effects(step, tool)
    checked.effects |= effects
    if beyond := effects - around.allowed:
        allow = json.dumps(sorted(around.allowed | beyond))
        reason = f"{step.tool} needs {', '.join(sorted(beyond))}, which this run does not allow"
        checked.problems.append(Problem(f"{path}.tool", reason, f"allow: {allow}"))


def _step_problems(step: StepSpec, path: str, scope: Scope, outer: Scope, around: Surroundings) -> Iterator[Problem]:
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
    """Whether a step's output has the first field that is asked for."""
    tool = around.tools.get(step.tool or "")
    if not rest or not isinstance(rest[0], str) or step.foreach is not None or step.continue_on_error:
        return None
    fields = list(output_fields(tool.declaration.output)) if tool else list(step.answer)
    if not fields or rest[0] in fields:
        return None
    near = nearest(rest[0], fields)
    reason = f"steps.{step.id}.{rest[0]}: {step.tool or 'the ask'} gives no {rest[0]}; it gives: {', '.join(fields)}"
    return Problem(path, reason, f"steps.{step.id}.{near}" if near else "")


@cache
def output_fields(model: type[Output]) -> tuple[str, ...]:
    """The names that an output's fields have outside, which may be other ones than in the code."""
    return tuple(model.model_json_schema(mode="serialization").get("properties", {}))


def _outputs_problems(document: Document, scope: Scope, around: Surroundings) -> Iterator[Problem]:
    try:
        for prepared in expressions(document.outputs):
            yield from expression_problems(prepared, "outputs", scope, around)
    except AstroError as error:
        yield Problem("outputs", error.message, error.hint)


def _model_problem(item: Any) -> Problem:
    where = ""
    for part in item["loc"]:
        where += f"[{part}]" if isinstance(part, int) else f".{part}" if where else str(part)
    if item["type"] != "extra_forbidden":
        return Problem(where or "spec", str(item["msg"]).removeprefix("Value error, "))
    model = StepSpec if where.startswith("steps[") else Document
    words = [spec.alias or name for name, spec in model.model_fields.items()]
    near = nearest(str(item["loc"][-1]), words)
    return Problem(where, f"unknown word; there are: {', '.join(words)}", near or "")
