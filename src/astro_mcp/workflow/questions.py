"""What the person behind a host is asked while their host waits for a run: its gates of level host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from astro_mcp.core.authority import Level
from astro_mcp.core.question import Question
from astro_mcp.errors import NotFound
from astro_mcp.observe.printable import printable
from astro_mcp.workflow.kernel.scope import child, parent
from astro_mcp.workflow.kernel.state import WAITING
from astro_mcp.workflow.scheduler import RunView

SHOWN: Final = 1_500
LINES: Final = 25
THEN: Final = 8


def of(view: RunView) -> Iterator[Question]:
    """Every one that is open, in order."""
    if view.state.over:
        return
    for path, step in sorted(view.state.steps.items(), key=lambda pair: pair[1].position):
        request = step.request or {}
        if step.status == WAITING and request.get("kind") == "approve" and request["level"] == Level.HOST:
            run_id = view.state.run_id
            arguments = {"run_id": run_id, "step": path}
            yield Question(_text(view, path, request), request["digest"], "workflow_answer", arguments, run_id)


def _text(view: RunView, path: str, request: Mapping[str, Any]) -> str:
    """Our own words around the document's, whose lines are marked: no line of it can pass for one of ours."""
    message = printable(request["text"], SHOWN)
    lines = message.splitlines()[:LINES] or [""]
    cut = len(request["text"]) > SHOWN or len(message.splitlines()) > LINES
    where = f"astro://runs/{view.state.run_id}/steps/{path}"
    parts = [f"The workflow {printable(view.name, 80)!r} asks for your decision:", *(f"> {line}" for line in lines)]
    parts += [f"(cut; the whole text is at {where})"] if cut else []
    then = [_named(view, path, name) for name in request["then"][:THEN]]
    more = len(request["then"]) - len(then)
    parts.append(f"Your yes lets go on: {', '.join(then) or 'nothing more'}" + (f" and {more} more" if more else ""))
    parts.append(f"Step {path} of {view.state.run_id}")
    return "\n".join(parts)


def _named(view: RunView, path: str, name: str) -> str:
    """A step that follows, with what it calls."""
    try:
        spec = view.plan.node(child(parent(path), name)).spec
    except NotFound:
        return name
    called = spec.tool or spec.workflow
    return f"{name} ({printable(called, 60)})" if called else name
