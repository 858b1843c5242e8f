"""How large a call's arguments may be, found out before anything looks into them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from astro_mcp.errors import TooLarge

NODES: Final = 50_000
"""Values in all: numbers, strings, and the lists and objects that hold them."""
DEPTH: Final = 64


def check(arguments: Mapping[str, Any], most: int, what: str) -> None:
    """Raises `TooLarge` for over `most` bytes of text, 50,000 values, or 64 levels. Linear, and stops at the bound."""
    size, nodes = 0, 1
    waiting: list[tuple[Any, int]] = [(arguments, 1)]
    while waiting:
        value, depth = waiting.pop()
        held: Collection[Any] = ()
        if isinstance(value, str):
            size += len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
        elif isinstance(value, Mapping | list | tuple):
            held = value
        else:
            size += 8 if not isinstance(value, int) else 8 + value.bit_length() // 8
        nodes += len(held)  # told by its length, before a single one is touched
        if nodes > NODES or depth > DEPTH:
            raise TooLarge(f"the arguments of {what} hold over {NODES:,} values or {DEPTH} levels", "pass fewer")
        if isinstance(held, Mapping):
            size += sum(len(str(key)) + 4 for key in held)
            held = held.values()
        waiting.extend((item, depth + 1) for item in held)
        if size > most:
            raise TooLarge(
                f"the arguments of {what} hold over {most:,} bytes",
                "write the content to a file in the workspace and pass its path",
            )
