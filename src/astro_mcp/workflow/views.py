"""A run's state as what its owner is shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from astro_mcp.errors import NotFound
from astro_mcp.observe.printable import printable
from astro_mcp.workflow.document.plan import Node, Plan
from astro_mcp.workflow.driver import Happened, RunView
from astro_mcp.workflow.kernel.scope import is_leaf, value_of
from astro_mcp.workflow.kernel.state import CLOSED, LOST, PAUSED, SUCCEEDED, WAITING, RunState, StepState
from astro_mcp.workflow.progress import counted
from astro_mcp.workflow.shapes import ErrorShape, PlanStep, StepLine, Waiting, WorktreeShape

SHOWN: Final = 16 * 1024
"""Bytes of outputs that stand in a result; more is at the run's address."""


def summary(view: RunView) -> dict[str, Any]:
    """The fields that a run's start and its status share."""
    state = view.state
    outputs = dict(state.outputs)
    large = len(json.dumps(outputs, ensure_ascii=False)) > SHOWN
    waiting = waiting_for(view)
    return {
        "run_id": state.run_id,
        "status": state.status,
        "progress": counted(view.plan, state)[2],
        "outputs": {} if large else outputs,
        "outputs_uri": f"astro://runs/{state.run_id}" if large else "",
        "worktree": worktree_shape(state.worktree),
        "waiting_for": waiting,
        "error": error_shape(state.error),
        "next": following(state, waiting),
    }


def worktree_shape(tree: Mapping[str, Any] | None) -> WorktreeShape | None:
    if not tree:
        return None
    phase, branch, sha = tree["phase"], tree.get("branch", ""), tree.get("sha", "")
    left = printable(tree.get("left", ""))
    path = tree.get("path", "") if phase != CLOSED or left else ""
    merge = f"git merge {branch}" if phase == CLOSED and sha else ""
    told = f"worktree: {phase}" + (f", on {branch} in {path}" if path else "")
    if phase == CLOSED:
        told = f"committed as {sha[:12]} on {branch}; to have it: {merge}" if merge else "worktree: nothing was changed"
    if left:
        told = f"left in {path}: {left}" + (f"\n{told}" if merge else "")
    return WorktreeShape(phase=phase, branch=branch, sha=sha, path=path, left=left, merge=merge, told=told)


def error_shape(error: Any) -> ErrorShape | None:
    if not error:
        return None
    return ErrorShape(code=error["code"], message=error["message"], hint=error.get("hint", ""))


def waiting_for(view: RunView) -> list[Waiting]:
    """Every ask, gate and lost step, in order."""
    if view.state.over:
        return []
    steps = sorted(view.state.steps.items(), key=lambda pair: pair[1].position)
    return [_waiting(view, path, step) for path, step in steps if step.status in (WAITING, LOST)]


def _waiting(view: RunView, path: str, step: StepState) -> Waiting:
    if step.status == LOST:
        tool = view.plan.node(path).spec.tool or ""
        text = f"the process died during {tool}; look whether its effect happened, then retry, cancel or answer"
        return Waiting(step=path, kind="lost", text=text)
    request = step.request or {}
    if request["kind"] == "approve":
        then = f" (then: {', '.join(request['then'])})" if request["then"] else ""
        return Waiting(step=path, kind="approve", text=request["text"] + then, level=request["level"])
    shown = json.dumps(request["with"], ensure_ascii=False) if request["with"] else ""
    answer = json.dumps(request["answer"]) if request["answer"] else ""
    return Waiting(step=path, kind="ask", text=request["text"], shown=shown, answer=answer)


def following(state: RunState, waiting: list[Waiting]) -> str:
    """The one call to make next, written out."""
    run = f'run_id="{state.run_id}"'
    if state.over:
        return ""
    if waiting and waiting[0].kind == "lost":
        return f'workflow_control({run}, action="retry", step="{waiting[0].step}"), or action="cancel"'
    if waiting and waiting[0].level in ("host", "operator"):
        return f"a person decides {waiting[0].step}; then workflow_status({run}, wait_seconds=25)"
    if waiting:
        value = "true" if waiting[0].kind == "approve" else "…"
        return f'workflow_answer({run}, step="{waiting[0].step}", value={value})'
    if state.status == PAUSED:
        return f'workflow_control({run}, action="resume")'
    return f"workflow_status({run}, wait_seconds=25)"


def step_lines(view: RunView) -> list[StepLine]:
    """Every step and instance, in the order in which they came to be."""
    steps = sorted(view.state.steps.items(), key=lambda pair: pair[1].position)
    return [_step_line(view, path, step) for path, step in steps if path]


def _step_line(view: RunView, path: str, step: StepState) -> StepLine:
    took = step.ended - step.started if step.ended is not None and step.started is not None else None
    node = view.plan.node(path)
    leaf = is_leaf(node, path)
    own = leaf or node.uses is not None
    return StepLine(
        id=path,
        tool=node.spec.tool or node.spec.workflow or (node.kind if leaf else _kind(node)),
        status=step.status,
        attempts=step.attempt,
        ms=None if took is None else round(took * 1000),
        result_uri=f"astro://runs/{view.state.run_id}/steps/{path}" if own and step.status == SUCCEEDED else "",
        error=f"{step.error['code']}: {step.error['message']}" if step.error else "",
    )


def _kind(node: Node) -> str:
    if node.spec.foreach is not None:
        return "foreach"
    return "repeat" if node.many else "workflow" if node.uses is not None else node.kind


def run_json(view: RunView) -> str:
    """The whole run, without its steps' outputs."""
    body = {**summary(view), "name": view.name, "outputs": dict(view.state.outputs), "inputs": dict(view.state.inputs)}
    body["steps"] = [line.model_dump(mode="json") for line in step_lines(view)]
    return json.dumps(body, ensure_ascii=False, indent=1, default=lambda model: model.model_dump(mode="json"))


def step_json(view: RunView, path: str) -> str:
    """One step, whole; raises `NotFound`."""
    step = view.state.steps.get(path) if path else None
    if step is None:
        raise NotFound(f"the run has no step {path[:80]!r}")
    body = _step_line(view, path, step).model_dump(mode="json")
    body["output"] = value_of(view.plan, view.state.steps, path) if step.status == SUCCEEDED else None
    body["error"] = dict(step.error) if step.error else None
    body["request"] = dict(step.request) if step.request else None
    return json.dumps(body, ensure_ascii=False, indent=1)


def event_json(event: Happened) -> dict[str, Any]:
    """One line of a run's history."""
    return {"seq": event.seq, "at": event.at, "kind": event.kind, "step": event.path, **event.body}


def plan_steps(plan: Plan) -> list[PlanStep]:
    """Every step of a plan; those of a body after the step that holds it."""
    return [
        PlanStep(
            id=node.id,
            kind=_kind(node),
            tool=node.spec.tool or node.spec.workflow or "",
            needs=list(node.needs),
        )
        for node in plan.walk()
    ]
