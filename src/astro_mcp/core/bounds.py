"""How large a call's arguments may be, found out before anything looks into them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from astro_mcp.errors import TooLarge

NODES: Final = 50_000
"""Values in all: numbers, strings, and the lists and objects that hold them."""
DEPTH: Final = 64
SMALL: Final = 16_384
"""Bytes that arguments which are `small` never hold."""
_FEW: Final = 8
_SHORT: Final = 900
_LONG: Final = 1 << 64
_LISTS: Final = (list, tuple)
_HOLDERS: Final = (dict, *_LISTS, Mapping)


def check(arguments: Mapping[str, Any], most: int, what: str) -> bool:
    """Returns whether they are `small`. Raises `TooLarge` for over `most` bytes of text, 50,000 values, or 64 levels.
    Linear, and stops at the bound."""
    little = small(arguments)
    if most < SMALL or not little:
        _look(arguments, most, what)
    return little


def _look(arguments: Mapping[str, Any], most: int, what: str) -> None:
    size, nodes = 0, 1
    waiting: list[tuple[Collection[Any], int]] = [((arguments,), 0)]
    while waiting:
        values, depth = waiting.pop()
        for value in values:
            if isinstance(value, str):
                size += len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
            elif isinstance(value, int):
                size += 8 + value.bit_length() // 8
            elif isinstance(value, float) or value is None:  # before what a look into the ABCs would cost
                size += 8
            elif isinstance(value, _HOLDERS):
                nodes += len(value)  # told by its length, before a single one is touched
                if nodes > NODES or depth + 1 + bool(value) > DEPTH:
                    raise TooLarge(
                        f"the arguments of {what} hold over {NODES:,} values or {DEPTH} levels", "pass fewer"
                    )
                if not isinstance(value, _LISTS):
                    size += 4 * len(value) + sum(map(len, map(str, value)))
                    waiting.append((value.values(), depth + 1))
                else:
                    waiting.append((value, depth + 1))
            else:
                size += 8
        if size > most:
            raise TooLarge(
                f"the arguments of {what} hold over {most:,} bytes",
                "write the content to a file in the workspace and pass its path",
            )


def small(values: Mapping[str, Any]) -> bool:
    """Whether there are at most eight values, each null, a number or a short text, and no text but ASCII: as most calls
    are, told in a tenth of the time of a look for all that may be wrong."""
    if len(values) > _FEW:
        return False
    for key, value in values.items():
        kind = type(value)
        if kind is str:
            if len(value) > _SHORT or not value.isascii():
                return False
        elif kind is int:
            if not -_LONG < value < _LONG:
                return False
        elif value is not None and kind is not bool and kind is not float:
            return False
        if type(key) is not str or len(key) > _SHORT or not key.isascii():
            return False
    return True
