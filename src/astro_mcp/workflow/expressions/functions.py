"""The functions that expressions have besides CEL's own: plain values in, plain values out."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from astro_mcp.workflow.expressions.template import as_text

CELLS: Final = 2_000
RANKS: Final = 60
"""The constant of reciprocal rank fusion."""
QUOTE: Final = 10
"""Characters of a quote, at least: less stands anywhere."""


def join(items: list[Any], separator: str = "") -> str:
    """The items as text, one after the other."""
    return separator.join(as_text(item) for item in items)


def split(text: str, separator: str) -> list[str]:
    """The parts of a text between separators; an empty one parts the lines."""
    return text.split(separator) if separator else text.splitlines()


def replace(text: str, old: str, new: str) -> str:
    """Every `old` made `new`."""
    return text.replace(old, new)


def form(pattern: str, values: Any) -> str:
    """`{}` and `{0}` in the pattern, filled from a list or with one value. Never Python's own format language."""
    filled = values if isinstance(values, list) else [values]
    following = iter(range(len(filled)))

    def fill(found: re.Match[str]) -> str:
        place = int(found[1]) if found[1] else next(following, len(filled))
        if place >= len(filled):
            raise ValueError(f"format has no value {place}")
        return as_text(filled[place])

    return re.sub(r"\{(\d{0,3})\}", fill, pattern)


def distinct(items: list[Any]) -> list[Any]:
    """Each value once, where it stood first."""
    seen: dict[str, Any] = {}
    for item in items:
        seen.setdefault(json.dumps(item, sort_keys=True), item)
    return list(seen.values())


def flatten(items: list[Any]) -> list[Any]:
    """One level of lists taken out."""
    return [inner for item in items for inner in (item if isinstance(item, list) else [item])]


def _field(item: Any, key: str) -> Any:
    if not isinstance(item, dict) or key not in item:
        raise ValueError(f"an item has no field {key}")
    return item[key]


def sort_by(items: list[Any], key: str) -> list[Any]:
    """Objects in the order of one field; numbers before text."""
    return sorted(items, key=lambda item: _order(_field(item, key)))


def _order(value: Any) -> tuple[int, float, str]:
    number = isinstance(value, int | float)
    return (0, float(value), "") if number else (1, 0.0, as_text(value))


def group_by(items: list[Any], key: str) -> dict[str, list[Any]]:
    """Objects by the text of one field."""
    groups: dict[str, list[Any]] = {}
    for item in items:
        groups.setdefault(as_text(_field(item, key)), []).append(item)
    return groups


def fuse(lists: list[Any], key: str) -> list[Any]:
    """Ranked lists of objects as one, those first that stand high in many: reciprocal rank fusion (Cormack, Clarke and
    Büttcher 2009). Objects of one `key` are one, as it stood first."""
    found: dict[str, Any] = {}
    scores: dict[str, float] = {}
    for ranked in lists:
        if not isinstance(ranked, list):
            raise ValueError("fuse takes a list of lists")
        for rank, (name, same) in enumerate(group_by(ranked, key).items(), 1):
            found.setdefault(name, same[0])
            scores[name] = scores.get(name, 0.0) + 1 / (RANKS + rank)
    return [found[name] for name in sorted(scores, key=lambda name: -scores[name])]


def cited(claims: list[Any], passages: list[Any]) -> list[Any]:
    """Claims (`claim`, `passage`, `quote`) and whether each `stands`: whether its quote is, letter by letter, in the
    `text` of the passage with that `id`, which begins at `start` of its `page`. Those that stand have the quote's own
    `start` and `end` there, and the page; what is no such object is a claim that does not stand."""
    known = {as_text(_field(passage, "id")): passage for passage in passages}
    return [_cited(claim if isinstance(claim, dict) else {"claim": claim}, known) for claim in claims]


def _cited(claim: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    told = {name: as_text(claim.get(name)) for name in ("claim", "passage", "quote")}
    quote, passage = told["quote"], known.get(told["passage"])
    place = passage["text"].find(quote) if passage is not None and len(quote) >= QUOTE else -1
    if passage is None or place < 0 or not told["claim"]:
        return {**told, "stands": False}
    start = int(passage["start"]) + place
    return {**told, "stands": True, "page": passage["page"], "start": start, "end": start + len(quote)}


def cut(items: Any, start: int, end: int) -> Any:
    """From `start` to before `end`, of a list or a text."""
    return items[max(0, start) : max(0, end)]


def pair(first: list[Any], second: list[Any]) -> list[list[Any]]:
    """Pairs of what stands at the same place, as long as both last."""
    return [list(both) for both in zip(first, second, strict=False)]


def as_json(value: Any) -> str:
    """The value as JSON text."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def table(rows: list[Any], columns: list[Any]) -> str:
    """A Markdown table of some fields of a list of objects; what would break a cell is escaped."""
    if len(rows) * len(columns) > CELLS:
        raise ValueError(f"a table has at most {CELLS} cells")
    lines = [[_cell(c) for c in columns], ["---"] * len(columns)]
    lines += [[_cell(row.get(c) if isinstance(row, dict) else None) for c in columns] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(value: Any) -> str:
    return " ".join(as_text(value).replace("|", "\\|").replace("<", "&lt;").split())


def default(value: Any, instead: Any) -> Any:
    """`instead` where the value is null or its path leads nowhere."""
    return instead if value is None else value


def ok(items: list[Any]) -> list[Any]:
    """The items of a `foreach` that did not fail."""
    return [item for item in items if not (isinstance(item, dict) and set(item) == {"error"}) and item is not None]


def require(condition: bool, message: str) -> bool:
    """true, or the step fails with the message: how a template says "not without that"."""
    if not condition:
        raise ValueError(message)
    return True
