"""RSS (0.9 to 2.0) and Atom (RFC 4287) as a list of entries: title, link, date, summary.

expat alone reads them, and every declaration of an entity ends the reading before one is expanded or fetched: a feed
that has one is shown as the text that it is.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urljoin
from xml.parsers import expat

from astro_mcp.agents.search.conversion import whole
from astro_mcp.agents.search.markup import mark

MOST: Final = 200
"""Entries that are listed."""
_DEEPEST: Final = 64
_SUMMARY: Final = 500
"""Characters of one entry's summary."""
_ROOTS: Final = frozenset({"rss", "feed", "RDF"})
_ENTRIES: Final = frozenset({"item", "entry"})
_DATES: Final = ("published", "pubDate", "date", "updated")
_TEXTS: Final = ("summary", "description", "content", "encoded")
_LONGEST: Final = 20_000
"""Characters of a field that are looked at."""
_HEADING: Final = re.compile(r" {0,3}#{1,6}[ \t]+(\S.*?)[# \t]*\Z")
_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")
_SPACES: Final = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed as Markdown."""

    title: str
    markdown: str


@dataclass(slots=True)
class _Reader:
    """What expat tells. `fields` are of the entry that is open, or of the feed itself."""

    path: list[str] = field(default_factory=list)
    feed: dict[str, str] = field(default_factory=dict)
    entries: list[dict[str, str]] = field(default_factory=list)
    total: int = 0
    text: list[str] = field(default_factory=list)
    inside: int = 0  # depth of the entry that is open
    marked: int = 0  # depth of the field that is open and holds XHTML (RFC 4287, 3.1.1.3), which is kept as it is

    def start(self, name: str, attributes: dict[str, str]) -> None:
        local = _local(name)
        if len(self.path) >= _DEEPEST or (not self.path and local not in _ROOTS):
            raise _NotOneError
        self.path.append(local)
        if self.marked:
            told = "".join(f' {_local(key)}="{html.escape(value)}"' for key, value in attributes.items())
            self.text.append(f"<{local}{told}>")
            return
        if attributes.get("type") == "xhtml":
            self.marked = len(self.path)
        if local in _ENTRIES and not self.inside:
            self.inside, self.total = len(self.path), self.total + 1
            self.entries.append({})
        if local == "link" and attributes.get("rel", "alternate") == "alternate" and "href" in attributes:
            self._fields().setdefault("link", attributes["href"])
        self.text.clear()

    def data(self, text: str) -> None:
        self.text.append(html.escape(text) if self.marked else text)

    def end(self, _name: str) -> None:
        local = self.path.pop()
        if len(self.path) >= self.marked > 0:
            self.text.append(f"</{local}>")
            return
        self.marked, text = 0, "".join(self.text).strip()
        self.text.clear()
        if len(self.path) + 1 == self.inside:
            self.inside = 0
            if self.total > MOST:
                self.entries.pop()
        elif text and (self.inside == len(self.path) or (not self.inside and len(self.path) <= 2)):
            self._fields().setdefault(local, text)

    def _fields(self) -> dict[str, str]:
        return self.entries[-1] if self.inside else self.feed


class _NotOneError(Exception):
    """The document is no feed, or one that is not read."""


def feed(source: str, url: str) -> Feed | None:
    """The feed in `source`, its links from `url`; None where it is no feed, is broken, or declares entities."""
    reader = _Reader()
    parser = expat.ParserCreate(encoding="utf-8", namespace_separator="}")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.data
    parser.EntityDeclHandler = _refuse
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    try:
        parser.Parse(source.encode("utf-8", "replace"), True)
    except (expat.ExpatError, _NotOneError):
        return None
    return Feed(_plain(reader.feed.get("title", "")), _written(reader, url))


def _refuse(*_declared: object) -> None:
    raise _NotOneError


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _written(reader: _Reader, url: str) -> str:
    parts = [f"# {_plain(reader.feed.get('title', '')) or 'Feed'}"]
    parts += [_entry(entry, url) for entry in reader.entries]
    if reader.total > len(reader.entries):
        parts.append(f"{reader.total - len(reader.entries)} more entries are not listed.")
    return "\n\n".join(parts) + "\n"


def _entry(entry: dict[str, str], url: str) -> str:
    title = _plain(entry.get("title", "")) or "(no title)"
    link = _link(entry.get("link") or entry.get("guid", ""), url)
    date = next((entry[name] for name in _DATES if name in entry), "")
    summary = _blocks(next((entry[name] for name in _TEXTS if name in entry), ""), url)
    lines = [f"## {title}", " · ".join(part for part in (link, _plain(date)) if part), summary]
    return "\n\n".join(line for line in lines if line)


def _link(link: str, url: str) -> str:
    try:
        whole_link = urljoin(url, link.strip()) if link else ""
    except ValueError:
        return ""
    return whole_link if whole_link.startswith(("http://", "https://")) and not _SPACES.search(whole_link) else ""


def _plain(text: str) -> str:
    """Text of what may be HTML, hidden parts gone, in one line."""
    return _SPACES.sub(" ", _shown(text, "")).strip()


def _shown(text: str, url: str) -> str:
    return whole(mark(text[:_LONGEST]).text, url) if "<" in text or "&" in text else text[:_LONGEST]


def _blocks(text: str, url: str) -> str:
    """The beginning of what may be HTML, in its own lines. Its headings are bold: those of the list are the entries."""
    shown = "\n".join(line.rstrip() for line in _shown(text, url).splitlines()).strip()
    if len(shown) > _SUMMARY:
        shown = shown[: max(shown.rfind(" ", 0, _SUMMARY), shown.rfind("\n", 0, _SUMMARY), 0) or _SUMMARY] + " …"
    out, fence = list[str](), ""
    for line in shown.split("\n"):
        if edge := _FENCE.match(line):
            fence = "" if fence and edge[1].startswith(fence) else fence or edge[1]
        if line or fence or (out and out[-1]):
            out.append(line if fence or edge else _HEADING.sub(r"**\1**", line))
    return "\n".join([*out, fence] if fence else out)
