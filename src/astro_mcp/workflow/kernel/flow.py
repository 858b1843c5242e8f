"""How a run moves through its bodies: what is decided, opened and closed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from astro_mcp.errors import AstroError, InvalidInput, LimitHit
from astro_mcp.workflow.document.inputs import settled
from astro_mcp.workflow.document.model import ITEMS, Document
from astro_mcp.workflow.document.plan import Node
from astro_mcp.workflow.expressions.bind import NO_STATUS, evaluated, kind
from astro_mcp.workflow.expressions.template import condition, render
from astro_mcp.workflow.kernel import asks
from astro_mcp.workflow.kernel.draft import Draft
from astro_mcp.workflow.kernel.scope import child, is_instance, is_leaf, parent
from astro_mcp.workflow.kernel.state import CANCELLED, FAILED, RUNNING, SKIPPED, SUCCEEDED, TERMINAL, WAITING

AT_ONCE: Final = 16
"""Items of a foreach that are open at once, where the document does not say."""


def open_body(draft: Draft, path: str) -> None:
    """Create the steps inside `path` and decide those that need nothing."""
    nodes = draft.plan.inside(path)
    draft.put(path, status=RUNNING, open=len(nodes.nodes), started=draft.now)
    for node in nodes.nodes.values():
        draft.create(child(path, node.id), waits=len(node.needs))
    for node in nodes.nodes.values():
        if not node.needs:
            decide(draft, child(path, node.id))


def decide(draft: Draft, path: str) -> None:
    """The needs of a step are done: it begins or it is skipped."""
    node = draft.plan.node(path)
    try:
        if not _wanted(draft, path, node):
            draft.finish(path, SKIPPED)
        elif node.many:
            _open_many(draft, path, node)
        else:
            _begin(draft, path, node)
    except AstroError as error:
        draft.fail(path, error)


def _wanted(draft: Draft, path: str, node: Node) -> bool:
    needs = [child(parent(path), name) for name in node.needs]
    if node.rescues is not None:
        watched = [child(parent(path), node.rescues)] if node.rescues else needs
        return any(_bad(draft, one, forgiving=not node.rescues) for one in watched)
    stopped = any(draft.steps[n].status != SUCCEEDED and not _forgiven_failure(draft, n) for n in needs)
    blame = any(draft.steps[n].blame and not _forgiven_failure(draft, n) for n in needs)
    if blame:
        draft.put(path, blame=True)
    prepared = condition(node.spec.if_) if node.spec.if_ is not None else None
    if stopped and (prepared is None or not prepared.statuses):
        return False
    if prepared is None:
        return True
    statuses = {"always": True, "success": not stopped, "failure": blame}
    if prepared.source.strip() in ("true", "false"):
        return prepared.source.strip() == "true"
    value = evaluated(prepared, draft.view(path).lookup, statuses, draft.evaluate)
    if not isinstance(value, bool):
        raise InvalidInput(f"`if` gives {kind(value)}: {node.spec.if_}", "a condition gives true or false: compare it")
    return value


def _forgiven_failure(draft: Draft, path: str) -> bool:
    return draft.steps[path].status == FAILED and draft.forgiven(path)


def _bad(draft: Draft, path: str, *, forgiving: bool = True) -> bool:
    return draft.steps[path].status in (FAILED, CANCELLED) and not (forgiving and draft.forgiven(path))


def _begin(draft: Draft, path: str, node: Node) -> None:
    if node.kind == "group":
        if node.uses is not None:
            draft.put(path, inputs=_given(draft, path, node, node.uses))
        if node.seconds is not None and node.spec.repeat is None:
            draft.put(path, wake=draft.now + node.seconds)
        open_body(draft, path)
    elif node.kind == "call":
        draft.line_up(path)
    else:
        view = draft.view(path)
        shown = asks.request(node, draft.run.run_id, path, view.lookup, draft.evaluate)
        wake = None if node.spec.seconds is None else draft.now + node.spec.seconds
        draft.put(path, status=WAITING, request=shown, started=draft.now, wake=wake)


def _given(draft: Draft, path: str, node: Node, used: Document) -> dict[str, Any]:
    """The inputs of a workflow that a step runs."""
    values, problems = settled(used.inputs, render(node.spec.with_, draft.view(path).lookup, draft.evaluate))
    if problems:
        first = problems[0]
        raise InvalidInput(f"{node.spec.uses}: {first.path}: {first.reason}", problems=tuple(problems))
    return values


def cut_short(draft: Draft, path: str, error: Mapping[str, Any]) -> None:
    """A body's time is over, or it is cancelled: what goes on in it ends, and then its `on_failure` begins. A body
    inside that has one ends after it; the error on a body that still runs says that it opens nothing more, and stays
    the first one."""
    if draft.steps[path].error is not None:
        return
    draft.put(path, wake=None, error=error)
    for inner, state in list(draft.steps.items()):
        if not inner.startswith(f"{path}.") or state.status in TERMINAL or _rescue_within(draft, path, inner):
            continue
        if state.status == RUNNING and not is_leaf(draft.plan.node(inner), inner):
            draft.put(inner, wake=None, error=error)
        else:
            draft.finish(inner, CANCELLED, error=error)
    settle(draft)


def _rescue_within(draft: Draft, path: str, inner: str) -> bool:
    """Whether `inner` is the `on_failure` of a body between the two, or belongs to it."""
    while inner != path:
        if not is_instance(inner) and draft.plan.node(inner).rescues is not None:
            return True
        inner = parent(inner)
    return False


def _open_many(draft: Draft, path: str, node: Node) -> None:
    if node.spec.repeat is not None:
        wake = None if node.seconds is None else draft.now + node.seconds
        draft.put(path, status=RUNNING, started=draft.now, wake=wake)
        _open_instance(draft, path)
        return
    items = render(node.spec.foreach, draft.view(path).lookup, draft.evaluate)
    if not isinstance(items, list):
        raise InvalidInput(f"foreach goes over a list; this is {kind(items)}", "foreach: ${{ steps.lint.items }}")
    if len(items) > ITEMS:
        raise LimitHit(
            f"foreach goes over {len(items):,} items; {ITEMS:,} are allowed", "take a part: slice(list, 0, n)"
        )
    draft.put(path, status=RUNNING, started=draft.now, items=items)
    if not items:
        draft.finish(path, SUCCEEDED)
    for _ in range(min(len(items), node.spec.max_parallel or AT_ONCE)):
        _open_instance(draft, path)


def _open_instance(draft: Draft, path: str) -> None:
    state = draft.steps[path]
    instance = child(path, state.opened)
    draft.put(path, opened=state.opened + 1, open=state.open + 1)
    draft.create(instance)
    try:
        _begin(draft, instance, draft.plan.node(path))
    except AstroError as error:
        draft.fail(instance, error)


def settle(draft: Draft) -> None:
    """Tell what surrounds each ended step, until nothing more follows from it."""
    while draft.done:
        path = draft.done.popleft()
        if not path:
            continue
        holder = parent(path)
        state = draft.steps[holder]
        draft.put(holder, open=state.open - 1, failed=state.failed + _bad(draft, path))
        if is_instance(path):
            _instance_done(draft, holder, path)
        else:
            _step_done(draft, holder, path)


def _step_done(draft: Draft, holder: str, path: str) -> None:
    for name in draft.plan.node(path).dependents:
        dependent = child(holder, name)
        waits = draft.steps[dependent].waits - 1
        draft.put(dependent, waits=waits)
        if not waits and draft.steps[dependent].status not in TERMINAL:
            decide(draft, dependent)
    state = draft.steps[holder]
    if state.open:
        return
    if state.error is not None:
        draft.finish(holder, FAILED, error=state.error)
    elif state.failed:
        draft.finish(holder, FAILED, error=_first_error(draft, holder))
    elif not holder or (used := draft.plan.node(holder).uses) is None:
        draft.finish(holder, SUCCEEDED)
    else:
        _outputs(draft, holder, used)


def _outputs(draft: Draft, path: str, used: Document) -> None:
    """The end of a workflow that a step ran: its outputs are the step's."""
    try:
        draft.finish(path, SUCCEEDED, output=render(used.outputs, draft.view(path, inside=True).lookup, draft.evaluate))
    except AstroError as error:
        draft.fail(path, error)


def _first_error(draft: Draft, holder: str) -> dict[str, Any]:
    """The error of the first step inside that failed, with its path."""
    nodes = draft.plan.inside(holder)
    paths = [child(holder, name) for name in nodes.nodes]
    bad = [p for p in paths if _bad(draft, p)]
    path = min(bad, key=lambda p: (draft.steps[p].ended or 0, draft.steps[p].position))
    error = draft.steps[path].error or {"code": "cancelled", "message": "cancelled", "hint": "", "retryable": False}
    message = str(error["message"])
    return {**error, "message": message if message.startswith(f"{path}.") else f"{path}: {message}"}


def _instance_done(draft: Draft, holder: str, path: str) -> None:
    node = draft.plan.node(holder)
    state = draft.steps[holder]
    if state.status in TERMINAL:
        return
    if state.error is not None:
        if not state.open:
            draft.finish(holder, FAILED, error=state.error)
    elif node.spec.repeat is not None:
        _round_done(draft, holder, path, node)
    elif state.opened < len(state.items or ()):
        _open_instance(draft, holder)
    elif not state.open:
        draft.finish(holder, SUCCEEDED)


def _round_done(draft: Draft, holder: str, path: str, node: Node) -> None:
    repeat = node.spec.repeat
    if repeat is None:
        return
    if draft.steps[path].status != SUCCEEDED:
        draft.finish(holder, draft.steps[path].status, error=draft.steps[path].error)
        return
    try:
        view = draft.view(path, inside=True)
        holds = evaluated(condition(repeat.until), view.lookup, NO_STATUS, draft.evaluate)
        if not isinstance(holds, bool):
            raise InvalidInput(f"`until` gives {kind(holds)}", "a condition gives true or false: compare it")
    except AstroError as error:
        draft.fail(holder, error)
        return
    if holds:
        draft.finish(holder, SUCCEEDED)
    elif draft.steps[holder].opened < repeat.max:
        _open_instance(draft, holder)
    else:
        reason = f"`until` does not hold after {repeat.max} rounds: {repeat.until[:120]}"
        draft.fail(holder, LimitHit(reason, "raise `max`, or let the workflow go on with continue-on-error: true"))
