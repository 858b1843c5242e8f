"""Runs for callers that do not wait, and come back: which ones suit them, and how a run is then."""

from __future__ import annotations

from typing import Final

from astro_mcp.core.authority import Level
from astro_mcp.core.durable import Durable
from astro_mcp.observe.printable import printable
from astro_mcp.workflow import views
from astro_mcp.workflow.document.plan import Node, Plan
from astro_mcp.workflow.driver import RunView
from astro_mcp.workflow.kernel.state import CANCELLED, RunState
from astro_mcp.workflow.progress import resting
from astro_mcp.workflow.shapes import RunOutput

LINE: Final = 500
"""Characters of the line about a run."""


def suits(plan: Plan, levels: frozenset[Level]) -> bool:
    """Whether the run wants nobody's word but of these levels. An ask is the model's, and a model that is handed a
    run's end alone never hears of it."""
    return all(_level(node) in levels for node in plan.walk() if node.kind in ("ask", "approve"))


def _level(node: Node) -> Level:
    return node.spec.approve.level if node.spec.approve is not None else Level.MODEL


def told(view: RunView, kept_seconds: float | None) -> Durable:
    """The run as it is; `kept_seconds` is how long one stays after its end, where that is known."""
    state = view.state
    value = RunOutput(**views.summary(view))
    kept_until = None if state.ended is None or kept_seconds is None else state.ended + kept_seconds
    return Durable(
        id=state.run_id,
        over=state.over,
        cancelled=state.status == CANCELLED,
        text=_line(state, value),
        value=value,
        created=state.created,
        updated=_updated(state),
        kept_until=kept_until,
    )


def _line(state: RunState, value: RunOutput) -> str:
    """How far it is; then what went wrong, or who can move it on where it waits."""
    more = value.error.line() if value.error else f"next: {value.next}" if resting(state) and value.next else ""
    return printable(f"{value.progress}; {more}" if more else value.progress, LINE).replace("\n", " ")


def _updated(state: RunState) -> float:
    times = [state.created, state.ended]
    for step in state.steps.values():
        times += (step.started, step.ended)
    return max(at for at in times if at is not None)
