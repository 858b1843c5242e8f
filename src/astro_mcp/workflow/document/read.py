"""From text to the words of a document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError

from astro_mcp.errors import Problem
from astro_mcp.nearest import nearest
from astro_mcp.workflow.document.bounds import MOST
from astro_mcp.workflow.document.fragment import fragment
from astro_mcp.workflow.document.mend import Mender
from astro_mcp.workflow.document.model import (
    KINDS,
    RESCUE,
    Approve,
    Budget,
    Document,
    InputSpec,
    Items,
    Repeat,
    Retry,
    StepSpec,
    Words,
)
from astro_mcp.workflow.document.plan import Plan, build
from astro_mcp.workflow.document.source import load, unfenced

_ROUNDS: Final = 4
_OF_STEPS: Final = ("steps", "do", RESCUE)
_INSIDE: Final[Mapping[int | str, type[Words]]] = {
    "approve": Approve,
    "retry": Retry,
    "repeat": Repeat,
    "budget": Budget,
    "items": Items,
}


@dataclass(frozen=True, slots=True)
class Written:
    """A document as it is meant: what is wrong with its words, and what is left of it where that is mended; None where
    nothing can be."""

    document: Document | None
    problems: list[Problem] = field(default_factory=list)
    renamed: Mapping[str, str] = field(default_factory=dict)


def read(text: str) -> Document:
    """The document, whose references are not looked at yet; raises `AstroError`, or pydantic's `ValidationError`."""
    return Document.model_validate(_steps_listed(load(unfenced(text))))


def parse(text: str) -> Plan:
    """The plan of a document that was checked before, and is whole."""
    return build(read(text))


def meant(value: Any) -> Written:
    """The document of plain data, with every problem of its words; never raises for what was written."""
    mender = Mender()
    mended = mender.document(_steps_listed(value))
    problems = mender.problems
    for _ in range(_ROUNDS):
        try:
            return Written(Document.model_validate(mended), problems, mender.renamed)
        except ValidationError as error:
            every = error.errors(include_input=False, include_url=False)
            found = [item for item in every if (item["type"], *item["loc"][-2:]) != ("string_type", "foreach", "str")]
        problems += [problem_of(item, mended) for item in found[: MOST - len(problems)]]
        wrong = {_wrong(mended, item["loc"]) for item in found}
        if wrong & {(), ("steps",)}:
            break
        for names in wrong:
            _drop(mended, names)
    return Written(None, problems, mender.renamed)


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


def _wrong(value: Any, where: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """What has to go so that the rest can be looked at: as much of `where` as is there, and what that takes along."""
    names: tuple[int | str, ...] = ()
    for part in where:
        if _absent(value, part):
            break
        value = _at(value, part)
        names = (*names, part)
    while names and _takes_more(names):
        names = names[:-1]
    return names


def _drop(value: Any, names: tuple[int | str, ...]) -> None:
    """Take out a word; a step that is none becomes one that gives nothing."""
    for part in names[:-1]:
        if _absent(value, part):
            return
        value = _at(value, part)
    last = names[-1]
    if isinstance(value, dict):
        value.pop(last, None)
    elif isinstance(last, int):
        step = value[last] if isinstance(value[last], dict) else {}
        value[last] = {"id": step.get("id", f"step_{last}"), "ask": "?"}


def _takes_more(names: tuple[int | str, ...]) -> bool:
    """Whether what is wrong takes along what it stands in: a step's tool the step, a name the list of names."""
    last, before = names[-1], names[-2] if len(names) > 1 else ""
    if isinstance(last, int):
        return before not in _OF_STEPS
    return isinstance(before, int) and last in ("id", *KINDS)


def problem_of(item: Any, document: Any) -> Problem:
    """What pydantic found in the document, with the nearest right word."""
    path, holder = "", document
    for part in item["loc"][:-1]:
        path += _part(path, part)
        holder = None if _absent(holder, part) else _at(holder, part)
    last = item["loc"][-1] if item["loc"] else ""
    of_a_union = (
        isinstance(last, str) and item["type"] not in ("missing", "extra_forbidden") and not isinstance(holder, dict)
    )
    if item["type"] != "extra_forbidden":
        where = path if of_a_union else path + _part(path, last)
        return Problem(where or "spec", str(item["msg"]).removeprefix("Value error, "))
    words = [spec.alias or name for name, spec in _model(item["loc"]).model_fields.items()]
    near = nearest(str(last), words)
    room = isinstance(holder, dict) and last in holder and near not in holder
    right = fragment({near: holder[last]}) if near and room else ""
    return Problem(path + _part(path, last), f"unknown word; there are: {', '.join(words)}", right)


def _part(path: str, part: int | str) -> str:
    return f"[{part}]" if isinstance(part, int) else f".{part}" if path and part else str(part)


def _absent(holder: Any, part: int | str) -> bool:
    if isinstance(holder, dict):
        return part not in holder
    return not (isinstance(holder, list) and isinstance(part, int) and part < len(holder))


def _at(holder: Any, part: int | str) -> Any:
    return holder[part]


def _model(where: tuple[int | str, ...]) -> type[Words]:
    """Whose word the last one of `where` should be."""
    before = where[-2] if len(where) > 1 else ""
    if isinstance(before, int):
        return StepSpec
    if len(where) > 2 and where[-3] == "inputs":
        return InputSpec
    return _INSIDE.get(before, Document)
