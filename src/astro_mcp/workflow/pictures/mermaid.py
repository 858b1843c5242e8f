"""A picture as Mermaid's flowchart, within the bounds that its renderers have: `CHARACTERS`, and 500 arrows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from astro_mcp.workflow.pictures.scene import Box, Picture, Scene

CHARACTERS: Final = 50_000
BOXES: Final = 400
"""With more than this the labels would be too short to be any."""
ARROWS: Final = 490
LABEL: Final = 150
LABELS: Final = 34_000
"""Characters of all labels: what is left to arrows and classes is enough for the most of them."""
_BESIDE: Final = 20
"""Characters of a box beside its label."""
_PLAIN: Final = frozenset(" _-,/+=")
_SHAPES: Final = {"ask": ("([", "])"), "approve": ("{{", "}}")}
_CLASSES: Final = {
    "succeeded": "stroke:#2da44e,stroke-width:2px",
    "failed": "stroke:#cf222e,stroke-width:2px",
    "lost": "stroke:#8250df,stroke-width:2px",
    "running": "stroke:#0969da,stroke-width:2px",
    "waiting": "stroke:#bf8700,stroke-width:2px",
    "skipped": "stroke-dasharray:3 3",
    "cancelled": "stroke-dasharray:3 3",
}


def mermaid(picture: Picture) -> str:
    """The whole text; the label of the picture says how many arrows it leaves out."""
    return _Writer(picture).text()


def label(parts: tuple[str, ...], most: int = LABEL) -> str:
    """Text between quotes, a line for each part. Each character that could be anything but itself is its entity
    (`#34;`), so that no label ends its quotes, is markup or Markdown, or a word of the language."""
    lines = []
    left = most
    for part in parts:
        line = ""
        for letter in part:
            encoded = letter if letter.isalnum() or letter in _PLAIN else f"#{ord(letter)};"
            left -= len(encoded)
            if left < 0:
                line += "#8230;"
                break
            line += encoded
        lines.append(line)
        if left < 0:
            break
    return f'"{"<br/>".join(lines)}"'


class _Writer:
    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        boxes = sum(len(scene.boxes) for scene in picture.scene.all())
        self._label = max(10, min(LABEL, LABELS // max(1, boxes) - _BESIDE))
        self._count = 0
        self._arrows: list[str] = []
        self._classed: dict[str, list[str]] = {}

    def text(self) -> str:
        boxes = list(self._scene(self._picture.scene, "  "))
        more = max(0, len(self._arrows) - ARROWS)
        line = self._picture.line + (f" · {more:,} arrows are left out" if more else "")
        lines = ["flowchart TB", f"  top[{label((self._picture.title, line))}]:::top", *boxes, *self._arrows[:ARROWS]]
        lines.append("  classDef top fill:none,stroke:none")
        for status, names in self._classed.items():
            lines += [f"  classDef {status} {_CLASSES[status]}", f"  class {','.join(names)} {status}"]
        return "\n".join([*lines, ""])

    def _scene(self, scene: Scene, indent: str) -> Iterator[str]:
        names = {}
        for box in scene.boxes:
            self._count += 1
            names[box.id] = f"s{self._count}"
            if box.status in _CLASSES:
                self._classed.setdefault(box.status, []).append(names[box.id])
            yield from self._box(box, names[box.id], indent)
        for arrow in scene.arrows:
            line = "-.->" if arrow.rescue else "-->"
            self._arrows.append(f"  {names[arrow.source]} {line} {names[arrow.target]}")

    def _box(self, box: Box, name: str, indent: str) -> Iterator[str]:
        text = label((box.id, *box.lines), self._label)
        if box.inside is None:
            begin, end = _SHAPES.get(box.kind, ("[", "]"))
            yield f"{indent}{name}{begin}{text}{end}"
            return
        yield f"{indent}subgraph {name}[{text}]"
        yield f"{indent}  direction TB"
        yield from self._scene(box.inside, indent + "  ")
        yield f"{indent}end"
