"""From text to the words of a document."""

from __future__ import annotations

from typing import Any

from astro_mcp.errors import Problem
from astro_mcp.nearest import nearest
from astro_mcp.workflow.document.model import Document, StepSpec
from astro_mcp.workflow.document.plan import Plan, build
from astro_mcp.workflow.document.source import load


def read(text: str) -> Document:
    """The document, whose references are not looked at yet; raises `AstroError`, or pydantic's `ValidationError`, of
    whose items `problem_of` makes problems."""
    return Document.model_validate(_steps_listed(load(text)))


def parse(text: str) -> Plan:
    """The plan of a document that was checked before, and is whole."""
    return build(read(text))


def _steps_listed(value: Any) -> Any:
    """`steps` as an object of id and step means the list of them, in order."""
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("steps"), dict):
        steps = [{"id": key, **step} if isinstance(step, dict) else step for key, step in value["steps"].items()]
        value = {**value, "steps": steps}
    if isinstance(value.get("workflows"), dict):
        value = {**value, "workflows": {name: _steps_listed(one) for name, one in value["workflows"].items()}}
    return value


def problem_of(item: Any) -> Problem:
    """What pydantic found, with the nearest right word."""
    where = ""
    for part in item["loc"]:
        where += f"[{part}]" if isinstance(part, int) else f".{part}" if where else str(part)
    if item["type"] != "extra_forbidden":
        return Problem(where or "spec", str(item["msg"]).removeprefix("Value error, "))
    model = StepSpec if where.rpartition(".")[0].endswith("]") else Document
    words = [spec.alias or name for name, spec in model.model_fields.items()]
    near = nearest(str(item["loc"][-1]), words)
    return Problem(where, f"unknown word; there are: {', '.join(words)}", near or "")
