"""What is checked before anything runs: all problems at once, each with its path, a reason and a correction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from astro_mcp.core.authority import Effect, Label
from astro_mcp.errors import AstroError, InvalidInput, Problem, TooLarge
from astro_mcp.nearest import nearest
from astro_mcp.workflow.document.arguments import (
    argument_names,
    argument_problems,
    called_effects,
    input_problems,
    named,
)
from astro_mcp.workflow.document.bounds import BYTES, MARKED, MOST
from astro_mcp.workflow.document.fragment import fragment
from astro_mcp.workflow.document.includes import levels, size, steps_of, whole
from astro_mcp.workflow.document.inputs import mismatch
from astro_mcp.workflow.document.model import RESCUE, WORKTREE, Document, StepSpec
from astro_mcp.workflow.document.order import cycle
from astro_mcp.workflow.document.places import texts
from astro_mcp.workflow.document.plan import Plan, build
from astro_mcp.workflow.document.quoting import quoted
from astro_mcp.workflow.document.read import meant
from astro_mcp.workflow.document.references import step_problems, text_problems
from astro_mcp.workflow.document.source import load, unfenced
from astro_mcp.workflow.document.surroundings import Scope, Surroundings
from astro_mcp.workflow.expressions.template import OPEN, strings

STEPS: Final = 500
DEPTH: Final = 5
NOT_ALLOWED: Final = ", which this run does not allow"
"""How a lack of effects is told; each such problem's correction is the `allow` that covers the whole document."""


@dataclass(slots=True)
class Checked:
    """The plan where the document is sound, else what is wrong with it; the effects are what its calls may do. `spec`
    is the text to keep: the document with the workflows that it runs."""

    plan: Plan | None = None
    problems: list[Problem] = field(default_factory=list)
    effects: frozenset[Effect] = frozenset()
    spec: str = ""
    workspace: str = "in_place"
    begins: str = ""
    """What a worktree of the run would begin at, told by who can look; `labels` are those of what it names."""
    labels: frozenset[Label] = frozenset()

    def tell(self, problems: Iterable[Problem]) -> None:
        """Keep problems, each once; raises `_Enough` past the bound."""
        for problem in problems:
            if problem not in self.problems:
                self.problems.append(problem)
            if len(self.problems) > MOST:
                raise _Enough


class _Enough(Exception):
    """More is wrong than is told."""


def check(text: str, around: Surroundings) -> Checked:
    """Check a document; the plan is there only where nothing is wrong. Of more than a hundred problems the first are
    told: each one's correction is what stands at its path after those before it."""
    checked = Checked()
    try:
        value, problems = _loaded(text)
        checked.tell(problems)
        if sum(text.count(OPEN) for text in strings(value)) > MARKED:
            raise TooLarge(f"a document has at most {MARKED:,} expressions", "use foreach")
        written = meant(value)
        checked.tell(written.problems)
        if written.document is not None:
            _check_whole(written.document, text, replace(around, renamed=written.renamed, seen={}), checked)
    except AstroError as error:
        checked.problems.append(Problem("spec", error.message, error.hint))
    except _Enough:
        more = Problem("spec", f"there are more problems than these {MOST}", "correct these first")
        checked.problems = [*checked.problems[:MOST], more]
    allow = f"allow: {json.dumps(sorted(around.allowed | checked.effects))}"
    checked.problems = [
        replace(one, suggestion=allow) if one.reason.endswith(NOT_ALLOWED) else one for one in checked.problems
    ]
    return checked


def _loaded(text: str) -> tuple[Any, list[Problem]]:
    text = unfenced(text)
    try:
        return load(text), []
    except InvalidInput as error:
        return quoted(text, error)


def _check_whole(written: Document, text: str, around: Surroundings, checked: Checked) -> None:
    document, problems = whole(written, around.workflows)
    checked.tell(problems)
    around = replace(around, workflows=document.workflows)
    _check_document(document, "", around, checked)
    for name, one in document.workflows.items():
        _check_document(one, f"workflows.{name}.", around, checked)
    checked.workspace = document.workspace
    checked.tell(_workspace_problems(document, around, checked))
    checked.tell([] if problems else _too_much(document))
    if not checked.problems:
        checked.plan = build(document)
        checked.spec = text if document.workflows == written.workflows else _kept(document, checked)


def _workspace_problems(document: Document, around: Surroundings, checked: Checked) -> Iterator[Problem]:
    """A worktree is a run's, with all that it runs: it is written, and what asks for one gets one."""
    if document.workspace == WORKTREE:
        checked.effects |= {Effect.WRITE}
        if Effect.WRITE not in around.allowed:
            yield Problem("workspace", f"a worktree is written{NOT_ALLOWED}")
        return
    used = {step.uses for one in (document, *document.workflows.values()) for step in steps_of(one)}
    for name, one in document.workflows.items():
        if name in used and one.workspace == WORKTREE:
            reason = f"{name} is to run in a worktree, and what runs it works in place"
            yield Problem("workspace", reason, fragment({"workspace": WORKTREE}))


def _kept(document: Document, checked: Checked) -> str:
    text = json.dumps(document.model_dump(mode="json", by_alias=True, exclude_unset=True))
    if len(text) > BYTES:
        reason = f"with the workflows that it runs it holds {len(text):,} bytes; {BYTES:,} are allowed"
        checked.tell([Problem("spec", reason, "run fewer of them")])
        checked.plan = None
    return text


def _too_much(document: Document) -> Iterator[Problem]:
    if (steps := size(document)) > STEPS:
        reason = f"a document has at most {STEPS} steps, those of its workflows counted; this one has {steps:,}"
        yield Problem("steps", reason, "use foreach")
    if (deep := levels(document)) > DEPTH:
        yield Problem("steps", f"workflows run one another {deep} deep; {DEPTH} are allowed", "run them side by side")


def _check_document(document: Document, where: str, around: Surroundings, checked: Checked) -> None:
    for name, spec in document.inputs.items():
        if not spec.required and spec.default is not None and (wrong := mismatch(spec.default, spec)):
            checked.tell([Problem(f"{where}inputs.{name}.default", wrong)])
    scope = Scope({}, document.inputs)
    top = Scope({step.id: step for step in document.steps}, scope.inputs)
    _check_body(document.steps, f"{where}steps", scope, around, checked, 1)
    if document.on_failure:
        _check_body(document.on_failure, f"{where}{RESCUE}", top, around, checked, 2)
    checked.tell(_outputs_problems(document, f"{where}outputs", top, around))


def _check_body(
    steps: list[StepSpec], where: str, outer: Scope, around: Surroundings, checked: Checked, depth: int
) -> None:
    if depth > DEPTH:
        checked.tell([Problem(where, f"bodies are nested deeper than {DEPTH}")])
        return
    seen: set[str] = set()
    taken = {f"{step.id}_{RESCUE}" for step in steps if step.on_failure}
    for place, step in enumerate(steps):
        if step.id in seen or step.id in outer.steps or step.id in taken:
            checked.tell([Problem(f"{where}[{place}].id", f"the id {step.id} is taken", f"{step.id}_2")])
        seen.add(step.id)
    visible = {**outer.steps, **{step.id: step for step in steps}}
    for place, written in enumerate(steps):
        path = f"{where}[{place}]"
        step = _check_names(written, path, around, checked)
        own = Scope(visible, outer.inputs, outer.item or step.foreach is not None, outer.last)
        checked.tell(step_problems(step, path, own, outer, around))
        checked.tell(
            Problem(f"{path}.needs", f"there is no step {need[:60]} beside this one", _needed(step, seen, around))
            for need in step.needs
            if need not in seen
        )
        _check_call(step, path, around, checked)
        inside = Scope(visible, own.inputs, own.item, own.last or step.repeat is not None)
        if step.do is not None:
            _check_body(step.do, f"{path}.do", inside, around, checked, depth + 1)
            inside = replace(inside, steps={**visible, **{inner.id: inner for inner in step.do}})
        if step.on_failure:
            _check_body(step.on_failure, f"{path}.{RESCUE}", inside, around, checked, depth + 1)
    if ring := cycle(steps):
        checked.tell([Problem(where, f"a cycle: {' → '.join(ring)}", "no step may wait for itself")])


def _needed(step: StepSpec, beside: set[str], around: Surroundings) -> str:
    """The step's `needs` with each id that is there; what is like none is left out."""
    others = sorted(beside - {step.id})
    ids = [around.renamed.get(need, need) for need in step.needs]
    meant = [need if need in beside else nearest(need, others) for need in ids]
    return fragment({"needs": list(dict.fromkeys(need for need in meant if need))})


def _check_names(step: StepSpec, path: str, around: Surroundings, checked: Checked) -> StepSpec:
    """The step with its arguments named as they are meant; its tool stays as it is written."""
    tool = around.tool(step.tool) if step.tool else None
    if step.tool and step.tool not in around.tools:
        reason = f"there is no tool {step.tool[:60]}"
        checked.tell([Problem(f"{path}.tool", reason, f"tool: {tool.name}" if tool else "")])
    names = argument_names(tool) if tool else None
    if step.uses in around.workflows:
        names = list(around.workflows[step.uses].inputs)
    if names is None:
        return step
    step, problems = named(step, path, names)
    checked.tell(problems)
    return step


def _check_call(step: StepSpec, path: str, around: Surroundings, checked: Checked) -> None:
    if step.uses in around.workflows:
        checked.tell(input_problems(step, path, around.workflows[step.uses]))
    tool = around.tool(step.tool) if step.tool else None
    if tool is None:
        return
    if tool.agent == "workflow":
        reason = "a step can't start or steer workflows"
        checked.tell([Problem(f"{path}.tool", reason, "workflow: <name of a template>")])
    checked.tell(argument_problems(step, path, tool))
    effects = called_effects(step, tool)
    checked.effects |= effects
    if beyond := effects - around.allowed:
        checked.tell([Problem(f"{path}.tool", f"{tool.name} needs {', '.join(sorted(beyond))}{NOT_ALLOWED}")])


def _outputs_problems(document: Document, where: str, scope: Scope, around: Surroundings) -> Iterator[Problem]:
    for name, value in document.outputs.items():
        for place in texts(value, f"{where}.{name}", "outputs", name):
            yield from text_problems(place, scope, around)
