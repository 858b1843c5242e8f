"""The hits of one search: lines with their places, bounded, and what is said about them in the end."""

from __future__ import annotations

import codecs
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from anyio import from_thread

from astro_mcp.agents.files.models import SearchItem, SearchOutput
from astro_mcp.workspace.text import CODE_PAGES, decode

MOST: Final = 10_000
"""Hits kept; more are counted."""
WIDTH: Final = 400
"""Characters of a line that are shown."""
OFTEN: Final = 64
"""Hits between two looks at the clock."""
_PROBE: Final = 8192

Finder = Callable[[bytes], Iterator[tuple[int, int]]]


@dataclass(slots=True)
class Counts:
    """Files: those that were searched, those that are too large, and those that may hold secrets."""

    searched: int = 0
    large: int = 0
    secret: int = 0


class Hits:
    """`returns` says that carriage returns are looked for; else lines that end in one and a line feed end as all do.
    `beyond_ascii` that characters are which a code page writes otherwise than UTF-8."""

    def __init__(
        self, find: Finder, context: int, seconds: float, *, returns: bool = False, beyond_ascii: bool = False
    ) -> None:
        self.counts = Counts()
        self.until = time.monotonic() + seconds
        self._find = find
        self._context = context
        self._seconds = seconds
        self._returns = returns
        self._beyond_ascii = beyond_ascii
        self._items: list[SearchItem] = []
        self._total = 0
        self._late = False

    def is_late(self) -> bool:
        """Whether the time is over. Raises where the call is cancelled."""
        from_thread.check_cancelled()
        self._late = self._late or time.monotonic() > self.until
        return self._late

    def add(self, shown: str, content: bytes) -> None:
        """Search the content of one file."""
        data, before = as_utf8(content), self._total
        if data is None:
            return
        self._search(shown, data)
        if self._beyond_ascii and self._total == before and (data := _of_code_page(content)):
            self._search(shown, data)

    def _search(self, shown: str, data: bytes) -> None:
        if b"\r" in data and b"\n" not in data:
            data = data.replace(b"\r", b"\n")  # which are its line ends
        elif b"\r\n" in data and not self._returns:
            data = data.replace(b"\r\n", b"\n")
        line, counted, end = 1, 0, -1
        for number, (start, _) in enumerate(self._find(data)):
            if number % OFTEN == 0 and self.is_late():
                return
            if start <= end:  # one hit a line is enough
                continue
            if start == len(data) and data[-1:] in (b"", b"\n"):  # behind the last line
                break
            line += data.count(b"\n", counted, start)
            counted = start
            end = data.find(b"\n", start)
            end = len(data) if end < 0 else end
            self._total += 1
            if len(self._items) < MOST:
                self._items.append(self._item(shown, data, line, (start, end)))

    def _item(self, shown: str, data: bytes, line: int, span: tuple[int, int]) -> SearchItem:
        start, end = span
        begin = data.rfind(b"\n", 0, start) + 1
        column = len(data[begin:start].decode("utf-8", "replace")) + 1
        text = data[begin:end].decode("utf-8", "replace").rstrip("\r")
        item = SearchItem(path=shown, line=line, column=column, text=_window(text, column - 1))
        if self._context:
            item.before = _lines_before(data, begin, self._context)
            item.after = _lines_after(data, end, self._context)
        return item

    def output(self) -> SearchOutput:
        notes = []
        if self._late:
            notes.append(f"stopped after {self._seconds:g} s: name a folder or a glob")
        if self._total > len(self._items):
            notes.append(f"only the first {MOST:,} are kept")
        if self.counts.secret:
            notes.append(f"{self.counts.secret} files that may hold secrets were left out")
        return SearchOutput(
            items=self._items,
            total=self._total,
            searched=self.counts.searched,
            skipped=self.counts.large,
            truncated=self._late or self._total > len(self._items),
            note="; ".join(notes) or None,
        )


def as_utf8(data: bytes) -> bytes | None:
    """`data` with UTF-16 and UTF-32 turned into UTF-8, without a byte order mark; None for what is no text."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)):
        found = decode(data)
        return found.raw.encode() if found else None
    return None if b"\0" in data[:_PROBE] else data.removeprefix(codecs.BOM_UTF8)


def _of_code_page(data: bytes) -> bytes | None:
    """The same of a text that is no UTF-8, read as fs_read reads it; None for all else."""
    found = decode(data)
    return found.raw.encode() if found and found.encoding in CODE_PAGES else None


def _window(text: str, at: int) -> str:
    """The part of a long line around the hit."""
    if len(text) <= WIDTH:
        return text
    start = max(0, min(at - WIDTH // 4, len(text) - WIDTH))
    end = start + WIDTH
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")


def _lines_before(data: bytes, begin: int, count: int) -> list[str]:
    rows: list[str] = []
    while begin > 0 and len(rows) < count:
        start = data.rfind(b"\n", 0, begin - 1) + 1
        rows.insert(0, _window(data[start : begin - 1].decode("utf-8", "replace").rstrip("\r"), 0))
        begin = start
    return rows


def _lines_after(data: bytes, end: int, count: int) -> list[str]:
    rows: list[str] = []
    while end < len(data) - 1 and len(rows) < count:
        stop = data.find(b"\n", end + 1)
        stop = len(data) if stop < 0 else stop
        rows.append(_window(data[end + 1 : stop].decode("utf-8", "replace").rstrip("\r"), 0))
        end = stop
    return rows
