"""What expressions refer to: whether it is there and seen from where they stand, and whether CEL takes them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from astro_mcp.errors import AstroError, Problem
from astro_mcp.nearest import nearest
from astro_mcp.workflow.document.amend import Known, Names, amended, unmarked
from astro_mcp.workflow.document.bounds import TEXT_EXPRESSIONS
from astro_mcp.workflow.document.kinds import wrong_kind
from astro_mcp.workflow.document.model import RESCUE, StepSpec
from astro_mcp.workflow.document.places import Place, places
from astro_mcp.workflow.document.plan import referred
from astro_mcp.workflow.document.surroundings import Scope, Surroundings, output_fields, output_schema
from astro_mcp.workflow.expressions.prepare import Path, Prepared
from astro_mcp.workflow.expressions.template import OPEN, condition, expressions, has_expression

SHOWN: Final = 20
"""Names that a reason lists at most."""


def step_problems(step: StepSpec, path: str, scope: Scope, outer: Scope, around: Surroundings) -> Iterator[Problem]:
    """What is wrong with the texts of one step, each with the text that stands there instead, where that is known."""
    for place in places(step, path):
        seen, own = scope, step.id
        if place.word in ("if", "foreach"):
            seen = replace(scope, item=outer.item, last=outer.last)
        elif place.word == "repeat.until":
            seen, own = replace(scope, steps={**scope.steps, **{s.id: s for s in step.do or []}}, last=True), ""
        yield from text_problems(place, seen, around, own)
        if place.word == "foreach" and place.path.endswith(".foreach") and not has_expression(place.text):
            yield from _no_list(place, seen, around, own)
        elif place.bare or (place.word == "foreach" and place.path.endswith(".foreach")):
            yield from wrong_kind(place, seen, around)
        alone = place.word == "if" and re.fullmatch(r"[\s${]*failure\(\s*\)[\s}]*", place.text)
        if alone and not step.needs and not any(path[0] == "steps" for path in _safely(step)):
            reason = "failure() looks at the steps that this one needs, and it needs none"
            yield Problem(place.path, reason, "needs: [id]")


def _safely(step: StepSpec) -> list[Path]:
    try:
        return list(referred(step))
    except AstroError:
        return []  # a broken expression is a problem of its own


def _no_list(place: Place, seen: Scope, around: Surroundings, own: str) -> Iterator[Problem]:
    """A foreach over a text that marks no expression."""
    right = amended(place.text, known(seen, around, own))
    if unmarked(place.text, known(seen, around, own)) is None:
        sound = not _problems_of(right, place, seen, around, own)
        whole = place.corrected(f"${{{{ {right} }}}}") if sound else "foreach: [first, second]"
        yield Problem(place.path, "a foreach takes a list, or an expression in ${{ }} that gives one", whole)


def text_problems(place: Place, scope: Scope, around: Surroundings, own: str = "") -> Iterator[Problem]:
    """What is wrong with one text, with the whole text corrected where that is known to be right."""
    found = list(_found(place, scope, around, own))
    if place.text.count(OPEN) > TEXT_EXPRESSIONS or (not found and (place.bare or has_expression(place.text))):
        yield from found[:1]
        return
    names = known(scope, around, own)
    if not found:
        marked = unmarked(place.text, names)
        if marked is not None:
            yield Problem(place.path, "this is plain text; an expression stands in ${{ }}", place.corrected(marked))
        return
    right = _corrected(place, names)
    if right == place.text or any(_found(replace(place, text=right), scope, around, own)):
        yield from found
        return
    for problem in found:
        yield replace(problem, suggestion=place.corrected(right))


def _corrected(place: Place, names: Known) -> str:
    """The text with its expressions amended."""
    if place.bare:
        return amended(place.text, names)
    text = unmarked(place.text, names) or place.text
    pieces, position = [], 0
    while (start := text.find(OPEN, position)) >= 0:
        end = text.find("}}", start)
        if end < 0:
            end, close = len(text), len(text)
        else:
            close = end + 2
        pieces += [text[position:start], f"${{{{ {amended(text[start + len(OPEN) : end], names)} }}}}"]
        position = close
    return "".join(pieces) + text[position:]


def _found(place: Place, scope: Scope, around: Surroundings, own: str) -> Iterator[Problem]:
    try:
        prepared = [condition(place.text)] if place.bare else list(expressions(place.text))
    except AstroError as error:
        yield Problem(place.path, error.message, error.hint)
        return
    if len(prepared) > TEXT_EXPRESSIONS:
        yield Problem(place.path, f"a text has at most {TEXT_EXPRESSIONS} expressions", "use join or table")
        return
    for expression in prepared:
        if expression.statuses and place.word != "if":
            yield Problem(place.path, f"{min(expression.statuses)}() belongs into `if`")
        yield from expression_problems(expression, place.path, scope, around, own)


def _problems_of(source: str, place: Place, scope: Scope, around: Surroundings, own: str) -> list[Problem]:
    return list(_found(replace(place, text=source, bare=True), scope, around, own))


def known(scope: Scope, around: Surroundings, own: str) -> Known:
    """The names that an expression may mean from where it stands."""

    def fields(names: Names) -> Collection[str]:
        step, path = scope.steps.get(str(names[0])), names[1:]
        if step is None or step.continue_on_error:
            return ()
        if step.foreach is not None:
            if not path or not isinstance(path[0], int):
                return ()
            path = path[1:]
        return _fields(step, around) if not path else _inside(step, path, around)

    steps = [name for name in scope.steps if name != own]
    return Known(steps, scope.inputs, fields, scope.item, scope.last, around.renamed)


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
    if not found and prepared.literal is None and (error := around.compiled(prepared.source)) is not None:
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
        known = ", ".join(sorted(set(scope.steps) - {own})[:SHOWN]) or "none"
        return Problem(path, f"there is no step {name} here; there are: {known}", f"steps.{near}" if near else "")
    return _field_problem(step, [part for part in rest[1:] if part != "outputs"], path, around)


def _field_problem(step: StepSpec, rest: list[str | int], path: str, around: Surroundings) -> Problem | None:
    """Whether a step's output has the fields that are asked for; one that failed has `error`."""
    if step.foreach is not None and rest:
        if isinstance(rest[0], str):
            at = f"steps.{step.id}"
            reason = f"{at} is a list, one for each item, and has no field {rest[0]}"
            return Problem(path, reason, f"ok({at}).map(i, i.{rest[0]})")
        rest = rest[1:]
    elif rest and isinstance(rest[0], int):
        return Problem(path, f"steps.{step.id} is no list", f"steps.{step.id}.field")
    if not rest or not isinstance(rest[0], str) or rest[0] == "error":
        return None
    fields = _fields(step, around)
    if not fields or step.continue_on_error:
        return None
    if rest[0] in fields:
        return _deeper(step, rest, path, around)
    near = nearest(rest[0], fields)
    who = (
        step.tool or step.workflow or next(kind for kind in ("ask", "do", "approve") if getattr(step, kind) is not None)
    )
    reason = f"steps.{step.id}.{rest[0]}: {who} gives no {rest[0]}; it gives: {', '.join(fields)}"
    return Problem(path, reason, f"steps.{step.id}.{near}" if near else "")


def _deeper(step: StepSpec, rest: list[str | int], path: str, around: Surroundings) -> Problem | None:
    """The same within a tool's output, as far as its schema tells."""
    tool = around.tool(step.tool) if step.tool else None
    schema: Mapping[str, Any] = output_schema(tool.declaration.output) if tool else {}
    at = f"steps.{step.id}"
    for part in rest:
        kind, fields = schema.get("type"), schema.get("properties")
        if isinstance(part, int) and kind == "array":
            schema = schema.get("items", {})
        elif kind == "object" and isinstance(fields, dict) and part in fields:
            schema = fields[part]
        elif kind == "object" and isinstance(fields, dict) and fields:
            near = nearest(str(part), list(fields))
            reason = f"{at} has no {part}; it has: {', '.join(fields)}"
            return Problem(path, reason, f"{at}.{near}" if near else "")
        elif kind in ("array", "string", "integer", "number", "boolean"):
            what = {"array": "a list", "string": "text"}.get(str(kind), "a plain value")
            return Problem(path, f"{at} is {what} and has no field {part}", f"size({at}), {at}[0] or {at}.map(i, i)")
        else:
            return None
        at += f"[{part}]" if isinstance(part, int) else f".{part}"
    return None


def _inside(step: StepSpec, names: Names, around: Surroundings) -> Collection[str]:
    """The fields at a path within a tool's output, as far as its schema tells."""
    tool = around.tool(step.tool) if step.tool else None
    schema: Mapping[str, Any] = output_schema(tool.declaration.output) if tool else {}
    for name in names:
        schema = schema.get("items", {}) if isinstance(name, int) else schema.get("properties", {}).get(name, {})
    return tuple(schema.get("properties", ()))


def _fields(step: StepSpec, around: Surroundings) -> list[str]:
    if step.workflow is not None:
        used = around.workflows.get(step.uses)
        return list(used.outputs) if used else []
    if step.do is not None:
        return [*(inner.id for inner in step.do), *([RESCUE] if step.on_failure else [])]
    if step.approve is not None:
        return ["approved", "by"]
    tool = around.tool(step.tool) if step.tool else None
    if step.tool is not None:
        return list(output_fields(tool.declaration.output)) if tool else []
    return list(step.answer) or ["answer"]
