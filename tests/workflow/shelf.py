"""A run in a database in memory, by the journal's own statements and the store's own tables and triggers."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.workflow.house import session

from astro_mcp.store.connection import migrate
from astro_mcp.store.database import migrations
from astro_mcp.workflow.authority import packed
from astro_mcp.workflow.drivers.sqlite.journal import queries
from astro_mcp.workflow.drivers.sqlite.rows import FORM, InFlight, entry, head_text, key_of, labels_text, stored
from astro_mcp.workflow.kernel.draft import Advance
from astro_mcp.workflow.kernel.events import Event
from astro_mcp.workflow.kernel.state import RunState
from astro_mcp.workflow.stored_json import stored_json

ME = session(Path("/nowhere"))


class Shelf:
    """Holds runs as the driver does, one advance after the other."""

    def __init__(self) -> None:
        self._raw = sqlite3.connect(":memory:", isolation_level=None)
        self._raw.row_factory = sqlite3.Row
        migrate(self._raw, migrations())
        self._in_flight: dict[str, InFlight] = {}

    def close(self) -> None:
        self._raw.close()

    def create(self, state: RunState) -> None:
        row: dict[str, Any] = {
            "driver": "d",
            **key_of(ME.scope, state.run_id),
            "name": "random",
            "status": state.status,
            "spec": "",
            "authority": packed(ME),
            "labels": labels_text(ME.labels),
            "inputs": stored_json(state.inputs),
            "head": head_text(state),
            "version": FORM,
            "now": state.created,
        }
        self._raw.execute(queries()["create"], row)
        self._raw.execute(queries()["give"], row)
        self._in_flight[state.run_id] = {}

    def save(self, advance: Advance, events: Sequence[Event], before: int) -> None:
        """One advance by these events, when so many had been before."""
        now, state = events[-1].now, advance.state
        in_flight = self._in_flight[state.run_id]
        written = entry(ME.scope, state, advance.changed, events, before, ME.labels, {}, now, in_flight=in_flight)
        self._in_flight[state.run_id] = written.in_flight
        assert self._raw.execute(queries()["advance"], {**written.head, "driver": "d"}).rowcount == 1
        self._raw.executemany(queries()["event"], written.events)
        self._raw.executemany(queries()["step"], written.steps)

    def copy(self, state: RunState) -> RunState:
        """The state as it would come back; nothing of it stays here."""
        kept = self._in_flight.get(state.run_id, {})
        self._raw.execute("BEGIN")
        try:
            self.create(replace(state, steps={}))
            self.save(Advance(state, (), frozenset(state.steps)), [Event(now=0.0)], 0)
            return self.load(state.run_id)
        finally:
            self._raw.execute("ROLLBACK")
            self._in_flight[state.run_id] = kept

    def load(self, run_id: str) -> RunState:
        """What another process would find."""
        key = key_of(ME.scope, run_id)
        row, given = (self._raw.execute(queries()[name], key).fetchone() for name in ("run", "given"))
        return stored(row, given, self._raw.execute(queries()["steps"], key).fetchall(), {}).state


def same(one: RunState, other: RunState) -> bool:
    """Whether two are alike; the line of those that are ready may stand in another order."""
    return sorted(one.ready) == sorted(other.ready) and replace(one, ready=()) == replace(other, ready=())
