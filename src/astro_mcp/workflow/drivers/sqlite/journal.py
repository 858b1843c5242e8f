"""Runs in SQLite: every advance is one transaction of events, changed steps and the run's head."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from pydantic import TypeAdapter

from astro_mcp.core.authority import Label, Scope, Session
from astro_mcp.core.ports import ArtifactSink
from astro_mcp.errors import Conflict, Internal, NotFound, Unavailable
from astro_mcp.store.connection import Row, Transaction
from astro_mcp.store.database import Database
from astro_mcp.workflow.authority import packed, unpacked
from astro_mcp.workflow.kernel.events import Event
from astro_mcp.workflow.kernel.state import VERSION, RunState, StepState, restored

log = logging.getLogger(__name__)

_DERIVED: Final = frozenset({"steps", "ready", "wakes"})
_APART: Final = frozenset({"items", "inputs", "output", "status"})


@cache
def _run_shape() -> TypeAdapter[RunState]:
    return TypeAdapter(RunState)


@cache
def _step_shape() -> TypeAdapter[StepState]:
    return TypeAdapter(StepState)


@cache
def queries() -> Mapping[str, str]:
    """The named blocks of `journal.sql`."""
    text = files("astro_mcp.workflow.drivers.sqlite").joinpath("journal.sql").read_text()
    blocks = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(blocks[::2], blocks[1::2], strict=True))


@dataclass(frozen=True, slots=True)
class Stored:
    """A run as it was read: its document, its session, and its state, whole."""

    name: str
    spec: str
    session: Session
    labels: frozenset[Label]
    state: RunState
    events: int


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A run to take up: its owner, its id, and its count of events."""

    scope: Scope
    run_id: str
    events: int


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of a list; times are Unix seconds."""

    run_id: str
    name: str
    status: str
    created: float
    updated: float


@dataclass(frozen=True, slots=True)
class Entry:
    """One advance, ready to be written: made in a thread, so that the writer only binds parameters."""

    head: Mapping[str, Any]
    events: tuple[tuple[Any, ...], ...]
    steps: tuple[tuple[Any, ...], ...]


def unreadable(run_id: str) -> Internal:
    """What is told of a run whose stored form is damaged."""
    return Internal(f"the stored run {run_id} can't be read", "start it again; the daemon's log says what is damaged")


class Journal:
    """What is on disk. Every look-up but recovery's is by scope."""

    def __init__(self, database: Database, artifacts: ArtifactSink) -> None:
        self._database = database
        self._artifacts = artifacts

    async def create(self, session: Session, name: str, spec: str, state: RunState) -> None:
        """Return when the run can't be lost any more."""
        row = {
            **_key(session.scope, state.run_id),
            "name": name,
            "status": state.status,
            "spec": spec,
            "authority": packed(session),
            "labels": _labels(session.labels),
            "head": _head(state),
            "version": VERSION,
            "now": state.created,
        }
        await self._database.write(lambda tx: tx.execute(queries()["create"], row))

    async def save(self, entry: Entry) -> None:
        """Write one advance whole; raises `Conflict` where the stored run is not the one that was advanced."""

        def work(tx: Transaction) -> None:
            if not tx.execute(queries()["advance"], entry.head):
                raise Conflict(f"the run {entry.head['run_id']} was advanced by somebody else")
            tx.execute_many(queries()["event"], entry.events)
            tx.execute_many(queries()["step"], entry.steps)

        await self._database.write(work)

    async def fail(self, scope: Scope, run_id: str, before: int, error: Mapping[str, Any], now: float) -> bool:
        """End a run that can't go on, whatever stands in its row; nothing where it was advanced since `before`."""
        key = _key(scope, run_id)
        row = {**key, "before": before, "error": json.dumps(error), "now": now}

        def work(tx: Transaction) -> bool:
            if not tx.execute(queries()["fail"], row):
                return False
            tx.execute(queries()["fail_steps"], key)
            tx.execute(queries()["event"], (*key.values(), before + 1, now, "broke", "", row["error"]))
            return True

        return await self._database.write(work)

    async def load(self, scope: Scope, run_id: str) -> Stored:
        """The run; `NotFound` alike for a missing and a foreign one, `Internal` for one that is damaged."""
        try:
            found = await self._look(scope, run_id) if run_id.isascii() else None
            if found is not None:
                return await self._stored(*found)
        except Unavailable:
            raise
        except Exception as error:
            log.exception("the run %s can't be read", run_id)
            raise unreadable(run_id) from error
        raise NotFound(f"there is no run {run_id[:60]!r}", "workflow_status without run_id lists your runs")

    async def unfinished(self) -> list[Unfinished]:
        """Every run that has not ended, of every scope: for recovery alone."""
        rows = await self._database.read(lambda tx: tx.rows(queries()["unfinished"]))
        return [Unfinished(Scope(row["tenant"], row["scope"]), row["run_id"], row["events"]) for row in rows]

    async def restore(self, scope: Scope, run_id: str) -> Stored:
        """The run, for recovery; raises whatever a damaged row can provoke."""
        found = await self._look(scope, run_id)
        if found is None:
            raise NotFound(f"there is no run {run_id}")
        return await self._stored(*found)

    async def _look(self, scope: Scope, run_id: str) -> tuple[Row, list[Row]] | None:
        key = _key(scope, run_id)

        def look(tx: Transaction) -> tuple[Row, list[Row]] | None:
            row = tx.one(queries()["run"], key)
            return None if row is None else (row, tx.rows(queries()["steps"], key))

        return await self._database.read(look)

    async def recent(self, scope: Scope, prefix: str, count: int) -> list[Summary]:
        """The scope's own runs, newest first."""
        if not prefix.isascii():
            return []
        pattern = re.sub(r"([\\%_])", r"\\\1", prefix) + "%"
        parameters = (scope.tenant, scope.key, pattern, count)
        rows = await self._database.read(lambda tx: tx.rows(queries()["recent"], parameters))
        return [Summary(*row) for row in rows]

    async def events(self, scope: Scope, run_id: str) -> list[tuple[Any, ...]]:
        """The run's events in order: seq, time, kind, path, body."""
        rows = await self._database.read(lambda tx: tx.rows(queries()["events"], _key(scope, run_id)))
        return [tuple(row) for row in rows]

    async def _stored(self, row: Row, steps: list[Row]) -> Stored:
        if row["version"] > VERSION:
            raise Unavailable(f"the run {row['run_id']} was written by a newer astro-mcp", retryable=False)
        session = unpacked(row["authority"])
        states = {}
        for step in steps:
            body = json.loads(step["body"])
            output = json.loads(step["output"]) if step["output"] is not None else None
            if step["output_ref"] is not None:
                data, _ = await self._artifacts.get(session.scope, step["output_ref"])
                output = json.loads(data)
            given = json.loads(step["items"]) if step["items"] is not None else None
            apart = {"inputs" if isinstance(given, dict) else "items": given}
            states[step["path"]] = _step_shape().validate_python(
                {**body, **apart, "status": step["status"], "output": output}
            )
        state = restored(_run_shape().validate_python(json.loads(row["head"])), states)
        if (state.run_id, state.status) != (row["run_id"], row["status"]):
            raise ValueError("the row and the head that it holds differ")
        labels = frozenset(Label(name) for name in json.loads(row["labels"]))
        return Stored(row["name"], row["spec"], session, labels, state, row["events"])


def entry(
    scope: Scope,
    state: RunState,
    changed: Iterable[str],
    events: Iterable[Event],
    before: int,
    labels: frozenset[Label],
    refs: Mapping[str, str],
    now: float,
) -> Entry:
    """What `save` writes for one advance. `refs` are the artifacts of outputs that are kept apart, by path."""
    key = _key(scope, state.run_id)
    lines = tuple((*key.values(), *_event(before + n, item)) for n, item in enumerate(events, 1))
    steps = tuple((*key.values(), *_step(path, state.steps[path], refs.get(path))) for path in sorted(changed))
    head = {
        **key,
        "status": state.status,
        "labels": _labels(labels),
        "head": _head(state),
        "before": before,
        "after": before + len(lines),
        "now": now,
    }
    return Entry(head, lines, steps)


def _key(scope: Scope, run_id: str) -> dict[str, str]:
    """What every row of a run begins with, in this order."""
    return {"tenant": scope.tenant, "scope": scope.key, "run_id": run_id}


def _labels(labels: frozenset[Label]) -> str:
    return json.dumps(sorted(labels))


def _head(state: RunState) -> str:
    """As ASCII, as all that is stored: any text can be bound then, half a character too, and reads back equal."""
    fields = dataclasses.fields(state)
    return json.dumps({f.name: getattr(state, f.name) for f in fields if f.name not in _DERIVED})


def _event(seq: int, event: Event) -> tuple[Any, ...]:
    body = {
        f.name: getattr(event, f.name)
        for f in dataclasses.fields(event)
        if f.name not in ("now", "path", "output") and getattr(event, f.name) is not None
    }
    return (seq, event.now, type(event).__name__.lower(), event.path, json.dumps(body, default=sorted))


def _step(path: str, state: StepState, ref: str | None) -> tuple[Any, ...]:
    body = {f.name: getattr(state, f.name) for f in dataclasses.fields(state) if f.name not in _APART}
    output = None if state.output is None or ref else json.dumps(state.output)
    given = state.items if state.items is not None else state.inputs  # a step goes over a list, or runs a workflow
    items = None if given is None else json.dumps(given)
    return (path, state.status, json.dumps(body), items, output, ref)
