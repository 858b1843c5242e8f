"""Which language a block of code is in, as the many generators of documentation write it down."""

from __future__ import annotations

import re
from itertools import chain, islice
from typing import Final

from lxml.html import HtmlElement

from astro_mcp.agents.search.dropping import drop

_MOST: Final = 5_000
"""Blocks of code of a page that are looked at."""
_AROUND: Final = 7
"""Elements around a block that may be its frame."""
_FRAMES: Final = frozenset({"div", "figure", "table", "tbody", "tr", "td"})
_NAME: Final = r"([A-Za-z][\w+#.-]{0,29})(?=\s|\Z)"
_OWN: Final = re.compile(rf"(?:^|\s)(?:lang(?:uage)?-|(?i:brush):\s*){_NAME}|(?:^|\s)(rust)\s+rust-example")
"""Of the block itself: Prism and highlight.js, SyntaxHighlighter (MDN), rustdoc."""
_FRAME: Final = re.compile(rf"(?:^|\s)(?:highlight-source-|highlight-(?!text-)|mw-highlight-lang-|language-){_NAME}")
"""Of what is around it: GitHub, Sphinx, MediaWiki, and Rouge, MkDocs, VitePress."""
_NONE: Final = frozenset({"default", "none", "text", "plain", "plaintext", "notranslate"})
_LABELS: Final = ("lang", "language-name")
"""What VitePress and MDN call the name of the language above a block."""
_LONGEST: Final = 300
"""Characters of an element's classes that are looked at."""


def name_languages(tree: HtmlElement) -> None:
    """Put the language of each block of code where Markdown takes it from, and leave out labels that say it."""
    told = set[str]()
    for block in islice(tree.iter("pre"), _MOST):
        if name := _told(block):
            told.add(name)
            block.set("class", f"language-{name}")
            for code in block.iterchildren("code"):
                code.set("class", f"language-{name}")
    if told:
        drop([span for span in tree.iter("span") if span.get("class") in _LABELS and (span.text or "").lower() in told])


def _told(block: HtmlElement) -> str:
    for element in chain([block], islice(block.iterchildren("code"), 1)):
        told = element.get("data-lang") or element.get("data-language") or ""
        if name := _named(_OWN, f"language-{told}" if told else element.get("class")):
            return name
    for frame in islice(block.iterancestors(), _AROUND):
        if frame.tag not in _FRAMES:
            break
        if name := _named(_FRAME, frame.get("class")):
            return name
    return ""


def _named(pattern: re.Pattern[str], classes: str | None) -> str:
    found = pattern.search((classes or "")[:_LONGEST])
    name = next(filter(None, found.groups()), "").lower() if found else ""
    return "" if name in _NONE else name
