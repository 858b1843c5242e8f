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

from astro_mcp.core.authority import Label, Scope, Session
from astro_mcp.core.ports import ArtifactSink
from astro_mcp.errors import AstroError, Conflict, NotFound, Unavailable
from astro_mcp.store.connection import Row, Transaction
from astro_mcp.store.database import Database
from astro_mcp.workflow.authority import packed, unpacked
from astro_mcp.workflow.kernel.events import Event
from astro_mcp.workflow.kernel.state import VERSION, RunState, StepState, restored

log = logging.getLogger(__name__)

_DERIVED: Final = frozenset({"steps", "ready", "wakes"})
_APART: Final = frozenset({"items", "output", "status"})


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


class Journal:
    """What is on disk. Every look-up but recovery's is by scope."""

    def __init__(self, database: Database, artifacts: ArtifactSink) -> None:
        self._database = database
        self._artifacts = artifacts

    async def create(self, session: Session, name: str, spec: str, state: RunState) -> None:
        """Return when the run can't be lost any more."""
        row = {
            "run_id": state.run_id,
            "tenant": session.scope.tenant,
            "scope": session.scope.key,
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

    async def load(self, scope: Scope, run_id: str) -> Stored:
        """The run; `NotFound` alike for a missing and a foreign one."""

        def look(tx: Transaction) -> tuple[Row, list[Row]] | None:
            row = tx.one(queries()["run"], (run_id, scope.tenant, scope.key))
            return None if row is None else (row, tx.rows(queries()["steps"], (run_id,)))

        found = await self._database.read(look)
        if found is None:
            raise NotFound(f"there is no run {run_id[:60]!r}", "workflow_status without run_id lists your runs")
        return await self._stored(*found)

    async def unfinished(self) -> list[Stored]:
        """Every run that has not ended, of every scope: for recovery alone. One that can't be read is told in the log
        and left as it is; the others go on."""

        def look(tx: Transaction) -> list[tuple[Row, list[Row]]]:
            rows = tx.rows(queries()["unfinished"])
            return [(row, tx.rows(queries()["steps"], (row["run_id"],))) for row in rows]

        found = []
        for row, steps in await self._database.read(look):
            try:
                found.append(await self._stored(row, steps))
            except (AstroError, TypeError, ValueError):
                log.exception("the run %s can't be taken up", row["run_id"])
        return found

    async def recent(self, scope: Scope, prefix: str, count: int) -> list[Summary]:
        """The scope's own runs, newest first."""
        pattern = re.sub(r"([\\%_])", r"\\\1", prefix) + "%"
        parameters = (scope.tenant, scope.key, pattern, count)
        rows = await self._database.read(lambda tx: tx.rows(queries()["recent"], parameters))
        return [Summary(*row) for row in rows]

    async def events(self, run_id: str) -> list[tuple[Any, ...]]:
        """The run's events in order: seq, time, kind, path, body."""
        rows = await self._database.read(lambda tx: tx.rows(queries()["events"], (run_id,)))
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
            items = json.loads(step["items"]) if step["items"] is not None else None
            states[step["path"]] = StepState(**body, status=step["status"], output=output, items=items)
        state = restored(RunState(**json.loads(row["head"])), states)
        labels = frozenset(Label(name) for name in json.loads(row["labels"]))
        return Stored(row["name"], row["spec"], session, labels, state, row["events"])


def entry(
    state: RunState,
    changed: Iterable[str],
    events: Iterable[Event],
    before: int,
    labels: frozenset[Label],
    refs: Mapping[str, str],
    now: float,
) -> Entry:
    """What `save` writes for one advance. `refs` are the artifacts of outputs that are kept apart, by path."""
    lines = tuple(_event(state.run_id, before + n, item) for n, item in enumerate(events, 1))
    steps = tuple(_step(state.run_id, path, state.steps[path], refs.get(path)) for path in sorted(changed))
    head = {
        "run_id": state.run_id,
        "status": state.status,
        "labels": _labels(labels),
        "head": _head(state),
        "before": before,
        "after": before + len(lines),
        "now": now,
    }
    return Entry(head, lines, steps)


def _labels(labels: frozenset[Label]) -> str:
    return json.dumps(sorted(labels))


def _head(state: RunState) -> str:
    fields = dataclasses.fields(state)
    return json.dumps({f.name: getattr(state, f.name) for f in fields if f.name not in _DERIVED}, ensure_ascii=False)


def _event(run_id: str, seq: int, event: Event) -> tuple[Any, ...]:
    body = {
        f.name: getattr(event, f.name)
        for f in dataclasses.fields(event)
        if f.name not in ("now", "path", "output") and getattr(event, f.name) is not None
    }
    return (run_id, seq, event.now, type(event).__name__.lower(), event.path, json.dumps(body, default=sorted))


def _step(run_id: str, path: str, state: StepState, ref: str | None) -> tuple[Any, ...]:
    body = {f.name: getattr(state, f.name) for f in dataclasses.fields(state) if f.name not in _APART}
    output = None if state.output is None or ref else json.dumps(state.output, ensure_ascii=False)
    items = None if state.items is None else json.dumps(state.items, ensure_ascii=False)
    return (run_id, path, state.status, json.dumps(body, ensure_ascii=False), items, output, ref)
