"""The headings of a Markdown document, and which of them a line stands under."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Final

_HEADING: Final = re.compile(r"(#{1,6})[ \t]+(\S.{0,200})")
_FENCE: Final = ("```", "~~~")
LONGEST: Final = 160


def headings(text: str) -> list[tuple[int, str]]:
    """(line, path of headings) of every heading, in order; lines count from 1, `#` in fenced code is none."""
    found: list[tuple[int, str]] = []
    path: list[tuple[int, str]] = []
    fenced = False
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith(_FENCE):
            fenced = not fenced
        elif not fenced and (heading := _HEADING.match(line)):
            level = len(heading[1])
            path = [*(item for item in path if item[0] < level), (level, heading[2].rstrip("# \t\r"))]
            found.append((number, " > ".join(title for _, title in path)[-LONGEST:]))
    return found


def heading_at(found: list[tuple[int, str]], line: int) -> str:
    """The heading that `line` stands under; "" before the first."""
    index = bisect_right(found, line, key=lambda item: item[0])
    return found[index - 1][1] if index else ""
