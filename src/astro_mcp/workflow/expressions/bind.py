"""From paths to values: literal paths without CEL, and the data that CEL is given."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from astro_mcp.errors import ExpressionLimit, InvalidInput
from astro_mcp.nearest import nearest
from astro_mcp.workflow.expressions.prepare import STATUS, Path, Prepared, Shrunk

DATA_BYTES: Final = 256 * 1024
DEPTH: Final = 64
MACRO_LIST: Final = 1_000

Lookup = Callable[[Path], Any]
"""The value at a path; raises `Missing`."""
Evaluate = Callable[[str, Mapping[str, Any]], Any]
"""`evaluate(source, data)`: a JSON value; raises `InvalidInput` or `ExpressionLimit`."""


class Missing(InvalidInput):
    """A reference leads to nothing."""


def walk(value: Any, rest: Path, walked: str) -> Any:
    """Follow `rest` from `value`; raises `Missing` that names the nearest right field."""
    for part in rest:
        place = isinstance(value, list) and isinstance(part, int) and part < len(value)
        if place or (isinstance(value, Mapping) and part in value):
            value = value[part]
        else:
            fields = [str(key) for key in value] if isinstance(value, Mapping) else []
            near = nearest(str(part), fields)
            shown = ", ".join(fields[:12]) if fields else f"it is {kind(value)}"
            raise Missing(f"{walked} has no {part}", f"did you mean {walked}.{near}?" if near else f"there: {shown}")
        walked = f"{walked}.{part}"
    return value


def evaluated(prepared: Prepared, lookup: Lookup, statuses: Mapping[str, bool], evaluate: Evaluate) -> Any:
    """The value of one expression; raises `InvalidInput`, `Missing`, `ExpressionLimit`."""
    if prepared.literal is not None:
        return lookup(prepared.literal)
    if prepared.counts is not None:
        return _shrunk(prepared.counts, lookup(prepared.counts.path))
    data: dict[str, Any] = {"steps": {}, "inputs": {}}
    for reference in sorted(prepared.references, key=lambda r: len(r.path)):
        path = _without_index(reference.path)
        try:
            _insert(data, path, lookup(path))
        except Missing:
            if reference.optional == "default":
                _insert(data, path, None)
            elif reference.optional == "has" and len(path) > 2:
                _insert(data, path[:-1], {})
            elif not reference.optional:
                raise
    for shrunk in prepared.shrunk:
        data[shrunk.variable] = _shrunk(shrunk, lookup(shrunk.path))
    data.update({f"_{name}": statuses[name] for name in prepared.statuses})
    _bounded(data, macros=prepared.macros)
    return evaluate(prepared.source, data)


def _without_index(path: Path) -> Path:
    """Up to the first index: a list is bound whole, so that its places stay what they are."""
    for place, part in enumerate(path):
        if isinstance(part, int):
            return path[:place]
    return path


def _insert(tree: dict[str, Any], path: Path, value: Any) -> None:
    for part in path[:-1]:
        child = tree.get(str(part), {})
        if not isinstance(child, dict):
            return
        tree[str(part)] = tree = dict(child)
    tree.setdefault(str(path[-1]), value)


def _shrunk(shrunk: Shrunk, value: Any) -> Any:
    if not isinstance(value, list | str | dict) or (shrunk.function == "slice" and isinstance(value, dict)):
        where = ".".join(str(part) for part in shrunk.path)
        raise InvalidInput(f"{shrunk.function}({where}): {where} is {kind(value)}")
    return len(value) if shrunk.function == "size" else value[slice(*shrunk.bounds)]


def _bounded(data: Mapping[str, Any], *, macros: bool) -> None:
    _shape(data, DEPTH, macros=macros)
    size = len(json.dumps(data, ensure_ascii=False))
    if size > DATA_BYTES:
        raise ExpressionLimit(
            f"the expression is given {size:,} bytes of data; {DATA_BYTES:,} are allowed",
            "refer to less: a field, or slice(list, 0, 100); or compute it in a step of its own, with code_run",
        )


def _shape(value: Any, depth: int, *, macros: bool) -> None:
    if depth < 0:
        raise ExpressionLimit(f"the expression is given data deeper than {DEPTH} levels")
    if isinstance(value, Mapping):
        for item in value.values():
            _shape(item, depth - 1, macros=macros)
    elif isinstance(value, list):
        if macros and len(value) > MACRO_LIST:
            raise ExpressionLimit(
                f"a list of {len(value):,} is too long for map, filter, all or exists ({MACRO_LIST:,} at most)",
                f"take a part of it first: slice(list, 0, {MACRO_LIST})",
            )
        for item in value:
            _shape(item, depth - 1, macros=macros)


def kind(value: Any) -> str:
    """What a JSON value is, for people."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)


NO_STATUS: Final[Mapping[str, bool]] = dict.fromkeys(STATUS, True)
