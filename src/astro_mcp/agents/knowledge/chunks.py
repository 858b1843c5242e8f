"""Text into chunks: code at its definitions, documents at their structure, each with its lines and where it belongs."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from astro_mcp.agents.knowledge.definitions import marks_by_lines
from astro_mcp.agents.knowledge.headings import heading_at, headings, underlined_headings
from astro_mcp.agents.knowledge.markup import drawn, shown
from astro_mcp.agents.knowledge.notebooks import said
from astro_mcp.agents.knowledge.passages import CHARACTERS, OVERLAP, spans, stripped
from astro_mcp.agents.knowledge.segments import marks_of, segments

Kind = Literal["note", "document", "code", "run"]

VERSION: Final = "2"
"""Part of a document's digest: another way to chunk makes every document new."""
CODE_VERSION: Final = "4"
"""Of code, in place of `VERSION`."""
STRUCTURED_VERSION: Final = "4"
"""Of files whose headings may be underlined, of notebooks and drawings, in place of `VERSION`."""
HTML: Final = frozenset({"html", "htm", "xhtml"})
MARKDOWN: Final = frozenset({"md", "markdown", "mdx"})
RESTRUCTURED: Final = frozenset({"rst", "rest"})
NOTEBOOKS: Final = frozenset({"ipynb"})
DRAWINGS: Final = frozenset({"svg"})
_ENDINGS: Final = (
    "py pyi js jsx mjs cjs ts tsx go rs c h cc cpp hpp cxx cs java kt kts scala rb php swift m mm lua pl pm r jl ex "
    "exs erl hs ml mli clj dart groovy sh bash zsh fish ps1 sql proto tf zig nim vue svelte"
)
CODE: Final = frozenset(_ENDINGS.split())


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage; lines count from 1 and both belong to it. `context` is embedded along with the text."""

    text: str
    start_line: int
    end_line: int
    title: str
    context: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.embedded.encode("utf-8", "replace")).hexdigest()

    @property
    def embedded(self) -> str:
        return f"{self.context}\n{self.text}"


def kind_of(source: str) -> Kind:
    """Whether the file named `source` is code or a document."""
    return "code" if ending(source) in CODE else "document"


def version_of(source: str) -> str:
    """How the file named `source` is cut, as far as no grammar does it."""
    if kind_of(source) == "code":
        return CODE_VERSION
    return STRUCTURED_VERSION if ending(source) in MARKDOWN | RESTRUCTURED | NOTEBOOKS | DRAWINGS else VERSION


def document_chunks(text: str, source: str, outline: Sequence[tuple[int, int, int]] | None = None) -> list[Chunk]:
    """The chunks of a file: code by its definitions, which `outline` tells, else its lines; anything else by its
    structure."""
    return list(_code(text, source, outline) if kind_of(source) == "code" else _prose(text, source))


def note_chunks(text: str, title: str) -> list[Chunk]:
    """The chunks of a note, all under its title."""
    lines = _Lines(text)
    return [Chunk(text[a:b], *lines.span(a, b), title, title) for a, b in _sections(text, lines, headings(text))]


def _code(text: str, source: str, outline: Sequence[tuple[int, int, int]] | None) -> Iterator[Chunk]:
    lines = _Lines(text)
    marks = marks_by_lines(text) if outline is None else marks_of(text, outline)
    for start, end, title, _ in segments(text, marks, CHARACTERS, CHARACTERS + OVERLAP):
        whole = end - start <= CHARACTERS + OVERLAP
        for a, b in stripped(text, start, end) if whole else spans(text, start, end):
            yield Chunk(text[a:b], *lines.span(a, b), title or source, naming(source))


def _prose(text: str, source: str) -> Iterator[Chunk]:
    found = list[tuple[int, str]]()
    if ending(source) in MARKDOWN:
        found = headings(text)
    elif ending(source) in RESTRUCTURED:
        found = underlined_headings(text)
    elif ending(source) in HTML:
        text, found = shown(text)
    elif ending(source) in NOTEBOOKS:
        text, found = said(text)
    elif ending(source) in DRAWINGS:
        text = drawn(text)
    yield from _under(text, found, source)


def page_chunks(text: str, title: str) -> list[Chunk]:
    """The chunks of a page's Markdown, each under its heading."""
    return list(_under(text, headings(text), title))


def _under(text: str, found: list[tuple[int, str]], name: str) -> Iterator[Chunk]:
    lines = _Lines(text)
    for a, b in _sections(text, lines, found):
        start, end = lines.span(a, b)
        heading = heading_at(found, start)
        yield Chunk(text[a:b], start, end, heading or name, heading or naming(name))


def _sections(text: str, lines: _Lines, found: list[tuple[int, str]]) -> Iterator[tuple[int, int]]:
    """Passages that begin at headings where there are any; short sections stay together."""
    start = end = 0
    for edge in [*(lines.start_of(line) for line, _ in found), len(text)]:
        if edge - start > CHARACTERS and end > start:
            yield from spans(text, start, end)
            start = end
        end = edge
    yield from spans(text, start, end)


def naming(source: str) -> str:
    """`source` where its name says anything; "" where it has no letter but in its ending: a vector would hold a number
    that nobody asks for (decision 059)."""
    return source if any(map(str.isalpha, source.rpartition(".")[0] or source)) else ""


def ending(source: str) -> str:
    """What stands behind the last dot of a file's name, in small letters."""
    return source.rpartition("/")[2].rpartition(".")[2].lower()


class _Lines:
    """Offsets to line numbers."""

    def __init__(self, text: str) -> None:
        self._starts = [0]
        position = text.find("\n")
        while position >= 0:
            self._starts.append(position + 1)
            position = text.find("\n", position + 1)

    def start_of(self, line: int) -> int:
        """The offset of a line's first character."""
        return self._starts[line - 1]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """First and last line of the characters from `start` up to `end`."""
        return bisect_right(self._starts, start), bisect_right(self._starts, max(start, end - 1))
