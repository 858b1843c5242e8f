"""Runs of equal lines in two texts: the longest ones first, as long as that is no great work."""

from __future__ import annotations

import difflib
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from typing import Final

STEPS: Final = 3_000_000
"""Of the search for the longest runs: some tenths of a second."""


class Matcher(difflib.SequenceMatcher[str]):
    """Difflib's, whose work may grow as the cube of what it compares. Here each search counts its steps, at most one
    for each two lines that are equal; once they are spent, runs are looked for around lines that are once in either
    text, and where there are none of those at both ends."""

    a: Sequence[str]
    b: Sequence[str]
    b2j: dict[str, list[int]]

    def __init__(self, a: Sequence[str], b: Sequence[str]) -> None:
        super().__init__(None, a, b)
        self._steps = list(accumulate((2 + len(self.b2j.get(line, ())) for line in a), initial=0))
        self._left = STEPS

    def find_longest_match(
        self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None
    ) -> difflib.Match:
        a_end, b_end = len(self.a) if ahi is None else ahi, len(self.b) if bhi is None else bhi
        self._left -= self._steps[a_end] - self._steps[alo]
        if self._left < 0:
            return self._around_one(alo, a_end, blo, b_end)
        return super().find_longest_match(alo, a_end, blo, b_end)

    def _around_one(self, alo: int, ahi: int, blo: int, bhi: int) -> difflib.Match:
        in_a, in_b = self._single
        first = max(bisect_left(in_a, alo), bisect_left(in_b, blo))
        last = min(bisect_left(in_a, ahi), bisect_left(in_b, bhi))
        if first < last:
            middle = (first + last) // 2
            return self._around(in_a[middle], in_b[middle], alo, ahi, blo, bhi)
        tail = self._around(ahi, bhi, alo, ahi, blo, bhi)
        return tail if tail.size else self._around(alo, blo, alo, ahi, blo, bhi)

    def _around(self, i: int, j: int, alo: int, ahi: int, blo: int, bhi: int) -> difflib.Match:
        a_end, b_end = i, j
        while i > alo and j > blo and self.a[i - 1] == self.b[j - 1]:
            i, j = i - 1, j - 1
        while a_end < ahi and b_end < bhi and self.a[a_end] == self.b[b_end]:
            a_end, b_end = a_end + 1, b_end + 1
        return difflib.Match(i, j, a_end - i)

    @cached_property
    def _single(self) -> tuple[list[int], list[int]]:
        """Where lines are that are once in either text: the most that come in the same order in both."""
        counts = Counter(self.a)
        alone = {line: places[0] for line, places in self.b2j.items() if len(places) == 1 and counts[line] == 1}
        chain = _rising([(i, alone[line]) for i, line in enumerate(self.a) if line in alone])
        return [i for i, _ in chain], [j for _, j in chain]


def _rising(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Of pairs whose first numbers rise, the longest chain whose second ones rise, too."""
    least: list[int] = []  # of each length of chain, the least number that one ends in, and the pair
    ends: list[int] = []
    before: list[int] = []
    for at, (_, number) in enumerate(pairs):
        length = bisect_left(least, number)
        least[length : length + 1], ends[length : length + 1] = [number], [at]
        before.append(ends[length - 1] if length else -1)
    chain = []
    at = ends[-1] if ends else -1
    while at >= 0:
        chain.append(pairs[at])
        at = before[at]
    return chain[::-1]
