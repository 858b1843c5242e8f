"""A document with the words and shapes of elsewhere made right, so that everything else that is wrong is found as well.

Each problem's correction is what stands at its path in the document as the corrections before it left it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from astro_mcp.errors import Problem
from astro_mcp.workflow.document import slips
from astro_mcp.workflow.document.bounds import MOST
from astro_mcp.workflow.document.fragment import fragment
from astro_mcp.workflow.document.model import KINDS, MANY, RESCUE, RESERVED, STEP_ID
from astro_mcp.workflow.document.turns import slug

WANTED: Final = "a step has an `id`: a letter, then a-z, 0-9 and _, and no word of the language"
TURNS: Final = 4
"""How often a mapping is looked at: what a word becomes may be a slip itself (`jobs`, then their `steps`)."""


class Mender:
    """Walks one document from the top, and collects what it puts right."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.renamed: dict[str, str] = {}
        """Ids that were no ids, and what they became."""

    def document(self, value: Any, path: str = "") -> Any:
        """The document in the words of the language; `value` itself is left as it is."""
        if isinstance(value, list):
            self._tell(path or "spec", "a document is an object with `steps`", {"steps": value})
            value = {"steps": value}
        if not isinstance(value, dict):
            return value
        made = self._mapping(value, path, slips.DOCUMENT)
        for word in ("steps", RESCUE):
            self._steps(made, word, _under(path, word))
        if isinstance(made.get("inputs"), dict):
            where = _under(path, "inputs")
            made["inputs"] = {
                name: self._mapping(one, f"{where}.{name}", slips.INPUT) if isinstance(one, dict) else one
                for name, one in made["inputs"].items()
            }
        if isinstance(made.get("workflows"), dict):
            made["workflows"] = {
                name: self.document(one, _under(path, f"workflows.{name}")) if isinstance(one, dict) else one
                for name, one in made["workflows"].items()
            }
        return made

    def _steps(self, holder: dict[str, Any], word: str, path: str) -> None:
        steps = holder.get(word)
        if isinstance(steps, list) and len(steps) <= MANY:
            taken = {str(step.get("id")) for step in steps if isinstance(step, dict)}
            holder[word] = [
                self._step(step, f"{path}[{place}]", taken) if isinstance(step, dict) else step
                for place, step in enumerate(steps)
            ]

    def _step(self, value: dict[str, Any], path: str, taken: set[str]) -> dict[str, Any]:
        made = self._mapping(value, path, slips.STEP)
        self._id(made, path, taken)
        for word, table in slips.INSIDE.items():
            if isinstance(made.get(word), dict):
                made[word] = self._mapping(made[word], f"{path}.{word}", table)
        for word in ("do", RESCUE):
            self._steps(made, word, f"{path}.{word}")
        return made

    def _id(self, made: dict[str, Any], path: str, taken: set[str]) -> None:
        old = made.get("id")
        if isinstance(old, str) and re.fullmatch(STEP_ID, old) and old not in RESERVED and old != RESCUE:
            return
        kind = next((word for word in KINDS if word in made), "")
        named = made[kind] if kind in ("tool", "workflow") else kind
        wanted = (slug(old) if isinstance(old, str) else "") or slug(named) or "step"
        wanted = f"{wanted[:34]}_step" if wanted in RESERVED or wanted == RESCUE else wanted
        new, number = wanted, 1
        while new in taken:
            number += 1
            new = f"{wanted[:34]}_{number}"
        taken.add(new)
        self._tell(f"{path}.id", WANTED if old is None else f"{WANTED}; this is none", {"id": new})
        if isinstance(old, str):
            self.renamed[old] = new
        made["id"] = new

    def _mapping(self, value: dict[str, Any], path: str, table: slips.Table) -> dict[str, Any]:
        for _ in range(TURNS):
            told = len(self.problems)
            value = self._turned(value, path, table)
            if len(self.problems) == told:
                break
        return value

    def _turned(self, value: dict[str, Any], path: str, table: slips.Table) -> dict[str, Any]:
        """Every word looked at once. What has no room stays: nothing written is dropped for what is guessed."""
        made: dict[str, Any] = {}
        for word, inner in value.items():
            slip = table.get(word)
            if slip is None:
                made[word] = _joined(made.get(word), inner)
                continue
            others = {name: one for name, one in {**value, **made}.items() if name != word}
            words = slip.turn(inner, others)
            if words is None or words == {word: inner} or not _room(words, others):
                made[word] = _joined(made.get(word), inner)
                continue
            words = {name: _joined(others.get(name), one) for name, one in words.items()}
            self._tell(_under(path, word), f"`{word}`: {slip.why}", words)
            made.update(words)
        return made

    def _tell(self, path: str, reason: str, words: Mapping[str, Any]) -> None:
        if len(self.problems) < MOST:
            self.problems.append(Problem(path, reason, fragment(words)))


def _room(words: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    return all(
        name not in others or (isinstance(one, dict) and isinstance(others[name], dict)) for name, one in words.items()
    )


def _joined(there: Any, more: Any) -> Any:
    return {**there, **more} if isinstance(there, dict) and isinstance(more, dict) else more


def _under(path: str, word: str) -> str:
    return f"{path}.{word}" if path else word
