"""Random documents with all that a document can have. Steps name what they refer to in `needs`."""

from __future__ import annotations

import random
from typing import Any

READS = "reads"
"""A tool whose calls may simply run again."""
WRITES = "writes"
"""One whose calls may not."""
CONDITIONS = ("always()", "failure()", "success()", "false")


class Writer:
    """Writes one document. `wild` ones have what makes the outcome a matter of the order: short budgets, a time for the
    whole run, and attempts of what can't be repeated."""

    def __init__(self, chance: random.Random, *, wild: bool) -> None:
        self.chance = chance
        self.wild = wild

    def document(self) -> dict[str, Any]:
        """A whole one."""
        steps = self.steps(2, self.chance.randint(1, 5), [], sub=True)
        found: dict[str, Any] = {"name": "random", "steps": steps, "workflows": {"sub": self.sub()}}
        self.rescued(found, 2, 4)
        if self.one_in(3):
            found["outputs"] = {"all": _reference(steps[0]["id"], "v")}
        if self.one_in(8):
            found["delay"] = 5
        if self.wild and self.one_in(6):
            found["timeout"] = self.chance.choice([10, 300])
        if self.wild and self.one_in(6):
            found["budget"] = {"calls": self.chance.randint(1, 9)}
        return found

    def sub(self) -> dict[str, Any]:
        """A workflow that its steps may run."""
        steps = self.steps(1, self.chance.randint(1, 3), [], sub=False)
        found: dict[str, Any] = {"inputs": {"x": {"type": "integer", "default": 1}}, "steps": steps}
        self.rescued(found, 1, 4)
        if self.one_in(3):
            found["outputs"] = {"v": _reference(steps[0]["id"], "v")}
        if self.wild and self.one_in(4):
            found["budget"] = {"calls": self.chance.randint(1, 3)}
        return found

    def steps(self, depth: int, count: int, around: list[str], *, sub: bool) -> list[dict[str, Any]]:
        """The steps of one body, in any order. `around` are calls outside that are done before it begins."""
        calls: list[str] = []
        found: list[dict[str, Any]] = []
        for number in range(count):
            name = f"{'cba'[depth]}{number}"
            needs = self.chance.sample([s["id"] for s in found], min(len(found), self.chance.choice([0, 0, 1, 1, 2])))
            known = [need for need in needs if need in calls]
            spec = self.step(depth, known, around, sub=sub)
            if spec.get("tool") and "foreach" not in spec:
                calls.append(name)
            found.append({"id": name, "needs": needs, **spec})
            self.conditions(found[-1], known)
        self.chance.shuffle(found)
        return found

    def step(self, depth: int, known: list[str], around: list[str], *, sub: bool) -> dict[str, Any]:
        """What a step does. `known` are calls among its needs."""
        kinds = ["call"] * 6 + ["ask", "gate", "each"] + (["do", "again", "each"] if depth else [])
        kind = self.chance.choice(kinds + (["sub", "sub"] if sub else []))
        inside = [*around, *known]
        if kind == "call":
            return self.call(inside)
        if kind in ("ask", "gate"):
            spec: dict[str, Any] = {"ask": "well?"} if kind == "ask" else {"approve": {"message": "sure?"}}
            return spec | ({"timeout": 20} if self.one_in(2) else {})
        if kind == "sub":
            return {"workflow": "sub"} | self.timed(4)
        if kind == "do":
            body: dict[str, Any] = {"do": self.steps(depth - 1, self.chance.randint(1, 3), inside, sub=sub)}
            return self.rescued(body, depth - 1, 3) | self.timed(2)
        if kind == "again":
            return self.again(depth, inside, sub=sub)
        return self.each(depth, known, inside, sub=sub)

    def call(self, inside: list[str]) -> dict[str, Any]:
        spec: dict[str, Any] = {"tool": self.chance.choice([READS, READS, WRITES])}
        if inside and self.one_in(2):
            spec["with"] = {"x": _reference(self.chance.choice(inside), "v")}
        if self.one_in(3) and (self.wild or spec["tool"] == READS):
            spec["retry"] = {"max_attempts": self.chance.randint(1, 3), "initial_interval": 1}
        return spec

    def again(self, depth: int, inside: list[str], *, sub: bool) -> dict[str, Any]:
        body = self.steps(depth - 1, self.chance.randint(1, 2), inside, sub=sub)
        last = f"{'cba'[depth - 1]}9"
        body.append({"id": last, "tool": READS, "needs": [step["id"] for step in body][:1]})
        spec = {"repeat": {"max": self.chance.randint(1, 3), "until": f"steps.{last}.done"}, "do": body}
        return self.rescued(spec, depth - 1, 4) | self.timed(3)

    def each(self, depth: int, known: list[str], inside: list[str], *, sub: bool) -> dict[str, Any]:
        items: Any = list(range(self.chance.randint(0, 3)))
        if known and self.one_in(2):
            items = _reference(self.chance.choice(known), "items")
        spec: dict[str, Any] = {"foreach": items}
        if self.one_in(2):
            spec["max_parallel"] = self.chance.randint(1, 2)
        kind = self.chance.choice(["call", "gate", *(["do", "do"] if depth else []), *(["sub"] if sub else [])])
        if kind == "call":
            return spec | self.call(inside)
        if kind == "gate":
            return spec | {"approve": {"message": "sure?"}}
        if kind == "sub":
            return spec | {"workflow": "sub"} | self.timed(4)
        spec["do"] = self.steps(depth - 1, self.chance.randint(1, 2), inside, sub=sub)
        return self.rescued(spec, depth - 1, 3) | self.timed(3)

    def conditions(self, spec: dict[str, Any], known: list[str]) -> None:
        """What may stand with any step."""
        if self.one_in(4):
            spec["if"] = self.chance.choice([*CONDITIONS, *(f"steps.{name}.flag" for name in known)])
        if self.one_in(5):
            spec["continue-on-error"] = True
        if "do" not in spec and "foreach" not in spec and self.one_in(8):
            spec["on_failure"] = [{"id": "r0", "tool": READS}, {"id": "r1", "tool": WRITES, "needs": ["r0"]}]

    def rescued(self, spec: dict[str, Any], depth: int, odds: int) -> dict[str, Any]:
        if self.one_in(odds):
            spec["on_failure"] = [{"id": "r0", "tool": self.chance.choice([READS, WRITES]), "needs": []}]
        return spec

    def timed(self, odds: int) -> dict[str, Any]:
        """A body's timeout."""
        return {"timeout": self.chance.choice([8, 15, 30])} if self.one_in(odds) else {}

    def one_in(self, odds: int) -> bool:
        return self.chance.randrange(odds) == 0


def written(chance: random.Random, *, wild: bool) -> dict[str, Any]:
    """A random document."""
    return Writer(chance, wild=wild).document()


def _reference(name: str, field: str) -> str:
    return "${{ steps." + name + "." + field + " }}"
