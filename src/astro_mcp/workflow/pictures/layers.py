"""Where boxes stand: a layered drawing (K. Sugiyama, S. Tagawa, M. Toda, 1981), from the top down.

Ranks by the longest way, ranks that are too wide broken into rows, an order in each row by the mean place of its
neighbours, and then places that are nearest to these means. Arrows over several rows run in lanes, which arrows of one
source or one target share.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from astro_mcp.workflow.pictures.arrows import Arrow, in_order

ROW_WIDTH: Final = 1_200.0
GAP: Final = 26.0
LANE: Final = 10.0
SWEEPS: Final = 4

Spot = str | tuple[str, int]
"""A box by its id, or the lane of one in a row."""


@dataclass(frozen=True, slots=True)
class Link:
    """A piece of an arrow, from one row to the next."""

    upper: Spot
    lower: Spot
    rescue: bool


@dataclass(frozen=True, slots=True)
class Layers:
    """Rows from the top, each from left to right, the centre of everything in them, and the links between them."""

    rows: tuple[tuple[Spot, ...], ...]
    centres: Mapping[Spot, float]
    links: tuple[Link, ...]


def layered(widths: Mapping[str, float], arrows: Sequence[Arrow]) -> Layers:
    """Places for boxes of these widths; the leftmost edge is at 0."""
    rows: list[list[Spot]] = [list(row) for row in _rows(widths, arrows)]
    links = _links(rows, arrows)
    above, below = _neighbours((link.upper, link.lower) for link in links)
    for sweep in range(SWEEPS):
        downwards = sweep % 2 == 0
        _sweep_order(rows if downwards else rows[::-1], above if downwards else below)
    # Boxes stand by the boxes at their arrows' ends, and lanes by the next piece of themselves: rows that a rank was
    # broken into are below one another then, whatever runs beside them.
    sources, targets = _neighbours((arrow.source, arrow.target) for arrow in arrows)
    centres: dict[Spot, float] = {}
    for row in rows:
        _settle(row, widths, dict.fromkeys(row, 0.0), centres)
    for sweep in range(SWEEPS + 1):
        boxes, lanes = (sources, above) if sweep % 2 == 0 else (targets, below)
        for row in rows if sweep % 2 == 0 else rows[::-1]:
            near = {spot: boxes[spot] if isinstance(spot, str) else lanes[spot] for spot in row}
            _settle(row, widths, {spot: _mean(near[spot], centres, centres[spot]) for spot in row}, centres)
    left = min((centres[spot] - _width(spot, widths) / 2 for row in rows for spot in row), default=0.0)
    return Layers(tuple(map(tuple, rows)), {spot: at - left for spot, at in centres.items()}, tuple(links))


def _neighbours(pairs: Iterable[tuple[Spot, Spot]]) -> tuple[dict[Spot, list[Spot]], dict[Spot, list[Spot]]]:
    """What is above each, and what is below."""
    above: dict[Spot, list[Spot]] = defaultdict(list)
    below: dict[Spot, list[Spot]] = defaultdict(list)
    for upper, lower in pairs:
        above[lower].append(upper)
        below[upper].append(lower)
    return above, below


def _rows(widths: Mapping[str, float], arrows: Sequence[Arrow]) -> list[list[str]]:
    needs: dict[str, tuple[str, ...]] = dict.fromkeys(widths, ())
    for arrow in arrows:
        needs[arrow.target] += (arrow.source,)
    ranks: dict[str, int] = {}
    for name in in_order(needs):
        ranks[name] = max((ranks[need] + 1 for need in needs[name]), default=0)
    by_rank: dict[int, list[str]] = defaultdict(list)
    for name in widths:
        by_rank[ranks.get(name, 0)].append(name)
    return [row for rank in sorted(by_rank) for row in _broken(by_rank[rank], widths)]


def _broken(names: Sequence[str], widths: Mapping[str, float]) -> list[list[str]]:
    total = sum(widths[name] + GAP for name in names)
    most = total / max(1.0, -(-total // ROW_WIDTH)) + max((widths[name] for name in names), default=0.0) / 2
    rows: list[list[str]] = [[]]
    used = 0.0
    for name in names:
        if rows[-1] and used + widths[name] > most:
            rows.append([])
            used = 0.0
        rows[-1].append(name)
        used += widths[name] + GAP
    return rows


def _links(rows: list[list[Spot]], arrows: Sequence[Arrow]) -> list[Link]:
    """Every arrow as links from row to row; makes the lanes that they run in."""
    row_of = {name: place for place, row in enumerate(rows) for name in row}
    out = Counter(arrow.source for arrow in arrows)
    into = Counter(arrow.target for arrow in arrows)
    links: dict[tuple[Spot, Spot], bool] = {}
    for arrow in arrows:
        first, last = row_of[arrow.source], row_of[arrow.target]
        side = "out of " + arrow.source if out[arrow.source] >= into[arrow.target] else "into " + arrow.target
        way: list[Spot] = [arrow.source, *((side, row) for row in range(first + 1, last)), arrow.target]
        for upper, lower in itertools.pairwise(way):
            links[upper, lower] = links.get((upper, lower), True) and arrow.rescue
        for spot in way[1:-1]:
            if isinstance(spot, tuple) and spot not in row_of:
                row_of[spot] = spot[1]
                rows[spot[1]].append(spot)
    return [Link(upper, lower, rescue) for (upper, lower), rescue in links.items()]


def _sweep_order(rows: Sequence[list[Spot]], near: Mapping[Spot, list[Spot]]) -> None:
    for before, row in itertools.pairwise(rows):
        at = {spot: float(place) for place, spot in enumerate(before)}
        means = {spot: _mean(near[spot], at, float(place)) for place, spot in enumerate(row)}
        row.sort(key=lambda spot: means[spot])


def _mean(spots: Sequence[Spot], at: Mapping[Spot, float], otherwise: float) -> float:
    return sum(at[spot] for spot in spots) / len(spots) if spots else otherwise


def _settle(
    row: Sequence[Spot], widths: Mapping[str, float], wanted: Mapping[Spot, float], centres: dict[Spot, float]
) -> None:
    """The places nearest to the wanted ones that keep order and distance: an isotonic regression, by pooling adjacent
    violators (M. Ayer and others, 1955)."""
    offsets = []
    offset = 0.0
    for place, spot in enumerate(row):
        if place:
            offset += (_width(row[place - 1], widths) + _width(spot, widths)) / 2 + GAP
        offsets.append(offset)
    pools: list[tuple[float, int]] = []
    for spot, offset in zip(row, offsets, strict=True):
        mean, count = wanted[spot] - offset, 1
        while pools and pools[-1][0] >= mean:
            other, size = pools.pop()
            mean, count = (mean * count + other * size) / (count + size), count + size
        pools.append((mean, count))
    settled = [mean for mean, count in pools for _ in range(count)]
    for spot, offset, at in zip(row, offsets, settled, strict=True):
        centres[spot] = at + offset


def _width(spot: Spot, widths: Mapping[str, float]) -> float:
    return widths[spot] if isinstance(spot, str) else LANE
