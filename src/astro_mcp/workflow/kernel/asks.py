"""What an ask or a gate shows, and what counts as an answer to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from astro_mcp.errors import InvalidInput, Problem
from astro_mcp.workflow.document.inputs import fits
from astro_mcp.workflow.document.plan import Node
from astro_mcp.workflow.expressions.bind import Evaluate, Lookup, kind
from astro_mcp.workflow.expressions.template import as_text, render


def request(node: Node, run_id: str, path: str, lookup: Lookup, evaluate: Evaluate) -> dict[str, Any]:
    """What is shown, with the digest that an answer is bound to; raises what rendering raises."""
    spec = node.spec
    shown: dict[str, Any]
    if spec.approve is not None:
        text = as_text(render(spec.approve.message, lookup, evaluate))
        shown = {"kind": "approve", "text": text, "level": spec.approve.level.value, "then": list(node.dependents)}
    else:
        text = as_text(render(spec.ask, lookup, evaluate))
        shown = {"kind": "ask", "text": text, "with": render(spec.with_, lookup, evaluate), "answer": dict(spec.answer)}
    return {**shown, "digest": digest(run_id, path, shown)}


def digest(run_id: str, path: str, shown: Mapping[str, Any]) -> str:
    """One value for one run, one step and one text: any change makes another."""
    body = json.dumps([run_id, path, shown], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(body.encode("utf-8", "replace")).hexdigest()


def accepted(request: Mapping[str, Any], value: Any) -> Any:
    """The answer as the step's output: for a gate true or false; raises `InvalidInput` where it does not fit."""
    if request["kind"] == "approve":
        return _decision(value)
    wanted: Mapping[str, str] = request["answer"]
    if not wanted:
        return {"answer": value}
    if not isinstance(value, Mapping):
        raise InvalidInput(f"the answer is an object with {', '.join(wanted)}; this is {kind(value)}", _example(wanted))
    problems = [Problem(f"value.{name}", "is missing", name) for name in wanted if name not in value]
    problems += [Problem(f"value.{name}", "is not asked for") for name in value if name not in wanted]
    problems += [
        Problem(f"value.{name}", f"{wanted[name]} is wanted; this is {kind(value[name])}")
        for name in wanted
        if name in value and not fits(value[name], wanted[name])
    ]
    if problems:
        first = problems[0]
        raise InvalidInput(f"{first.path}: {first.reason}", _example(wanted), problems=tuple(problems))
    return dict(value)


def _decision(value: Any) -> bool:
    plain = value.get("approve") if isinstance(value, Mapping) else value
    words = {"true": True, "yes": True, "approve": True, "false": False, "no": False, "reject": False}
    if isinstance(plain, str):
        plain = words.get(plain.strip().lower())
    if not isinstance(plain, bool):
        raise InvalidInput("a gate is answered with true or false", "value: true")
    return plain


def _example(wanted: Mapping[str, str]) -> str:
    return "value: " + json.dumps({name: f"<{type_name}>" for name, type_name in wanted.items()})
