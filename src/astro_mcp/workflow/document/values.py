"""What may come in as a value at all: JSON that is stored, read back and handed on as it is."""

from __future__ import annotations

import math
from typing import Any, Final

from astro_mcp.errors import InvalidInput, TooLarge
from astro_mcp.workflow.document.bounds import BYTES, DEPTH

WHOLE: Final = 2**63
"""Expressions know whole numbers of 64 bits."""


def sound(value: Any, what: str) -> None:
    """Raise `InvalidInput` for what is no JSON, deeper than 32 levels, half a character, or a number without bounds;
    `TooLarge` for over 128 KiB of text. Never recursive: it stands before everything that is."""
    size = 0
    waiting = [(value, DEPTH)]
    while waiting:
        item, levels = waiting.pop()
        if levels < 0:
            raise InvalidInput(f"{what} is deeper than {DEPTH} levels")
        if isinstance(item, dict | list):
            if isinstance(item, dict):
                size += sum(text_size(str(key), what) for key in item)
            for inner in item.values() if isinstance(item, dict) else item:
                if not levels or isinstance(inner, dict | list):
                    waiting.append((inner, levels - 1))
                else:
                    size += _scalar(inner, what)
                if size > BYTES:
                    raise too_large(what, size)
        else:
            size += _scalar(item, what)
    if size > BYTES:
        raise too_large(what, size)


def text_size(text: str, what: str) -> int:
    """Bytes of UTF-8; raises `InvalidInput` where the text holds a lone surrogate, which is no character."""
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"{what} holds half a surrogate pair (U+{ord(text[error.start]):04X}), which is no character",
            "leave it out, or write the whole character",
        ) from None


def too_large(what: str, size: int) -> TooLarge:
    return TooLarge(f"{what} holds {size:,} bytes; {BYTES:,} are allowed", "put long text into a file")


def _scalar(value: Any, what: str) -> int:
    if isinstance(value, str):
        return text_size(value, what)
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidInput(f"{what} holds a number that is not finite", "numbers are finite")
    if isinstance(value, int) and not -WHOLE <= value < WHOLE:
        raise InvalidInput(f"{what} holds a whole number of over 64 bits", "write it as text")
    if not (value is None or isinstance(value, int | float)):
        raise InvalidInput(f"a value of the type {type(value).__name__} is no JSON")
    return 0
