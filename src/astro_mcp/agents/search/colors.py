"""Colours of CSS, as far as they keep text from a reader's eyes."""

from __future__ import annotations

import re
from typing import Final

Color = tuple[float, float, float, float]
"""Red, green and blue up to 255, and how much of it is seen, up to 1."""
_HEX: Final = re.compile(r"#([0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})\Z")
_FUNCTION: Final = re.compile(r"(rgb|hsl)a?\(([^()]{1,100})\)\Z")
_PARTS: Final = re.compile(r"[\s,/]+")
_NUMBER: Final = re.compile(r"([-+]?[0-9]*\.?[0-9]+(?:e[-+]?[0-9]+)?)(%|deg)?\Z")
_NAMES: Final = {
    "transparent": (0, 0, 0, 0), "black": (0, 0, 0, 1), "silver": (192, 192, 192, 1), "gray": (128, 128, 128, 1),
    "grey": (128, 128, 128, 1), "white": (255, 255, 255, 1), "maroon": (128, 0, 0, 1), "red": (255, 0, 0, 1),
    "purple": (128, 0, 128, 1), "fuchsia": (255, 0, 255, 1), "green": (0, 128, 0, 1), "lime": (0, 255, 0, 1),
    "olive": (128, 128, 0, 1), "yellow": (255, 255, 0, 1), "navy": (0, 0, 128, 1), "blue": (0, 0, 255, 1),
    "teal": (0, 128, 128, 1), "aqua": (0, 255, 255, 1), "whitesmoke": (245, 245, 245, 1), "snow": (255, 250, 250, 1),
}  # fmt: skip
_TAKEN: Final = frozenset({"inherit", "initial", "unset", "revert"})
"""Of each property another value."""
_UNSEEN: Final = 0.05
_NEAR: Final = 16
"""Steps of 255 that no eye tells apart in text."""


def is_unseen(value: str) -> bool:
    """Whether text of this colour (lower case) is transparent."""
    color = _parsed(value)
    return color is not None and color[3] <= _UNSEEN


def are_alike(one: str, other: str) -> bool:
    """Whether text of the one colour is not seen on the other."""
    a, b = _parsed(one), _parsed(other)
    if a is None or b is None:
        return bool(one) and one == other and one not in _TAKEN
    return b[3] > _UNSEEN and all(abs(x - y) <= _NEAR for x, y in zip(a[:3], b[:3], strict=True))


def _parsed(value: str) -> Color | None:
    if value in _NAMES:
        return _NAMES[value]
    if found := _HEX.match(value):
        digits = found[1] if len(found[1]) > 4 else "".join(digit * 2 for digit in found[1])
        red, green, blue, alpha = (int(digits[place : place + 2] or "ff", 16) for place in (0, 2, 4, 6))
        return red, green, blue, alpha / 255
    if not (found := _FUNCTION.match(value)):
        return None
    numbers = [_NUMBER.match(part) for part in _PARTS.split(found[2].strip())]
    values = [float(number[1]) * (0.01 if number[2] == "%" else 1) for number in numbers if number]
    if len(values) != len(numbers) or len(values) not in (3, 4):
        return None
    seen = values[3] if len(values) == 4 else 1.0
    if found[1] == "hsl":  # what it looks like counts only where it is seen through
        return None if seen > _UNSEEN else (0, 0, 0, seen)
    whole = 255 if "%" in found[2].split("/")[0] else 1
    return values[0] * whole, values[1] * whole, values[2] * whole, seen
