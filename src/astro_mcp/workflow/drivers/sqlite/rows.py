"""A run as rows, and back."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import compress
from operator import attrgetter, ne
from types import MappingProxyType
from typing import Any, Final

from pydantic import TypeAdapter

from astro_mcp.core.authority import Label, Scope, Session
from astro_mcp.errors import Unavailable
from astro_mcp.store.connection import Row
from astro_mcp.workflow.authority import unpacked
from astro_mcp.workflow.kernel.events import Event, Recovered
from astro_mcp.workflow.kernel.state import RUNNING, RunState, StepState, restored
from astro_mcp.workflow.stored_json import stored_json

FORM: Final = 2
"""Of the rows of a run: raised whenever they are written otherwise. (1: a call in flight stood in its step's row, and
what the run was given in the run's.)"""
_ELSEWHERE: Final = frozenset({"inputs", "steps", "ready", "wakes"})
_APART: Final = frozenset({"items", "inputs", "output", "status"})
_HEAD: Final = tuple(f.name for f in dataclasses.fields(RunState) if f.name not in _ELSEWHERE)
_BODY: Final = tuple(f.name for f in dataclasses.fields(StepState) if f.name not in _APART)
_DEFAULTS: Final = tuple(f.default for f in dataclasses.fields(StepState) if f.name not in _APART)
_USUAL: Final = frozenset({"position", "attempt", "started", "ended"})
"""What most steps have of these."""
_RARE: Final = tuple(name for name in _BODY if name not in _USUAL)
_RARE_DEFAULTS: Final = tuple(value for name, value in zip(_BODY, _DEFAULTS, strict=True) if name in _RARE)
_rare: Final = attrgetter(*_RARE)
_head: Final = attrgetter(*_HEAD)
_values: Final = attrgetter(*_BODY)
_TOLD: Final = frozenset({"now", "path", "output", "outputs"})
"""Fields of an event that stand elsewhere."""
_KINDS: Final[list[type[Event]]] = [Event, *Event.__subclasses__()]


def _told(kind: type[Event]) -> tuple[str, tuple[str, ...], Callable[[Event], tuple[Any, ...]]]:
    """The name of a kind of event, its fields that are told, and what gets them, and the path last: of one alone it
    would give no tuple."""
    names = tuple(f.name for f in dataclasses.fields(kind) if f.name not in _TOLD)
    return kind.__name__.lower(), names, attrgetter(*names, "path")


_TOLD_OF: Final = {kind: _told(kind) for kind in _KINDS}


@cache
def _run_shape() -> TypeAdapter[RunState]:
    return TypeAdapter(RunState)


@cache
def _step_shape() -> TypeAdapter[StepState]:
    return TypeAdapter(StepState)


InFlight = Mapping[str, Mapping[str, Any]]
"""Bodies of steps whose calls are in flight, by path. They stand in the run's head, which every advance writes anyway,
and get a row when they end: at most 64, a hundred characters each."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A run as it was read: its document, its session, and its state, whole."""

    name: str
    spec: str
    session: Session
    labels: frozenset[Label]
    state: RunState
    events: int
    in_flight: InFlight


@dataclass(frozen=True, slots=True)
class Entry:
    """One advance, ready to be written, so that the writer only binds parameters."""

    head: Mapping[str, Any]
    events: tuple[tuple[Any, ...], ...]
    steps: tuple[tuple[Any, ...], ...]
    in_flight: InFlight

    @property
    def weight(self) -> float:
        """Characters of what the steps gave and were given; infinite where some is kept apart."""
        return sum(math.inf if ref else len(output or "") + len(items or "") for *_, items, output, ref in self.steps)


def stored(row: Row, given: Row | None, steps: list[Row], apart: Mapping[str, Any]) -> Stored:
    """A run from its row, that of what it was given, and those of its steps; `apart` are outputs that are kept apart,
    by path. Raises whatever a damaged row can provoke."""
    if row["version"] > FORM:
        raise Unavailable(f"the run {row['run_id']} was written by a newer astro-mcp", retryable=False)
    states = {}
    for step in steps:
        output = json.loads(step["output"]) if step["output"] is not None else apart.get(step["path"])
        goes_over = json.loads(step["items"]) if step["items"] is not None else None
        fields = {**json.loads(step["body"]), "inputs" if isinstance(goes_over, dict) else "items": goes_over}
        states[step["path"]] = _step_shape().validate_python({**fields, "status": step["status"], "output": output})
    head = json.loads(row["head"])
    if given is not None:
        head["inputs"] = json.loads(given["inputs"])
    in_flight = head.pop("in_flight", {})
    for path, body in in_flight.items():
        states[path] = _step_shape().validate_python({**body, "status": RUNNING})
    state = restored(_run_shape().validate_python(head), states)
    if (state.run_id, state.status) != (row["run_id"], row["status"]):
        raise ValueError("the row and the head that it holds differ")
    labels = frozenset(Label(name) for name in json.loads(row["labels"]))
    spec = row["spec"] if given is None else given["spec"]
    return Stored(row["name"], spec, unpacked(row["authority"]), labels, state, row["events"], in_flight)


def entry(
    scope: Scope,
    state: RunState,
    changed: Iterable[str],
    events: Iterable[Event],
    before: int,
    labels: frozenset[Label],
    refs: Mapping[str, str],
    now: float,
    texts: Mapping[str, tuple[Event, str]] = MappingProxyType({}),
    old: Mapping[str, StepState] = MappingProxyType({}),
    in_flight: InFlight = MappingProxyType({}),
) -> Entry:
    """What `save` writes for one advance. `refs` are the artifacts of outputs that are kept apart, `texts` the events
    that brought outputs, and these as they are stored, by path. `old` are the steps as they stand there,
    and `in_flight` those of them whose calls were."""
    key = key_of(scope, state.run_id)
    owner = tuple(key.values())
    lines = tuple([owner + _event(before + n, item) for n, item in enumerate(events, 1)])
    flying, steps = dict(in_flight), []
    for path in sorted(changed):
        step = state.steps[path]
        if _flies(step):
            flying[path] = _body(step)
        else:
            flying.pop(path, None)
            steps.append(owner + _step(path, step, old.get(path), refs.get(path), texts.get(path)))
    head = {
        **key,
        "status": state.status,
        "labels": labels_text(labels),
        "head": head_text(state, flying),
        "version": FORM,
        "before": before,
        "after": before + len(lines),
        "now": now,
    }
    return Entry(head, lines, tuple(steps), flying)


def key_of(scope: Scope, run_id: str) -> dict[str, str]:
    """What every row of a run begins with, in this order."""
    return {"tenant": scope.tenant, "scope": scope.key, "run_id": run_id}


def labels_text(labels: frozenset[Label]) -> str:
    """Labels as they are stored."""
    return stored_json(sorted(labels)) if labels else "[]"


def head_text(state: RunState, in_flight: InFlight = MappingProxyType({})) -> str:
    """The state without its inputs and what follows from its steps, and of these only those in flight."""
    head = dict(zip(_HEAD, _head(state), strict=True))
    if in_flight:
        head["in_flight"] = in_flight
    return stored_json(head)


def _flies(step: StepState) -> bool:
    """Whether its call is in flight, and there is no more to say of it than that: an error of an attempt before may be
    long."""
    return step.status == RUNNING and step.attempt > 0 and step.error is None


def _body(step: StepState) -> dict[str, Any]:
    """Without what stands apart, and what is as it is by itself."""
    if step.attempt and _rare(step) == _RARE_DEFAULTS:  # a call that has begun, which most are: five times as fast
        body = {"position": step.position, "attempt": step.attempt, "started": step.started}
        if step.ended is not None:
            body["ended"] = step.ended
        return body
    values = _values(step)
    return dict(compress(zip(_BODY, values, strict=True), map(ne, values, _DEFAULTS)))


def _event(seq: int, event: Event) -> tuple[Any, ...]:
    kind, names, values = _TOLD_OF[type(event)]
    body = {name: value for name, value in zip(names, values(event), strict=False) if value is not None}
    if isinstance(event, Recovered):
        body["repeatable"] = sorted(event.repeatable)
    return (seq, event.now, kind, event.path, stored_json(body))


def _step(
    path: str, state: StepState, old: StepState | None, ref: str | None, text: tuple[Event, str] | None
) -> tuple[Any, ...]:
    """Without what a step goes over where that stands there already."""
    if state.output is None or ref:
        output = None
    elif text is not None and state.output is getattr(text[0], "output", None):
        output = text[1]
    else:
        output = stored_json(state.output)
    given = state.items if state.items is not None else state.inputs  # a step goes over a list, or runs a workflow
    known = old is not None and given is (old.items if old.items is not None else old.inputs)
    items = None if given is None or known else stored_json(given)
    return (path, state.status, stored_json(_body(state)), items, output, ref)
