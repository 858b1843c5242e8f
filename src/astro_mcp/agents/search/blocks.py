"""Code of several lines that is no `pre`: lines that end in `<br>` (php.net), and fields to try it in (pkg.go.dev); and
one `pre` of the same code in several languages (nodejs.org), of which a page shows one at a time."""

from __future__ import annotations

import re
from itertools import islice
from typing import Final

from lxml.html import HtmlElement

from astro_mcp.agents.search.dropping import drop
from astro_mcp.agents.search.markup import MARK

_BROKEN: Final = re.compile(r"<code\b(?:[^<]|<(?!/?code\b|br\b))*+<br\b|<textarea\b|</code><code\s", re.IGNORECASE)
_FIELD: Final = re.compile(r"code|example|snippet|source", re.IGNORECASE)
_ALONE: Final = frozenset({"div", "section", "article", "main", "figure", "blockquote", "body", "center"})
"""What may hold a block: a cell of a table and a paragraph may not."""
_BLANKS: Final = re.compile(r"[ \t\r\n]+")
_LINE: Final = "\u2028"
_VARIANTS: Final = 9
"""Languages of one piece of code."""
_MOST: Final = 2_000
"""Elements of a page that are looked at."""


def may_hold_blocks(source: str) -> bool:
    """Whether a look at the page's tree is worth it. Linear."""
    return _BROKEN.search(source) is not None


def as_blocks(tree: HtmlElement) -> None:
    """Make a `pre` of each such piece of code."""
    for block in [one for one in islice(tree.iter("pre"), _MOST) if _has_variants(one)]:
        block.tag = "div"
        for code in list(block.iterchildren("code")):
            own = block.makeelement("pre")
            block.replace(code, own)
            code.tail = None
            own.append(code)
    for code in [one for one in islice(tree.iter("code"), _MOST) if _has_lines(one)]:
        lines = [line.strip(" ").replace("\xa0", " ").rstrip() for line in _shown(code).split(_LINE)]
        _become(code, "\n".join(lines).strip("\n"))
    for field in [one for one in islice(tree.iter("textarea"), _MOST) if _FIELD.search((one.get("class") or "")[:200])]:
        if "\n" in (text := (field.text or "").strip("\r\n")):
            _become(field, text)


def _has_variants(block: HtmlElement) -> bool:
    """Whether `block` is nothing but code in several languages: lines of one would be called alike."""
    classes = [code.get("class") for code in islice(block.iterchildren("code"), _VARIANTS + 1)]
    said = "".join([block.text or "", *(one.tail or "" for one in islice(block, 2 * _VARIANTS))])
    return 1 < len(set(classes)) == len(classes) <= _VARIANTS and None not in classes and not said.strip()


def _has_lines(code: HtmlElement) -> bool:
    """Whether `code` has ends of lines, and stands alone where a block may."""
    around, before = code.getparent(), code.getprevious()
    said = around.text if before is None else before.tail
    if around.tag not in _ALONE or f"{said or ''}{code.tail or ''}".strip():
        return False
    return any(one.tag == "br" for one in islice(code.iter(), _MOST)) and next(code.iterancestors("code"), None) is None


def _shown(code: HtmlElement) -> str:
    """As it is shown: only `br` ends a line, blanks are one, and what is hidden is not there."""
    drop(code.xpath(f".//*[@{MARK}]"))
    for end in code.iter("br"):
        end.tail = f"{_LINE}{end.tail or ''}"
    return _BLANKS.sub(" ", "".join(code.itertext()))


def _become(element: HtmlElement, text: str) -> None:
    drop(list(element))
    element.tag, element.text = "pre", text
