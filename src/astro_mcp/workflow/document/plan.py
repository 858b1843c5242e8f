"""The plan: a document's steps as a tree of bodies, each step with the siblings that it needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from astro_mcp.errors import NotFound
from astro_mcp.workflow.document.model import RESCUE, Document, StepSpec
from astro_mcp.workflow.expressions.prepare import Path, Prepared
from astro_mcp.workflow.expressions.template import OPEN, condition, expressions
from astro_mcp.workflow.stored_json import stored_json


@dataclass(frozen=True, slots=True)
class Node:
    """One step. `needs` and `dependents` are ids of the same body; a reference from inside `do` counts for the step
    that holds the body. `uses` is the workflow that it runs, whose steps are its body. `rescues` is there where it is
    an `on_failure`: the id of its step or, where that is empty, all of the body that it stands in."""

    id: str
    spec: StepSpec
    needs: tuple[str, ...]
    dependents: tuple[str, ...]
    body: Body | None
    uses: Document | None = None
    rescues: str | None = None

    @property
    def kind(self) -> str:
        """call, ask, approve or group."""
        if self.spec.tool is not None:
            return "call"
        return "ask" if self.spec.ask is not None else "approve" if self.spec.approve is not None else "group"

    @property
    def many(self) -> bool:
        """Whether it has instances (`files.0`): a `foreach` or a `repeat`."""
        return self.spec.foreach is not None or self.spec.repeat is not None

    @property
    def seconds(self) -> float | None:
        """The bound of its time: of each item of a foreach, of a repeat's rounds together."""
        bounds = (self.spec.seconds, self.uses.timeout if self.uses else None)
        return min((bound for bound in bounds if bound is not None), default=None)


@dataclass(frozen=True, slots=True)
class Body:
    """Steps that see one another."""

    nodes: Mapping[str, Node]


@dataclass(frozen=True, slots=True)
class Plan:
    """A document, ready for the kernel. `marks` tells how often an expression begins in it: at least as many as it
    has."""

    document: Document
    body: Body
    marks: int
    _nodes: dict[str, Node] = field(default_factory=dict)

    def node(self, path: str) -> Node:
        """The node behind a step's path (`files.3.fix`); raises `NotFound`."""
        found = self._nodes.get(path)
        if found is None:
            found = self._nodes[path] = self._find(path)
        return found

    def inside(self, path: str) -> Body:
        """The steps inside of a step's path; those of the run where it is empty."""
        return self.body if not path else self.node(path).body or self.body

    def _find(self, path: str) -> Node:
        holder, _, last = path.rpartition(".")
        many = self._nodes.get(holder)
        if last.isdigit() and many is not None and many.many:
            return many  # an instance
        body: Body | None = self.body
        node = None
        for part in path.split("."):
            if part.isdigit() and node is not None and node.many:
                continue
            node = body.nodes.get(part) if body else None
            if node is None:
                raise NotFound(f"the workflow has no step {path[:80]!r}")
            body = node.body
        if node is None:
            raise NotFound("a step's path is not empty")
        return node

    def walk(self) -> Iterator[Node]:
        """Every node, parents first."""
        stack = list(self.body.nodes.values())[::-1]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(list(node.body.nodes.values())[::-1] if node.body else ())


def build(document: Document) -> Plan:
    """The plan of a document whose references, needs and workflows are sound; raises `InvalidInput` for a broken
    expression."""
    bodies: dict[str, Body] = {}
    body = _body(document.steps, document.on_failure, document.workflows, bodies)
    try:
        text = document.model_dump_json()
    except ValueError:  # half a character: a way that takes these, and ten times as long
        text = stored_json(document.model_dump())
    return Plan(document, body, text.count(OPEN))


def _body(
    steps: list[StepSpec],
    on_failure: list[StepSpec] | None,
    workflows: Mapping[str, Document],
    bodies: dict[str, Body],
) -> Body:
    """`bodies` are those of workflows: each is made once, however many steps run it."""
    rescues: dict[str, str] = {}
    whole = list(steps)
    for step in steps:
        if step.on_failure and step.do is None:
            whole.append(_rescue(f"{step.id}_{RESCUE}", step.on_failure, [step.id]))
            rescues[whole[-1].id] = step.id
    if on_failure:
        whole.append(_rescue(RESCUE, on_failure, [step.id for step in whole]))
        rescues[RESCUE] = ""
    ids = {step.id for step in whole}
    needs = {step.id: _needs(step, ids) for step in whole}
    dependents: dict[str, list[str]] = {step.id: [] for step in whole}
    for name, needed in needs.items():
        for other in needed:
            dependents[other].append(name)

    def inside(step: StepSpec) -> Body | None:
        if step.do is not None:
            return _body(step.do, step.on_failure if step.id not in rescues else None, workflows, bodies)
        if step.workflow is None:
            return None
        if step.uses not in bodies:
            used = workflows[step.uses]
            bodies[step.uses] = _body(used.steps, used.on_failure, workflows, bodies)
        return bodies[step.uses]

    return Body(
        {
            step.id: Node(
                step.id,
                step,
                needs[step.id],
                tuple(dependents[step.id]),
                inside(step),
                workflows[step.uses] if step.workflow is not None else None,
                rescues.get(step.id),
            )
            for step in whole
        }
    )


def _rescue(name: str, steps: list[StepSpec], needs: list[str]) -> StepSpec:
    return StepSpec.model_construct(id=name, do=steps, needs=needs)


def _needs(step: StepSpec, ids: set[str]) -> tuple[str, ...]:
    """Siblings that are named in `needs` or referred to, here or anywhere inside."""
    named = [*step.needs, *(str(path[1]) for path in referred(step) if path[0] == "steps" and len(path) > 1)]
    return tuple(dict.fromkeys(name for name in named if name in ids and name != step.id))


def referred(step: StepSpec) -> Iterator[Path]:
    """Every path that the step refers to, and those of its body."""
    for prepared, _ in prepared_of(step):
        yield from prepared.paths
    for inner in [*(step.do or ()), *((step.on_failure or ()) if step.do is not None else ())]:
        yield from referred(inner)


def prepared_of(step: StepSpec) -> Iterator[tuple[Prepared, str]]:
    """The step's own expressions, each with the word that it stands under. `until` counts as the body's."""
    for word, value in texts_of(step):
        yield from ((prepared, word) for prepared in expressions(value))
    if step.if_ is not None:
        yield condition(step.if_), "if"
    if step.repeat is not None:
        yield condition(step.repeat.until), "repeat.until"


def texts_of(step: StepSpec) -> Iterator[tuple[str, Any]]:
    """What may hold `${{ }}`, with its word."""
    yield "with", step.with_
    if step.foreach is not None:
        yield "foreach", step.foreach
    if step.ask is not None:
        yield "ask", step.ask
    if step.approve is not None:
        yield "approve.message", step.approve.message
