"""What a Jupyter notebook says, on the lines where it stands: its cells and what they print, without pictures."""

from __future__ import annotations

import json
import re
from typing import Final

from astro_mcp.agents.knowledge.headings import ATX, Titles

_STRING: Final = re.compile(r'"((?:[^"\\]|\\.)*+\\?+)(?:"|\Z)(\s*+:)?', re.DOTALL)
"""One that is never closed goes to the end, so that nothing is looked for twice."""
_SAYS: Final = frozenset({"source", "text", "text/plain"})


def said(source: str) -> tuple[str, list[tuple[int, str]]]:
    """The text, with as many lines as `source`, and (line, path of headings) of every heading of its cells in Markdown;
    lines count from 1. Linear, and needs no valid JSON."""
    titles = Titles()
    parts: list[str] = []
    key, kind, line, position = "", "", 1, 0
    for found in _STRING.finditer(source):
        between = source.count("\n", position, found.start())
        parts.append("\n" * between or " ")
        line += between
        position = found.end()
        if found[2]:
            key = found[1]
        elif key == "cell_type":
            kind = found[1]
        elif key in _SAYS:
            text = _unescaped(found[1])
            if key == "source" and kind == "markdown" and (heading := ATX.match(text)):
                titles.add(line, len(heading[1]), heading[2].rstrip("# \t\r\n"))
            parts.append(text.rstrip("\n").replace("\n", " "))
        inside = source.count("\n", found.start(), position)
        parts.append("\n" * inside)
        line += inside
    parts.append("\n" * source.count("\n", position))
    return "".join(parts), titles.found


def _unescaped(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"', strict=False)).replace("\r", "").encode("utf-8", "replace").decode()
    except ValueError:
        return text
