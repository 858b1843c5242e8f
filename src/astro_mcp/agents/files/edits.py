"""Exact replacements in a text whose line ends may be of any kind, or of several."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nlargest
from operator import itemgetter
from typing import Final

from astro_mcp.errors import Ambiguous, InvalidInput, Problem, TooLarge
from astro_mcp.nearest import nearest
from astro_mcp.workspace.executor import LARGEST

_ENDS: Final = re.compile(r"\r\n|\n")
_MAC_ENDS: Final = re.compile(r"\r")
_SHOWN: Final = 20
_LOOKED_AT: Final = 100
"""Places of an old text's first line that are compared with all of it."""
_SEARCHED: Final = 20_000
"""Lines among which one like it is looked for."""
_COMPARED: Final = 20
"""Lines that share the most words with it, which are compared letter by letter."""
_WIDE: Final = 200
_WORD: Final = re.compile(r"\w+")
_AGAIN: Final = "read the file again: it may have changed"


@dataclass(frozen=True, slots=True)
class Replacement:
    """`old` must stand in the text exactly `count` times (0: any number but none), and becomes `new` each time."""

    old: str
    new: str
    count: int = 1


class Editable:
    """A text as lines that end in line feeds, and beside it what each of its lines ends in really."""

    def __init__(self, raw: str, eol: str, shown: str) -> None:
        ends = _MAC_ENDS if eol == "cr" else _ENDS
        self._ends = ends.findall(raw)
        self._text = ends.sub("\n", raw)
        self._shown = shown

    @property
    def text(self) -> str:
        """With line feeds only."""
        return self._text

    @property
    def raw(self) -> str:
        """With the file's own line ends; new lines have those of the place where they went."""
        if not any(end != "\n" for end in self._ends):
            return self._text
        lines = self._text.split("\n")
        return "".join(line + end for line, end in zip(lines, [*self._ends, ""], strict=True))

    def replace(self, edit: Replacement, number: int) -> None:
        """Raises `InvalidInput` where the old text is missing, `Ambiguous` with the places where there are others
        than `count` says."""
        old, new = _ENDS.sub("\n", edit.old), _ENDS.sub("\n", edit.new)
        if not old:
            raise InvalidInput(f"edit {number}: old is empty", "fs_write creates and replaces files")
        places = self._find(old)
        if not places:
            raise InvalidInput(f"edit {number}: the old text is not in {self._shown}", self._near(old))
        if edit.count and len(places) != edit.count:
            raise self._ambiguous(edit, places, number)
        size = len(self._text) + len(places) * (len(new) - len(old))
        if size > LARGEST:
            raise TooLarge(f"edit {number}: {self._shown} would have {size:,} characters; {LARGEST:,} are allowed")
        self._ends = self._ends_with(places, old.count("\n"), new.count("\n"))
        self._text = self._text.replace(old, new)

    def _find(self, old: str) -> list[int]:
        places = []
        at = self._text.find(old)
        while at >= 0:
            places.append(at)
            at = self._text.find(old, at + len(old))
        return places

    def _ends_with(self, places: list[int], lost: int, gained: int) -> list[str]:
        """The lines' ends once, at each of the places, so many are lost and so many of the place's own are gained."""
        ends: list[str] = []
        at = line = taken = 0
        for start in places:
            line += self._text.count("\n", at, start)
            own = self._ends[min(line, len(self._ends) - 1)] if self._ends else "\n"
            ends += self._ends[taken:line] + [own] * gained
            at, taken = start, line + lost
        return ends + self._ends[taken:]

    def _line(self, offset: int) -> int:
        return self._text.count("\n", 0, offset) + 1

    def _ambiguous(self, edit: Replacement, places: list[int], number: int) -> Ambiguous:
        lines = [self._line(offset) for offset in places[:_SHOWN]]
        listed = ", ".join(f"{self._shown}:{line}" for line in lines)
        more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
        return Ambiguous(
            f"edit {number}: the old text stands in {len(places)} places, not {edit.count}: {listed}{more}",
            f"take more of the lines around it into old, or set count to {len(places)} to change them all",
            problems=tuple(Problem(f"{self._shown}:{line}", "the old text stands here") for line in lines),
        )

    def _near(self, old: str) -> str:
        """Which line of the text keeps the old one from standing there; without a word of either."""
        wanted, lines = old.strip("\n").split("\n"), self._text.split("\n")
        first = wanted[0].strip()
        places = [at for at, line in enumerate(lines) if first and first in line][:_LOOKED_AT]
        if not places:
            at = _alike(first, lines)
            return _AGAIN if at is None else f"{self._shown}:{at + 1} is most like its first line; read it again"
        at, same = max(((at, _same(lines[at : at + len(wanted)], wanted)) for at in places), key=itemgetter(1))
        if same == len(wanted):
            return f"its lines stand at {self._shown}:{at + 1}; the blank ones around them differ"
        line = f"{self._shown}:{at + same + 1}"
        if at + same < len(lines) and lines[at + same].split() == wanted[same].split():
            return f"{line} differs in white space alone; read it again"
        return f"{line} is the first line that differs; read it again"


def _alike(wanted: str, lines: Sequence[str]) -> int | None:
    """Where the line most like `wanted` is, if one is like it."""
    words = set(_WORD.findall(wanted[:_WIDE]))
    shared = [(len(words.intersection(_WORD.findall(line[:_WIDE]))), -at) for at, line in enumerate(lines[:_SEARCHED])]
    found = {lines[-at].strip()[:_WIDE]: -at for count, at in nlargest(_COMPARED, shared) if count}
    return found.get(nearest(wanted, list(found)) or "")


def _same(lines: Sequence[str], wanted: Sequence[str]) -> int:
    """How many of `lines` are as wanted, of which the first may begin amid one, and the last end so."""
    last = len(wanted) - 1
    for number, (line, one) in enumerate(zip(lines, wanted, strict=False)):
        if line != one and not (number == 0 and line.endswith(one)) and not (number == last and line.startswith(one)):
            return number
    return len(lines)
