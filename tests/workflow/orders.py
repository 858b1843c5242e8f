"""Random documents, each in many orders of events: whatever comes first, every order ends with one result.

`python -m tests.workflow.orders FIRST COUNT` tries so many documents, each in 50 orders, and tells how many these are.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests.workflow.documents import READS, written
from tests.workflow.naive import ENDS, Fact, Naive
from tests.workflow.player import Player
from tests.workflow.shelf import Shelf

from astro_mcp.workflow.document.model import Document
from astro_mcp.workflow.document.plan import Plan, build
from astro_mcp.workflow.kernel import events as e
from astro_mcp.workflow.kernel.scope import is_leaf

SCHEDULES = 50


def hashed(*of: object) -> random.Random:
    """Chance that is the same for the same words."""
    return random.Random(hashlib.sha256(repr(of).encode()).digest())


class Schedule:
    """One run in one order. What calls give and people say follows from the document and the path; when and in which
    order, how many at once, pauses and deaths of the process follow from the seed. Time passes only when nothing else
    can happen: what ends at a timeout is the same then."""

    def __init__(self, number: int, document: dict[str, Any], plan: Plan, seed: int, shelf: Shelf) -> None:
        self.number = number
        self.document = document
        self.chance = random.Random(seed)
        self.shelf = shelf
        self.player = Player(plan, parallel=self.chance.randint(1, 5), slots=self.chance.randint(1, 6))
        self.player.state = replace(self.player.state, after=plan.document.delay)
        self.mortal = self.chance.random() < 0.5

    def result(self) -> str:
        """What the run came to, times aside."""
        self.player.began()
        while not self.player.state.over and self._go_on():
            pass
        if not self.player.state.over:  # somebody never answers
            self.player.feed(e.Cancelled(now=0))
        state = self.player.state
        steps = {p: (s.status, s.output, (s.error or {}).get("code")) for p, s in sorted(state.steps.items())}
        return json.dumps([state.status, state.outputs, state.error, steps], sort_keys=True)

    def _go_on(self) -> bool:
        player = self.player
        if self.chance.random() < 0.1:
            player.feed(self.chance.choice([e.Paused(now=0), e.Resumed(now=0), e.Tick(now=0), e.Began(now=0)]))
        if self.mortal and self.chance.random() < 0.1:
            self._die()
        able = [*self._ends()]
        if able:
            self.chance.choice(able)()
        elif player.state.paused:
            player.feed(e.Resumed(now=0))
        elif player.state.wake is None:
            return False
        else:
            player.now = player.state.wake
            player.feed(e.Tick(now=0))
        return True

    def _ends(self) -> Iterator[Any]:
        """What can happen now."""
        for path in sorted(self.player.flying):
            yield lambda path=path: self._end(path)
        for path, found in sorted(self.player.state.steps.items()):
            if (
                found.status == "waiting"
                and (word := hashed(self.number, path).choice([True, True, False, None])) is not None
            ):
                digest = (found.request or {})["digest"]
                yield lambda path=path, digest=digest, word=word: self.player.feed(
                    e.Answered(now=0, path=path, value=word, by="model", digest=digest)
                )
            elif found.status == "lost":
                yield lambda path=path: self.player.feed(e.Retried(now=0, path=path))

    def _end(self, path: str) -> None:
        start = self.player.flying[path]
        attempt = start.attempt if start.tool == READS else 1  # one that was lost is run again, and is the same call
        chance = hashed(self.number, path, attempt)
        code = chance.choice(["", "", "", "", "provider_failed", "invalid_input"])
        items = list(range(chance.randint(0, 3)))
        gives = {"v": path, "flag": chance.random() < 0.7, "done": chance.random() < 0.5, "items": items}
        self.player.finish(path, None if code else gives, code)

    def _die(self) -> None:
        self.player.flying.clear()
        self.player.state = self.shelf.copy(self.player.state)
        self.player.feed(e.Recovered(now=0, repeatable=frozenset({READS})))

    def agrees(self) -> None:
        """The naive model comes to the same from the ends of the calls, asks and gates alone."""
        state = self.player.state
        if state.status == "cancelled":
            return
        late = {p for p, s in state.steps.items() if str((s.error or {}).get("message")).startswith("this took longer")}
        facts = {
            path: Fact(found.status, found.output)
            for path, found in state.steps.items()
            if path
            and found.status != "skipped"
            and (is_leaf(self.player.plan.node(path), path) or found.status == "cancelled")
        }
        expected = Naive(self.document, facts, state.steps.keys(), late).statuses()
        assert {path: found.status for path, found in state.steps.items()} == expected
        assert set(expected.values()) <= ENDS


def one_result(numbers: range) -> int:
    """The count of orders; raises AssertionError where two of a document end otherwise, or one as the naive model does
    not have it."""
    shelf = Shelf()
    for number in numbers:
        document = written(random.Random(number), wild=False)
        plan = build(Document.model_validate(document))
        seen: dict[str, int] = {}
        for seed in range(SCHEDULES):
            schedule = Schedule(number, document, plan, seed, shelf)
            seen.setdefault(schedule.result(), seed)
            schedule.agrees()
        assert len(seen) == 1, f"document {number}: seeds {list(seen.values())} end otherwise"
    shelf.close()
    return len(numbers) * SCHEDULES


if __name__ == "__main__":
    first, count = int(sys.argv[1]), int(sys.argv[2])
    print(one_result(range(first, first + count)))
