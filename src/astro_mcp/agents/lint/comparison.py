"""Which findings are new: by what they say and the text that they stand on, and not by file or line.

Lines move, files are renamed, and a finding stays what it was. So findings are matched by tool, rule, message without
its numbers, and the text of the line. Where several are alike they are paired nearest first (the same place in the
same file, then a place with the same lines around, then any), so that those that are left over are the new ones; how
many these are is a matter of counting alone.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from astro_mcp.agents.lint.models import Finding

NEAR: Final = 10
"""Lines that are looked at for one that holds something."""
LONG: Final = 300
"""Characters of a line that count."""
_NUMBER: Final = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Standing:
    """A finding as it is matched: `what` is tool, rule and message, `around` the nearest lines that hold something."""

    file: str
    what: tuple[str, str, str]
    line: str
    around: tuple[str, str]


LEVELS: Final[tuple[Callable[[Standing], Hashable], ...]] = (
    lambda one: (one.what, one.line, one.around, one.file),
    lambda one: (one.what, one.line, one.around),
    lambda one: (one.what, one.line, one.file),
    lambda one: (one.what, one.line),
)
"""From the nearest match to the farthest; the last one alone decides how many are new."""


def standings(findings: Sequence[Finding], files: Mapping[str, bytes]) -> list[Standing]:
    """Where each finding stands in `files`, by path. Blocks: it reads the text of each file that has findings."""
    texts: dict[str, list[str]] = {}
    found = []
    for item in findings:
        if item.file not in texts:
            text = files.get(item.file, b"").decode("utf-8", "replace")
            texts[item.file] = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        lines = texts[item.file]
        at = item.line - 1
        line = _plain(lines[at]) if 0 <= at < len(lines) else ""
        what = (item.tool, item.rule, _NUMBER.sub("0", item.message))
        found.append(Standing(item.file, what, line, (_nearest(lines, at, -1), _nearest(lines, at, 1))))
    return found


def are_new(now: Sequence[Standing], before: Sequence[Standing]) -> list[bool]:
    """For each of `now`, whether none of `before` is left for it to be the same as."""
    open_now, open_before = list(range(len(now))), list(range(len(before)))
    for level in LEVELS:
        waiting: defaultdict[Hashable, list[int]] = defaultdict(list)
        for index in reversed(open_before):
            waiting[level(before[index])].append(index)
        left = []
        for index in open_now:
            alike = waiting.get(level(now[index]))
            if alike:
                alike.pop()
            else:
                left.append(index)
        open_now = left
        open_before = sorted(index for rest in waiting.values() for index in rest)
    new = frozenset(open_now)
    return [index in new for index in range(len(now))]


def numbered(found: Sequence[Standing]) -> list[tuple[Standing, int]]:
    """Each with how many like it came before, from 1: what tells two equal findings apart."""
    seen: Counter[Standing] = Counter()
    out = []
    for one in found:
        seen[one] += 1
        out.append((one, seen[one]))
    return out


def _nearest(lines: Sequence[str], at: int, step: int) -> str:
    for near in range(at + step, at + step * (NEAR + 1), step):
        if 0 <= near < len(lines) and (line := _plain(lines[near])):
            return line
    return ""


def _plain(line: str) -> str:
    """The beginning of `line`, with white space made even: a file may be one line, and have a finding in each word."""
    return " ".join(line[:LONG].split())
