"""The passages of a text that answer a question, by Okapi BM25 (Robertson and Zaragoza 2009; k1 = 1.2, b = 0.75)."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from astro_mcp.agents.search.spoken import spoken

MOST: Final = 8
LONGEST: Final = 1200
"""Characters of one passage."""
_BLOCK: Final = re.compile(r"\S(?:.|\n(?![ \t]*(?:\n|\Z)))*+")
# Thai and Lao, Burmese, Khmer, kana, Han, Hangul: no blank stands between words, or endings are a part of them.
_JOINED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f"
)
_WORD: Final = re.compile(rf"[{_JOINED}]+|[^\W{_JOINED}]+")
_IS_JOINED: Final = re.compile(f"[{_JOINED}]")
_K1: Final = 1.2
_B: Final = 0.75


@dataclass(frozen=True, slots=True)
class Passage:
    """`text` is exactly what stands from `start` to `end` (characters)."""

    text: str
    start: int
    end: int


def find(text: str, query: str) -> list[Passage]:
    """At most eight passages of `text` for `query`, the best first; none where no word of it occurs. The addresses of
    links count only where the query stands in none of the words."""
    asked = set(_words(query, pairs_alone=True))
    passages = split(text)
    texts = [spoken(passage.text) for passage in passages]
    counts = [_count(one, asked) for one in texts]
    if not any(counts):
        texts = [passage.text for passage in passages]
        counts = [_count(one, asked) for one in texts]
    holding = {word: sum(word in count for count in counts) for word in asked}
    average = sum(map(len, texts)) / len(texts) if texts else 1.0
    phrase = " ".join(query.casefold().split())
    scored = []
    for number, (said, count) in enumerate(zip(texts, counts, strict=True)):
        if not count:
            continue
        length = _K1 * (1 - _B + _B * len(said) / average)
        score = sum(
            math.log(1 + (len(passages) - holding[word] + 0.5) / (holding[word] + 0.5)) * n * (_K1 + 1) / (n + length)
            for word, n in count.items()
        )
        whole = phrase in " ".join(said.casefold().split())
        scored.append((-score * (2 if whole else 1), number))
    return [passages[number] for _, number in sorted(scored)[:MOST]]


def _count(text: str, asked: set[str]) -> Counter[str]:
    return Counter(word for word in _words(text) if word in asked)


def split(text: str) -> list[Passage]:
    """The blocks of `text` between blank lines, a heading with what follows it, long ones at a line or a space."""
    passages: list[Passage] = []
    start = None
    for block in _BLOCK.finditer(text):
        first = block.start() if start is None else start
        if block[0].startswith("#") and "\n" not in block[0] and block.end() - first < LONGEST:
            start = first
            continue
        passages += _pieces(text, first, block.end())
        start = None
    if start is not None:
        passages += _pieces(text, start, len(text.rstrip()))
    return passages


def _pieces(text: str, start: int, end: int) -> list[Passage]:
    out = []
    while end - start > LONGEST:
        near = start + LONGEST
        cut = max(text.rfind("\n", start + LONGEST // 2, near), text.rfind(". ", start + LONGEST // 2, near) + 1)
        if cut <= start + LONGEST // 2:
            cut = text.rfind(" ", start + LONGEST // 2, near)
        cut = near if cut <= start else cut
        out.append(Passage(text[start:cut], start, cut))
        start = cut
    return [*out, Passage(text[start:end], start, end)]


def _words(text: str, *, pairs_alone: bool = False) -> Iterator[str]:
    """Words in lower case; a plural counts as its singular, so that "hooks" finds "hook". Where nothing stands between
    words they are each character and each pair of them; `pairs_alone`: a character only where it stands alone."""
    for word in _WORD.findall(text.casefold()):
        if word >= _JOINED[0] and _IS_JOINED.match(word):
            yield from map(str.__add__, word, word[1:])
            if len(word) == 1 or not pairs_alone:
                yield from word
        else:
            yield word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
