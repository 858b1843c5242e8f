"""A fetched body as text: HTML as Markdown without what readers don't see, other text as it is."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Final

from astro_mcp.agents.search.invisible import visible
from astro_mcp.agents.search.markup import MARK, Marked, mark
from astro_mcp.agents.search.models import Mode
from astro_mcp.errors import Unsupported

_HTML: Final = frozenset({"text/html", "application/xhtml+xml"})
_TEXT: Final = re.compile(
    r"text/.*|application/(json|xml|javascript|yaml|x-yaml|toml|x-ndjson|sql|x-sh|graphql)|.*\+(json|xml|yaml)\Z"
)
_MARKUP: Final = re.compile(rb"\s*(<!doctype html|<html|<head|<body|<!--)", re.IGNORECASE)
_META: Final = re.compile(rb"""<meta[^>]{0,200}charset=["']?([A-Za-z0-9_.:-]{1,40})""", re.IGNORECASE)
_CHARSETS: Final = re.compile(
    r"utf-?(8|16|16le|16be|32)|us-ascii|ascii|(iso-)?8859-?\d+(-\d+)?|iso-8859-\d+|latin-?1|windows-\d+|cp\d+|koi8-[ru]|"
    r"shift[_-]jis|sjis|euc-(jp|kr)|iso-2022-jp|gb2312|gbk|gb18030|big5(-hkscs)?|macintosh|tis-620"
)
"""Only these: Python's codecs hold others (idna, punycode) that are slow on hostile input, or are no charset."""
_BOILERPLATE: Final = (
    "nav", "aside", "form", "dialog", "menu", "[role=navigation]", "[role=banner]", "[role=contentinfo]",
    "[role=complementary]", "[role=search]", "[role=dialog]", "[role=alertdialog]", "[aria-modal=true]",
)  # fmt: skip
_HEADING: Final = re.compile(r"(#{1,6}) +(\S.*?)[ #]*")
_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")
_MOST_HEADINGS: Final = 60


@dataclass(frozen=True, slots=True)
class Page:
    """What was read. `hidden` counts elements and characters that were left out because no reader sees them."""

    title: str
    markdown: str
    headings: tuple[tuple[int, str], ...]
    hidden: int


def read(body: bytes, content_type: str, url: str, mode: Mode) -> Page:
    """The page in `body`. Runs for seconds on the largest bodies: call it in a thread. Raises `Unsupported` for what
    is not text."""
    mime = _mime(content_type, body)
    if mime not in _HTML and not _TEXT.match(mime):
        raise Unsupported(f"{mime} is not text", _hint(mime))
    source = _decoded(body, content_type)
    if mode == "raw":
        return Page("", source, (), 0)
    if mime not in _HTML:
        text, hidden = visible(source)
        return Page("", text, (), hidden)
    return _from_html(source, url, article=mode == "article")


def _mime(content_type: str, body: bytes) -> str:
    mime = re.split("[;,]", content_type, maxsplit=1)[0].strip().lower()
    if mime:
        return mime
    if _MARKUP.match(body[:500]):
        return "text/html"
    return "application/octet-stream" if b"\0" in body[:2000] else "text/plain"


def _hint(mime: str) -> str:
    if mime == "application/pdf":
        return "PDF is not read from the web; look for the same text as a page"
    return "only pages and text files can be read; look for a page about it"


def _decoded(body: bytes, content_type: str) -> str:
    for bom, name in ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if body.startswith(bom):
            return body.decode(name, "replace")
    told = re.search(r"charset=[\"']?([A-Za-z0-9_.:-]{1,40})", content_type, re.IGNORECASE)
    meta = _META.search(body[:2048])
    for label in (told[1] if told else "", meta[1].decode("ascii") if meta else ""):
        if _CHARSETS.fullmatch(label.lower()):
            return _decode(body, label.lower())
    return body.decode("utf-8", "replace")


def _decode(body: bytes, name: str) -> str:
    # https://encoding.spec.whatwg.org/#names-and-labels: the web's latin-1 and ascii are windows-1252
    plain = name in ("iso-8859-1", "latin-1", "latin1", "ascii", "us-ascii")
    try:
        return body.decode("windows-1252" if plain else name, "replace")
    except LookupError:
        return body.decode("utf-8", "replace")


def _from_html(source: str, url: str, *, article: bool) -> Page:
    marked = mark(source, article=article)
    markdown = _convert(marked.text, url, article=article)
    if marked.token:
        markdown = _main_part(markdown, marked)
    markdown, unseen = visible(markdown)
    title, _ = visible(marked.title)
    return Page(title, markdown, headings(markdown), marked.hidden + unseen)


def _convert(source: str, url: str, *, article: bool) -> str:
    # loaded at the first page, and not at the daemon's start
    from html_to_markdown import ConversionOptions, PreprocessingOptions, convert  # noqa: PLC0415

    options = ConversionOptions(
        extract_metadata=False,  # it would put the head's metadata into the text
        base_url=url,
        inline_data_media="alt_text_only",
        include_blockquote_citations=False,
        expand_abbreviations=False,
        preprocessing=PreprocessingOptions(enabled=False),  # it guesses; what goes is named here
        exclude_selectors=[f"[{MARK}]", *(_BOILERPLATE if article else ())],
    )
    return convert(source, options).content or ""


def _main_part(markdown: str, marked: Marked) -> str:
    """What stands between the tokens; all of it where the main part is hidden, or empty until a script fills it."""
    before, start, rest = markdown.partition(marked.token)
    inside, _, after = rest.partition(marked.token)
    if start and inside.strip():
        return inside.strip() + "\n"
    return "\n\n".join(part.strip() for part in (before, inside, after) if part.strip()) + "\n"


def headings(markdown: str) -> tuple[tuple[int, str], ...]:
    """Level and text of each heading outside of code."""
    out: list[tuple[int, str]] = []
    fence = ""
    for line in markdown.split("\n"):
        if found := _FENCE.match(line):
            if not fence:
                fence = found[1]
            elif found[1].startswith(fence):
                fence = ""
        elif not fence and (heading := _HEADING.fullmatch(line)) and len(out) < _MOST_HEADINGS:
            out.append((len(heading[1]), heading[2][:100]))
    return tuple(out)
