"""Documents by chance, over the toys: bodies in bodies, conditions, failures, asks. The same seed gives the same."""

from __future__ import annotations

import random
from typing import Any

Step = dict[str, Any]

PART: Step = {
    "name": "part",
    "version": "1",
    "inputs": {"text": {"type": "string"}},
    "steps": [
        {"id": "say", "tool": "toy_say", "with": {"text": "${{ inputs.text }}"}},
        {"id": "add", "if": "steps.say.number > 2", "tool": "toy_add", "with": {"number": "${{ steps.say.number }}"}},
    ],
    "outputs": {"text_": "${{ steps.say.text_ }}", "number": "${{ default(steps.add.number, 0) }}"},
}
"""A template that they run; its outputs read as those of a toy."""


class Dice:
    """One document. `retries`: whether failing calls may be tried again, whose order depends on the time."""

    def __init__(self, seed: int, *, retries: bool) -> None:
        self._chance = random.Random(seed)
        self._retries = retries
        self._number = 0

    def document(self) -> Step:
        """Not always one that checks: a body may hold what nothing else can refer to."""
        body = self._body(2, [])
        made: Step = {"name": f"dice-{self._chance.randrange(1000)}", "steps": body}
        called = [step["id"] for step in body if "tool" in step]
        if called:
            made["outputs"] = {"last": f"${{{{ default(steps.{called[-1]}.text_, 'none') }}}}"}
        if self._often(0.3):
            made["on_failure"] = [self._say("rescue")]
        return made

    def _often(self, share: float) -> bool:
        return self._chance.random() < share

    def _id(self) -> str:
        self._number += 1
        return f"s{self._number}"

    def _say(self, text: str) -> Step:
        return {"id": self._id(), "tool": "toy_say", "with": {"text": text}}

    def _body(self, depth: int, around: list[str]) -> list[Step]:
        steps: list[Step] = []
        called = list(around)
        for _ in range(self._chance.randint(1, 4)):
            step = self._step(depth, called)
            before = [one["id"] for one in steps]
            if before and self._often(0.4):
                step["needs"] = self._chance.sample(before, 1)
            if called and self._often(0.3):
                step["if"] = self._condition(called)
            elif self._often(0.1):
                step["if"] = "always()"
            if self._often(0.2):
                step["continue-on-error"] = True
            steps.append(step)
            if "tool" in step and "foreach" not in step:
                called.append(step["id"])
        return steps

    def _condition(self, called: list[str]) -> str:
        one = self._chance.choice(called)
        return self._chance.choice(
            [
                f"steps.{one}.number > {self._chance.randint(0, 6)}",
                f"default(steps.{one}.number, 1) == 1 || true",
                f"require(steps.{one}.number < {self._chance.randint(1, 8)}, 'too many')",
                f"always() && size(default(steps.{one}.text_, '')) < 4",
            ]
        )

    def _step(self, depth: int, called: list[str]) -> Step:
        kinds = ["say", "say", "add", "list", "write", "fails", "ask", "gate", "each", "part"]
        if depth:
            kinds += ["group", "items", "rounds"]
        made: Step = getattr(self, f"_{self._chance.choice(kinds)}_step")(depth, called)
        return made

    def _text(self, called: list[str]) -> str:
        word = "x" * self._chance.randint(0, 5)
        if called and self._often(0.5):
            return f"{word}${{{{ steps.{self._chance.choice(called)}.text_ + '{word}' }}}}"
        return word

    def _say_step(self, depth: int, called: list[str]) -> Step:
        return self._say(self._text(called))

    def _add_step(self, depth: int, called: list[str]) -> Step:
        number: Any = self._chance.randint(0, 9)
        if called:
            number = f"${{{{ default(steps.{self._chance.choice(called)}.number, 0) + {number} }}}}"
        return {"id": self._id(), "tool": "toy_add", "with": {"number": number}}

    def _list_step(self, depth: int, called: list[str]) -> Step:
        """Its output is untrusted, and so is the run from there on."""
        inner = {"tool": "toy_list", "with": {"count": self._chance.randint(0, 3)}}
        return {"id": self._id(), "foreach": [1, 2], **inner}

    def _write_step(self, depth: int, called: list[str]) -> Step:
        return {"id": self._id(), "tool": "toy_write", "with": {"text": self._text(called)}}

    def _fails_step(self, depth: int, called: list[str]) -> Step:
        """The toys' `flaky` fails always, there."""
        step: Step = {"id": self._id(), "tool": "toy_flaky", "with": {"text": "f"}}
        if self._retries and self._often(0.6):
            step["retry"] = {"max_attempts": self._chance.randint(2, 3), "initial_interval": "1s", "max_interval": "1s"}
        if self._often(0.4):
            step["on_failure"] = [self._say("mended")]
        return step

    def _ask_step(self, depth: int, called: list[str]) -> Step:
        return {"id": self._id(), "ask": f"what of {self._text(called)}?", "answer": {"text_": "string"}}

    def _gate_step(self, depth: int, called: list[str]) -> Step:
        return {"id": self._id(), "approve": {"message": "go on?", "level": "model"}}

    def _each_step(self, depth: int, called: list[str]) -> Step:
        items = [self._chance.choice("abc") * n for n in range(self._chance.randint(0, 4))]
        return {"id": self._id(), "foreach": items, "tool": "toy_say", "with": {"text": "${{ item }}"}}

    def _part_step(self, depth: int, called: list[str]) -> Step:
        return {"id": self._id(), "workflow": "part", "with": {"text": self._text(called)}}

    def _group_step(self, depth: int, called: list[str]) -> Step:
        step: Step = {"id": self._id(), "do": self._body(depth - 1, called)}
        if self._often(0.3):
            step["on_failure"] = [self._say("within")]
        return step

    def _items_step(self, depth: int, called: list[str]) -> Step:
        items = list(range(self._chance.randint(1, 3)))
        inner: Step = {"id": self._id(), "tool": "toy_add", "with": {"number": "${{ item + index }}"}}
        step: Step = {"id": self._id(), "foreach": items, "do": [inner, *self._body(depth - 1, [inner["id"]])]}
        if self._often(0.5):
            step["max_parallel"] = 1
        return step

    def _rounds_step(self, depth: int, called: list[str]) -> Step:
        inner: Step = self._say("r")
        until = self._chance.choice(["true", "false", f"steps.{inner['id']}.number > 0"])
        repeat: Step = {"max": self._chance.randint(1, 3), "until": until}
        return {"id": self._id(), "repeat": repeat, "do": [inner, *self._body(depth - 1, [inner["id"]])]}
