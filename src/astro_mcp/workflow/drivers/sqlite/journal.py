"""Runs in SQLite: every advance is one transaction of events, changed steps and the run's head."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final
from uuid import uuid4

from astro_mcp.core.authority import Scope, Session
from astro_mcp.core.ports import ArtifactSink
from astro_mcp.errors import Conflict, NotFound, Unavailable
from astro_mcp.store.connection import Row, Transaction
from astro_mcp.store.database import Database
from astro_mcp.workflow.authority import packed
from astro_mcp.workflow.driver import Happened, Summary, unreadable
from astro_mcp.workflow.drivers.sqlite.rows import FORM, Entry, Stored, head_text, key_of, labels_text, stored
from astro_mcp.workflow.kernel.state import RunState
from astro_mcp.workflow.stored_json import stored_json

log = logging.getLogger(__name__)

PURGED_AT_ONCE: Final = 200
"""Runs that one transaction forgets: the next advance waits for no more."""


@cache
def queries() -> Mapping[str, str]:
    """The named blocks of `journal.sql`."""
    text = files("astro_mcp.workflow.drivers.sqlite").joinpath("journal.sql").read_text()
    blocks = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(blocks[::2], blocks[1::2], strict=True))


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A run to take up: its owner, its id, and its count of events."""

    scope: Scope
    run_id: str
    events: int


class Journal:
    """What is on disk. Every look-up but recovery's is by scope."""

    def __init__(self, database: Database, artifacts: ArtifactSink) -> None:
        self._database = database
        self._artifacts = artifacts
        self._driver = uuid4().hex

    async def create(self, session: Session, name: str, spec: str, state: RunState, first: Entry | None = None) -> None:
        """Return when the run, and its first advance where it is given, can't be lost any more."""
        row = {
            "driver": self._driver,
            **key_of(session.scope, state.run_id),
            "name": name,
            "status": state.status,
            "spec": spec,
            "authority": packed(session),
            "labels": labels_text(session.labels),
            "inputs": stored_json(state.inputs),
            "head": head_text(state),
            "version": FORM,
            "now": state.created,
        }

        def work(tx: Transaction) -> None:
            tx.execute(queries()["create"], row)
            tx.execute(queries()["give"], row)
            if first is not None:
                self._advance(tx, first)

        await self._database.write(work)

    async def save(self, entry: Entry) -> None:
        """Write one advance whole; raises `Conflict` where the stored run is not the one that was advanced."""

        await self._database.write(lambda tx: self._advance(tx, entry))

    def _advance(self, tx: Transaction, entry: Entry) -> None:
        if not tx.execute(queries()["advance"], {**entry.head, "driver": self._driver}):
            raise Conflict(f"the run {entry.head['run_id']} was advanced by somebody else")
        tx.execute_many(queries()["event"], entry.events)
        tx.execute_many(queries()["step"], entry.steps)

    async def fail(self, scope: Scope, run_id: str, before: int, error: Mapping[str, Any], now: float) -> bool:
        """End a run that can't go on, whatever stands in its row; nothing where it was advanced since `before`."""
        key = key_of(scope, run_id)
        row = {**key, "before": before, "error": json.dumps(error), "now": now, "driver": self._driver}

        def work(tx: Transaction) -> bool:
            if not tx.execute(queries()["fail"], row):
                return False
            for name in ("fail_calls", "fail_head", "fail_steps"):
                tx.execute(queries()[name], key)
            tx.execute(queries()["event"], (*key.values(), before + 1, now, "broke", "", row["error"]))
            return True

        return await self._database.write(work)

    async def load(self, scope: Scope, run_id: str) -> Stored:
        """The run; `NotFound` alike for a missing and a foreign one, `Internal` for one that is damaged."""
        try:
            found = await self._look(scope, run_id) if run_id.isascii() else None
            if found is not None:
                return await self._whole(*found)
        except Unavailable:
            raise
        except Exception as error:
            log.exception("the run %s can't be read", run_id)
            raise unreadable(run_id) from error
        raise NotFound(f"there is no run {run_id[:60]!r}", "workflow_status without run_id lists your runs")

    async def knows(self, scope: Scope, run_id: str) -> bool:
        """Whether there is such a run."""
        return await self._database.read(lambda tx: tx.one(queries()["run"], key_of(scope, run_id))) is not None

    async def unfinished(self) -> list[Unfinished]:
        """Every run that has not ended, of every scope: for recovery alone."""
        rows = await self._database.read(lambda tx: tx.rows(queries()["unfinished"]))
        return [Unfinished(Scope(row["tenant"], row["scope"]), row["run_id"], row["events"]) for row in rows]

    async def restore(self, scope: Scope, run_id: str) -> Stored:
        """The run, taken from whoever advanced it before, for recovery; raises whatever a damaged row can provoke."""
        key = {**key_of(scope, run_id), "driver": self._driver}

        def take(tx: Transaction) -> None:
            tx.execute(queries()["take"], key)
            tx.execute(queries()["take_given"], key_of(scope, run_id))

        await self._database.write(take)
        found = await self._look(scope, run_id)
        if found is None:
            raise NotFound(f"there is no run {run_id}")
        return await self._whole(*found)

    async def _whole(self, row: Row, given: Row | None, steps: list[Row]) -> Stored:
        owner = Scope(row["tenant"], row["scope"])
        outputs = {}
        for step in steps:
            if step["output_ref"] is not None:
                data, _ = await self._artifacts.get(owner, step["output_ref"])
                outputs[step["path"]] = json.loads(data)
        return stored(row, given, steps, outputs)

    async def _look(self, scope: Scope, run_id: str) -> tuple[Row, Row | None, list[Row]] | None:
        key = key_of(scope, run_id)

        def look(tx: Transaction) -> tuple[Row, Row | None, list[Row]] | None:
            row = tx.one(queries()["run"], key)
            return None if row is None else (row, tx.one(queries()["given"], key), tx.rows(queries()["steps"], key))

        return await self._database.read(look)

    async def recent(self, scope: Scope, prefix: str, count: int) -> list[Summary]:
        """The scope's own runs, newest first."""
        if not prefix.isascii():
            return []
        pattern = re.sub(r"([\\%_])", r"\\\1", prefix) + "%"
        parameters = (scope.tenant, scope.key, pattern, count)
        rows = await self._database.read(lambda tx: tx.rows(queries()["recent"], parameters))
        return [Summary(*row) for row in rows]

    async def events(self, scope: Scope, run_id: str, after: int = 0) -> list[Happened]:
        """The run's events in order, those after the one with that number; none of a run that is not there."""
        key = {**key_of(scope, run_id), "after": after}
        rows = await self._database.read(lambda tx: tx.rows(queries()["events"], key)) if run_id.isascii() else []
        return [Happened(row["seq"], row["at"], row["kind"], row["path"], json.loads(row["body"])) for row in rows]

    async def refs(self, scope: Scope, run_id: str) -> dict[str, str]:
        """The artifacts of the run's outputs that are kept apart, by path."""
        rows = await self._database.read(lambda tx: tx.rows(queries()["refs"], key_of(scope, run_id)))
        return {row["path"]: row["output_ref"] for row in rows}

    async def purge(self, before: float, most: int = PURGED_AT_ONCE) -> int:
        """Forget runs of every scope that ended before that time (Unix seconds), `most` of them; how many it were."""

        def work(tx: Transaction) -> int:
            rows = tx.rows(queries()["ended"], (before, most))
            for row in rows:
                tx.execute(queries()["forget"], key_of(Scope(row["tenant"], row["scope"]), row["run_id"]))
            return len(rows)

        return await self._database.write(work)
