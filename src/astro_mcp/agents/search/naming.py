"""Which elements are no part of an article, by what they are and by what their authors call them."""

from __future__ import annotations

import re
from itertools import islice
from typing import Final

from lxml.html import HtmlElement

# fmt: off
BLOCKS: Final = frozenset({
    "html", "body", "div", "p", "section", "article", "main", "header", "footer", "nav", "aside", "ul", "ol", "li",
    "dl", "dt", "dd", "table", "thead", "tbody", "tfoot", "tr", "td", "th", "caption", "pre", "blockquote", "h1", "h2",
    "h3", "h4", "h5", "h6", "figure", "figcaption", "form", "fieldset", "address", "details", "summary", "hr", "center",
})
HEADINGS: Final = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_NEVER: Final = frozenset({
    "script", "style", "noscript", "template", "nav", "aside", "form", "dialog", "menu", "iframe", "svg", "button",
    "select", "textarea", "input", "object", "embed", "canvas", "audio", "video", "footer", "figcaption", "link",
    "meta", "head",
})
_ROLES: Final = frozenset({
    "navigation", "banner", "contentinfo", "complementary", "search", "dialog", "alertdialog", "menu", "menubar",
    "toolbar", "tablist",
})
_LINKS: Final = ("mw-editsection", "test-arrow")
"""MediaWiki's to edit, beside headings, and rustdoc's to run an example, which hold its code once more."""
_UNJUDGED: Final = HEADINGS | {
    "html", "body", "article", "main", "a", "span", "b", "i", "em", "strong", "code", "dt",
}  # fmt: skip
"""What is not judged by its name: that of a term is the name of what it defines."""
_WORDS: Final = (
    "ads?", "addthis", "adsense", "advert(?:s|isement)?", "alert", "also", "authors?", "author-?(?:box|bio|info)",
    "banner", "breadcrumbs?", "byline", "captions?", "carousel", "comment-?list", "comments?", "consent",
    "contributors?", "cookies?", "copyright", "correction", "credits?", "crumbs?", "cta", "dateline", "disclaimer",
    "disqus", "donat(?:e|ion)", "download", "extras?", "feedback", "follow", "foot(?:er)?", "gallery", "hidden",
    "image-?info", "infobox", "inline-?(?:video|related|link)", "jump", "kicker", "latest(?:-?news)?", "login",
    "masthead", "menu", "(?:entry|post)?-?meta", "modal", "more-?(?:stories|news|articles)", "most-?(?:read|popular)",
    "nav(?:bar|i|igation)?", "newsletter", "next", "nocontent", "originals?", "outbrain", "overlay", "pager",
    "paging", "pagination", "partners?", "paywall", "popular", "popup", "prev(?:ious)?", "print", "promos?",
    "promoted", "pub-?date", "publish(?:ed)?-?(?:info|date)?", "rail", "ratings?", "read-?more",
    "recirc(?:ulation)?", "recommend(?:ed|ations?)?", "related-?(?:posts)?", "replies", "respond", "share-?bar",
    "sharedaddy", "shares?", "sharing", "shop", "side-?bar", "signup", "skip", "slideshow", "socials?",
    "sponsor(?:ed)?", "sticky", "submenu", "subscribe", "subscription", "taboola", "tag-?(?:list|cloud)", "tags?",
    "teasers?", "timestamp", "toc", "tool-?bar", "tools?", "topics?", "trending", "widgets?", "zergnet",
)
# fmt: on
_AROUND: Final = re.compile(rf"(?:^|[\s_-])(?:{'|'.join(_WORDS)})(?:$|[\s_-])", re.IGNORECASE)
_WITHIN: Final = re.compile(
    r"(?:article|post|entry|story)-?(?:body|content|text)|content-?body|main-?content|body-?text|"
    r"\b(?:type-(?:post|page)|elementor)\b",  # a blog's post by its tags; a page builder calls everything a widget
    re.IGNORECASE,
)
_ASIDE: Final = re.compile(
    r"admonition|callout|markdown-alert|alert-(?:title|heading|note|tip|important|warning|caution|info|primary|danger|edition)",
    re.IGNORECASE,
)
"""Notes and warnings of documentation, whatever else they are called."""
_NOTES: Final = re.compile(r"\b(?:foot|end)notes?(?:-list)?\b", re.IGNORECASE)
_BEFORE: Final = 5
"""Elements within which a section's heading stands: marks for links may come before it."""
_CAMEL: Final = re.compile(r"([a-z])([A-Z])")
_LONGEST: Final = 500
"""Characters of a name that are looked at."""


def is_around(element: HtmlElement) -> bool:
    """Whether an element is furniture of the site by its tag or its role."""
    role = (element.get("role") or "").lower()
    named = role in _ROLES or element.get("class") in _LINKS
    return named or element.tag in _NEVER or element.get("aria-modal") == "true"


def is_called_around(element: HtmlElement) -> bool:
    """Whether the names of an element (class and id) say so; a guess, unlike `is_around`."""
    if element.tag in _UNJUDGED:
        return False
    name = _name(element)
    if not name or _AROUND.search(name) is None:
        return False
    return _WITHIN.search(name) is None and _ASIDE.search(name) is None and not _is_section(element)


def is_called_body(element: HtmlElement) -> bool:
    """Whether an element says that it is the article."""
    return element.tag in ("article", "main") or _WITHIN.search(_name(element)) is not None


def is_notes(element: HtmlElement) -> bool:
    """Whether an element holds the notes of an article."""
    if element.tag not in ("section", "div", "ol"):
        return False
    return element.get("role") == "doc-endnotes" or _NOTES.search((element.get("class") or "")[:_LONGEST]) is not None


def _is_section(element: HtmlElement) -> bool:
    """Whether an element is a section within a section as docutils writes them, whose id is what its heading says."""
    return all(
        one is not None
        and one.get("id")
        and one.get("class", "section") == "section"
        and one.tag in ("section", "div")
        and any(child.tag in HEADINGS for child in islice(one, _BEFORE))
        for one in (element, element.getparent())
    )


def _name(element: HtmlElement) -> str:
    name = f"{(element.get('class') or '')[:_LONGEST]} {(element.get('id') or '')[:_LONGEST]}".strip()
    return _CAMEL.sub(r"\1-\2", name)
