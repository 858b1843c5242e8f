"""Whether declarations of CSS keep an element from a reader's eyes.

Text that only a model sees is how pages give models orders. What scripts hide is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from astro_mcp.agents.search.colors import are_alike, is_unseen

_COMMENT: Final = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(?:([0-9a-f]{1,6})[ \t\n\f\r]?|(.))", re.DOTALL | re.IGNORECASE)
_IMPORTANT: Final = re.compile(r"!\s*important")
_NUMBER: Final = re.compile(r"[-+]?[0-9]*\.?[0-9]+(?:e[-+]?[0-9]+)?")
_CALC: Final = re.compile(r"calc\(([^()+*/]*)\)")
_FUNCTION: Final = re.compile(r"(translate|scale|opacity)(?:[xyz]|3d)?\(([^()]*)\)")
_APART: Final = re.compile(r"[\s,]+")
_FAR: Final = -500
"""Pixels, or near to it: further than this to the left or above is off the page."""
_SMALLEST: Final = {
    "px": 4.0, "pt": 3.0, "em": 0.25, "rem": 0.25, "ex": 0.5, "ch": 0.5, "%": 25.0, "": 0.01,
    "vw": 0.2, "vh": 0.2, "vmin": 0.2, "vmax": 0.2, "mm": 1.0, "cm": 0.1, "in": 0.04, "pc": 0.25, "q": 4.0,
}  # fmt: skip
"""The smallest font that can be read, by unit."""
_ALONE: Final = {
    "display": ("none",),
    "visibility": ("hidden", "collapse"),
    "content-visibility": ("hidden",),
}
_DRAWN: Final = frozenset({"opacity", "scale", "transform", "filter"})
_PLACED: Final = frozenset({
    "text-indent", "margin", "margin-left", "margin-top", "translate", "transform", "left", "top", "right", "bottom",
    "inset",
})  # fmt: skip
_SHAPED: Final = frozenset({"clip", "clip-path", "height", "max-height", "width", "max-width"})
_COLORED: Final = frozenset({"color", "-webkit-text-fill-color", "background-clip", "-webkit-background-clip"})
_FAINT: Final = 0.05
"""Of opacity, or of size, down to which nothing is seen."""
_SHAPE: Final = re.compile(r"(rect|inset|circle|polygon)\(([^()]*)\)")


def hides(style: str) -> str:
    """How the declarations of a style attribute (entities decoded) hide the element's text: `style`, `tiny`, `away`
    (off the page, or cut to nothing) or `color`; empty where they do not."""
    given = declared(style)
    lacks = given.keys().isdisjoint
    if any(given.get(name) in values for name, values in _ALONE.items()) or (not lacks(_DRAWN) and _faint(given)):
        return "style"
    if _tiny(given.get("font-size", "")) or _tiny(given.get("font", "").split("/")[0]):
        return "tiny"
    if (not lacks(_PLACED) and _away(given)) or (not lacks(_SHAPED) and _closed(given)):
        return "away"
    return "color" if not lacks(_COLORED) and _unseen_color(given) else ""


def declared(style: str) -> dict[str, str]:
    """Values by property, as the browser reads them."""
    text = unescaped(_COMMENT.sub("", style)).lower()
    out: dict[str, str] = {}
    for declaration in text.split(";"):
        name, _, value = declaration.partition(":")
        plain = _CALC.sub(r"\1", value) if "calc(" in value else value
        out[name.strip()] = " ".join(_IMPORTANT.sub("", plain).split()).replace(", ", ",")
    return out


def unescaped(text: str) -> str:
    """`text` with the characters that CSS writes behind a backslash."""
    return _ESCAPE.sub(_escaped, text)


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


def _faint(given: dict[str, str]) -> bool:
    """Whether the element is drawn without opacity, or without size."""
    sizes = [("opacity", given.get("opacity", "1"))] + [("scale", one) for one in _APART.split(given.get("scale", "1"))]
    for name, values in _FUNCTION.findall(given.get("transform", "") + given.get("filter", "")):
        if name != "translate":
            sizes += [(name, one) for one in _APART.split(values.strip())]
    return any(
        _number(value) <= _FAINT if name == "opacity" else abs(_number(value)) <= _FAINT for name, value in sizes
    )


def _away(given: dict[str, str]) -> bool:
    shifted = [given.get(name, "") for name in ("text-indent", "margin-left", "margin-top")]
    shifted += given.get("margin", "").split() + _APART.split(given.get("translate", ""))
    if given.get("position") in ("absolute", "fixed", "relative"):
        shifted += [given.get(name, "") for name in ("left", "top", "right", "bottom")] + given.get("inset", "").split()
    for name, values in _FUNCTION.findall(given.get("transform", "")):
        if name == "translate":
            shifted += _APART.split(values.strip())
    return any(_pixels(value) <= _FAR for value in shifted) or (
        _cut(given) and _past_edge(given.get("text-indent", ""))
    )


def _past_edge(indent: str) -> bool:
    return _pixels(indent) >= (100 if indent.endswith("%") else -_FAR)


def _pixels(value: str) -> float:
    found = _NUMBER.match(value)
    if not found:
        return 0.0
    return float(found[0]) * (16 if value.endswith(("em", "vw", "vh")) else 1)


def _cut(given: dict[str, str]) -> bool:
    """Whether what does not fit is not shown."""
    cutting = {word for name in ("overflow", "overflow-x", "overflow-y") for word in given.get(name, "").split()}
    return bool(cutting & {"hidden", "clip", "auto", "scroll"})


def _closed(given: dict[str, str]) -> bool:
    if any(_is_empty(*shape) for name in ("clip", "clip-path") for shape in _SHAPE.findall(given.get(name, ""))):
        return True
    flat = any(
        _NUMBER.match(given.get(name, "")) and _pixels(given[name]) <= 1
        for name in ("height", "max-height", "width", "max-width")
    )
    return flat and _cut(given)


def _is_empty(shape: str, values: str) -> bool:
    numbers = [float(number) for number in _NUMBER.findall(values)]
    if not numbers or "auto" in values:
        return False
    if shape == "circle":
        return numbers[0] == 0
    if "%" in values:
        return shape == "inset" and min(numbers) >= 50
    return shape != "inset" and all(abs(number) <= 1 for number in numbers)


def shows_ground(given: Mapping[str, str]) -> bool:
    """Whether the letters are cut out of the background: headings in many colours are transparent themselves."""
    return "text" in (given.get("background-clip"), given.get("-webkit-background-clip"))


def _unseen_color(given: dict[str, str]) -> bool:
    grounds = (given.get("background-color", ""), given.get("background", ""))
    if shows_ground(given):
        return not any("(" in ground for ground in (*grounds, given.get("background-image", "")))
    if any(is_unseen(given.get(name, "")) for name in ("color", "-webkit-text-fill-color")):
        return True
    return any(are_alike(given.get("color", ""), ground) for ground in grounds)
