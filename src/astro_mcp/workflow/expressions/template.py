"""Values with `${{ }}` in them.

A string that is one whole expression keeps the type of its value. Inside longer text, scalars stand as text, lists of
strings as lines, the rest as JSON. Text that comes out of an expression is never looked at again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from astro_mcp.errors import InvalidInput
from astro_mcp.workflow.expressions.bind import NO_STATUS, Evaluate, Lookup, evaluated
from astro_mcp.workflow.expressions.prepare import Prepared, prepare
from astro_mcp.workflow.expressions.tokens import closing

OPEN: Final = "${{"
PLAIN: Final = (int, float, type(None))
"""What holds no text."""


@dataclass(frozen=True, slots=True)
class Template:
    """Pieces of text and expressions in turn; `whole` where there is one expression and nothing else."""

    pieces: tuple[str | Prepared, ...]
    whole: bool


@lru_cache(maxsize=2048)
def parse(text: str) -> Template:
    """Split `text`; raises `InvalidInput` for a `${{` without its `}}`."""
    pieces: list[str | Prepared] = []
    position = 0
    while (start := text.find(OPEN, position)) >= 0:
        end = closing(text, start + len(OPEN))
        if end < 0:
            raise InvalidInput(
                f"a ${{{{ is not closed: {text[start : start + 40]!r}",
                "write ${{ expression }}, with at most 1,024 bytes",
            )
        if start > position:
            pieces.append(text[position:start])
        pieces.append(prepare(text[start + len(OPEN) : end].strip()))
        position = end + 2
    if position < len(text):
        pieces.append(text[position:])
    return Template(tuple(pieces), len(pieces) == 1 and isinstance(pieces[0], Prepared))


def condition(text: str) -> Prepared:
    """An `if` or `until`, bare or in `${{ }}`."""
    if OPEN not in text:
        return prepare(text.strip())
    template = parse(text.strip())
    only = template.pieces[0]
    if not template.whole or isinstance(only, str):
        raise InvalidInput(f"a condition is one expression: {text[:60]!r}", "write it without ${{ }}")
    return only


def has_expression(value: Any) -> bool:
    """Whether an expression stands anywhere in `value`."""
    return any(OPEN in text for text in strings(value))


def strings(value: Any) -> Iterator[str]:
    """Every string in `value`, not the keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            if not isinstance(item, PLAIN):  # of a long list of numbers each would be a generator
                yield from strings(item)


def expressions(value: Any) -> Iterator[Prepared]:
    """Every expression in `value`."""
    for text in strings(value):
        if OPEN in text:
            yield from (piece for piece in parse(text).pieces if isinstance(piece, Prepared))


def render(value: Any, lookup: Lookup, evaluate: Evaluate) -> Any:
    """`value` with every expression replaced; raises `InvalidInput`, `ExpressionLimit`."""
    if not isinstance(value, str):
        if isinstance(value, dict | Mapping):
            return {key: render(item, lookup, evaluate) for key, item in value.items()}
        return [render(item, lookup, evaluate) for item in value] if isinstance(value, list) else value
    if OPEN not in value:
        return value
    template = parse(value)
    if template.whole and isinstance(only := template.pieces[0], Prepared):
        return evaluated(only, lookup, NO_STATUS, evaluate)
    values = [p if isinstance(p, str) else evaluated(p, lookup, NO_STATUS, evaluate) for p in template.pieces]
    return "".join(as_text(v) for v in values)


def as_text(value: Any) -> str:
    """How a value stands inside longer text."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "\n".join(value)
    return json.dumps(value, ensure_ascii=False)
