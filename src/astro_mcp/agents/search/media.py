"""Which blocks of a style sheet hold on a desktop's screen: `@media screen`, `@layer`, `@supports`, `@media (…)`."""

from __future__ import annotations

import re
from typing import Final, Literal

Reach = Literal["every", "wide", "none"]
"""Whether rules hold on every screen, on one of `WIDE` pixels and not on all, or for no such reader."""
WIDE: Final = 1280.0
"""Pixels of a desktop's window."""
_AT: Final = re.compile(r"@([\w-]+)")
_FEATURE: Final = re.compile(r"\(([^()]*)\)")
_LENGTH: Final = re.compile(
    r"\s*(?:(?P<bound>min|max)-width\s*:|width\s*(?P<sign>[<>])=?)\s*(?P<number>\d*\.?\d+)(?P<unit>px|r?em)\s*\Z"
)
_PIXELS: Final = {"px": 1.0, "em": 16.0, "rem": 16.0}
_PLAIN: Final = frozenset({"only", "screen", "all", "and"})


def reach_of(prelude: str) -> Reach:
    """Of the rules in a block that begins with `prelude`, "@media screen" say."""
    found = _AT.match(prelude)
    name, condition = (found[1].lower(), prelude[found.end() :].strip().lower()) if found else ("", "")
    if name == "media":
        reaches = {_reach(query) for query in condition.split(",")}
        return "every" if "every" in reaches else "wide" if "wide" in reaches else "none"
    return "every" if name == "layer" or (name == "supports" and not condition.startswith("not")) else "none"


def _reach(query: str) -> Reach:
    features = _FEATURE.findall(query)
    if not _PLAIN.issuperset(_FEATURE.sub(" ", query).split()) or not all(map(_is_met, features)):
        return "none"
    return "wide" if features else "every"


def _is_met(feature: str) -> bool:
    if not (found := _LENGTH.match(feature)):
        return False
    pixels = float(found["number"]) * _PIXELS[found["unit"]]
    return pixels <= WIDE if found["bound"] == "min" or found["sign"] == ">" else pixels >= WIDE
