"""What the person behind a host is asked while their host waits for a run: its gates of level host, and asks that the
model knew of and did not answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from astro_mcp.core.authority import Level
from astro_mcp.core.question import Question
from astro_mcp.errors import NotFound
from astro_mcp.observe.printable import printable
from astro_mcp.workflow.driver import RunView
from astro_mcp.workflow.kernel.scope import child, parent
from astro_mcp.workflow.kernel.state import WAITING

SHOWN: Final = 1_500
LINES: Final = 25
DATA: Final = 1_000
THEN: Final = 8
FIELDS: Final = 12
FLAT: Final = frozenset({"string", "integer", "number", "boolean"})
"""The types that a form has fields for."""
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
"""What a field is called, which the person is shown as well."""


def of(view: RunView, before: frozenset[str]) -> Iterator[Question]:
    """Every one that is open, in order. `before` are the digests of what the run waited for when it was asked after:
    a model that gets to know of an ask may answer it itself."""
    if view.state.over:
        return
    for path, step in sorted(view.state.steps.items(), key=lambda pair: pair[1].position):
        request = step.request or {}
        if step.status != WAITING:
            continue
        if request.get("kind") == "approve" and request["level"] == Level.HOST:
            yield _question(view, path, request, {"approve": "boolean"}, alone=True)
        elif request.get("kind") == "ask" and view.state.status == WAITING and request["digest"] in before:
            fields = request["answer"] or {"answer": "string"}
            if len(fields) <= FIELDS and FLAT.issuperset(fields.values()) and all(map(_NAME.fullmatch, fields)):
                yield _question(view, path, request, fields, alone=not request["answer"])


def _question(
    view: RunView, path: str, request: Mapping[str, Any], fields: Mapping[str, str], *, alone: bool
) -> Question:
    run_id = view.state.run_id
    arguments = {"run_id": run_id, "step": path}
    text = _text(view, path, request)
    return Question(text, request["digest"], "workflow_answer", arguments, dict(fields), alone, run_id)


def _text(view: RunView, path: str, request: Mapping[str, Any]) -> str:
    """Our own words around the document's, whose lines are marked: no line of it can pass for one of ours."""
    wants = "your decision" if request["kind"] == "approve" else "your answer"
    lines, cut = _marked(str(request["text"]), SHOWN, LINES)
    parts = [f"The workflow {printable(view.name, 80)!r} asks for {wants}:", *lines]
    if request["kind"] == "approve":
        then = [_named(view, path, name) for name in request["then"][:THEN]]
        more = len(request["then"]) - len(then)
        parts.append(
            f"Your yes lets go on: {', '.join(then) or 'nothing more'}" + (f" and {more} more" if more else "")
        )
        parts.append("Your no rejects it for good.")
    elif request["with"]:
        data, data_cut = _marked(json.dumps(request["with"], ensure_ascii=False), DATA, 1)
        parts += ["It shows with it:", *data]
        cut = cut or data_cut
    if cut:
        parts.append(f"(cut; the whole is at astro://runs/{view.state.run_id}/steps/{path})")
    parts.append(f"Step {path} of {view.state.run_id}")
    return "\n".join(parts)


def _marked(text: str, most: int, most_lines: int) -> tuple[list[str], bool]:
    """Lines of a document's, printable and marked, and whether there is more."""
    lines = printable(text, most).splitlines() or [""]
    return [f"> {line}" for line in lines[:most_lines]], len(text) > most or len(lines) > most_lines


def _named(view: RunView, path: str, name: str) -> str:
    """A step that follows, with what it calls."""
    try:
        spec = view.plan.node(child(parent(path), name)).spec
    except NotFound:
        return name
    called = spec.tool or spec.workflow
    return f"{name} ({printable(called, 60)})" if called else name
