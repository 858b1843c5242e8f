"""Code that its page lays out in a table, mostly for numbers beside its lines: a cell of Markdown has but one line.
Numbers that stand within the lines go as well."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import islice
from typing import Final

from lxml.html import HtmlElement

from astro_mcp.agents.search.dropping import drop
from astro_mcp.agents.search.measured import measure

_TABLE: Final = re.compile(r"<table\b", re.IGNORECASE)
_CODE: Final = re.compile(r"<pre\b", re.IGNORECASE)
_NUMBERED: Final = re.compile(r"<span\b[^<>]*\b(?:linenos?|line-numbers?|lnt?)\b", re.IGNORECASE)
_NAMES: Final = frozenset({"linenos", "lineno", "line-number", "line-numbers", "ln", "lnt"})
"""What Pygments, Chroma and others call the number of a line."""
_NUMBERS: Final = re.compile(r"[\d\s]*+\Z")
_PIECES: Final = 4
"""Of text, in a number that may be a link."""
_MOST: Final = 2_000
"""Pieces of code in tables that a page is looked through for."""


def may_hold_listings(source: str) -> bool:
    """Whether a look at the page's tree is worth it."""
    return bool(_CODE.search(source) and (_TABLE.search(source) or _NUMBERED.search(source)))


def free_listings(tree: HtmlElement) -> None:
    """Take each table that holds code of several lines, and little else, apart into blocks, without line numbers."""
    _free_tables(tree)
    drop([span for span in tree.iter("span") if _is_number(span)])


def _is_number(span: HtmlElement) -> bool:
    """Whether a span is the number of a line of code."""
    if _NAMES.isdisjoint((span.get("class") or "").split()):
        return False
    text = "".join(islice(span.itertext(), _PIECES))
    return bool(_NUMBERS.match(text)) and next(span.iterancestors("pre"), None) is not None


def _free_tables(tree: HtmlElement) -> None:
    codes = list(islice(tree.iterfind(".//table//pre"), _MOST))
    if not any("\n" in _text(code).strip() for code in codes):
        return
    sizes = measure(tree)
    held, own = Counter[HtmlElement](), defaultdict[HtmlElement, list[HtmlElement]](list)
    for code in codes:
        tables = [table for table in code.iterancestors("table") if table in sizes]
        own[tables[0]].append(code)
        for table in tables:
            held[table] += sizes[code].chars
    for table, chars in held.items():
        if 2 * chars > sizes[table].chars:
            _take_apart(table)
            numbers = [code for code in own[table] if _NUMBERS.match(_text(code))]
            if len(numbers) < len(own[table]):
                drop(numbers)


def _take_apart(table: HtmlElement) -> None:
    groups = [table, *table.iterchildren("thead", "tbody", "tfoot")]
    rows = [row for group in groups for row in group.iterchildren("tr")]
    for part in [*groups, *rows, *(cell for row in rows for cell in row.iterchildren("td", "th"))]:
        part.tag = "div"


def _text(code: HtmlElement) -> str:
    return "".join(code.itertext())
