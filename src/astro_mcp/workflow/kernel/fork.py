"""What a run hands on to a fork of it: the outputs of steps that need not run again.

Not handed on is what is run again, what failed or was cancelled, and all that comes after one of these. A gate that
something of this stands behind is asked again, with all that stands behind it: a decision is for one time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from astro_mcp.workflow.document.plan import Plan
from astro_mcp.workflow.kernel.scope import child, is_instance, is_leaf, parent
from astro_mcp.workflow.kernel.state import CANCELLED, FAILED, SUCCEEDED, RunState


def kept(plan: Plan, state: RunState, step: str) -> dict[str, Any]:
    """Outputs by path, for a run that begins again at `step`; without one at what failed or was cancelled."""
    again = {path for path, found in state.steps.items() if path and found.status in (FAILED, CANCELLED)}
    again |= {step} if step else set()
    stale = {one for path in again for one in _after(plan, state, path)}
    decided = {
        path: set(_after(plan, state, path))
        for path, found in state.steps.items()
        if path and found.status == SUCCEEDED and plan.node(path).kind == "approve"
    }
    while gates := {path for path, behind in decided.items() if any(_in(one, behind) for one in again)}:
        for path in gates:
            stale |= decided.pop(path)
        again |= gates
    return {
        path: found.output
        for path, found in state.steps.items()
        if path and found.status == SUCCEEDED and is_leaf(plan.node(path), path) and not _in(path, stale)
    }


def _in(path: str, stale: set[str]) -> bool:
    """Whether the path, or one that holds it, is among these."""
    while path:
        if path in stale:
            return True
        path = parent(path)
    return False


def _after(plan: Plan, state: RunState, path: str) -> Iterator[str]:
    """The path, and the paths of all that hangs on it: beside it, beside what holds it, and in later rounds."""
    yield path
    while path:
        holder = parent(path)
        if is_instance(path):
            if plan.node(path).spec.repeat is not None:
                later = range(int(path.rpartition(".")[2]) + 1, state.steps[holder].opened)
                yield from (child(holder, n) for n in later)
        else:
            yield from (child(holder, name) for name in _dependents(plan, path))
        path = holder


def _dependents(plan: Plan, path: str) -> set[str]:
    """The ids beside a step that need it, directly or not."""
    nodes: Mapping[str, Any] = plan.inside(parent(path)).nodes
    found: set[str] = set()
    waiting = [plan.node(path).id]
    while waiting:
        for name in nodes[waiting.pop()].dependents:
            if name not in found:
                found.add(name)
                waiting.append(name)
    return found
