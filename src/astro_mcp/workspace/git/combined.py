"""What a merge changed itself: git's combined form (`--cc`), in which a line has a sign for each parent."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from astro_mcp.core.record import record
from astro_mcp.workspace.git.patches import LONGEST, NAME, name_of, narrowed

_OPENS: Final = re.compile(rb"^diff --(?:cc|combined) ", re.MULTILINE)
_HEADER: Final = re.compile(rb"@@@+((?: -\d+(?:,\d+)?)+) \+(\d+)(?:,(\d+))? @@@+(.*)")
_SIDE: Final = re.compile(rb" -(\d+)(?:,(\d+))?")
_NOWHERE: Final = b"/dev/null"


@record()
class CombinedHunk:
    """`text` opens with its `@@@` line; `names` are all that the file has in the parents and in the merge."""

    id: str
    path: str
    names: tuple[str, ...]
    text: str


def parse_combined(patch: bytes, *, cut: bool = False) -> list[CombinedHunk]:
    """Every hunk of `git diff-tree --cc --combined-all-paths --patch`, long ones in pieces. With `cut` the text ends
    anywhere, and the last hunk is left out. A line of content begins with a space, + or -, and opens nothing."""
    found: list[CombinedHunk] = []
    sections = _OPENS.split(patch)[1:]
    for section in sections:
        head, *hunks = section.removesuffix(b"\n").split(b"\n@@@")
        if cut and section is sections[-1]:
            hunks = hunks[:-1]
        names = _names(head)
        for text in hunks if names else ():
            found += _pieces(names, b"@@@" + text)
    same, seen = Counter(hunk.id for hunk in found), Counter[str]()
    for at, hunk in enumerate(found):
        if same[hunk.id] > 1:
            seen[hunk.id] += 1
            found[at] = replace(hunk, id=_named(f"{seen[hunk.id]}\0{hunk.id}".encode()))
    return found


def _names(head: bytes) -> tuple[str, ...]:
    """That in the merge comes first, or that of the first parent that has one, where the merge has none."""
    lines = head.split(b"\n")
    olds = [line[4:] for line in lines if line.startswith(b"--- ")]
    news = [line[4:] for line in lines if line.startswith(b"+++ ")]
    there = [(one, b"b/") for one in news if one != _NOWHERE] + [(one, b"a/") for one in olds if one != _NOWHERE]
    return tuple(dict.fromkeys(name_of(one).removeprefix(prefix.decode()) for one, prefix in there))


def _pieces(names: tuple[str, ...], text: bytes) -> Iterator[CombinedHunk]:
    header, _, body = text.partition(b"\n")
    sides = _HEADER.match(header)
    if sides is None:
        return
    starts = [int(start) - (count != b"0") for start, count in _SIDE.findall(sides[1])]
    starts.append(int(sides[2]) - (sides[3] != b"0"))
    lines = body.split(b"\n")
    for first in range(0, len(lines), LONGEST):
        piece = lines[first : first + LONGEST]
        counts = _counts(piece, len(starts) - 1)
        whole = b"\n".join(piece)
        head = _header(starts, counts, sides[4])
        shown = (head + narrowed(whole)).decode("utf-8", "replace")
        yield CombinedHunk(_named(os.fsencode(names[0]) + b"\0" + whole), names[0], names, shown)
        starts = [start + count for start, count in zip(starts, counts, strict=True)]


def _counts(lines: Sequence[bytes], parents: int) -> list[int]:
    """How many of these lines each parent has, and how many the merge. A line that a parent lost is none of the
    merge's, and none of a parent's that has a space before it; one that came is none of a parent's that has a +."""
    counts = [0] * (parents + 1)
    for line in lines:
        signs = line[:parents]
        lost = b"-" in signs
        counts[parents] += not lost
        for parent in range(parents):
            counts[parent] += signs[parent : parent + 1] == (b"-" if lost else b" ")
    return counts


def _header(starts: Sequence[int], counts: Sequence[int], heading: bytes) -> bytes:
    """A side without lines is named by the line before it."""
    places = [b"%d,%d" % (start + (count > 0), count) for start, count in zip(starts, counts, strict=True)]
    at = b"@" * len(starts)
    olds = b" ".join(b"-" + place for place in places[:-1])
    return b"%s %s +%s %s%s\n" % (at, olds, places[-1], at, heading)


def _named(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:NAME]
