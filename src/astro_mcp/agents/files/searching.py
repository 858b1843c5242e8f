"""Lines that hold a text or fit a regular expression. Blocks: for worker threads."""

from __future__ import annotations

import codecs
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from anyio import from_thread

from astro_mcp.agents.files.models import SearchInput, SearchItem, SearchOutput
from astro_mcp.errors import AstroError, InvalidInput
from astro_mcp.workspace.content import read_file, status_of
from astro_mcp.workspace.guards import ReadGuard
from astro_mcp.workspace.ignore import matcher
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.text import decode, utf8
from astro_mcp.workspace.walk import Entry, walk

MOST: Final = 10_000
"""Hits kept; more are counted."""
SECONDS: Final = 20.0
LARGEST: Final = 4 * 1024 * 1024
"""Bytes of a file that is searched."""
WIDTH: Final = 400
"""Characters of a line that are shown."""
OFTEN: Final = 64
"""Hits between two looks at the clock."""
_PROBE: Final = 8192

Finder = Callable[[bytes], Iterator[tuple[int, int]]]


def search(places: Sequence[Place], args: SearchInput, guard: ReadGuard, *, seconds: float = SECONDS) -> SearchOutput:
    """Search below `places` for at most `seconds`; what is ignored, secret, binary or behind a link is left out."""
    hits = _Hits(_finder(args), args.context, guard, seconds)
    fits = matcher(args.glob) if args.glob is not None else None
    for place in places:
        for file in _files(place):
            if hits.is_late():
                break
            if fits is None or fits(_below(place, file)):
                hits.add(file)
    return hits.output()


def _files(place: Place) -> Iterator[Place]:
    if place.relative and stat.S_ISREG(status_of(place).st_mode):
        yield place
        return
    for entry in walk(place):
        if isinstance(entry, Entry) and entry.type == "file":
            yield place.at(entry.path)


def _below(start: Place, file: Place) -> str:
    return file.relative[len(start.relative) + 1 :] if start.relative and file != start else file.relative


def _finder(args: SearchInput) -> Finder:
    pattern = utf8(args.pattern)
    if not args.regex:
        return lambda data: _literal(pattern, data)
    return _regex(pattern)


def _literal(needle: bytes, data: bytes) -> Iterator[tuple[int, int]]:
    at = data.find(needle)
    while at >= 0:
        yield at, at + len(needle)
        at = data.find(needle, at + len(needle))


def _regex(pattern: bytes) -> Finder:
    """RE2: time linear in the text, whatever the pattern (Cox, "Regular Expression Matching in the Wild", 2010)."""
    import re2  # noqa: PLC0415 - first use

    options: Any = re2.Options()
    options.log_errors = False
    options.never_capture = True
    try:
        compiled = re2.compile(b"(?m)" + pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else "it can't be read"
        reason = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise InvalidInput(f"the regular expression is not valid: {reason}", "RE2 has no look-around") from None
    return lambda data: (match.span() for match in compiled.finditer(data))


class _Hits:
    def __init__(self, find: Finder, context: int, guard: ReadGuard, seconds: float) -> None:
        self._find = find
        self._context = context
        self._guard = guard
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._items: list[SearchItem] = []
        self._total = self._searched = self._skipped = self._secret = 0
        self._late = False

    def is_late(self) -> bool:
        """Whether the time is over. Raises where the call is cancelled."""
        from_thread.check_cancelled()
        self._late = self._late or time.monotonic() > self._deadline
        return self._late

    def add(self, file: Place) -> None:
        """Search one file."""
        if self._guard.withholds(file.relative):
            self._secret += 1
            return
        try:
            data = as_utf8(read_file(file, LARGEST)[0])
        except AstroError:
            data = None
        if data is None:
            self._skipped += 1
            return
        self._searched += 1
        self._search(file, data)

    def _search(self, file: Place, data: bytes) -> None:
        line, counted, end = 1, 0, -1
        for number, (start, _) in enumerate(self._find(data)):
            if number % OFTEN == 0 and self.is_late():
                return
            if start <= end:  # one hit a line is enough
                continue
            line += data.count(b"\n", counted, start)
            counted = start
            end = data.find(b"\n", start)
            end = len(data) if end < 0 else end
            self._total += 1
            if len(self._items) < MOST:
                self._items.append(self._item(file, data, line, (start, end)))

    def _item(self, file: Place, data: bytes, line: int, span: tuple[int, int]) -> SearchItem:
        start, end = span
        begin = data.rfind(b"\n", 0, start) + 1
        column = len(data[begin:start].decode("utf-8", "replace")) + 1
        text = data[begin:end].decode("utf-8", "replace").rstrip("\r")
        item = SearchItem(path=file.display, line=line, column=column, text=_window(text, column - 1))
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
        if self._secret:
            notes.append(f"{self._secret} files that may hold secrets were left out")
        return SearchOutput(
            items=self._items,
            total=self._total,
            searched=self._searched,
            skipped=self._skipped,
            truncated=self._late or self._total > len(self._items),
            note="; ".join(notes) or None,
        )


def as_utf8(data: bytes) -> bytes | None:
    """`data` with UTF-16 and UTF-32 turned into UTF-8; None for what is no text."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        found = decode(data)
        return found.raw.encode() if found else None
    return None if b"\0" in data[:_PROBE] else data


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
