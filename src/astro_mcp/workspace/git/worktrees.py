"""A run's own working tree: a linked worktree on a branch of its own, made from a commit, and closed by a commit.

No hook runs and no filter: git reads a tree into an index of ours and writes the files out by our configuration, as
everything else here. Both ways may be cut short at any moment and begun again: the folder is there before the branch,
the index comes last, and a worktree that is done with is renamed before anything of it goes.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import anyio

from astro_mcp.config import GitSettings
from astro_mcp.core.authority import Session
from astro_mcp.errors import AstroError, Conflict, InvalidInput, ProtectedPath
from astro_mcp.observe.printable import printable
from astro_mcp.workspace.git import branches, commits, linked, publish
from astro_mcp.workspace.git.layout import is_folder
from astro_mcp.workspace.git.linked import Places
from astro_mcp.workspace.git.locks import fill, settle
from astro_mcp.workspace.git.marked import changed_unseen
from astro_mcp.workspace.git.nested import check_submodules
from astro_mcp.workspace.git.repository import Git, Repository
from astro_mcp.workspace.git.status import changes
from astro_mcp.workspace.git_parts import completing
from astro_mcp.workspace.text import one_line

log = logging.getLogger(__name__)

PREFIX: Final = "astro/"
SECONDS: Final = 180.0
"""For writing out all files of a commit."""


@dataclass(frozen=True, slots=True)
class Look:
    """A repository that a worktree can be made of: its branch, its commit, and how many paths are not committed."""

    branch: str
    sha: str
    changed: int


@dataclass(frozen=True, slots=True)
class Made:
    """A worktree: where, on which branch, begun at which commit."""

    path: Path
    branch: str
    base: str


@dataclass(frozen=True, slots=True)
class Closed:
    """What is left of a worktree: the branch, its last commit ("" where none was added), and why the folder is still
    there."""

    branch: str
    sha: str
    left: str = ""


def branch_of(name: str) -> str:
    """The branch of the worktree `name`."""
    return f"{PREFIX}{name}"


async def look(git: Git, session: Session) -> Look:
    """Whether a worktree could be made of the session's root.

    Raises `InvalidInput` (several roots, no commit yet), `Conflict` and `PathDenied` (`.astro-mcp` or a branch is in
    the way), and what `Git.open` raises.
    """
    async with _opened(git, session) as repository:
        await repository.blocking(partial(linked.check_home, repository.layout))
        ref = branches.branch_ref(PREFIX.rstrip("/"))
        if ref in repository.refs.table:
            raise Conflict("there is a branch named astro, so none can be named astro/…", "rename it: git branch -m")
        changed = await changes(repository)
        return Look(repository.refs.branch, _commit(repository), len(changed))


async def make(git: Git, session: Session, name: str, origin: str, settings: GitSettings) -> Made:
    """The worktree `name`: on the branch of the worktree `origin` as it is now, where there is one, else at HEAD.

    One that is there already stays as it is. Raises what `look` does; then nothing is left of it.
    """
    async with _opened(git, session) as repository:
        places = linked.places_of(repository.layout, name)
        ref = branches.branch_ref(branch_of(name))
        before = repository.refs.table.get(ref, "")
        whole = await repository.blocking(lambda: places.whole)
        if whole and before:
            return Made(places.folder, branch_of(name), before)
        if before and not places.begun:
            raise Conflict(f"there is a branch named {branch_of(name)} already", "begin the run anew")
        base = before or repository.refs.table.get(branches.branch_ref(branch_of(origin or name)), "")
        base = base or _commit(repository)
        await repository.blocking(partial(linked.prepare, repository.layout, places))
        ours = before
        try:
            ours = await branches.create(repository, branch_of(name), base, settings)
            await repository.blocking(partial(linked.attach, repository.layout, places, ref))
            await write_out(git, session.within(places.folder), ".", base)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await undo(repository, places, ref, ours)
            raise
        return Made(places.folder, branch_of(name), base)


async def close(git: Git, session: Session, name: str, base: str, message: str, settings: GitSettings) -> Closed:
    """Commit what changed in the worktree `name`, which began at `base`, and take the folder away. The branch stays,
    unless nothing was committed since `base`. `base` is "" for a worktree that nothing was done in.

    What can't be committed stays in the folder, and `left` says why. Raises what opening the repository does.
    """
    async with _opened(git, session) as repository:
        places = linked.places_of(repository.layout, name)
        ref = branches.branch_ref(branch_of(name))
        there = await repository.blocking(lambda: is_folder(places.folder))
        if base and there:
            left = await _commit_rest(git, session.within(places.folder), ref, message, settings)
            if left:
                sha = (await git.refs(session, ".")).table.get(ref, "")
                return Closed(branch_of(name), sha if sha != base else "", left)
        sha = (await git.refs(session, ".")).table.get(ref, "")
        unchanged = sha == base if base else places.begun
        with anyio.CancelScope(shield=True):
            await _remove(repository, places, ref, sha if unchanged else "")
        return Closed("", "") if unchanged or not base or not sha else Closed(branch_of(name), sha)


@asynccontextmanager
async def _opened(git: Git, session: Session) -> AsyncIterator[Repository]:
    if len(session.grant.roots) != 1:
        raise InvalidInput("a worktree is made of one root, and this session has several", "start it with one --root")
    async with git.open(session, ".") as repository:
        yield repository


def _commit(repository: Repository) -> str:
    if not repository.refs.sha:
        raise InvalidInput("the repository has no commit yet", "commit something first: a worktree begins at a commit")
    return repository.refs.sha


async def write_out(git: Git, session: Session, folder: str, sha: str) -> None:
    """Every file of the commit, then the index that goes with them. Raises `ProtectedPath` for a commit with a bare
    repository among its files."""
    async with git.open(session, folder) as tree:
        index = tree.private.index
        await tree.git("read-tree", sha, index=index)
        names = await tree.check_index(index)
        await tree.blocking(partial(_check_parts, names))
        await tree.git("checkout-index", "--all", "--index", "--quiet", index=index, seconds=SECONDS)

        def settle_index() -> None:
            with tree.locks.hold(tree.layout.gitdir / "index") as lock:
                fill(lock, index.read_bytes())
                settle(lock)

        await tree.blocking(settle_index)


def _check_parts(names: bytes) -> None:
    for path in completing(os.fsdecode(names).split("\0")):
        raise ProtectedPath(
            f"{one_line(path, 200)} would make a folder that git takes for its own",
            "a person can do this with git itself",
        )


async def _commit_rest(git: Git, session: Session, ref: str, message: str, settings: GitSettings) -> str:
    """Commit all that changed; returns what stands against it, or ""."""
    try:
        async with git.open(session, ".") as tree:
            if tree.refs.head != ref or not tree.refs.sha:
                return f"it is not on its branch any more, but on {printable(tree.refs.head, 80)}"
            changed = await changes(tree, each_file=True, renames=False)
            if nested := [item.path for item in changed if item.untracked and item.path.endswith("/")]:
                return f"{one_line(nested[0], 200)} is a repository of its own"
            await check_submodules(tree)
            if unseen := await changed_unseen(tree):
                return f"{one_line(unseen[0], 200)} is marked as assume-unchanged or skip-worktree, and changed"
            made = await commits.draft_of(tree, []) if changed else None
            if made is None:  # also where a process died between the commit and its index
                return ""
            if made.keys:
                key = made.keys[0]
                more = f" and {len(made.keys) - 1} more" if len(made.keys) > 1 else ""
                return f"not committed, since it looks like a {key.kind}: {one_line(key.path, 200)}:{key.line}{more}"
            await commits.commit(tree, made, message, settings)
    except AstroError as error:
        if error.retryable:
            raise
        return error.message + (f" ({error.hint})" if error.hint else "")
    return ""


async def undo(repository: Repository, places: Places, ref: str, made: str) -> None:
    """As good as it goes: what is said is what stood against the making."""
    try:
        await _remove(repository, places, ref, made)
    except AstroError as error:
        log.warning("%s can't be taken away: %s", places.folder, error)


async def _remove(repository: Repository, places: Places, ref: str, unchanged: str) -> None:
    """Take the worktree away, and its branch where that is still at the sha `unchanged`."""

    def work() -> None:
        linked.put_away(places)
        if unchanged:
            publish.delete(repository.locks, repository.layout, ref, unchanged)
        linked.discard(places)

    await repository.blocking(work)
