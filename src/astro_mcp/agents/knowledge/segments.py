"""Code into segments: one a definition, what is between them kept, and every character in one of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

SHORT: Final = 200
"""Characters below which a segment joins its neighbour."""
DEEPEST: Final = 40
"""Levels of definitions within one another; what is deeper belongs to the last."""
TITLE: Final = 100
REACH: Final = 200
"""Characters to either side in which the line's begin and end are looked for."""


class Mark(NamedTuple):
    """A definition: the characters from `start` up to `end`."""

    start: int
    end: int
    title: str


class Segment(NamedTuple):
    """Characters from `start` up to `end`. `closes` tells that this is the rest behind the last definition."""

    start: int
    end: int
    title: str
    closes: bool = False

    @property
    def length(self) -> int:
        return self.end - self.start


def segments(text: str, marks: Sequence[Mark], most: int, whole: int) -> list[Segment]:
    """Segments that cover `text`: a definition longer than `most` characters is cut at those within, short neighbours
    come together, though not beyond `whole`. What belongs to no definition has "" for a title.

    `marks` stand by their start, one that is within another behind it."""
    return _joined(_cut(Segment(0, len(text), ""), marks, most), whole)


def marks_of(text: str, found: Iterable[tuple[int, int, int]]) -> list[Mark]:
    """Marks on whole lines, from (start, end, name) in characters that may be anything at all: what is out of the text
    or across another is clipped, what is empty or too deep is left out."""
    marks: list[Mark] = []
    around: list[int] = []
    for start, end, name in sorted(found, key=lambda mark: (mark[0], -mark[1])):
        while around and around[-1] <= start:
            around.pop()
        if len(around) == DEEPEST or start >= len(text):
            continue
        last = min([len(text), *around[-1:]])
        mark = Mark(_line_start(text, start), min(_line_end(text, end), last), title(text, max(start, name)))
        if marks and mark.start < marks[-1].end and not (around and marks[-1].start <= mark.start < around[-1]):
            marks[-1] = marks[-1]._replace(end=mark.start)  # its line's end was taken for its own
        if mark.start < mark.end:
            marks.append(mark)
            around.append(mark.end)
    return marks


def title(text: str, place: int) -> str:
    """The line on which a definition's name stands, without what opens its body."""
    start = _line_start(text, place, blank=False)
    line = text[start : start + REACH].split("\n", 1)[0]
    return " ".join(line.split()).rstrip(":{( ")[:TITLE]


def _line_start(text: str, place: int, *, blank: bool = True) -> int:
    """Where the line of `place` begins, where that is near and, for `blank`, nothing but white space lies between."""
    near = max(0, place - REACH)
    start = text.rfind("\n", near, place) + 1
    if start == 0 and near > 0:
        return place
    return start if not blank or not text[start:place].strip() else place


def _line_end(text: str, place: int) -> int:
    """Behind the end of the line of `place`, where that is near."""
    found = text.find("\n", max(0, place - 1), place + REACH)
    return place if found < 0 else found + 1


def _cut(segment: Segment, marks: Sequence[Mark], most: int) -> Iterator[Segment]:
    """The outermost definitions and what is between them, each of them cut likewise where it is too long."""
    if not marks or (segment.title and segment.length <= most):
        yield segment
        return
    position, index = segment.start, 0
    while index < len(marks):
        mark = marks[index]
        inner = index + 1
        while inner < len(marks) and marks[inner].start < mark.end:
            inner += 1
        if position < mark.start:
            yield Segment(position, mark.start, segment.title)
        name = f"{segment.title} > {mark.title}" if segment.title else mark.title
        yield from _cut(Segment(mark.start, mark.end, name), marks[index + 1 : inner], most)
        position, index = mark.end, inner
    if position < segment.end:
        yield Segment(position, segment.end, segment.title, closes=True)


def _joined(parts: Iterator[Segment], whole: int) -> list[Segment]:
    """Short segments join what follows them, and a short rest what was before, under the longer one's title."""
    found: list[Segment] = []
    for part in parts:
        last = found[-1] if found else part
        short = last.length < SHORT or (part.closes and part.length < SHORT)
        if found and short and (part.end - last.start <= whole or max(last.length, part.length) > whole):
            found[-1] = Segment(last.start, part.end, (part if part.length >= last.length else last).title)
        else:
            found.append(part)
    return found
