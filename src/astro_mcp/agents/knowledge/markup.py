"""What an HTML file shows, on the lines where it stands: tags, scripts, styles and comments are left out.

In time that grows with the length alone, whatever is left open.
"""

from __future__ import annotations

import html
import re
from typing import Final

from astro_mcp.agents.knowledge.headings import LONGEST

_SILENT: Final = {
    name: re.compile(rf"</{name}\b", re.IGNORECASE)
    for name in ("title", "script", "style", "template", "noscript", "svg")
}
_TAG: Final = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,20})|<[!?]")
_HEADING: Final = re.compile(r"h[1-6]\Z")
_DRAWN: Final = re.compile(
    r"<(/?)(?:[\w-]{1,40}:)?(title|desc|text)\b[^<>]*+>|<!--.*?(?:-->|\Z)|<[^<>]*+>?", re.IGNORECASE | re.DOTALL
)


def shown(source: str) -> tuple[str, list[tuple[int, str]]]:
    """The text, with as many lines as `source`, and (line, path of headings) of every heading; lines count from 1."""
    reader = _Reader(source)
    reader.run()
    return "".join(reader.parts), reader.headings


def drawn(source: str) -> str:
    """What an SVG says: its titles, its descriptions and its text, on the lines where they stand."""
    parts: list[str] = []
    position = depth = 0
    for found in _DRAWN.finditer(source):
        parts.append(_said(source[position : found.start()], said=depth > 0))
        parts.append(_said(found[0], said=False) or " ")
        position = found.end()
        if found[2] and not found[0].endswith("/>"):
            depth = max(0, depth + (-1 if found[1] else 1))
    return "".join([*parts, _said(source[position:], said=depth > 0)])


def _said(raw: str, *, said: bool) -> str:
    """The text of `raw`, or its line ends alone."""
    lines = raw.split("\n")
    return "\n".join(html.unescape(line).replace("\n", " ") if said else "" for line in lines)


class _Reader:
    def __init__(self, source: str) -> None:
        self.parts: list[str] = []
        self.headings: list[tuple[int, str]] = []
        self._source = source
        self._line = 1
        self._path: list[tuple[int, str]] = []
        self._open: tuple[int, int, int] | None = None
        """Level, line and the first of the parts of a heading that is being read."""

    def run(self) -> None:
        position = 0
        while match := _TAG.search(self._source, position):
            self._say(self._source[position : match.start()])
            position = self._after(match)
            self._skip(match.start(), position)
        self._say(self._source[position:])

    def _after(self, match: re.Match[str]) -> int:
        """Where the text goes on after a tag, with all that it hides."""
        if self._source.startswith("<!--", match.start()):
            return self._end("-->", match.start() + 4)
        end = self._end(">", match.end())
        name = (match[2] or "").lower()
        if name in _SILENT and not match[1]:
            closing = _SILENT[name].search(self._source, end)
            return len(self._source) if closing is None else closing.start()
        if _HEADING.match(name):
            self._heading(int(name[1]), opens=not match[1])
        return end

    def _end(self, text: str, start: int) -> int:
        found = self._source.find(text, start)
        return len(self._source) if found < 0 else found + len(text)

    def _heading(self, level: int, *, opens: bool) -> None:
        if opens:
            self._open = (level, self._line, len(self.parts))
        elif self._open is not None:
            level, line, first = self._open
            title = " ".join("".join(self.parts[first:]).split())[:LONGEST]
            self._open = None
            if title:
                self._path = [*(item for item in self._path if item[0] < level), (level, title)]
                self.headings.append((line, " > ".join(name for _, name in self._path)[-LONGEST:]))

    def _say(self, raw: str) -> None:
        """A line end that is said by its number is a blank: lines are those of the file."""
        if raw:
            self.parts.append(_said(raw, said=True))
            self._line += raw.count("\n")

    def _skip(self, start: int, end: int) -> None:
        lines = self._source.count("\n", start, end)
        self.parts.append("\n" * lines or " ")
        self._line += lines
