"""`step`: a run's state and an event give the next state and what is to be done. Pure: no clock, no I/O, no chance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from astro_mcp.errors import AstroError, Lost, Rejected, TimedOut
from astro_mcp.errors import LimitHit as OverBudget
from astro_mcp.workflow.document.model import Retry
from astro_mcp.workflow.document.plan import Plan
from astro_mcp.workflow.expressions.bind import Evaluate
from astro_mcp.workflow.expressions.template import render
from astro_mcp.workflow.kernel import events as e
from astro_mcp.workflow.kernel import worktree
from astro_mcp.workflow.kernel.draft import Advance, Draft
from astro_mcp.workflow.kernel.flow import cut_short, open_body, settle
from astro_mcp.workflow.kernel.retry import FINAL, MOST_REFUSALS, REFUSED, pause
from astro_mcp.workflow.kernel.scope import View, is_leaf, parent
from astro_mcp.workflow.kernel.state import (
    CANCELLED,
    CLOSING,
    ENDED,
    FAILED,
    LOST,
    MAKING,
    PAUSED,
    QUEUED,
    READY,
    RUNNING,
    SUCCEEDED,
    TERMINAL,
    WAITING,
    RunState,
)


def step(plan: Plan, state: RunState, event: e.Event, evaluate: Evaluate) -> Advance:
    """The next state. An event that comes too late, twice or for nothing changes nothing."""
    draft = Draft(plan, state, evaluate)
    take(draft, event)
    return draft.advance()


def take(draft: Draft, event: e.Event) -> None:
    """Take a draft on by one event: many events in one draft give what as many `step`s would."""
    if draft.run.over:
        return
    draft.at(event)
    if worktree.phase(draft) == CLOSING:
        draft.put_run(**worktree.closing(draft, event))
        return
    fields: dict[str, Any] = {}
    handle = _HANDLERS.get(type(event))
    if handle is not None:
        fields.update(handle(draft, event) or {})
    run = draft.run
    if not draft.steps and run.after is not None and "status" not in fields:
        fields.update(_opened(draft))
    if run.deadline is not None and event.now >= run.deadline and "status" not in fields:
        error = TimedOut("the run took longer than its timeout", "raise `timeout` in the document").as_dict()
        fields.update(_cancel_all(draft), status=FAILED, error=error)
    if "status" not in fields:
        _due(draft)
        paused = bool(fields.get("paused", run.paused))
        making = (fields.get("worktree", run.worktree) or {}).get("phase") == MAKING
        _start_ready(draft, held=paused or making)
        fields.update(_status(draft, paused=paused, making=making))
    draft.put_run(**(worktree.withheld(draft, fields) if fields.get("status") in ENDED else fields))


def _began(draft: Draft, event: e.Began) -> dict[str, Any]:
    if not draft.steps:
        return _opened(draft)
    worktree.go_on(draft)
    return {}


def _opened(draft: Draft, origin: str = "") -> dict[str, Any]:
    """The run's body is open, once its time has come."""
    if draft.run.after is not None and draft.now < draft.run.after:
        return {}
    draft.create("")
    open_body(draft, "")
    settle(draft)
    fields = worktree.begin(draft, origin)
    seconds = draft.plan.document.timeout
    return fields if seconds is None else {**fields, "deadline": draft.now + seconds}


def _forked(draft: Draft, event: e.Forked) -> dict[str, Any]:
    fields = _opened(draft, event.origin)
    while had := [p for p in event.outputs if p in draft.steps and draft.steps[p].status in (READY, WAITING)]:
        for path in had:
            draft.finish(path, SUCCEEDED, output=event.outputs[path])
        settle(draft)
    return fields


def _made(draft: Draft, event: e.Made) -> dict[str, Any]:
    if event.error is None or worktree.phase(draft) != MAKING:
        return worktree.made(draft, event)
    return {**_cancel_all(draft), "status": FAILED, "error": event.error, "worktree": None}


def _finished(draft: Draft, event: e.Finished) -> None:
    state = draft.steps.get(event.path)
    if state is None or state.status != RUNNING or not 0 < event.attempt == state.attempt:
        return  # a body has no attempt
    error = event.error
    if error is None:
        draft.finish(event.path, SUCCEEDED, output=event.output)
    elif error["code"] in REFUSED and state.refused < MOST_REFUSALS:
        _again(draft, event.path, float(error.get("retry_after_ms") or 1000) / 1000, refused=state.refused + 1)
    elif (retry := draft.plan.node(event.path).spec.retry) and _may_retry(retry, state.attempt, str(error["code"])):
        wait = pause(retry, draft.run.run_id, event.path, state.attempt, error)
        _again(draft, event.path, wait, error=error)
    else:
        draft.finish(event.path, FAILED, error=error)
    settle(draft)


def _may_retry(retry: Retry, attempt: int, code: str) -> bool:
    return attempt < retry.max_attempts and code not in FINAL


def _again(draft: Draft, path: str, wait: float, **fields: Any) -> None:
    """Back to ready, with a time to wake; a refused call's attempt is given back."""
    attempt = draft.steps[path].attempt - (1 if "refused" in fields else 0)
    draft.running -= 1
    draft.put(path, status=READY, wake=draft.now + wait, attempt=attempt, **fields)


def _answered(draft: Draft, event: e.Answered) -> None:
    state = draft.steps.get(event.path)
    if state is None or state.status not in (WAITING, LOST):
        return
    if state.status == LOST:
        draft.finish(event.path, SUCCEEDED, output=event.value)
    elif event.digest != (state.request or {}).get("digest"):
        return
    elif (state.request or {}).get("kind") == "approve" and event.value is not True:
        draft.fail(event.path, Rejected(f"the gate was rejected by the {event.by}"))
    else:
        output = {"approved": True, "by": event.by} if event.value is True else event.value
        draft.finish(event.path, SUCCEEDED, output=output)
    settle(draft)


def _cancelled(draft: Draft, event: e.Cancelled) -> dict[str, Any]:
    if not event.path:
        return {**_cancel_all(draft), "status": CANCELLED, "ended": draft.now}
    state = draft.steps.get(event.path)
    if state is None or state.status in TERMINAL:
        return {}
    error = {"code": "cancelled", "message": "cancelled on request", "hint": "", "retryable": False}
    if state.status == RUNNING and not is_leaf(draft.plan.node(event.path), event.path):
        cut_short(draft, event.path, error)
    else:
        draft.finish(event.path, CANCELLED, error=error)
        settle(draft)
    return {}


def _cancel_all(draft: Draft) -> dict[str, Any]:
    for path, state in list(draft.steps.items()):
        if state.status not in TERMINAL:
            draft.finish(path, CANCELLED)
    draft.done.clear()
    draft.ready.clear()
    return {"ended": draft.now}


def _retried(draft: Draft, event: e.Retried) -> None:
    for path in [event.path] if event.path else list(draft.steps):
        if path in draft.steps and draft.steps[path].status == LOST:
            draft.put(path, error=None)
            draft.line_up(path)


def _recovered(draft: Draft, event: e.Recovered) -> None:
    """Calls in flight, or the one at the event's path, went down with their process: again where that is harmless, else
    somebody has to decide."""
    for path in [event.path] if event.path else list(draft.steps):
        state = draft.steps.get(path)
        if state is None or state.status != RUNNING or not path or not is_leaf(draft.plan.node(path), path):
            continue
        draft.running -= 1
        if draft.plan.node(path).spec.tool in event.repeatable:
            draft.put(path, attempt=state.attempt - 1)
            draft.line_up(path)
        else:
            hint = "look whether its effect happened, then workflow_control retry or cancel, or workflow_answer"
            draft.put(path, status=LOST, error=Lost(hint=hint).as_dict())


def _due(draft: Draft) -> None:
    """What was to happen by now."""
    if not draft.wakes:
        return
    due = [(at, draft.steps[path].position, path) for path, at in draft.wakes.items() if at <= draft.now]
    for _, _, path in sorted(due):
        if draft.steps[path].status == READY:
            draft.line_up(path)
        elif not is_leaf(draft.plan.node(path), path):
            error = TimedOut("this took longer than its timeout", "raise the step's `timeout`")
            cut_short(draft, path, error.as_dict())
        else:
            draft.fail(path, TimedOut("nobody answered in time", "raise the step's `timeout`"))
    settle(draft)


def _start_ready(draft: Draft, *, held: bool) -> None:
    """Start what is ready while there is room."""
    draft.close_ranks()
    while draft.ready and not held and draft.slots > 0 and draft.running < draft.run.parallel:
        path = draft.ready.popleft()
        state = draft.steps[path]
        try:
            if draft.calls >= draft.plan.document.budget.calls:
                raise OverBudget(
                    f"the budget of {draft.calls} calls is used up", "raise `budget: {calls: n}` in the document"
                )
            holders = _within_budget(draft, path)
            command = _call(draft, path, state.attempt + 1)
        except AstroError as error:
            draft.fail(path, error)
            settle(draft)
            continue
        for holder in holders:
            draft.put(holder, calls=draft.steps[holder].calls + 1)
        draft.calls += 1
        draft.slots -= 1
        draft.running += 1
        draft.put(path, status=RUNNING, attempt=state.attempt + 1, started=state.started or draft.now)
        draft.commands.append(command)


def _within_budget(draft: Draft, path: str) -> list[str]:
    """The workflows around a call that count their calls; raises `LimitHit` where one has none left."""
    holders: list[str] = []
    if not draft.plan.document.workflows:
        return holders
    while path := parent(path):
        used = draft.plan.node(path).uses
        if used is None or used.calls is None or draft.steps[path].inputs is None:
            continue
        if draft.steps[path].calls >= used.calls:
            raise OverBudget(
                f"{path}: the workflow's budget of {used.calls} calls is used up", "raise `budget: {calls: n}` in it"
            )
        holders.append(path)
    return holders


def _call(draft: Draft, path: str, attempt: int) -> e.Start:
    spec = draft.plan.node(path).spec
    arguments = render(spec.with_, draft.view(path).lookup, draft.evaluate)
    return e.Start(path, attempt, spec.tool or "", arguments, spec.seconds)


def _status(draft: Draft, *, paused: bool, making: bool) -> dict[str, Any]:
    """The run's status, which follows from its steps'."""
    root = draft.steps.get("")
    if root is None:
        return {"status": PAUSED if paused else QUEUED}
    if root.status in TERMINAL:
        return _ended(draft)
    if paused:
        return {"status": PAUSED}
    goes_on = draft.running or draft.ready or making or any(draft.steps[p].status == READY for p in draft.wakes)
    return {"status": RUNNING if goes_on else WAITING}


def _ended(draft: Draft) -> dict[str, Any]:
    root = draft.steps[""]
    if root.status != SUCCEEDED:
        return {"status": FAILED, "error": root.error, "ended": draft.now}
    try:
        view = View(draft.plan, draft.run.inputs, draft.steps, "", inside=True)
        outputs = render(draft.plan.document.outputs, view.lookup, draft.evaluate)
    except AstroError as error:
        body = error.as_dict()
        return {"status": FAILED, "error": {**body, "message": f"outputs: {body['message']}"}, "ended": draft.now}
    return {"status": SUCCEEDED, "outputs": outputs, "ended": draft.now}


_HANDLERS: Final[dict[type[e.Event], Callable[[Draft, Any], dict[str, Any] | None]]] = {
    e.Began: _began,
    e.Forked: _forked,
    e.Made: _made,
    e.Finished: _finished,
    e.Answered: _answered,
    e.Cancelled: _cancelled,
    e.Retried: _retried,
    e.Recovered: _recovered,
    e.Paused: lambda draft, event: {"paused": True},
    e.Resumed: lambda draft, event: {"paused": False},
}
