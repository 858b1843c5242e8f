"""Formulas in MathML, in one line: what stands below, above or under a root is told by signs, or another formula would
be told. Powers and fractions are the converter's. Only what readers see is used, and no annotation."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Final

from lxml.html import HtmlElement

_SIGNS: Final[Mapping[str, tuple[str, ...]]] = {
    "msub": ("_",),
    "munder": ("_",),
    "msubsup": ("_", "^"),
    "munderover": ("_", "^"),
}
_ENDS: Final = {"mtd": ",", "mtr": ";"}
_MOST: Final = 20_000
"""Elements of formulas that are looked at."""


def may_hold_formulas(source: str) -> bool:
    """Whether a look at the page's tree is worth it."""
    return any(f"<{name}" in source for name in (*_SIGNS, *_ENDS, "msqrt"))


def tell_formulas(tree: HtmlElement) -> None:
    """Put the signs between the parts of each formula."""
    for one in list(islice(tree.iter(*_SIGNS, *_ENDS, "msqrt"), _MOST)):
        if one.tag == "msqrt":
            _enclose(one, "√(")
        elif one.tag in _ENDS:
            if one.getnext() is not None:
                one.tail = _ENDS[one.tag]
        else:
            for sign, part in zip(_SIGNS[one.tag], islice(one, 1, None), strict=False):
                _enclose(part, f"{sign}(") if len(part) > 1 else _begin(part, sign)


def _begin(part: HtmlElement, sign: str) -> None:
    before = part.getprevious()
    before.tail = f"{(before.tail or '').strip()}{sign}"


def _enclose(part: HtmlElement, sign: str) -> None:
    part.text = f"{sign}{(part.text or '').strip()}"
    if len(part):
        part[-1].tail = f"{(part[-1].tail or '').strip()})"
    else:
        part.text += ")"
