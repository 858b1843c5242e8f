"""A run as JSON data, and back: what starts it, what it goes on with, and what is told of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from pydantic import TypeAdapter

from astro_mcp.core.authority import Label
from astro_mcp.errors import InvalidInput, Unavailable
from astro_mcp.workflow.authority import unpacked
from astro_mcp.workflow.document.read import parse
from astro_mcp.workflow.driver import Happened, RunView
from astro_mcp.workflow.kernel import events as e
from astro_mcp.workflow.kernel.state import VERSION, RunState

_KINDS: Final[Mapping[str, type[e.Event]]] = {
    kind.__name__: kind for kind in (e.Began, e.Forked, e.Answered, e.Paused, e.Resumed, e.Cancelled, e.Retried, e.Tick)
}
"""The events that come from outside of a run's workflow."""


@cache
def _shape() -> TypeAdapter[RunState]:
    return TypeAdapter(RunState)


def packed_state(state: RunState) -> dict[str, Any]:
    """The whole state; the order of steps and of the line is kept."""
    fields = _fields(state)
    return {**fields, "version": VERSION, "steps": {path: _fields(step) for path, step in state.steps.items()}}


def unpacked_state(body: Mapping[str, Any]) -> RunState:
    """Raises `Unavailable` for a newer version's state, and what a damaged one can provoke."""
    if body["version"] > VERSION:
        raise Unavailable("the run was written by a newer astro-mcp", retryable=False)
    return _shape().validate_python({name: value for name, value in body.items() if name != "version"})


def packed_event(event: e.Event, labels: frozenset[Label] = frozenset()) -> dict[str, Any]:
    """An event that is sent to a run, with the labels of what it says."""
    told = {"labels": sorted(labels)} if labels else {}
    return {"kind": type(event).__name__, **_fields(event), **told}


def unpacked_event(body: Mapping[str, Any]) -> e.Event:
    """Raises `InvalidInput` for what is none."""
    fields = {name: value for name, value in body.items() if name != "labels"}
    try:
        return _KINDS[fields.pop("kind")](**fields)
    except (KeyError, TypeError) as error:
        raise InvalidInput(f"this is no event of a run: {error}") from None


def packed_history(history: list[Happened]) -> list[list[Any]]:
    return [[one.seq, one.at, one.kind, one.path, dict(one.body)] for one in history]


def unpacked_history(body: list[list[Any]]) -> list[Happened]:
    return [Happened(*row) for row in body]


@dataclass(frozen=True, slots=True)
class Kept:
    """What a run's workflow holds beside its state, from its beginning on.

    `session` is the text of `authority.packed`. `tools` are those that the document names: each one's agent, and
    whether its calls may simply run again. `heartbeat` and `lost` are the seconds after which a worker that is not
    heard of counts as dead, amid a call that may run again and amid any other; `most` in events of the server's
    history.
    `answered`: the operator's model answers its asks.
    """

    name: str
    spec: str
    session: str
    tools: Mapping[str, tuple[str, bool]]
    prefix: str
    tenant: str
    heartbeat: float
    most: int
    answered: bool = False
    lost: float = 0.0


def packed_kept(kept: Kept) -> dict[str, Any]:
    return _fields(kept)


def unpacked_kept(body: Mapping[str, Any]) -> Kept:
    tools = {name: (str(agent), bool(again)) for name, (agent, again) in body["tools"].items()}
    return Kept(**{**body, "tools": tools})


def view_of(body: Mapping[str, Any]) -> RunView:
    """The run behind what its workflow tells. Blocks while the document is read."""
    kept = body["kept"]
    labels = frozenset(Label(name) for name in body["labels"])
    return RunView(kept["name"], parse(kept["spec"]), unpacked(kept["session"]), unpacked_state(body["state"]), labels)


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
