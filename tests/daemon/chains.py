"""A model of one file: whether what many clients were told can be put in one order (Wing and Gong, "Testing and
Verifying Concurrent Objects", 1993; Lowe, "Testing for Linearizability", 2017).

Every content is written once, so a successful call is a step from one digest to another; "" is no file. The steps of
a file must make one chain from its first digest to its last that keeps to the clock: a call that had ended before
another began comes first. Two successes from one digest, which is a lost update, make none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

NOTHING = ""
NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Step:
    """From `before` to `after`, equal for a read. What nobody answered may have happened or not: it is not `sure`."""

    before: str
    after: str
    began: float
    ended: float
    sure: bool = True


def is_a_chain(steps: Sequence[Step], first: str, last: str) -> bool:
    """Whether the sure steps and some of the others lead from `first` to `last` in an order that the clock allows."""
    seen: set[tuple[int, str]] = set()
    pending = [((1 << len(steps)) - 1, first)]
    sure = sum(1 << number for number, step in enumerate(steps) if step.sure)
    while pending:
        left, state = _looked(steps, *pending.pop())
        if (left, state) in seen:
            continue
        seen.add((left, state))
        if state == last and not left & sure:
            return True
        pending += [(left & ~(1 << number), steps[number].after) for number in _next(steps, left, state)]
    return False


def _looked(steps: Sequence[Step], left: int, state: str) -> tuple[int, str]:
    """Without the reads that may come now: they change nothing, so the sooner the better."""
    reads = [number for number in _next(steps, left, state) if steps[number].after == state]
    while reads:
        left &= ~sum(1 << number for number in reads)
        reads = [number for number in _next(steps, left, state) if steps[number].after == state]
    return left, state


def _next(steps: Sequence[Step], left: int, state: str) -> list[int]:
    remaining = [number for number in range(len(steps)) if left >> number & 1]
    horizon = min((steps[number].ended for number in remaining if steps[number].sure), default=NEVER)
    return [n for n in remaining if steps[n].before == state and steps[n].began <= horizon]
