"""What a picture holds: boxes by the steps of a body, arrows by what they need. No sizes, no places, no markup.

Every text comes from a document or a tool, and may be anything: it leaves here printable, on one line, and short.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from astro_mcp.observe.printable import printable
from astro_mcp.workflow.document.plan import Body, Node, Plan
from astro_mcp.workflow.kernel.state import RunState
from astro_mcp.workflow.pictures.arrows import Arrow, arrows
from astro_mcp.workflow.pictures.tally import Tally
from astro_mcp.workflow.progress import counted

TITLE: Final = 40
LINE: Final = 44
"""Characters of a text in a box."""
ARROWS: Final = 1_000
"""Arrows of one body; what has more is a wall of them, and the picture says how many it leaves out."""


@dataclass(frozen=True, slots=True)
class Box:
    """One step. `kind` is call, ask, approve, foreach, repeat, workflow, group or rescue; `status` is empty in the
    picture of a plan; what is inside of a body's box is a scene of its own."""

    id: str
    kind: str
    lines: tuple[str, ...]
    status: str
    inside: Scene | None


@dataclass(frozen=True, slots=True)
class Scene:
    """The steps of a body, in the document's order; `left_out` are arrows beyond the bound."""

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    left_out: int

    def all(self) -> Iterator[Scene]:
        """The scene, and those inside of it."""
        yield self
        for box in self.boxes:
            if box.inside is not None:
                yield from box.inside.all()


@dataclass(frozen=True, slots=True)
class Picture:
    """A whole plan, or a whole run."""

    title: str
    line: str
    status: str
    scene: Scene


def pictured(plan: Plan, state: RunState | None = None, *, whole: bool = True) -> Picture:
    """The picture of a plan, and of a run of it where there is a state. Where it is not `whole`, what is inside of
    bodies is left out."""
    tally = Tally(state)
    steps = f"{sum(node.rescues is None for node in plan.walk())} steps"
    line = steps if state is None else f"{state.run_id} · {short(counted(plan, state)[2], 100)}"
    scene = _scene(plan.body, "", tally, whole=whole)
    if left_out := sum(part.left_out for part in scene.all()):
        line += f" · {left_out:,} arrows are left out"
    return Picture(short(plan.document.name, TITLE), line, state.status if state else "", scene)


def short(text: object, most: int) -> str:
    """A text as a picture may show it."""
    return printable(" ".join(str(text)[: 4 * most].split()), most)


def _scene(body: Body, where: str, tally: Tally, *, whole: bool) -> Scene:
    found = arrows(body)
    boxes = tuple(_box(node, where, tally, whole=whole) for node in body.nodes.values())
    return Scene(boxes, tuple(found[:ARROWS]), max(0, len(found) - ARROWS))


def _box(node: Node, where: str, tally: Tally, *, whole: bool) -> Box:
    path = f"{where}.{node.id}" if where else node.id
    inside = _scene(node.body, path, tally, whole=whole) if node.body and whole else None
    hidden = f"{len(node.body.nodes)} steps inside" if node.body and not whole else ""
    lines = (*_what(node), hidden, *tally.lines(path, many=node.many))
    return Box(node.id, _kind(node), tuple(short(line, LINE) for line in lines if line), tally.status(path), inside)


def _kind(node: Node) -> str:
    if node.rescues is not None:
        return "rescue"
    if node.many:
        return "foreach" if node.spec.foreach is not None else "repeat"
    return "workflow" if node.uses is not None else node.kind


def _what(node: Node) -> list[str]:
    """What the step does, a line each."""
    spec = node.spec
    lines = []
    if node.rescues is not None:
        lines.append(f"when {node.rescues} failed" if node.rescues else "when something failed")
    if spec.foreach is not None:
        each = _bare(spec.foreach) if isinstance(spec.foreach, str) else f"{len(spec.foreach)} items"
        lines.append(f"for each of {each}")
    if spec.repeat is not None:
        lines.append(f"at most {spec.repeat.max} times, until {_bare(spec.repeat.until)}")
    if spec.tool is not None:
        lines.append(spec.tool)
    if spec.workflow is not None:
        lines.append(f"workflow {spec.workflow}")
    if spec.ask is not None:
        lines.append(f"ask: {spec.ask}")
    if spec.approve is not None:
        lines.append(f"gate ({spec.approve.level.value}): {spec.approve.message}")
    if spec.if_ is not None:
        lines.append(f"if {_bare(spec.if_)}")
    return lines


def _bare(expression: str) -> str:
    """An expression without the marks that a document writes around it."""
    text = expression.strip()
    return text[3:-2].strip() if text.startswith("${{") and text.endswith("}}") and "${{" not in text[3:] else text
