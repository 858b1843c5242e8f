"""A fetched body as text: HTML as Markdown without what readers don't see, feeds as lists, other text as it is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from astro_mcp.agents.search.charset import decoded
from astro_mcp.agents.search.conversion import article, is_too_deep, opened, whole
from astro_mcp.agents.search.feeds import feed
from astro_mcp.agents.search.invisible import visible
from astro_mcp.agents.search.layout import laid_out
from astro_mcp.agents.search.markup import mark
from astro_mcp.agents.search.models import Mode
from astro_mcp.agents.search.spoken import spoken
from astro_mcp.errors import LimitHit, Unsupported

_XHTML: Final = "application/xhtml+xml"
_HTML: Final = frozenset({"text/html", _XHTML})
_TEXT: Final = re.compile(
    r"text/.*|application/(x-)?(json|json5|json-seq|xml|xml-dtd|javascript|ecmascript|typescript|yaml|toml|ndjson|jsonlines|sql|sh|csh|"
    r"python|perl|ruby|php|httpd-php|tex|latex|graphql)\Z|.*\+(json|xml|yaml)\Z"
)
_JSON: Final = re.compile(r"(application|text)/json|.*\+json\Z")
_XML: Final = re.compile(r"(application|text)/xml|.*\+xml\Z")
_MARKUP: Final = re.compile(rb"\s*(<!doctype html|<html|<head|<body|<!--)", re.IGNORECASE)
_PDF: Final = b"%PDF-"
_UNTOLD: Final = frozenset({"", "application/octet-stream", "binary/octet-stream", "*/*", "application/x-unknown"})
_HEADING: Final = re.compile(r"(#{1,6}) +(\S.*)")
_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")
_LONGEST_HEADING: Final = 2_000
"""Characters of one that are looked at."""
_MOST_HEADINGS: Final = 60
_HEADING_BYTES: Final = 4_000
"""Of all headings: they stand beside each part of a page that is told in parts, and leave it room."""
_TITLE: Final = 300
"""Characters."""
_SHOWN: Final = 80
"""Characters of a content type that is told."""


@dataclass(frozen=True, slots=True)
class Title:
    """A heading: its level, its text, and where its line begins in the page's markdown (characters)."""

    level: int
    text: str
    start: int


@dataclass(frozen=True, slots=True)
class Page:
    """What was read. `hidden` counts by kind what was left out because no reader sees it."""

    title: str
    markdown: str
    headings: tuple[Title, ...]
    hidden: Mapping[str, int]


def is_pdf(body: bytes, content_type: str) -> bool:
    """Whether a body is read by `pdf_text` rather than by `read`."""
    mime = _told(content_type)
    return mime == "application/pdf" or (mime in _UNTOLD | _HTML and body.startswith(_PDF))


def read(body: bytes, content_type: str, url: str, mode: Mode) -> Page:
    """The page in `body`. Runs for seconds on the largest bodies: call it in a thread. Raises `Unsupported` for what
    is not text, `LimitHit` for what is nested thousands of elements deep."""
    mime = _mime(content_type, body)
    if mime not in _HTML and not _TEXT.match(mime):
        told = visible(mime)[0][:_SHOWN]
        raise Unsupported(f"{told} is not text", "only pages, PDF and text files can be read; look for a page about it")
    source = decoded(body, content_type)
    if mode == "raw":
        return Page("", source, (), {})
    if mime in _HTML:
        return _from_html(source, url, mode, xml=mime == _XHTML)
    if _XML.match(mime) and (found := feed(source, url)) is not None:
        return of_text(found.markdown, found.title)
    return of_text(laid_out(source) if _JSON.match(mime) and mode == "article" else source)


def of_text(text: str, title: str = "") -> Page:
    """A page of plain text; headings are Markdown's."""
    seen, unseen = visible(text)
    return Page(visible(title)[0][:_TITLE], seen, headings(seen), {"characters": unseen} if unseen else {})


def _told(content_type: str) -> str:
    return re.split("[;,]", content_type, maxsplit=1)[0].strip().lower()


def _mime(content_type: str, body: bytes) -> str:
    """What is told, and else by the looks of the body."""
    if (mime := _told(content_type)) not in _UNTOLD or (mime and not _is_text(body)):
        return mime
    if _MARKUP.match(body[:500]):
        return "text/html"
    return "application/octet-stream" if b"\0" in body[:2000] else "text/plain"


def _is_text(body: bytes) -> bool:
    if b"\0" in body:
        return False
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _from_html(source: str, url: str, mode: Mode, *, xml: bool) -> Page:
    marked = mark(source.replace("\0", ""), xml=xml)  # browsers pass over it
    text, panels = opened(marked.text) if marked.closed else (marked.text, 0)
    markdown, unseen = visible((article if mode == "article" else whole)(text, url))
    if not markdown.strip() and is_too_deep(text):
        raise LimitHit("the page is nested too deep to be read", "mode raw gives its source")
    title, _ = visible(marked.title)
    hidden = marked.hidden + Counter(characters=unseen, hidden=-panels)
    return Page(title, markdown, headings(markdown), dict(hidden))


def headings(markdown: str) -> tuple[Title, ...]:
    """Each heading outside of code, up to a number and a size."""
    out: list[Title] = []
    fence, place, left = "", 0, _HEADING_BYTES
    for line in markdown.split("\n"):
        if found := _FENCE.match(line):
            if not fence:
                fence = found[1]
            elif found[1].startswith(fence):
                fence = ""
        elif not fence and (heading := _HEADING.fullmatch(line)) and len(out) < _MOST_HEADINGS:
            words = (heading[2].rstrip(" #") or heading[2][0])[:_LONGEST_HEADING]
            text = (spoken(words) or words)[:100]
            left -= len(text.encode())
            if left < 0:
                break
            out.append(Title(len(heading[1]), text, place))
        place += len(line) + 1
    return tuple(out)
