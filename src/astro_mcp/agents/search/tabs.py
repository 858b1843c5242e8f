"""Panels of tabs: all but one are hidden until a reader chooses their tab, and that one can choose is no hidden text.

A panel counts where its tab is seen, has words, stands in a `tablist` and leads to it, by its id or by the order of
both, and where the tab of another is open. Whatever is hidden in another way, the tab or the panel, stays hidden.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from lxml.html import HtmlElement

from astro_mcp.agents.search.dropping import drop
from astro_mcp.agents.search.markup import CLOSED, MARK

_MOST: Final = 1_000
"""Tabs of a page, and panels, that are looked at."""
_AROUND: Final = 3
"""Elements around a row of tabs, and around a panel, of which one may hold both."""
_PIECES: Final = 50
"""Of text, in a tab."""
_LABEL: Final = 80
"""Characters of a tab's words."""


def name_blocks(tree: HtmlElement) -> None:
    """Put the words of each label of MkDocs' tabs, whose panels are all shown, above its panel."""
    for row in list(islice(tree.iterfind(".//div[@class='tabbed-labels']"), _MOST)):
        beside = row.getnext()
        labels = list(islice(row.iterchildren("label"), _MOST))
        blocks = [] if beside is None else list(islice(beside.iterchildren("div"), _MOST))
        if len(labels) == len(blocks) and all(block.get("class") == "tabbed-block" for block in blocks):
            for label, block in zip(labels, blocks, strict=True):
                if words := _words(label):
                    _name(block, words)
            drop([row])


def open_panels(tree: HtmlElement) -> int:
    """Take the mark off each panel that readers can open, and put its tab's words above each of its row; how many."""
    rows: dict[HtmlElement, list[HtmlElement]] = defaultdict(list)
    for tab in islice(tree.iterfind(".//*[@role='tab']"), _MOST):
        row = next((one for one in islice(tab.iterancestors(), _AROUND) if one.get("role") == "tablist"), None)
        if row is not None:
            rows[row].append(tab)
    named: dict[str, HtmlElement] = {}
    below: dict[HtmlElement, list[HtmlElement]] = defaultdict(list)
    for panel in islice(tree.iterfind(".//*[@role='tabpanel']"), _MOST):
        named.setdefault(panel.get("id") or "", panel)
        for around in islice(panel.iterancestors(), _AROUND):
            below[around].append(panel)
    opened = 0
    for row, tabs in rows.items():
        ids = [tab.get("aria-controls") for tab in tabs]
        panels = [named.get(one) for one in ids if one] if any(ids) else _in_order(row, below)
        if len(panels) == len(tabs):
            opened += _open(
                [(_words(tab), panel) for tab, panel in zip(tabs, panels, strict=True) if panel is not None]
            )
    return opened


def _in_order(row: HtmlElement, below: dict[HtmlElement, list[HtmlElement]]) -> Sequence[HtmlElement]:
    """The panels of a row whose tabs don't name them (Docusaurus)."""
    return next((below[one] for one in islice(row.iterancestors(), _AROUND) if one in below), [])


def _open(pairs: list[tuple[str, HtmlElement]]) -> int:
    closed = [panel for words, panel in pairs if words and panel.get(MARK) == CLOSED]
    if not closed or all(panel.get(MARK) is not None for _, panel in pairs):
        return 0
    for panel in closed:
        for name in (MARK, "hidden"):  # the converter leaves it out by either
            panel.attrib.pop(name, None)
    for words, panel in pairs:
        if words and panel.get(MARK) is None:
            _name(panel, words)
    return len(closed)


def _name(panel: HtmlElement, words: str) -> None:
    label, strong = panel.makeelement("p"), panel.makeelement("strong")
    strong.text = words
    label.append(strong)
    label.tail, panel.text = panel.text, None
    panel.insert(0, label)


def _words(tab: HtmlElement) -> str:
    """What readers see of a tab; empty where they can't choose it."""
    if tab.get("aria-disabled") == "true" or any(one.get(MARK) is not None for one in tab.iterancestors()):
        return ""
    words = " ".join("".join(islice(_seen(tab), _PIECES)).split())[:_LABEL]
    return words if any(map(str.isalnum, words)) else ""


def _seen(element: HtmlElement) -> Iterator[str]:
    if element.get(MARK) is None:
        yield element.text or ""
        for child in element:
            yield from _seen(child)
            yield child.tail or ""
