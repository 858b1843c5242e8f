"""Every byte that is written into a workspace goes through here: all or nothing, journalled, and undoable.

In order: look and check; keep the before-images and note the change set as pending, both on disk; carry it out; note
it as done. A crash in between is rolled back at the next start, since nothing was acknowledged.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from weakref import WeakValueDictionary

import anyio

from astro_mcp.core.authority import Scope, Session
from astro_mcp.core.call import Context
from astro_mcp.core.ids import new_id
from astro_mcp.core.ports import ArtifactSink, Clock
from astro_mcp.errors import AstroError, InvalidInput, NotFound
from astro_mcp.store.database import Database
from astro_mcp.workspace.actions import Action, Put, moves
from astro_mcp.workspace.diff import Image
from astro_mcp.workspace.done import Done
from astro_mcp.workspace.executor import HalfDone, carry_out, roll_back
from astro_mcp.workspace.journal import NOBODY, Journal, Maker, Record
from astro_mcp.workspace.planning import Change, ChangedFile, Delete, Move, Plan, Write, plan
from astro_mcp.workspace.undoing import Reversal, reverse
from astro_mcp.workspace.workspace import Workspace

__all__ = [
    "Applied",
    "Change",
    "ChangedFile",
    "Changes",
    "Delete",
    "Done",
    "Image",
    "Maker",
    "Move",
    "Undone",
    "Write",
    "maker",
]

log = logging.getLogger(__name__)

Then = Callable[[str], Awaitable[None]]
"""What belongs to a change set and comes last: it is told the change set's id, "" where no file changes."""


def maker(ctx: Context) -> Maker:
    """Of what a tool's call changes."""
    return Maker(ctx.call.run_id, ctx.call.idempotency_key)


@dataclass(frozen=True, slots=True)
class Applied:
    """`undo_id` is empty where everything was as asked for already."""

    undo_id: str
    files: tuple[ChangedFile, ...]


@dataclass(frozen=True, slots=True)
class Undone:
    """What an undo did, or would do (then `undo_id` is empty); `images` hold each file before and after it, and `moved`
    from where to where a file or folder went."""

    undo_id: str
    files: tuple[ChangedFile, ...]
    images: tuple[Image, ...]
    moved: tuple[tuple[str, str], ...]


class Changes:
    """Applies and undoes change sets; those of one root one after the other."""

    def __init__(self, workspace: Workspace, database: Database, artifacts: ArtifactSink, clock: Clock) -> None:
        self._workspace = workspace
        self._journal = Journal(database)
        self._artifacts = artifacts
        self._clock = clock
        self._locks: WeakValueDictionary[Path, anyio.Lock] = WeakValueDictionary()

    async def done(self, session: Session, call_key: str | None) -> Done | None:
        """What the call with that idempotency key has done already: it is made again, since its process died before
        anybody was told. None where it has done nothing. Raises `Unavailable` where it is half done, and `NotFound`
        where what it replaced is no longer kept."""
        record = await self._journal.of_call(session.scope, call_key, session.grant.roots) if call_key else None
        if record is None:
            return None
        contents = await self._contents(session.scope, [action.inverse() for action in record.actions])
        with suppress(NotFound):  # what it wrote is kept only where it brought something back
            contents |= await self._contents(session.scope, record.actions)
        return Done(record.id, record.actions, contents)

    async def apply(self, session: Session, changes: Sequence[Change], *, by: Maker = NOBODY) -> Applied:
        """Carry out `changes`, all or none; returns after they and their undo are on disk.

        Raises `Conflict`, `NotFound`, `InvalidInput`, `TooLarge`, `PathDenied`, `ProtectedPath`, `ApprovalRequired`.
        """
        guard = self._workspace.read_guard
        async with self._alone(session.grant.roots):
            made = await self._workspace.quickly(lambda: plan(changes, guard))
            if not made.actions:
                return Applied("", tuple(made.files))
            record = Record(new_id("undo"), session.scope, tuple(made.actions))
            await self._carry_out(record, made, by, ())
            return Applied(record.id, tuple(made.files))

    async def carry(self, session: Session, made: Plan, then: Then, *, by: Maker = NOBODY) -> Applied:
        """Carry out a plan that passed the guards, and `then`: all of it or nothing. Raises `Conflict` where the files
        are not as the plan has them, and what `then` raises."""
        async with self._alone(session.grant.roots):
            if not made.actions:
                await then("")
                return Applied("", tuple(made.files))
            record = Record(new_id("undo"), session.scope, tuple(made.actions))
            await self._carry_out(record, made, by, (), then)
            return Applied(record.id, tuple(made.files))

    async def preview(self, changes: Sequence[Change]) -> tuple[ChangedFile, ...]:
        """What `apply` would do and tell, without doing it; raises what it would raise."""
        guard = self._workspace.read_guard
        return tuple((await self._workspace.quickly(lambda: plan(changes, guard))).files)

    async def undo(
        self,
        session: Session,
        *,
        undo_id: str | None = None,
        run_id: str | None = None,
        dry_run: bool = False,
        call_key: str | None = None,
    ) -> Undone:
        """Take back one change set, all of a run, or with neither the last one. What it does is a change set again,
        which is of no run.

        Raises `NotFound`, and `Conflict` where a file changed since; then nothing is changed.
        """
        if undo_id is not None and run_id is not None:
            raise InvalidInput("undo_id and run_id exclude each other", "give one")
        scope, roots = session.scope, session.grant.roots
        async with self._alone(roots):
            records = await self._journal.find(scope, roots, undo_id=undo_id, run_id=run_id)
            actions = [action.inverse() for record in records for action in reversed(record.actions)]
            contents = await self._contents(scope, actions)
            work = partial(reverse, actions, contents, self._workspace.read_guard)
            made: Reversal = await self._workspace.quickly(work)
            if dry_run:
                return Undone("", tuple(made.plan.files), made.images, moves(made.plan.actions))
            record = Record(new_id("undo"), scope, tuple(made.plan.actions))
            await self._carry_out(record, made.plan, Maker(call_key=call_key), records)
            return Undone(record.id, tuple(made.plan.files), made.images, moves(made.plan.actions))

    async def recover(self, happened: Collection[str] = ()) -> int:
        """At the start: roll back what a crash interrupted; returns how many change sets that were. Those that
        `happened` were carried out whole."""
        records = await self._journal.pending()
        for record in records:
            try:
                await (self._journal.finish(record) if record.id in happened else self._recover(record))
            except AstroError as error:
                log.warning("%s: a change set that a crash interrupted can't be rolled back: %s", record.id, error)
        return len(records)

    async def _recover(self, record: Record) -> None:
        contents = await self._contents(record.scope, [action.inverse() for action in record.actions])
        work = partial(roll_back, record.actions, contents, record.id)
        for place in await self._workspace.at_length(work):
            log.warning("%s: %s changed after a crash and is left as it is", record.id, place.path)
        await self._journal.drop(record)

    async def _carry_out(
        self, record: Record, made: Plan, by: Maker, undone: Sequence[Record], then: Then | None = None
    ) -> None:
        for action in made.actions:
            await self._keep(record.scope, action, made)
        # From here to the end the world and the journal must stay one: a cancelled call waits, and it is not long.
        with anyio.CancelScope(shield=True):
            await self._journal.begin(record, by, self._clock.now(), is_undo=bool(undone))
            try:
                await self._workspace.quickly(lambda: carry_out(record.actions, made.contents, record.id))
                if then is not None:
                    await self._finally(record, made, then)
            except HalfDone:
                raise
            except BaseException:
                await self._journal.drop(record)
                raise
            await self._journal.finish(record, undone)

    async def _finally(self, record: Record, made: Plan, then: Then) -> None:
        """`then`; where it fails, what was carried out is taken back."""
        try:
            await then(record.id)
        except BaseException as error:
            back = [action.inverse() for action in reversed(record.actions)]
            try:
                await self._workspace.quickly(lambda: carry_out(back, made.contents, record.id))
            except AstroError as second:
                raise HalfDone(f"{error}; and taking back the files failed: {second}") from error
            raise

    async def _keep(self, scope: Scope, action: Action, made: Plan) -> None:
        if isinstance(action, Put) and action.before.kind == "file":
            data = made.contents[action.before.value]
            await self._artifacts.put(scope, data, _mime(data), action.place.name)

    async def _contents(self, scope: Scope, actions: Iterable[Action]) -> dict[str, bytes]:
        """The bytes that `actions` bring back. Raises `NotFound` where an artifact is gone."""
        wanted = {a.after.value for a in actions if isinstance(a, Put) and a.after.kind == "file"}
        found = {}
        for sha256 in wanted:
            try:
                found[sha256] = (await self._artifacts.get(scope, sha256))[0]
            except FileNotFoundError:
                raise NotFound("the former content is no longer kept") from None
        return found

    @asynccontextmanager
    async def _alone(self, roots: Sequence[Path]) -> AsyncIterator[None]:
        """Hold the locks of `roots`, in one order for everybody."""
        async with AsyncExitStack() as held:
            for root in sorted(roots):
                await held.enter_async_context(self._locks.setdefault(root, anyio.Lock()))
            yield


def _mime(data: bytes) -> str:
    return "application/octet-stream" if b"\0" in data[:8192] else "text/plain"
