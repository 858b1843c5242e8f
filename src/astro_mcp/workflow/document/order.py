"""Cycles, named."""

from __future__ import annotations

from astro_mcp.errors import AstroError
from astro_mcp.workflow.document.model import StepSpec
from astro_mcp.workflow.document.plan import referred


def cycle(steps: list[StepSpec]) -> list[str]:
    """The ids of one ring of steps that wait for one another, its first one repeated at the end; or nothing."""
    ids = {step.id for step in steps}
    edges = {step.id: _needs(step) & ids for step in steps}
    done: set[str] = set()
    for start in edges:
        trail: list[str] = []
        ring = _follow(start, edges, done, trail)
        if ring:
            return ring
    return []


def _needs(step: StepSpec) -> set[str]:
    try:
        references = {str(path[1]) for path in referred(step) if path[0] == "steps" and len(path) > 1}
    except AstroError:
        references = set()  # a broken expression is a problem of its own, told elsewhere
    return (references | set(step.needs)) - ({step.id} - set(step.needs))


def _follow(start: str, edges: dict[str, set[str]], done: set[str], trail: list[str]) -> list[str]:
    """Depth first, without recursion: a chain may be as long as the document."""
    stack = [(start, iter(sorted(edges[start])))]
    trail.append(start)
    while stack:
        following = next((n for n in stack[-1][1] if n not in done), None)
        if following is None:
            stack.pop()
            done.add(trail.pop())
            continue
        if following in trail:
            return [*trail[trail.index(following) :], following]
        trail.append(following)
        stack.append((following, iter(sorted(edges[following]))))
    return []
