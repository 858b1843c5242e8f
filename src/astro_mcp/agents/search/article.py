"""The main part of a page: what is furniture goes, the element whose paragraphs outweigh its links stays.

Close to readability's idea (Arc90), but by sums over the whole tree rather than by points for parents: an element is
worth what its blocks are worth, so a larger one is taken only where what it adds is text. Every pass is linear.
`scripts/bench extraction` compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Final

from lxml.html import HtmlElement

from astro_mcp.agents.search.dropping import drop
from astro_mcp.agents.search.measured import PROSE, Measure, holds_articles, measure
from astro_mcp.agents.search.naming import BLOCKS, HEADINGS, is_around, is_called_around, is_called_body

SHORT: Final = 300
"""Characters below which an article is looked for again, without judging by names."""
_DENSE: Final = 0.6
_PARTS: Final = frozenset({"div", "ul", "ol", "section", "table"})
_CODE: Final = frozenset({"pre", "td", "th", "dt", "dd"})
_ITEMS: Final = frozenset({"li", "td", "th", "dt", "dd"})
_PLACES: Final = HEADINGS | {"dt"}
"""What begins something else, of which may be said what was said before."""
_NEAR: Final = 20
"""Elements of a box within which its heading stands."""
_LINKED: Final = 0.9
"""Share of links from where on a paragraph or a heading is one."""
_SENTENCE: Final = 40
"""Characters from which on what ends in a colon is no label."""
_ENDS: Final = (".", "!", "?", ":", "…", "。", "！", "？", '."', ".”", ".)")  # noqa: RUF001 - other scripts' full stops


def main_part(body: HtmlElement, *, by_name: bool = True) -> HtmlElement:
    """The element that holds the article, rid of what else stands in it. Changes the tree. `by_name`: whether class
    names may rule an element out."""
    prune(body, by_name=by_name)
    top = _best(body)
    _thin(top)
    _trim(top)
    return top


def prune(body: HtmlElement, *, by_name: bool) -> None:
    """Take out what is around every article. What a name rules out stays where it has half of the page's paragraphs."""
    around, headed = _around(body, by_name=by_name)
    drop(around)
    for header in headed:
        _behead(header)


def _around(body: HtmlElement, *, by_name: bool) -> tuple[list[HtmlElement], list[HtmlElement]]:
    """What is around, and headers of which only the article's own heading stays."""
    going: list[HtmlElement] = []
    headed: list[HtmlElement] = []
    sizes = measure(body)
    most = sizes[body].prose / 2
    within: dict[HtmlElement, bool] = {}
    for element, size in sizes.items():
        parent = element.getparent()
        within[element] = within.get(parent, False) or element.tag in ("article", "main")
        if element is body:
            continue
        if element.tag == "header":
            if not within[element] or size.prose < PROSE:
                has_title = within[element] and element.find(".//h1") is not None
                (headed if has_title else going).append(element)
        elif is_around(element):
            if element.tag in ("nav", "aside") or not size.prose or size.prose <= most:
                going.append(element)
        elif by_name and is_called_around(element) and (not size.prose or size.prose <= most):
            going.append(element)
    return going, headed


def _behead(header: HtmlElement) -> None:
    if (title := header.find(".//h1")) is None:  # it was in something that went
        drop([header])
        return
    title.tail = None
    header.clear(keep_tail=True)
    header.append(title)


def _best(body: HtmlElement) -> HtmlElement:
    best, most = body, 0.0
    for element, size in measure(body).items():
        if holds_articles(element):
            worth = size.worth * (1.15 if is_called_body(element) else 1.0)
            if worth >= most:  # of equals the innermost
                best, most = element, worth
    return best


def _thin(top: HtmlElement) -> None:
    """Take out lists and boxes of links, paragraphs that are one link, and what was said before."""
    drop(_thick(top))


def _thick(top: HtmlElement) -> list[HtmlElement]:
    going = []
    seen: set[str] = set()
    sizes = measure(top)
    for element, size in sizes.items():
        if element.tag in _PLACES:
            seen.clear()
        if element is top or not size.chars or size.in_notes:
            continue
        if _is_box(element, sizes) or (
            element.tag == "p" and size.leaf and size.density > _LINKED and element.getparent().tag not in ("li", "td")
        ):
            going.append(element)
        elif size.leaf and element.tag in ("p", "div", "li", "h2", "h3") and size.chars > 40:
            text = " ".join("".join(element.itertext()).split())
            if text in seen:
                going.append(element)
            seen.add(text)
    return going


def _is_box(element: HtmlElement, sizes: Mapping[HtmlElement, Measure]) -> bool:
    """Whether an element is hardly more than links: no part of a heading, none whose heading is more than one, and no
    list that the sentence before it announces."""
    size = sizes[element]
    if element.tag not in _PARTS or size.density <= _DENSE or size.chars >= 1500:
        return False
    heading = next((one for one in islice(element.iter(), _NEAR) if one.tag in HEADINGS), None)
    if element.getparent().tag in HEADINGS or (heading is not None and sizes[heading].density < _LINKED):
        return False
    before = element.getprevious()
    if element.tag not in ("ul", "ol") or before is None or before.tag != "p" or sizes[before].chars <= _SENTENCE:
        return True
    return not "".join(before.itertext()).rstrip().endswith(":")


def _trim(top: HtmlElement) -> None:
    """Take off labels before the first paragraph, and labels and headings of nothing after the last one."""
    drop(_labels(top))


def _labels(top: HtmlElement) -> list[HtmlElement]:
    going = []
    leaves = [(one, size) for one, size in measure(top).items() if size.leaf and one.tag in BLOCKS and one is not top]
    firm = [place for place, (element, size) in enumerate(leaves) if _is_firm(element, size)]
    if not firm:
        return []
    for element, size in leaves[: firm[0]]:
        if element.tag not in ("h1", "h2", "h3") and not _is_sentence(element, size):
            going.append(element)
    followed = False
    for element, size in reversed(leaves[firm[-1] + 1 :]):
        if size.in_notes:
            followed = True
            continue
        label = size.chars < 25 and not _says(element, size)
        opens = element.tag == "summary" and followed
        heads = element.tag in HEADINGS
        if size.density > 0.5 or (label and not heads and not opens) or (heads and not followed):
            going.append(element)
        else:
            followed = True
    return going


def _is_firm(element: HtmlElement, size: Measure) -> bool:
    return _stands_as(element) in _CODE or (size.chars > 60 and size.density < 0.4)


def _says(element: HtmlElement, size: Measure) -> bool:
    """Whether a short text is more than a label."""
    return _stands_as(element) == "li" or element.find(".//code") is not None or _is_sentence(element, size)


def _stands_as(element: HtmlElement) -> str:
    """The tag of a leaf; of a paragraph in a list or a table that of its item or cell."""
    around: str = element.getparent().tag
    return around if element.tag == "p" and around in _ITEMS else element.tag


def _is_sentence(element: HtmlElement, size: Measure) -> bool:
    return size.density < 0.5 and "".join(element.itertext()).rstrip().endswith(_ENDS)
