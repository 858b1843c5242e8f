"""How far a run is, in numbers and words."""

from __future__ import annotations

import logging

from astro_mcp.core.call import Progress, silent
from astro_mcp.workflow.document.plan import Plan
from astro_mcp.workflow.kernel.scope import is_leaf
from astro_mcp.workflow.kernel.state import LOST, PAUSED, RUNNING, SKIPPED, TERMINAL, WAITING, RunState

log = logging.getLogger(__name__)


class Watcher:
    """Whoever asked to be told how far a run is. One who can't be told any more is left alone: the run goes on, and so
    does the call that waits for it."""

    def __init__(self, run_id: str, progress: Progress) -> None:
        self._run_id = run_id
        self._progress = progress

    async def tell(self, plan: Plan, state: RunState) -> None:
        if self._progress is silent:  # a run of many steps is counted for those who look alone
            return
        try:
            await self._progress(*counted(plan, state))
        except Exception as error:  # noqa: BLE001 - whatever a host's end can be, it is not the run's
            log.info("nobody can be told of the run %s any more: %r", self._run_id, error)
            self._progress = silent


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
