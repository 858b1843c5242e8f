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
    waiting: list[tuple[Collection[Any], int]] = [((arguments,), 0)]
    while waiting:
        values, depth = waiting.pop()
        for value in values:
            if isinstance(value, str):
                size += len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
            elif isinstance(value, int | float) or value is None:  # before what a look into the ABCs would cost
                size += 8 if not isinstance(value, int) else 8 + value.bit_length() // 8
            elif isinstance(value, dict | list | tuple | Mapping):
                nodes += len(value)  # told by its length, before a single one is touched
                if nodes > NODES or depth + 1 + bool(value) > DEPTH:
                    raise TooLarge(
                        f"the arguments of {what} hold over {NODES:,} values or {DEPTH} levels", "pass fewer"
                    )
                if isinstance(value, Mapping):
                    size += sum(len(str(key)) + 4 for key in value)
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
