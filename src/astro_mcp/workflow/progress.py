"""How far a run is, in numbers and words."""

from __future__ import annotations

from astro_mcp.workflow.document.plan import Plan
from astro_mcp.workflow.kernel.scope import is_leaf
from astro_mcp.workflow.kernel.state import LOST, PAUSED, RUNNING, SKIPPED, TERMINAL, WAITING, RunState


def resting(state: RunState) -> bool:
    """Whether nothing happens before somebody says something."""
    return state.over or state.status in (WAITING, PAUSED)


def counted(plan: Plan, state: RunState) -> tuple[int, int, str]:
    """Steps done, steps known of, and a line about what runs; skipped ones are not counted."""
    done = total = 0
    current = []
    for path, step in state.steps.items():
        if not path or step.status == SKIPPED:
            continue
        if step.items is not None:
            total += len(step.items) - step.opened
        if not is_leaf(plan.node(path), path):
            continue
        total += 1
        done += step.status in TERMINAL
        if step.status in (RUNNING, WAITING, LOST):
            current.append(path if step.status == RUNNING else f"{path} ({step.status})")
    now = ", ".join(current[:4]) + (f" and {len(current) - 4} more" if len(current) > 4 else "")
    return done, total, f"{done}/{total} steps, {state.status}" + (f": {now}" if now else "")
