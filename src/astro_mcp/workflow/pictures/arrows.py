"""The arrows between the steps of a body: what a step needs, without what follows from other arrows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from astro_mcp.workflow.document.plan import Body


@dataclass(frozen=True, slots=True)
class Arrow:
    """`target` waits for `source`; `rescue` where it begins because that failed."""

    source: str
    target: str
    rescue: bool = False


def arrows(body: Body) -> list[Arrow]:
    """Every arrow, in the document's order."""
    plain = {node.id: node.needs for node in body.nodes.values() if node.rescues is None}
    found = [Arrow(need, target) for target, needs in reduced(plain).items() for need in needs]
    needed = {need for needs in plain.values() for need in needs}
    ends = [name for name in plain if name not in needed]
    for node in body.nodes.values():
        if node.rescues is not None:
            found += [Arrow(source, node.id, rescue=True) for source in ([node.rescues] if node.rescues else ends)]
    return found


def reduced(needs: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    """Each step's needs that no other need of it implies (the transitive reduction of an acyclic graph)."""
    number = {name: place for place, name in enumerate(needs)}
    above: dict[str, int] = {}
    for name in in_order(needs):
        above[name] = 0
        for need in needs[name]:
            above[name] |= above.get(need, 0) | 1 << number[need]
    return {
        name: [
            need for need in own if not any(above.get(other, 0) >> number[need] & 1 for other in own if other != need)
        ]
        for name, own in needs.items()
    }


def in_order(needs: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The steps, each after those that it needs (A. B. Kahn, 1962)."""
    left = {name: len(set(own)) for name, own in needs.items()}
    after: dict[str, list[str]] = {name: [] for name in needs}
    for name, own in needs.items():
        for need in dict.fromkeys(own):
            after[need].append(name)
    ready = [name for name, count in left.items() if not count]
    for name in ready:
        for other in after[name]:
            left[other] -= 1
            if not left[other]:
                ready.append(other)
    return ready
