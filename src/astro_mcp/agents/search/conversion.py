"""HTML as Markdown: all that a reader sees, or the article alone."""

from __future__ import annotations

import re
from itertools import islice
from typing import Final
from urllib.parse import urljoin

from lxml import etree
from lxml.html import HtmlElement, HTMLParser, document_fromstring, tostring

from astro_mcp.agents.search.article import SHORT, main_part, prune
from astro_mcp.agents.search.blocks import as_blocks, may_hold_blocks
from astro_mcp.agents.search.code_languages import name_languages
from astro_mcp.agents.search.dropping import drop
from astro_mcp.agents.search.formulas import may_hold_formulas, tell_formulas
from astro_mcp.agents.search.listings import free_listings, may_hold_listings
from astro_mcp.agents.search.markup import LABELS, MARK
from astro_mcp.agents.search.naming import HEADINGS
from astro_mcp.agents.search.nesting import flatten, may_be_deep
from astro_mcp.agents.search.tabs import name_blocks, open_panels
from astro_mcp.errors import Unsupported

_BOILERPLATE: Final = (
    "nav", "aside", "form", "dialog", "menu", "[role=navigation]", "[role=banner]", "[role=contentinfo]",
    "[role=complementary]", "[role=search]", "[role=dialog]", "[role=alertdialog]", "[aria-modal=true]",
)  # fmt: skip
_WITHIN: Final = 100
"""Elements that are looked at in a link or a summary: each may be within others."""
_AROUND: Final = 4
"""Elements around a link that may be its heading."""
_THIN: Final = 0.1
"""An article that has less of the page's text than this, and is short, is a miss: a page of links has none."""
_LINK: Final = re.compile(r"\b(?:href|src)\b", re.IGNORECASE)
_BASE: Final = re.compile(r"<base\b[^>]*+>?", re.IGNORECASE)
_ADDRESSES: Final = 16_000_000
"""Characters of the page's address that all its links may be told with."""


def whole(source: str, url: str) -> str:
    """All of a marked page but what is hidden."""
    return _convert(_bounded(source), url, ())


def article(source: str, url: str) -> str:
    """The article of a marked page; where there is none, all but the site's menus."""
    part = _article(source)
    if part is None:
        return _convert(_bounded(source), url, _BOILERPLATE)
    address = _based(url, part)
    found = _convert(_written(_with_words(part)), address, ())
    if len(found) >= SHORT:
        return found
    rest = _convert(_written(_with_words(_pruned(source))), address, ())
    return found if found.strip() and len(found) > _THIN * len(rest) else rest


def _based(url: str, part: HtmlElement) -> str:
    """What the page's links are relative to."""
    base = next((one for one in part.getroottree().iter("base") if one.get("href")), None)
    try:
        return url if base is None else urljoin(url, base.get("href").strip())
    except ValueError:
        return url


def _article(source: str) -> HtmlElement | None:
    best, most = None, -1
    for by_name in (True, False):
        if (body := _body(source)) is None:
            return None
        part = main_part(body, by_name=by_name)
        size = len(" ".join("".join(part.itertext()).split()))
        if size > 2 * most:
            best, most = part, size
        if most >= SHORT:
            break
    return best


def _with_words(part: HtmlElement | None) -> HtmlElement | None:
    """`part` without pictures that no words stand for, and links of nothing else."""
    if part is None:
        return None
    silent = [image for image in part.iter("img") if not (image.get("alt") or image.get("title") or "").strip()]
    links = dict.fromkeys(link for image in silent for link in islice(image.iterancestors("a"), 1))
    drop(silent)
    drop([link for link in links if link is not part and not _says(link)])
    return part


def _says(link: HtmlElement) -> bool:
    within = list(islice(link.iter(), _WITHIN))
    texts = [link.text, *(text for one in within[1:] for text in (one.text, one.tail))]
    return (
        len(within) == _WITHIN
        or any(one.tag == "img" for one in within)
        or any(map(str.strip, filter(None, texts)))
        or (not LABELS.isdisjoint(link.keys()))
    )


def _pruned(source: str) -> HtmlElement | None:
    if (body := _body(source)) is not None:
        prune(body, by_name=False)
    return body


def _written(part: HtmlElement | None) -> str:
    if part is None:
        return ""
    flatten(part)
    as_blocks(part)
    name_blocks(part)
    tell_formulas(part)
    _unlink_headings(part)
    name_languages(part)
    free_listings(part)
    for summary in part.iter("summary"):
        if any(
            one.tag in HEADINGS for one in islice(summary.iter(), _WITHIN)
        ):  # it would be one line in bold, and no heading
            summary.tag = "div"
    written: str = tostring(part, encoding="unicode", with_tail=False)
    return written


def _unlink_headings(part: HtmlElement) -> None:
    """Headings that are one link to themselves (mdBook) are their words alone."""
    for link in list(part.iter("a")):
        if (link.get("href") or "").startswith("#") and _is_heading(link):
            link.tag = "span"


def _is_heading(link: HtmlElement) -> bool:
    """Whether a link is all that a heading says."""
    inner = link
    for outer in islice(link.iterancestors(), _AROUND):
        if (
            inner.getprevious() is not None
            or inner.getnext() is not None
            or f"{outer.text or ''}{inner.tail or ''}".strip()
        ):
            return False
        if outer.tag in HEADINGS:
            return True
        inner = outer
    return False


def _bounded(source: str) -> str:
    """`source`, or where it may be nested too deep, or hold code in tables, as the parser has it; empty where that is
    deeper than it goes."""
    costly = may_be_deep(source)
    if not (costly or any(look(source) for look in (may_hold_listings, may_hold_blocks, may_hold_formulas))):
        return source
    root, deep = _parsed(source)
    if deep:
        return "" if costly else source
    return _written(root)


def _body(source: str) -> HtmlElement | None:
    """The page's body without what is marked; None where the page is empty, or nested deeper than the parser goes."""
    root, deep = _parsed(source)
    if root is None or deep:
        return None
    drop(root.xpath(f"//*[@{MARK}]"))
    as_blocks(root)
    name_blocks(root)
    body: HtmlElement | None = root.find("body")
    return body


def opened(source: str) -> tuple[str, int]:
    """A marked page with the panels of its tabs open, and how many were closed."""
    root, deep = _parsed(source)
    if root is None or deep or not (count := open_panels(root)):
        return source, 0
    written: str = tostring(root, encoding="unicode")
    return written, count


def is_too_deep(source: str) -> bool:
    """Whether a page is nested deeper than the parser goes (256 elements)."""
    return _parsed(source)[1]


def _parsed(source: str) -> tuple[HtmlElement | None, bool]:
    parser = HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
    try:
        root = document_fromstring(source.encode("utf-8", "replace"), parser=parser)
    except etree.ParserError:
        return None, False
    return root, any(error.type == etree.ErrorTypes.ERR_RESOURCE_LIMIT for error in parser.error_log)


def _convert(source: str, url: str, left_out: tuple[str, ...]) -> str:
    # loaded at the first page, and not at the daemon's start
    from html_to_markdown import ConversionError, ConversionOptions, PreprocessingOptions, convert  # noqa: PLC0415

    long = len(url) + max(map(len, _BASE.findall(source)), default=0)
    if len(_LINK.findall(source)) * long > _ADDRESSES:  # then they stay as they are written
        source, url = _BASE.sub("", source), ""
    options = ConversionOptions(
        extract_metadata=False,  # it would put the head's metadata into the text
        base_url=url,
        inline_data_media="alt_text_only",
        include_blockquote_citations=False,
        expand_abbreviations=False,
        preprocessing=PreprocessingOptions(enabled=False),  # it guesses; what goes is named here
        exclude_selectors=[f"[{MARK}]", *left_out],
    )
    try:
        return convert(source, options).content or ""
    except ConversionError:
        raise Unsupported(
            "the page is no HTML, whatever its server calls it", "mode raw gives what was served"
        ) from None
