"""What a step sees: inputs, the steps of its body and of those around it, item, index, last.

A workflow that a step runs sees its own inputs and steps, and nothing around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from astro_mcp.workflow.document.plan import Node, Plan
from astro_mcp.workflow.expressions.bind import Missing, walk
from astro_mcp.workflow.expressions.prepare import Path
from astro_mcp.workflow.kernel.state import FAILED, SKIPPED, SUCCEEDED, TERMINAL, StepState

Steps = Mapping[str, StepState]


def parent(path: str) -> str:
    """The path that holds `path`; "" holds the topmost ones."""
    return path.rpartition(".")[0]


def is_instance(path: str) -> bool:
    """Whether `path` is an item or a round of the step before its last point."""
    return path.rpartition(".")[2].isdigit()


def child(path: str, name: str | int) -> str:
    """The path of a step or an instance inside `path`."""
    return f"{path}.{name}" if path else str(name)


class View:
    """The lookups of one step at `path`; `inside` where the path's own body is seen too (`until`)."""

    __slots__ = ("_inputs", "_inside", "_path", "_plan", "_steps")

    def __init__(self, plan: Plan, inputs: Mapping[str, Any], steps: Steps, path: str, *, inside: bool = False) -> None:
        self._plan = plan
        self._inputs = inputs
        self._steps = steps
        self._path = path
        self._inside = inside

    def lookup(self, path: Path) -> Any:
        """The value at `path`; raises `Missing`."""
        root, *rest = path
        if root == "inputs":
            return walk(self._own_inputs(), tuple(rest), "inputs")
        if root == "steps":
            return self._step(tuple(rest))
        return walk(self._local(str(root)), tuple(rest), str(root))

    def _step(self, rest: Path) -> Any:
        if not rest:
            raise Missing("`steps` alone is no value", "name a step: steps.lint")
        name = str(rest[0])
        for scope in self._scopes():
            full = child(scope, name)
            if full in self._steps:
                value = self._settled(full, name)
                after = rest[1:]
                if after[:1] == ("outputs",) and not (isinstance(value, Mapping) and "outputs" in value):
                    after = after[1:]
                return walk(value, after, f"steps.{name}")
        raise Missing(f"the step {name} has not run")

    def _own_inputs(self) -> Mapping[str, Any]:
        outermost = self._steps.get(self._scopes()[-1])
        return self._inputs if outermost is None or outermost.inputs is None else outermost.inputs

    def _scopes(self) -> list[str]:
        """The paths whose steps are seen, from the inside out: up to the workflow that they belong to."""
        scopes = [self._path] if self._inside else []
        path = self._path
        while path and not (scopes and self._is_workflow(scopes[-1])):
            path = parent(path)
            scopes.append(path)
        return scopes or [""]

    def _is_workflow(self, path: str) -> bool:
        return path in self._steps and self._steps[path].inputs is not None

    def _settled(self, path: str, name: str) -> Any:
        state = self._steps[path]
        if state.status == SUCCEEDED:
            return value_of(self._plan, self._steps, path)
        if state.status == FAILED:
            return {"error": dict(state.error or {})}
        raise Missing(f"the step {name} gave nothing: it is {state.status}", f"default(steps.{name}.field, value)")

    def _local(self, root: str) -> Any:
        path = self._path
        while path and not (self._is_workflow(path) and (self._inside or path != self._path)):
            if is_instance(path):
                holder = parent(path)
                index = int(path.rpartition(".")[2])
                items = self._steps[holder].items
                if root == "last" and items is None:
                    return value_of(self._plan, self._steps, child(holder, index - 1)) if index else {}
                if items is not None and root in ("item", "index"):
                    return items[index] if root == "item" else index
            path = parent(path)
        raise Missing(f"there is no `{root}` here")


def value_of(plan: Plan, steps: Steps, path: str) -> Any:
    """What a step gave: its output; of a body the outputs by id; of a foreach the list of its items' values, where
    a failed one is `{error}` and a skipped one null; of a repeat its last round's."""
    state = steps[path]
    node = plan.node(path)
    if node.uses is not None and (is_instance(path) or not node.many):
        return state.output
    if node.many and not is_instance(path):
        instances = [child(path, n) for n in range(state.opened)]
        if node.spec.repeat is not None:
            return value_of(plan, steps, instances[-1]) if instances else {}
        return [_item(plan, steps, instance) for instance in instances]
    if node.body is not None:
        return {name: _item(plan, steps, child(path, name)) for name in node.body.nodes if _gave(steps, path, name)}
    return state.output


def _gave(steps: Steps, path: str, name: str) -> bool:
    state = steps.get(child(path, name))
    return state is not None and state.status in TERMINAL and state.status != SKIPPED


def _item(plan: Plan, steps: Steps, path: str) -> Any:
    state = steps[path]
    if state.status == SUCCEEDED:
        return value_of(plan, steps, path)
    return None if state.status == SKIPPED else {"error": dict(state.error or {"code": state.status})}


def is_leaf(node: Node, path: str) -> bool:
    """Whether a path is something that is called, asked or approved, rather than what holds such things."""
    return node.body is None and (is_instance(path) or not node.many)
