"""What the git tools do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

from astro_mcp.agents.git import differences, history, merges, shows
from astro_mcp.agents.git.inputs import (
    BranchInput,
    CommitInput,
    DiffInput,
    LogInput,
    MergeInput,
    PreviewInput,
    ShowInput,
    StatusInput,
    UndoInput,
)
from astro_mcp.agents.git.outputs import (
    Branch,
    Committed,
    CommittedPath,
    Diff,
    FoundKey,
    Log,
    Merged,
    MergePreview,
    Shown,
    Status,
    StatusEntry,
    Undone,
)
from astro_mcp.config import GitSettings
from astro_mcp.core.agent import Health
from astro_mcp.core.authority import Session
from astro_mcp.core.call import Context
from astro_mcp.errors import AstroError, InvalidInput, Problem, ProtectedPath
from astro_mcp.workspace.changes import Changes
from astro_mcp.workspace.git import branches, checkouts, commits, hunks, merging
from astro_mcp.workspace.git.child import program
from astro_mcp.workspace.git.escapes import shown
from astro_mcp.workspace.git.kept import Quick
from astro_mcp.workspace.git.keys import counted, find_keys
from astro_mcp.workspace.git.made import MadeCommits
from astro_mcp.workspace.git.moving import Moved, Mover
from astro_mcp.workspace.git.refs import Refs
from astro_mcp.workspace.git.repository import Git, Repository
from astro_mcp.workspace.git.revisions import names
from astro_mcp.workspace.git.status import current, tracking

HISTORY: Final = re.compile(r"HEAD[~^0-9]*")
LISTED = 2000
"""Paths of each kind that a status lists."""


class GitWork:
    """Over repositories whose configuration is never loaded."""

    def __init__(self, git: Git, changes: Changes, made: MadeCommits, settings: GitSettings) -> None:
        self._git = git
        self._changes = changes
        self._made = made
        self._settings = settings

    async def health(self) -> Health:
        try:
            return Health(ok=True, detail="git is there", facts={"program": program()})
        except AstroError as error:
            return Health(ok=False, detail=error.message, fix=error.hint)

    async def status(self, args: StatusInput, ctx: Context) -> Status:
        async with self._git.read(ctx.session, args.repo, Quick.ALL) as repository:
            found = await current(repository)
            upstream, ahead, behind = await tracking(repository)
            staged = [item for item in found if not item.conflicted and item.staged not in ".?"]
            unstaged = [item for item in found if not item.conflicted and item.unstaged not in ".?"]
            untracked = [shown(item.path) for item in found if item.untracked]
            return Status(
                branch=repository.refs.branch,
                sha=repository.refs.sha,
                upstream=upstream,
                ahead=ahead,
                behind=behind,
                under_way=await commits.under_way(repository) or None,
                staged=[_entry(item.path, item.staged, item.former) for item in staged[:LISTED]],
                unstaged=[_entry(item.path, item.unstaged, "") for item in unstaged[:LISTED]],
                conflicts=[_entry(item.path, "U", "") for item in found if item.conflicted][:LISTED],
                untracked=untracked[:LISTED],
                truncated=max(len(staged), len(unstaged), len(untracked)) > LISTED,
            )

    async def log(self, args: LogInput, ctx: Context) -> Log:
        async with self._git.read(ctx.session, args.repo, _quick(args.ref)) as repository:
            return await history.log(repository, args)

    async def diff(self, args: DiffInput, ctx: Context) -> Diff:
        async with self._git.read(ctx.session, args.repo) as repository:
            return await differences.diff(repository, args)

    async def show(self, args: ShowInput, ctx: Context) -> Shown:
        async with self._git.read(ctx.session, args.repo, _quick(args.ref)) as repository:
            return await shows.show(repository, args)

    async def commit(self, args: CommitInput, ctx: Context) -> Committed:
        async with self._git.open(ctx.session, args.repo) as repository:
            if sha := await self._made.found(ctx.session.scope, ctx.call.idempotency_key, repository):
                return await self._committed(repository, args, sha)
            made = await _draft(repository, args)
            said = find_keys("the message", args.message.encode())
            keys = [FoundKey(path=shown(key.path), line=key.line, kind=key.kind) for key in (*made.keys, *said)]
            sha = "" if args.dry_run else await self._commit(repository, made, args.message, keys, ctx)
            return Committed(
                sha=sha,
                branch=repository.refs.branch,
                files=_paths(made.files),
                secrets_found=keys,
                left_out=[shown(path) for path in made.left_out],
            )

    @staticmethod
    async def _committed(repository: Repository, args: CommitInput, sha: str) -> Committed:
        """What this call committed before its process died."""
        others: tuple[str, ...] = ()
        if not args.hunk_ids:
            with suppress(AstroError):  # whatever came after the commit takes nothing from it
                others = commits.left_out(await commits.everything(repository, _inside(repository, args)))
        return Committed(
            sha=sha,
            branch=repository.refs.branch,
            files=_paths(await commits.files_of(repository, sha)),
            secrets_found=[],
            left_out=[shown(path) for path in others],
        )

    async def branch(self, args: BranchInput, ctx: Context) -> Branch:
        async with self._git.open(ctx.session, args.repo) as repository:
            if args.action in ("worktree", "close"):
                return await self._tree(repository, args, ctx)
            moved = None
            if args.action == "create":
                sha = await branches.create(repository, args.name, args.from_, self._settings)
            else:
                sha, moved = await branches.switch(repository, args.name, self._mover(ctx))
            current = args.action == "switch" or repository.refs.branch == args.name
            path = str(repository.layout.worktree)
            return Branch(branch=args.name, sha=sha, path=path, current=current, **_moved(moved))

    async def _tree(self, repository: Repository, args: BranchInput, ctx: Context) -> Branch:
        if args.action == "close":
            sha = await checkouts.close(self._git, ctx.session, repository, args.name)
            return Branch(branch=args.name, sha=sha, path=str(repository.layout.worktree), current=False)
        made = await checkouts.make(self._git, ctx.session, repository, args.name, args.from_, self._settings)
        return Branch(branch=args.name, sha=made[1], path=str(made[0]), current=True)

    async def merge_preview(self, args: PreviewInput, ctx: Context) -> MergePreview:
        async with self._git.open(ctx.session, args.repo) as repository:
            return await merges.preview(repository, args)

    async def merge(self, args: MergeInput, ctx: Context) -> Merged:
        async with self._git.open(ctx.session, args.repo) as repository:
            mover = self._mover(ctx)
            sha, found, moved = await merging.merge(repository, args.from_, args.into, mover, self._settings)
            branch = repository.refs.branch if args.into == "HEAD" else args.into
            return Merged(branch=branch, sha=sha, outcome=found.kind, **_moved(moved))

    async def undo(self, args: UndoInput, ctx: Context) -> Undone:
        async with self._git.open(ctx.session, args.repo) as repository:
            step, moved = await self._mover(ctx).undo(repository, args.recovery_ref)
            branch = (step.ref or step.head_after).removeprefix("refs/heads/")
            return Undone(branch=branch, before=step.before, after=step.after, **_moved(moved))

    def _mover(self, ctx: Context) -> Mover:
        return Mover(self._changes, ctx.session, ctx.call.run_id, self._settings)

    async def complete_ref(self, session: Session, prefix: str) -> list[str]:
        """Branches and tags of the repositories at the session's roots; none of one that can't be opened."""
        found: dict[str, None] = {}
        for root in session.grant.roots:
            with suppress(AstroError):
                refs = await self._git.refs(session, str(root))
                found |= await self._git.blocking(partial(_begin_with, prefix, refs))
        return list(found)[:100]

    async def _commit(
        self, repository: Repository, made: commits.Draft, message: str, keys: list[FoundKey], ctx: Context
    ) -> str:
        if keys:
            raise ProtectedPath(
                f"{counted(keys)} places look like keys; nothing was committed",
                "take them out of the files (a key that was shared is to be changed), or name other paths",
                problems=tuple(Problem(f"{key.path}:{key.line}", f"looks like a {key.kind}") for key in keys[:50]),
            )
        key, scope = ctx.call.idempotency_key, ctx.session.scope
        note = None if key is None else partial(self._made.note, scope, key)
        return await commits.commit(repository, made, message, self._settings, note)


def _begin_with(prefix: str, refs: Refs) -> dict[str, None]:
    return dict.fromkeys(name for name in names(refs) if name.startswith(prefix))


def _quick(ref: str) -> Quick:
    """Who asks about HEAD's history needs no other ref."""
    return Quick.HEAD if HISTORY.fullmatch(ref) else Quick.ALL


async def _draft(repository: Repository, args: CommitInput) -> commits.Draft:
    if not args.hunk_ids:
        return await commits.draft(repository, _inside(repository, args))
    if args.paths:
        raise InvalidInput("paths and hunk_ids exclude each other", "commit the one, then the other")
    return await hunks.draft(repository, args.hunk_ids)


def _inside(repository: Repository, args: CommitInput) -> list[str]:
    """The paths that are asked for; none for all."""
    inside = [repository.inside(path) for path in args.paths]
    return [] if "" in inside else inside


def _paths(files: Sequence[commits.CommittedFile]) -> list[CommittedPath]:
    return [CommittedPath(path=shown(file.path), change=file.change) for file in files]


def _moved(moved: Moved | None) -> dict[str, Any]:
    if moved is None:
        return {}
    files = [file.path for file in moved.applied.files]
    return {"files": files, "recovery_ref": moved.recovery_ref, "undo_id": moved.applied.undo_id}


def _entry(path: str, change: str, former: str) -> StatusEntry:
    return StatusEntry(path=shown(path), change=change, former=shown(former))
