"""Long text into overlapping passages, cut where the text itself pauses.

In time that grows with the length alone. (semantic-text-splitter 0.33 took 20 minutes for a megabyte of U+2028, and
minutes for one of empty lines as Markdown: a repository could have stopped the indexer.)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

CHARACTERS: Final = 1000
OVERLAP: Final = 200
_PAUSES: Final = ("\n\n", "\n", ". ", "; ", ", ", " ")
"""Where to cut, best first."""


def spans(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Offsets of passages of at most `CHARACTERS`, neighbours overlapping by up to `OVERLAP`; none is blank."""
    while end - start > CHARACTERS:
        cut = _cut(text, start + CHARACTERS // 2, start + CHARACTERS)
        yield from stripped(text, start, cut)
        start = _again(text, cut)
    yield from stripped(text, start, end)


def stripped(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The span without blank lines before it and white space after it; nothing where nothing is left."""
    piece = text[start:end]
    length = len(piece.rstrip())
    if length:
        blank = piece[: len(piece) - len(piece.lstrip())]
        yield start + blank.rfind("\n") + 1, start + length


def _cut(text: str, least: int, most: int) -> int:
    """The end of the last pause in reach; `most` where there is none."""
    for pause in _PAUSES:
        found = text.rfind(pause, least, most)
        if found >= 0:
            return found + len(pause)
    return most


def _again(text: str, cut: int) -> int:
    """Where the next passage begins: at a line, else at a word, within the overlap before `cut`."""
    for pause in ("\n", " "):
        found = text.find(pause, cut - OVERLAP, cut - 1)
        if found >= 0:
            return found + 1
    return cut - OVERLAP
