"""Code that its page lays out in a table, mostly for numbers beside its lines: a cell of Markdown has but one line."""

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
_NUMBERS: Final = re.compile(r"[\d\s]*+\Z")
_MOST: Final = 2_000
"""Pieces of code in tables that a page is looked through for."""


def may_hold_listings(source: str) -> bool:
    """Whether a look at the page's tree is worth it."""
    return bool(_TABLE.search(source) and _CODE.search(source))


def free_listings(tree: HtmlElement) -> None:
    """Take each table that holds code of several lines, and little else, apart into blocks, without line numbers."""
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
