"""How large a call's arguments may be, found out before anything looks into them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from astro_mcp.errors import TooLarge

NODES: Final = 50_000
"""Values in all: numbers, strings, and the lists and objects that hold them."""
DEPTH: Final = 64


def check(arguments: Mapping[str, Any], most: int, what: str) -> None:
    """Raises `TooLarge` for over `most` bytes of text, 50,000 values, or 64 levels. Linear, and stops at the bound."""
    size = nodes = 0
    waiting: list[tuple[Any, int]] = [(arguments, 1)]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, str):
            size += len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
        elif isinstance(value, Mapping):
            size += sum(len(str(key)) + 4 for key in value)
            waiting.extend((item, depth + 1) for item in value.values())
        elif isinstance(value, list | tuple):
            waiting.extend((item, depth + 1) for item in value)
        else:
            size += 8 if not isinstance(value, int) else 8 + value.bit_length() // 8
        nodes += 1
        if size > most:
            raise TooLarge(
                f"the arguments of {what} hold over {most:,} bytes",
                "write the content to a file in the workspace and pass its path",
            )
        if nodes + len(waiting) > NODES or depth > DEPTH:
            raise TooLarge(f"the arguments of {what} hold over {NODES:,} values or {DEPTH} levels", "pass fewer")
