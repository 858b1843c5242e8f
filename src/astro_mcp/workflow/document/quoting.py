"""YAML that is none because a text wants quotes: `{{ }}` in a list, `!x`, `*.py`, a colon in a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from astro_mcp.errors import AstroError, Problem
from astro_mcp.workflow.document.source import load
from astro_mcp.workflow.expressions.tokens import closing

LONGEST: Final = 16 * 1024
"""Characters of a text whose lines are tried out."""
LOADS: Final = 24
_LINE: Final = re.compile(r"^line (\d+)|: line (\d+)")
_VALUE: Final = re.compile(r"^(\s*(?:-\s+)*(?:[\w-]+:\s+|-\s+))(\S.*?)\s*$")
_REASON: Final = "YAML takes this for something else than text: quote it"


def quoted(text: str, error: AstroError) -> tuple[Any, list[Problem]]:
    """The data that was meant and a problem for each line that is to be quoted; raises `error` where that is not it."""
    lines = text.splitlines()
    problems: list[Problem] = []
    loads = 0
    last: AstroError = error
    while len(text) <= LONGEST:
        wrong = _line(last)
        moved = False
        for place, new in _tries(lines, wrong):
            loads += 1
            if loads > LOADS:
                raise error
            trial = [*lines[:place], new, *lines[place + 1 :]]
            try:
                value, after = load("\n".join(trial)), None
            except AstroError as found:
                value, after = None, found
            if after is None or _line(after) > max(wrong, place + 1):
                problems.append(Problem(f"line {place + 1}", _REASON, new))
                if after is None:
                    return value, problems
                lines, last, moved = trial, after, True
                break
        if not moved:
            raise error
    raise error


def _line(error: AstroError) -> int:
    found = _LINE.search(error.message)
    return int(found[1] or found[2]) if found else 0


def _tries(lines: list[str], wrong: int) -> Iterator[tuple[int, str]]:
    """The wrong line, then the one before it: where a parser stops is often past the place."""
    for place in (wrong - 1, wrong - 2):
        if 0 <= place < len(lines):
            for new in (_marked(lines[place]), _whole(lines[place])):
                if new != lines[place]:
                    yield place, new


def _whole(line: str) -> str:
    """The line with all of its value quoted."""
    found = _VALUE.match(line)
    return found[1] + _quote(found[2]) if found else line


def _marked(line: str) -> str:
    """The line with each text around a `{{ }}` quoted, as far as the next mark of a list or an object."""
    position = 0
    while (at := line.find("{{", position)) >= 0:
        end = closing(line, at + 2)
        if end < 0:
            return line
        start = at - 1 if line[at - 1 : at] == "$" else at
        if line[:start].count('"') % 2 or line[:start].count("'") % 2:
            position = end + 2
            continue
        left = max(line.rfind(mark, 0, start) + len(mark) for mark in (": ", ", ", "[", "- ", "{")) if start else 0
        flow = any(mark in line[:left] for mark in "[{")
        right = min((n for n in (line.find(mark, end + 2) for mark in ",]}") if n >= 0), default=len(line))
        right = right if flow else len(line.rstrip())
        text = line[left:right].strip()
        new = _quote(text)
        line = line[:left] + (" " * (len(line[left:right]) - len(line[left:right].lstrip()))) + new + line[right:]
        position = left + len(new) + 1
    return line


def _quote(text: str) -> str:
    if '"' not in text and "\\" not in text:
        return f'"{text}"'
    return "'" + text.replace("'", "''") + "'"
