"""The undo journal's rows. Contents are artifacts; here are only their digests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from astro_mcp.core.authority import Scope
from astro_mcp.errors import NotFound, Unavailable
from astro_mcp.store.connection import Row, Transaction
from astro_mcp.store.database import Database
from astro_mcp.workspace.actions import Action, Put, Rename, State
from astro_mcp.workspace.place import Place

_BEGIN: Final = """
INSERT INTO undo (tenant, scope, id, run_id, call_key, created, state, is_undo) VALUES (?, ?, ?, ?, ?, ?, 'pending', ?)
"""
_ACTION: Final = """
INSERT INTO undo_action (tenant, scope, id, position, root, path, moved_root, moved_to, before, after)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_ACTIONS: Final = "SELECT * FROM undo_action WHERE tenant = ? AND scope = ? AND id = ? ORDER BY position"
_DONE: Final = "UPDATE undo SET state = 'done' WHERE tenant = ? AND scope = ? AND id = ?"
_UNDONE: Final = "UPDATE undo SET undone_by = ? WHERE tenant = ? AND scope = ? AND id = ?"
_REDONE: Final = "UPDATE undo SET undone_by = NULL WHERE tenant = ? AND scope = ? AND undone_by = ?"
_DROP: Final = (
    "DELETE FROM undo_action WHERE tenant = ? AND scope = ? AND id = ?",
    "DELETE FROM undo WHERE tenant = ? AND scope = ? AND id = ?",
)
_LIVE: Final = """
SELECT * FROM undo WHERE tenant = ? AND scope = ? AND state = 'done' AND undone_by IS NULL AND NOT EXISTS (
    SELECT 1 FROM undo_action a, (SELECT ? AS roots)
    WHERE a.tenant = undo.tenant AND a.scope = undo.scope AND a.id = undo.id
        AND (a.root NOT IN (SELECT value FROM json_each(roots))
            OR a.moved_root NOT IN (SELECT value FROM json_each(roots)))
)
"""
"""Change sets of these roots alone: a run in a worktree shares its host's scope, and neither takes back the other's."""
_BY_ID: Final = _LIVE + " AND id = ?"
_BY_RUN: Final = _LIVE + " AND run_id = ? AND is_undo = 0 ORDER BY seq DESC"
_LAST: Final = _LIVE + " AND is_undo = 0 ORDER BY seq DESC LIMIT 1"
_BY_CALL: Final = "SELECT id, state FROM undo WHERE tenant = ? AND scope = ? AND call_key = ?"
_PENDING: Final = "SELECT tenant, scope, id FROM undo WHERE state = 'pending' ORDER BY seq DESC"


@dataclass(frozen=True, slots=True)
class Maker:
    """What made a change set: a run, where it was one, and the idempotency key of its call."""

    run_id: str | None = None
    call_key: str | None = None


NOBODY: Final = Maker()


@dataclass(frozen=True, slots=True)
class Record:
    """One change set: its id, and its actions in the order in which they were carried out."""

    id: str
    scope: Scope
    actions: tuple[Action, ...]


class Journal:
    """Every look-up is by scope; what is missing, foreign or already undone gives the same `NotFound`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, record: Record, maker: Maker, created: float, *, is_undo: bool) -> None:
        """Note what is about to happen; returns when that is on disk."""
        key = (record.scope.tenant, record.scope.key, record.id)
        rows = [(*key, position, *_columns(action)) for position, action in enumerate(record.actions)]

        def work(tx: Transaction) -> None:
            tx.execute(_BEGIN, (*key, maker.run_id, maker.call_key, created, int(is_undo)))
            tx.execute_many(_ACTION, rows)

        await self._database.write(work)

    async def finish(self, record: Record, undone: Sequence[Record] = ()) -> None:
        """It happened; `undone` are the change sets that it took back, whose own undoings count no more."""
        key = (record.scope.tenant, record.scope.key)

        def work(tx: Transaction) -> None:
            tx.execute(_DONE, (*key, record.id))
            for other in undone:
                tx.execute(_UNDONE, (record.id, *key, other.id))
                tx.execute(_REDONE, (*key, other.id))

        await self._database.write(work)

    async def drop(self, record: Record) -> None:
        """It did not happen."""
        key = (record.scope.tenant, record.scope.key, record.id)
        await self._database.write(lambda tx: [tx.execute(sql, key) for sql in _DROP])

    async def find(
        self, scope: Scope, roots: Sequence[Path], *, undo_id: str | None, run_id: str | None
    ) -> list[Record]:
        """Change sets to undo, newest first: the named one, a run's, or with neither the last. Those that touch another
        root than `roots` are as good as missing. Raises `NotFound`."""
        key = (scope.tenant, scope.key, json.dumps([str(root) for root in roots]))

        def work(tx: Transaction) -> list[Record]:
            if undo_id is not None:
                rows = tx.rows(_BY_ID, (*key, undo_id))
            elif run_id is not None:
                rows = tx.rows(_BY_RUN, (*key, run_id))
            else:
                rows = tx.rows(_LAST, key)
            return [_record(tx, scope, str(row["id"]), roots) for row in rows]

        found = await self._database.read(work)
        if not found:
            raise NotFound("there is no such change to undo", "what was undone already is undone by its new undo_id")
        return found

    async def of_call(self, scope: Scope, call_key: str, roots: Sequence[Path]) -> Record | None:
        """What the call with that idempotency key did, whether it was undone since or not; None where it did nothing.
        Raises `Unavailable` where it was cut short, and is still to be rolled back."""
        key = (scope.tenant, scope.key, call_key)

        def work(tx: Transaction) -> tuple[Record, str] | None:
            for row in tx.rows(_BY_CALL, key):
                return _record(tx, scope, str(row["id"]), roots), str(row["state"])
            return None

        record, state = await self._database.read(work) or (None, "done")
        if state != "done":
            message = "this call was cut short by a crash, and what it did to files can't be rolled back now"
            raise Unavailable(message, "the daemon's log says why; that is tried again at its next start")
        return record

    async def pending(self) -> list[Record]:
        """What a crash interrupted, in every scope, newest first."""

        def work(tx: Transaction) -> list[Record]:
            return [_record(tx, Scope(row["tenant"], row["scope"]), row["id"], ()) for row in tx.rows(_PENDING)]

        return await self._database.read(work)


def _record(tx: Transaction, scope: Scope, id_: str, roots: Sequence[Path]) -> Record:
    rows = tx.rows(_ACTIONS, (scope.tenant, scope.key, id_))
    return Record(id_, scope, tuple(_action(row, roots) for row in rows))


def _columns(action: Action) -> tuple[str | None, ...]:
    root, path = str(action.place.root), action.place.relative
    if isinstance(action, Rename):
        state = action.state.encode()
        return root, path, str(action.to.root), action.to.relative, state, state
    return root, path, None, None, action.before.encode(), action.after.encode()


def _action(row: Row, roots: Sequence[Path]) -> Action:
    place = _place(row["root"], row["path"], roots)
    if row["moved_to"] is not None:
        return Rename(place, _place(row["moved_root"], row["moved_to"], roots), State.decode(row["before"]))
    return Put(place, State.decode(row["before"]), State.decode(row["after"]))


def _place(root: str, relative: str, roots: Sequence[Path]) -> Place:
    path = Path(root)
    return Place(path, relative, primary=not roots or path == roots[0])
