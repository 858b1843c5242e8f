"""A picture as SVG 1.1: one file, no script, no reference to anything outside, readable on light and on dark."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Final

from astro_mcp.workflow.pictures.layers import Layers, Spot, layered
from astro_mcp.workflow.pictures.scene import Box, Picture, Scene
from astro_mcp.workflow.pictures.style import MARKS, STYLE

PAD: Final = 12.0
HEAD: Final = 20.0
LINE: Final = 15.0
ROW_GAP: Final = 40.0
MARGIN: Final = 20.0
LEAST_WIDTH: Final = 120.0


@dataclass(frozen=True, slots=True)
class _Laid:
    """A scene with its places: how large it is, and each box's size and inside."""

    scene: Scene
    layers: Layers
    width: float
    height: float
    sizes: dict[str, tuple[float, float]]
    inside: dict[str, _Laid]


def svg(picture: Picture) -> str:
    """The whole text. Sizes are in pixels."""
    laid = _laid(picture.scene)
    width = max(laid.width, _wide(picture.title, 9.4), _wide(picture.line, 6.6)) + 2 * MARGIN
    height = laid.height + 2 * MARGIN + 46
    name = escape(f"{picture.title}: {picture.line}")
    return "\n".join(
        (
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" class="astro" width="{_n(width)}" height="{_n(height)}" '
                f'viewBox="0 0 {_n(width)} {_n(height)}" role="img" aria-label="{name}">'
            ),
            f"<title>{name}</title>",
            f"<style>{STYLE}</style>",
            f'<rect class="page" x="0.5" y="0.5" width="{_n(width - 1)}" height="{_n(height - 1)}" rx="10"/>',
            f'<text class="name" x="{_n(MARGIN)}" y="32">{escape(picture.title)}</text>',
            f'<text class="line {picture.status}" x="{_n(MARGIN)}" y="50">{escape(picture.line)}</text>',
            f'<g transform="translate({_n(MARGIN)} {_n(MARGIN + 46)})">',
            *_drawn(laid),
            "</g>",
            "</svg>",
            "",
        )
    )


def _laid(scene: Scene) -> _Laid:
    inside = {box.id: _laid(box.inside) for box in scene.boxes if box.inside}
    sizes = {box.id: _size(box, inside.get(box.id)) for box in scene.boxes}
    layers = layered({name: size[0] for name, size in sizes.items()}, scene.arrows)
    edges = [at + sizes[spot][0] / 2 if isinstance(spot, str) else at for spot, at in layers.centres.items()]
    heights = _heights(layers, sizes)
    height = sum(heights) + ROW_GAP * max(0, len(heights) - 1)
    return _Laid(scene, layers, max(edges, default=0.0), height, sizes, inside)


def _size(box: Box, inside: _Laid | None) -> tuple[float, float]:
    width = max(_wide(box.id, 8.0) + 26, *(_wide(line, 6.4) for line in box.lines), LEAST_WIDTH - 2 * PAD) + 2 * PAD
    height = HEAD + LINE * len(box.lines) + PAD
    if inside is not None:
        return max(width, inside.width + 2 * PAD), height + inside.height + 2 * PAD
    return width, height


def _heights(layers: Layers, sizes: dict[str, tuple[float, float]]) -> list[float]:
    return [max((sizes[spot][1] for spot in row if isinstance(spot, str)), default=0.0) for row in layers.rows]


def _drawn(laid: _Laid) -> Iterator[str]:
    tops: dict[Spot, tuple[float, float]] = {}
    top = 0.0
    for row, height in zip(laid.layers.rows, _heights(laid.layers, laid.sizes), strict=True):
        tops.update(dict.fromkeys(row, (top, top + height)))
        top += height + ROW_GAP
    yield from _links(laid, tops)
    for box in laid.scene.boxes:
        width, height = laid.sizes[box.id]
        left = laid.layers.centres[box.id] - width / 2
        yield f'<g class="{box.kind} {box.status}" transform="translate({_n(left)} {_n(tops[box.id][0])})">'
        yield from _box(box, width, height)
        if box.id in laid.inside:
            inner = laid.inside[box.id]
            yield f'<g transform="translate({_n((width - inner.width) / 2)} {_n(height - inner.height - PAD)})">'
            yield from _drawn(inner)
            yield "</g>"
        yield "</g>"


def _links(laid: _Laid, tops: dict[Spot, tuple[float, float]]) -> Iterator[str]:
    """Curves between the rows, straight lines along boxes and lanes, and the arrows' heads."""
    centres = laid.layers.centres
    for link in laid.layers.links:
        x, to = centres[link.upper], centres[link.lower]
        start, end = tops[link.upper][1], tops[link.lower][0]
        begin = tops[link.upper][0] + (laid.sizes[link.upper][1] if isinstance(link.upper, str) else 0.0)
        end -= 5 if isinstance(link.lower, str) else 0
        middle = (start + end) / 2
        curve = f"C{_n(x)} {_n(middle)} {_n(to)} {_n(middle)} {_n(to)} {_n(end)}"
        kind = "link rescues" if link.rescue else "link"
        yield f'<path class="{kind}" d="M{_n(x)} {_n(begin)}V{_n(start)}{curve}"/>'
        if isinstance(link.lower, str):
            yield f'<path class="head" d="M{_n(to - 4)} {_n(end - 2)}h8l-4 7z"/>'


def _box(box: Box, width: float, height: float) -> Iterator[str]:
    frame = " frame" if box.inside else ""
    if box.kind == "approve":
        cut = (
            f"M8 0H{_n(width - 8)}L{_n(width)} 8V{_n(height - 8)}L{_n(width - 8)} {_n(height)}H8L0 {_n(height - 8)}V8z"
        )
        yield f'<path class="box" d="{cut}"/>'
    else:
        round_ = 16 if box.kind == "ask" else 7
        yield f'<rect class="box{frame}" width="{_n(width)}" height="{_n(height)}" rx="{round_}"/>'
    if box.status:
        yield f'<g class="mark" transform="translate({_n(width - 15)} 15)"><circle r="8"/>{MARKS[box.status]}</g>'
    yield f'<text class="id" x="{_n(PAD)}" y="{_n(HEAD)}">{escape(box.id)}</text>'
    for place, line in enumerate(box.lines):
        last = " word" if box.status and place == len(box.lines) - 1 else ""
        yield f'<text class="line{last}" x="{_n(PAD)}" y="{_n(HEAD + LINE * (place + 1))}">{escape(line)}</text>'


def _wide(text: str, pixels: float) -> float:
    """About how wide a text is; letters of East Asia are twice as wide as others."""
    return pixels * sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
