"""The headings of a document in Markdown or reStructuredText, and which of them a line stands under."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Final

ATX: Final = re.compile(r"(#{1,6})[ \t]+(\S.{0,200})")
"""A heading as Markdown has it: its level by signs, and its title."""
_FENCE: Final = ("```", "~~~")
_TITLE: Final = re.compile(r"(?![-=|>#`~*+]|\d{1,9}[.)][ \t]) {0,3}\S.{0,200}")
_UNDERLINE: Final = re.compile(r" {0,3}(={3,}|-{3,})[ \t\r]*")
_ADORNMENT: Final = re.compile(r"([=\-`:.'\"~^_*+#])\1{2,199}[ \t\r]*")
_MATTER: Final = re.compile(r"(?:---|\+\+\+)[ \t\r]*")
_NAMED: Final = re.compile(r"""title[ \t]*[:=][ \t]*(?![>|][-+]?[ \t\r]*\Z)(["']?)(.{1,200}?)\1[ \t\r]*""")
_MATTER_LINES: Final = 100
LONGEST: Final = 160


def headings(text: str) -> list[tuple[int, str]]:
    """(line, path of headings) of every heading in Markdown, in order; lines count from 1, `#` in fenced code is none.
    A line may be one that is underlined, where it stands alone, and the front matter names the first."""
    titles = Titles()
    if named := _front_title(text):
        titles.add(*named)
    fenced = False
    before, title = "", ""
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith(_FENCE):
            fenced = not fenced
        elif not fenced and (heading := ATX.match(line)):
            titles.add(number, len(heading[1]), heading[2].rstrip("# \t\r"))
        elif not fenced and not before and _UNDERLINE.fullmatch(line) and _TITLE.fullmatch(title):
            titles.add(number - 1, 1 if "=" in line else 2, title)
        before, title = title.strip(), line
    return titles.found


def _front_title(text: str) -> tuple[int, int, str] | None:
    """Line, level and words of the title in front matter (YAML or TOML), as generators of sites take it."""
    lines = text.split("\n", _MATTER_LINES)[:_MATTER_LINES]
    if not _MATTER.fullmatch(lines[0]):
        return None
    fence = lines[0].strip()
    end = next((number for number, line in enumerate(lines[1:], 1) if line.strip() == fence), 0)
    found = ((number, _NAMED.fullmatch(line)) for number, line in enumerate(lines[:end], 1))
    return next(((number, 1, named[2]) for number, named in found if named), None)


def underlined_headings(text: str) -> list[tuple[int, str]]:
    """The same of every heading in reStructuredText. Which adornment is which level tells their order."""
    titles = Titles()
    levels: dict[tuple[str, bool], int] = {}
    over, title = "", ""
    for number, line in enumerate(text.split("\n"), 1):
        adorned = _ADORNMENT.fullmatch(line)
        if adorned and title.strip() and not _ADORNMENT.fullmatch(title) and len(line.rstrip()) >= len(title.rstrip()):
            overlined = over.rstrip() == line.rstrip()
            if overlined or not (over.strip() or title[0].isspace()):
                level = levels.setdefault((line[0], overlined), len(levels) + 1)
                titles.add(number - 1 - overlined, level, title)
        over, title = title, line
    return titles.found


class Titles:
    """Headings that come in turn, each with those that it stands under."""

    def __init__(self) -> None:
        self.found: list[tuple[int, str]] = []
        self._open: list[tuple[int, str]] = []

    def add(self, line: int, level: int, title: str) -> None:
        self._open = [*(item for item in self._open if item[0] < level), (level, title.strip())]
        self.found.append((line, " > ".join(title for _, title in self._open)[-LONGEST:]))


def heading_at(found: list[tuple[int, str]], line: int) -> str:
    """The heading that `line` stands under; "" before the first."""
    index = bisect_right(found, line, key=lambda item: item[0])
    return found[index - 1][1] if index else ""
