"""Where definitions begin, told by the lines alone.

A definition starts on a line that says so; comments and decorators right above belong to it. No parser runs: a
repository's text can neither crash nor stall this, broken code is cut as well as whole code, and one rule serves every
language. A line inside a string that looks like a definition only moves a cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

_WORDS: Final = (
    "async|export|default|public|private|protected|internal|static|final|abstract|override|open|sealed|data|inline"
    "|virtual|unsafe|extern|pub|pub\\(crate\\)|declare|const|suspend|partial"
)
_KEYWORDS: Final = (
    "def|class|function|func|fn|fun|interface|struct|enum|trait|impl|type|module|namespace|record|object|protocol"
    "|extension|macro_rules!|CREATE (?:TABLE|VIEW|FUNCTION|TRIGGER)|message|service"
)
_STARTS: Final = re.compile(rf"([ \t]{{0,40}})(?:(?:{_WORDS})[ \t]+){{0,5}}(?:{_KEYWORDS})\*?[ \t(]")
_BOUND: Final = re.compile(
    r"([ \t]{0,40})(?:export[ \t]+)?(?:const|let|var)[ \t]+\w{1,80}[ \t]*=[ \t]*(?:async[ \t]*)?(?:\(|function)"
)
_ABOVE: Final = ("@", "#", "//", "/*", "*", "--", ";;")
SHORT: Final = 200
"""Characters below which a segment joins its neighbour."""
LINE: Final = 300
"""Characters of a line that are looked at: a longer line is data."""


class Segment(NamedTuple):
    """Characters from `start` up to `end`."""

    start: int
    end: int
    title: str

    @property
    def length(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class _Mark:
    offset: int
    indent: int
    title: str


def definitions(text: str, most: int) -> Iterator[Segment]:
    """Segments that cover `text`: one a definition, its inner definitions apart where it is longer than `most`
    characters, short neighbours together. What comes before the first has "" for a title."""
    marks = _marks(text)
    levels = sorted({mark.indent for mark in marks})
    yield from _joined(_cut(Segment(0, len(text), ""), marks, levels, most))


def _cut(segment: Segment, marks: list[_Mark], levels: list[int], most: int) -> Iterator[Segment]:
    """Cut at the outermost level, and within what is still too long at the next."""
    if not marks or (segment.title and segment.end - segment.start <= most):
        yield segment
        return
    groups: list[tuple[int, str, list[_Mark]]] = [(segment.start, segment.title, [])]
    for mark in marks:
        if mark.indent == levels[0]:
            title = f"{segment.title} > {mark.title}" if segment.title else mark.title
            groups.append((mark.offset, title, []))
        else:
            groups[-1][2].append(mark)
    ends = [*(offset for offset, _, _ in groups[1:]), segment.end]
    for (start, title, inner), end in zip(groups, ends, strict=True):
        if start < end:
            yield from _cut(Segment(start, end, title), inner, levels[1:], most)


def _joined(segments: Iterator[Segment]) -> Iterator[Segment]:
    """Short segments join what follows them, under the longer one's title."""
    held: Segment | None = None
    for next_ in segments:
        if held is None:
            held = next_
        elif held.length < SHORT:
            held = Segment(held.start, next_.end, (next_ if next_.length >= held.length else held).title)
        else:
            yield held
            held = next_
    if held is not None:
        yield held


def _marks(text: str) -> list[_Mark]:
    """Every line that starts a definition, moved up over the comments and decorators right above it."""
    found = []
    offset = above = 0
    for line in text.splitlines(keepends=True):
        head = line[:LINE]
        start = _STARTS.match(head) or _BOUND.match(head)
        if start and len(line) <= LINE:
            found.append(_Mark(above, len(start[1].expandtabs(4)), " ".join(line.split()).rstrip(":{ ")[:100]))
        offset += len(line)
        if start or not head.lstrip().startswith(_ABOVE):
            above = offset
    return found
