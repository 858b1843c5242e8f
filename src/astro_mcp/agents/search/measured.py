"""How much text stands in each element of a tree, and how much of it is links; counted once, from the leaves up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lxml.html import HtmlElement

from astro_mcp.agents.search.naming import BLOCKS, HEADINGS, is_notes

_CONTAINERS: Final = BLOCKS - HEADINGS - {
    "p", "pre", "blockquote", "table", "thead", "tbody", "tfoot", "tr", "th", "ul", "ol", "li", "dl", "dt", "dd", "hr",
    "header", "footer", "figure", "caption", "summary", "address",
}  # fmt: skip
"""What may hold an article."""
_SHORT: Final = {"td": 0.0, "th": 0.0, "p": -2.0}
"""What a short text counts for; labels elsewhere are what menus are made of."""
PROSE: Final = 80
"""Characters from which on a block is a paragraph rather than a label."""


@dataclass(slots=True)
class Measure:
    """`chars` and `linked` count all text within; `own` and `own_linked` what is not in a block further down; `prose`
    what is in paragraphs; `worth` what speaks for the element as the article; `leaf`: no block further down."""

    chars: int = 0
    linked: int = 0
    own: int = 0
    own_linked: int = 0
    prose: int = 0
    worth: float = 0.0
    leaf: bool = True
    in_link: bool = False
    in_notes: bool = False

    @property
    def density(self) -> float:
        """The part of the text that is links."""
        return self.linked / self.chars if self.chars else 0.0


def measure(root: HtmlElement) -> dict[HtmlElement, Measure]:
    """Every element of `root` in document order, with its measure. Linear."""
    found: dict[HtmlElement, Measure] = {}
    for element in root.iter("*"):
        parent = found.get(element.getparent())
        found[element] = Measure(
            in_link=element.tag == "a" or (parent is not None and parent.in_link),
            in_notes=(parent is not None and parent.in_notes) or is_notes(element),
        )
    for element in reversed(found):
        _count(element, found)
    return found


def holds_articles(element: HtmlElement) -> bool:
    """Whether an article could be this whole element."""
    return element.tag in _CONTAINERS


def length(text: str | None) -> int:
    """Characters of `text` with its blanks put together."""
    return len(" ".join(text.split())) if text else 0


def _count(element: HtmlElement, found: dict[HtmlElement, Measure]) -> None:
    this = found[element]
    text = length(element.text)
    for child in element:
        text += length(child.tail)
        if (below := found.get(child)) is None:
            continue
        this.chars += below.chars
        this.linked += below.linked
        this.prose += below.prose
        this.worth += below.worth
        if child.tag in BLOCKS:
            this.leaf = False
        else:
            this.leaf = this.leaf and below.leaf
            this.own += below.own
            this.own_linked += below.own_linked
    this.chars += text
    this.own += text
    if this.in_link:
        this.linked, this.own_linked = this.chars, this.own
    if element.tag == "p":
        this.prose = this.chars
    if element.tag in BLOCKS:
        this.worth += _worth(element.tag, this)


def _worth(tag: str, this: Measure) -> float:
    """A paragraph counts by its length, and more the fewer links it has; labels and links count against a block."""
    if not this.own:
        return -2.0
    density = this.own_linked / this.own
    if tag in HEADINGS:
        return 5.0 if density < 0.5 else -20.0
    if density > 0.5:
        return -float(min(this.own, 60)) - 15.0
    if this.own < 25 and tag != "pre":
        return _SHORT.get(tag, -8.0)
    by_length = 1.0 if this.own > PROSE else 0.3
    by_tag = 1.5 if tag in ("p", "pre", "blockquote") else 1.0
    return this.own * by_length * by_tag * (1 - 1.5 * density)
