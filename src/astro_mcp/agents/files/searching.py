"""Lines that hold a text or fit a regular expression. Blocks: for worker threads."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any, Final

from astro_mcp.agents.files import ripgrep
from astro_mcp.agents.files.hits import Finder, Hits
from astro_mcp.agents.files.literals import required
from astro_mcp.agents.files.models import NO_FIT, SearchInput, SearchOutput
from astro_mcp.errors import AstroError, InvalidInput
from astro_mcp.workspace.content import read_file, read_in, status_of
from astro_mcp.workspace.folders import Folder, folders
from astro_mcp.workspace.guards import ReadGuard
from astro_mcp.workspace.ignore import matcher
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.text import utf8

SECONDS: Final = 20.0
LARGEST: Final = 4 * 1024 * 1024
"""Bytes of a file that is searched."""
_EXPRESSION: Final = re.compile(r"\.[*+]|\w\|\w|\\[bdsw(.|]|\A\^|\$\Z|\[[^\]]+\][*+]")
"""What a pattern has mostly where it is meant as an expression."""
_RETURN: Final = re.compile(r"\\(?:r|x0[dD]|x\{0*[dD]\}|0?15)")
"""An escape of a carriage return."""
_LINE_FEED: Final = re.compile(rb"\n|\\(?:n|x0[aA]|x\{0*[aA]\}|0?12)|\(\?[imU]*s")
"""What an expression that is to reach over lines says: a line feed, an escape of one, or that dots fit them."""


def search(places: Sequence[Place], args: SearchInput, guard: ReadGuard, *, seconds: float = SECONDS) -> SearchOutput:
    """Search below `places` for at most `seconds`; what is ignored, secret, binary or behind a link is left out."""
    returns = "\r" in args.pattern or (args.regex and _RETURN.search(args.pattern) is not None)
    beyond_ascii = not args.pattern.isascii()
    hits = Hits(_finder(args), args.context, seconds, returns=returns, beyond_ascii=beyond_ascii)
    program = ripgrep.program([place.root for place in places])
    wanted = required(args.pattern, regex=args.regex) if program else None
    for place in places:
        search_in = _Search(place, args.glob, guard, hits)
        if place.relative and stat.S_ISREG(status_of(place).st_mode):
            search_in.file()
        elif program and wanted:
            with closing(ripgrep.Sieve(program, place.root, wanted, hits.until)) as sieve:
                search_in.sieved(sieve)
        else:
            search_in.all()
    found = hits.output()
    return found.model_copy(update={"note": _missed(args, found)}) if not found.total and found.note is None else found


def _missed(args: SearchInput, found: SearchOutput) -> str | None:
    """Why nothing was found, where that may be in how it was asked."""
    if args.glob and not found.searched + found.skipped:
        return NO_FIT
    if not args.regex and _EXPRESSION.search(args.pattern):
        return "the pattern was taken as plain text; regex=true makes it an expression"
    return None


class _Search:
    """A search below one place."""

    def __init__(self, place: Place, glob: str | None, guard: ReadGuard, hits: Hits) -> None:
        self._place = place
        self._fits: Callable[[str], bool] = matcher(glob) if glob is not None else lambda path: True
        self._guard = guard
        self._hits = hits

    def file(self) -> None:
        """The place is a file."""
        place = self._place
        if not self._fits(place.relative):
            return
        if self._guard.withholds(place.relative):
            self._hits.counts.secret += 1
        elif status_of(place).st_size > LARGEST:
            self._hits.counts.large += 1
        else:
            self._hits.counts.searched += 1
            self._read(place.relative)

    def all(self) -> None:
        """Read every file."""
        for folder in folders(self._place):
            for name in self._names(folder):
                if self._hits.is_late():
                    return
                shown = self._place.shown(folder.below(name))
                try:
                    content, _ = read_in(folder.descriptor, name, shown, LARGEST)
                except AstroError:  # gone, changed, or without permission
                    continue
                self._hits.add(shown, content)

    def sieved(self, sieve: ripgrep.Sieve) -> None:
        """Read those files alone that may have a hit."""
        for path in self._candidates(sieve):
            if self._hits.is_late():
                return
            self._read(path)

    def _candidates(self, sieve: ripgrep.Sieve) -> Iterator[str]:
        for folder in folders(self._place):
            head = folder.below("")
            yield from sieve.offer([head + name for name in self._names(folder)])
            if self._hits.is_late():
                return
        yield from sieve.rest()

    def _read(self, path: str) -> None:
        file = self._place.at(path)
        try:
            content, _ = read_file(file, LARGEST)
        except AstroError:
            return
        self._hits.add(file.display, content)

    def _names(self, folder: Folder) -> Iterator[str]:
        """The files of a folder that are searched; the others are counted."""
        counts = self._hits.counts
        start = len(self._place.relative) + 1 if self._place.relative else 0
        head = folder.below("")[start:]
        found = [one for one in folder.found if one[1] == "file" and self._fits(head + one[0])]
        withheld = self._guard.withheld(folder.path, [one[0] for one in found])
        counts.secret += len(withheld)
        for one in found:
            if one[0] in withheld or (status := one.status()) is None:
                continue
            if status.st_size > LARGEST:
                counts.large += 1
            else:
                counts.searched += 1
                yield one[0]


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
    options.never_nl = _LINE_FEED.search(pattern) is None  # as in every other search: a class fits no line's end
    try:
        compiled = re2.compile(b"(?m)" + pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else "it can't be read"
        reason = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise InvalidInput(f"the regular expression is not valid: {reason}", "RE2 has no look-around") from None
    return lambda data: (match.span() for match in compiled.finditer(data))
