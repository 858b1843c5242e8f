"""Puts what workflow_check tells back into the document, as its reader would."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from astro_mcp.errors import Problem
from astro_mcp.workflow.document.source import load


def corrected(text: str, problems: Iterable[Problem]) -> str:
    """The document with each correction in place, in the order in which they were told."""
    told = list(problems)
    lines = text.splitlines()
    for problem in told:
        if found := re.fullmatch(r"line (\d+)", problem.path):
            lines[int(found[1]) - 1] = problem.suggestion
    data = listed(load("\n".join(lines)))
    for problem in told:
        if not problem.path.startswith("line "):
            data = put_in(data, problem)
    return json.dumps(data)


def listed(data: Any) -> Any:
    """Steps that are an object are a list, in order."""
    if isinstance(data, dict) and isinstance(data.get("steps"), dict):
        data = {**data, "steps": [{"id": name, **step} for name, step in data["steps"].items()]}
    return data


def put_in(data: Any, problem: Problem) -> Any:
    """`data` with the correction at the problem's path: the words there replaced, or the item of a list."""
    new = load(problem.suggestion)
    if problem.path == "spec":
        return new
    parts: list[str | int] = [
        int(place) if place else name for name, place in re.findall(r"([^.\[\]]+)|\[(\d+)\]", problem.path)
    ]
    holder = data
    for part in parts[:-1]:
        holder = holder[part]
    last = parts[-1]
    if isinstance(last, int):
        holder[last] = new
    else:
        holder.pop(last, None)
        holder.update(new)
    return data
