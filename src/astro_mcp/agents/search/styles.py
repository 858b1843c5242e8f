"""Whether declarations of CSS keep an element from a reader's eyes.

Text that only a model sees is how pages give models orders. What scripts hide is not known here.
"""

from __future__ import annotations

import re
from typing import Final

_COMMENT: Final = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(?:([0-9a-f]{1,6})[ \t\n\f\r]?|(.))", re.DOTALL | re.IGNORECASE)
_IMPORTANT: Final = re.compile(r"!\s*important")
_NUMBER: Final = re.compile(r"[-+]?[0-9]*\.?[0-9]+")
_FAR: Final = -500
"""Pixels, or near to it: further than this to the left or above is off the page."""
_SMALLEST: Final = {"px": 4.0, "pt": 3.0, "em": 0.25, "rem": 0.25, "ex": 0.5, "%": 25.0, "": 0.01}
"""The smallest font that can be read, by unit."""
_ALONE: Final = {
    "display": ("none",),
    "visibility": ("hidden", "collapse"),
    "content-visibility": ("hidden",),
    "-webkit-text-fill-color": ("transparent",),
    "color": ("transparent",),
    "transform": ("scale(0)", "scale(0,0)", "scalex(0)", "scaley(0)"),
}
_EMPTY: Final = ("rect(0,0,0,0)", "rect(0000)", "rect(1px,1px,1px,1px)", "inset(50%)", "inset(100%)", "circle(0)")


def hides(style: str) -> str:
    """How the declarations of a style attribute (entities decoded) hide the element's text: `style`, `tiny`, `away`
    (off the page, or cut to nothing) or `color`; empty where they do not."""
    given = _declarations(style)
    if any(given.get(name) in values for name, values in _ALONE.items()) or _number(given.get("opacity", "1")) <= 0.05:
        return "style"
    if _tiny(given.get("font-size", "")) or _tiny(given.get("font", "").split("/")[0]):
        return "tiny"
    if _away(given) or _closed(given):
        return "away"
    return "color" if _same_color(given) else ""


def _declarations(style: str) -> dict[str, str]:
    text = _ESCAPE.sub(_escaped, _COMMENT.sub("", style)).lower()
    out: dict[str, str] = {}
    for declaration in text.split(";"):
        name, _, value = declaration.partition(":")
        out[name.strip()] = re.sub(r"\s+", " ", _IMPORTANT.sub("", value)).strip().replace(", ", ",")
    return out


def _escaped(found: re.Match[str]) -> str:
    if found[1] is None:
        return found[2]
    code = int(found[1], 16)
    return chr(code) if 0 < code < 0x110000 else ""


def _number(value: str) -> float:
    found = _NUMBER.match(value)
    if not found:
        return 1.0
    return float(found[0]) / (100 if value.endswith("%") else 1)


def _tiny(value: str) -> bool:
    for part in value.split():
        found = _NUMBER.match(part)
        unit = part[found.end() :] if found else None
        if found and unit in _SMALLEST:
            return float(found[0]) < _SMALLEST[unit]
    return False


def _away(given: dict[str, str]) -> bool:
    shifted = ["text-indent", "margin-left", "margin-top"]
    if given.get("position") in ("absolute", "fixed", "relative"):
        shifted += ["left", "top", "right", "bottom"]
    return any(_pixels(given.get(name, "")) <= _FAR for name in shifted)


def _pixels(value: str) -> float:
    found = _NUMBER.match(value)
    if not found:
        return 0.0
    return float(found[0]) * (16 if value.endswith(("em", "vw", "vh")) else 1)


def _closed(given: dict[str, str]) -> bool:
    if any(given.get(name, "").replace(" ", "") in _EMPTY for name in ("clip", "clip-path")):
        return True
    flat = any(
        _NUMBER.match(given.get(name, "")) and _pixels(given[name]) <= 1
        for name in ("height", "max-height", "width", "max-width")
    )
    return flat and given.get("overflow", "") in ("hidden", "clip")


def _same_color(given: dict[str, str]) -> bool:
    color = given.get("color", "")
    return bool(color) and color in (given.get("background-color"), given.get("background"))
