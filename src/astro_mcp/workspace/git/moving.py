"""A step that moves a branch or HEAD, and the files with it: all of it or nothing, whoever is killed when.

In order: a plan of the files, which may be refused; the recovery ref; the files, journalled as pending; a note of what
is about to be; then the one rename that decides, of the branch or of HEAD; the index; and the files as done. At the
next start `settle` reads the notes of a process that died: where the branch or HEAD had moved, the index follows and
the files stay; else the files go back.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio

from astro_mcp.config import GitSettings
from astro_mcp.core.authority import Session
from astro_mcp.errors import AstroError, Conflict, Unsupported
from astro_mcp.observe.printable import printable
from astro_mcp.workspace.changes import Applied, Changes, Maker
from astro_mcp.workspace.git import linked, publish, recovery
from astro_mcp.workspace.git.commits import unfinished
from astro_mcp.workspace.git.layout import Layout
from astro_mcp.workspace.git.locks import Locks, release, sync
from astro_mcp.workspace.git.private import DECIDED, was_decided
from astro_mcp.workspace.git.recovery import Step
from astro_mcp.workspace.git.refs import read_head, read_ref
from astro_mcp.workspace.git.repository import Repository
from astro_mcp.workspace.git.rewriting import Rewriting, rewriting

log = logging.getLogger(__name__)
NOTE: Final = "moving.json"


@dataclass(frozen=True, slots=True)
class Moved:
    """`recovery_ref` brings the step back; `applied` is what it did to files."""

    recovery_ref: str
    applied: Applied


@dataclass(frozen=True, slots=True)
class Mover:
    """What steps are taken with: whose they are, and who writes the files."""

    changes: Changes
    session: Session
    run_id: str | None
    settings: GitSettings

    async def move(self, repository: Repository, step: Step, reason: str) -> Moved:
        """Take the step: HEAD, a branch, the index and the files. `reason` is for the reflog.

        Raises `Conflict` (local changes would be lost; another working tree is on the branch; something moved
        meanwhile), `Unsupported` in the worktree of a run, and what `rewriting` does. Nothing has changed then.
        """
        unfinished(repository)
        _free(repository, step)
        here = not step.ref or step.ref == repository.refs.head
        made = await rewriting(repository, step.before, step.after) if here else None
        name = await recovery.keep(repository, step, self.settings)
        try:
            applied = await self._move(repository, step, self._update(step, reason), made)
        except BaseException:
            if not was_decided(repository.private.folder):  # one that was is whole at the next start
                with anyio.CancelScope(shield=True), suppress(AstroError):  # told is what stood against the step
                    await recovery.forget(repository, name)
            raise
        return Moved(name, applied)

    async def _move(
        self, repository: Repository, step: Step, update: publish.Update, made: Rewriting | None
    ) -> Applied:
        if made is None:
            work = partial(publish.move, repository.locks, repository.layout, update, repository.refs.head)
            await repository.blocking(work)
            return Applied("", ())

        async def decide(change_set: str) -> None:
            await repository.git(
                "update-index", "-q", "--ignore-submodules", "--refresh", index=made.index, good=(0, 1)
            )
            await repository.blocking(lambda: _decide(repository, step, update, made.index, change_set))

        return await self.changes.carry(self.session, made.plan, decide, by=Maker(self.run_id))

    async def undo(self, repository: Repository, name: str) -> tuple[Step, Moved]:
        """Take back the step that the recovery ref `name` tells of; returns the step that this was.

        Raises `Conflict` where a branch or HEAD moved since, and what `move` and `recovery.read` do.
        """
        step = await recovery.read(repository, name)
        refs = repository.refs
        if step.ref:
            still = refs.table.get(step.ref) == step.after
        else:
            target = refs.table.get(step.head_before, "") if step.head_before.startswith("refs/") else step.before
            still = (refs.head, refs.sha, target) == (step.head_after, step.after, step.before)
        if not still:
            raise Conflict(
                "things moved since that step, so it can't be undone", "undo the later steps first, or reset"
            )
        back = step.inverse()
        return back, await self.move(repository, back, f"undo: {name.removeprefix(recovery.PREFIX)}")

    def _update(self, step: Step, reason: str) -> publish.Update:
        by = publish.Signature(self.settings.author_name, self.settings.author_email, int(time.time()))
        ref = step.ref or step.head_after
        return publish.Update(ref, step.before, step.after, reason, by)


def _free(repository: Repository, step: Step) -> None:
    """Raise where the step is not this working tree's to take."""
    ref = step.ref or step.head_after
    if linked.of_a_run(repository.layout) and ref != repository.refs.head:
        raise Unsupported(
            f"the worktree of a run stays on {printable(repository.refs.branch, 80)}",
            "leave this out; git_branch with action=create makes a branch all the same",
        )
    if (other := linked.checked_out(repository.layout, ref)) is not None:
        raise linked.taken(ref.removeprefix("refs/heads/"), other)


def _decide(repository: Repository, step: Step, update: publish.Update, index: Path, change_set: str) -> None:
    layout, locks, private = repository.layout, repository.locks, repository.private
    note = {
        "change_set": change_set,
        "worktree": os.fsdecode(layout.worktree),
        "gitdir": os.fsdecode(layout.gitdir),
        "common": os.fsdecode(layout.common),
        "ref": step.ref,
        "to": step.after if step.ref else step.head_after,
        "index": str(index),
        "stamp": private.stamp,
    }
    with (private.folder / NOTE).open("w", encoding="utf-8") as file:
        json.dump(note, file)
        file.flush()
        os.fsync(file.fileno())
    try:
        if step.ref:
            publish.commit(locks, layout, repository.refs.head, update, index, private.stamp, noted=True)
        else:
            publish.attach(locks, layout, step.head_after, update, repository.refs.head, index, private.stamp)
    except (AstroError, OSError):
        if not _settled(note, private.folder):
            raise
    os.replace(private.folder / NOTE, private.folder / DECIDED)
    sync(private.folder)


def settle(folder: Path) -> Sequence[str]:
    """At the start: bring steps that a crash interrupted to their end, where they had been decided. `folder` holds the
    private folders of calls; returns the change sets of files that have to stay. Blocks."""
    happened = []
    for note in sorted(folder.glob("git-*/mov*.json")):
        try:
            body = json.loads(note.read_text(encoding="utf-8"))
        except ValueError:
            continue  # cut off in the middle: nothing was decided yet
        try:
            if _settled(body, note.parent) or note.name == DECIDED:
                happened.append(body["change_set"])
        except (AstroError, OSError) as error:
            log.warning("a step that a crash interrupted can't be looked at: %s", error)
    return happened


def _settled(note: dict[str, Any], private: Path) -> bool:
    """Whether the branch or HEAD had moved; the index has followed then."""
    release(private)
    layout = Layout(Path(note["worktree"]), Path(note["gitdir"]), Path(note["common"]), (), {})
    now = read_ref(layout, note["ref"]) if note["ref"] else read_head(layout)
    if now != note["to"]:
        return False
    publish.replace_index(Locks(private), layout, Path(note["index"]), note["stamp"])
    return True
