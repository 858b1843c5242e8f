"""Where in a step texts stand, each with its path and what is seen from there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from astro_mcp.workflow.document.fragment import fragment, shown
from astro_mcp.workflow.document.model import StepSpec
from astro_mcp.workflow.expressions.template import PLAIN


@dataclass(frozen=True, slots=True)
class Place:
    """One text: its whole path, the word of the step that it stands under, the last name of its path (none in a list),
    and whether it is a condition, which needs no `${{ }}`."""

    path: str
    word: str
    name: str
    text: str
    bare: bool = False

    def corrected(self, text: str) -> str:
        """The fragment that puts `text` there."""
        return fragment({self.name: text}) if self.name else shown(text)


def places(step: StepSpec, path: str) -> Iterator[Place]:
    """Every text of the step's own that may hold an expression."""
    yield from texts(step.with_, f"{path}.with", "with")
    if step.foreach is not None:
        yield from texts(step.foreach, f"{path}.foreach", "foreach", "foreach")
    if step.ask is not None:
        yield Place(f"{path}.ask", "ask", "ask", step.ask)
    if step.approve is not None:
        yield Place(f"{path}.approve.message", "approve.message", "message", step.approve.message)
    if step.if_ is not None:
        yield Place(f"{path}.if", "if", "if", step.if_, bare=True)
    if step.repeat is not None:
        yield Place(f"{path}.repeat.until", "repeat.until", "until", step.repeat.until, bare=True)


def texts(value: Any, path: str, word: str, name: str = "") -> Iterator[Place]:
    """Every text in `value`, in order; never recursive."""
    waiting = [(value, Place(path, word, name, ""))]
    while waiting:
        item, place = waiting.pop()
        if isinstance(item, str):
            yield replace(place, text=item)
        elif isinstance(item, dict):
            waiting += [(one, Place(f"{place.path}.{key}", word, str(key), "")) for key, one in item.items()][::-1]
        elif isinstance(item, list):
            inside = [(n, one) for n, one in enumerate(item) if not isinstance(one, PLAIN)]
            waiting += [(one, Place(f"{place.path}[{n}]", word, "", "")) for n, one in inside][::-1]
