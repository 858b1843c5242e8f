"""Quotes and lists within each other, as deep as somebody may follow them.

Each level stands before every line of Markdown within it, and the converter's memory grows with its square: a few
kilobytes of `<blockquote>` would be gigabytes.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from lxml import etree
from lxml.html import HtmlElement

QUOTES: Final = 10
LISTS: Final = 20
ROOM: Final = 16_000_000
"""What a page may cost at worst without a look at its tree."""
_OPENED: Final = re.compile(r"<(blockquote|[uo]l)\b", re.IGNORECASE)


def may_be_deep(source: str) -> bool:
    """Whether the page could cost more than `ROOM`, were each quote and list within all others: the parsers disagree on
    which of them an end tag closes."""
    opened = Counter(name.lower() for name in _OPENED.findall(source))
    quotes, lists = opened["blockquote"], opened["ul"] + opened["ol"]
    lines = source.count("<") + source.count("\n")
    return (quotes > QUOTES or lists > LISTS) and lines * (quotes + 1) * (2 * quotes + 4 * lists) > ROOM


def flatten(tree: HtmlElement) -> None:
    """Make what is nested deeper than `QUOTES` or `LISTS` an ordinary part of the level that holds it."""
    for tags, most in ((("blockquote",), QUOTES), (("ul", "ol"), LISTS)):
        depth, deeper = 0, list[HtmlElement]()
        for event, element in etree.iterwalk(tree, events=("start", "end"), tag=tags):
            depth += 1 if event == "start" else -1
            if event == "start" and depth > most:
                deeper.append(element)
        for element in deeper:
            element.tag = "div"
