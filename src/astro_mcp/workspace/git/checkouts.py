"""A branch in a folder of its own, for a host or a person: a linked worktree at `.astro-mcp/trees/NAME`. It is closed
where nothing in it would be lost, and the branch stays."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Final

import anyio

from astro_mcp.config import GitSettings
from astro_mcp.core.authority import Session
from astro_mcp.errors import Conflict, NotFound, Problem, Unsupported
from astro_mcp.observe.printable import printable
from astro_mcp.workspace.git import branches, linked, worktrees
from astro_mcp.workspace.git.commits import unfinished
from astro_mcp.workspace.git.linked import TREES, Places
from astro_mcp.workspace.git.marked import changed_unseen
from astro_mcp.workspace.git.nested import check_submodules
from astro_mcp.workspace.git.repository import Git, Repository
from astro_mcp.workspace.git.revisions import commit_of
from astro_mcp.workspace.git.status import changes
from astro_mcp.workspace.text import one_line

PREFIX: Final = "astro-"
"""Of git's own part of it, so that no worktree of a person's is taken for ours."""


async def make(
    git: Git, session: Session, repository: Repository, name: str, start: str, settings: GitSettings
) -> tuple[Path, str]:
    """The folder of the branch `name`, which is made at `start` where there is none, and its sha; one that is there
    stays.

    Raises `Conflict` (the branch is checked out already; the folder is another branch's), `InvalidInput` for a name
    that no folder can have, `Unsupported` in the worktree of a run, and what `branches.create` does.
    """
    if linked.of_a_run(repository.layout):
        raise Unsupported("a worktree of a run holds no others", "action=create makes a branch")
    places, ref = _places(repository, name), await branches.branch_meant(repository, name)
    if await repository.blocking(lambda: places.whole):
        now = await git.refs(session, str(places.folder))
        if now.head != ref:
            raise Conflict(f"{places.folder.name} is there already, on {printable(now.branch, 80) or 'no branch'}")
        return places.folder, now.sha
    other = linked.checked_out(repository.layout, ref)  # its own folder, where somebody took that away
    if other not in (None, places.folder) or ref == repository.refs.head:
        raise linked.taken(name, other or repository.layout.worktree)
    before = repository.refs.table.get(ref, "")
    sha = before or await commit_of(repository, start)
    await repository.blocking(partial(linked.prepare, repository.layout, places))
    try:
        await branches.create(repository, name, sha, settings)
        await repository.blocking(partial(linked.attach, repository.layout, places, ref))
        await worktrees.write_out(git, session, str(places.folder), sha)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await worktrees.undo(repository, places, ref, "" if before else sha)
        raise
    return places.folder, sha


async def close(git: Git, session: Session, repository: Repository, name: str) -> str:
    """Take the folder of the branch `name` away; returns the branch's sha.

    Raises `NotFound`, and `Conflict` where something in it is not committed, ignored files and what submodules hold
    included.
    """
    places, ref = _places(repository, name), await branches.branch_meant(repository, name)
    if not await repository.blocking(lambda: places.begun):
        raise NotFound(f"{printable(name, 80)} has no folder of its own here", "action=worktree makes one")
    if await repository.blocking(lambda: places.whole):
        async with git.open(session, str(places.folder)) as tree:
            await _nothing_lost(tree, ref)

    def work() -> None:
        linked.put_away(places)
        linked.discard(places)

    await repository.blocking(work)
    return repository.refs.table.get(ref, "")


async def _nothing_lost(tree: Repository, ref: str) -> None:
    unfinished(tree)
    if tree.refs.head != ref:
        raise Conflict(f"it is not on its branch any more, but on {printable(tree.refs.head, 80)}", "switch back first")
    paths = [item.path for item in await changes(tree)]
    ignored = ("ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z")
    paths += [path for path in os.fsdecode((await tree.git(*ignored)).out).split("\0") if path]
    if paths:
        raise Conflict(
            f"{len(paths)} paths in it are not committed",
            "commit what is wanted (git_commit), and delete the rest (fs_delete)",
            problems=tuple(Problem(one_line(path, 200), "is not committed") for path in paths[:50]),
        )
    await check_submodules(tree)
    if unseen := await changed_unseen(tree):
        raise Conflict(
            f"{len(unseen)} files in it are changed where git does not look",
            "git update-index --no-skip-worktree, or --no-assume-unchanged, makes it look again",
            problems=tuple(
                Problem(one_line(path, 200), "is marked as assume-unchanged or skip-worktree") for path in unseen[:50]
            ),
        )


def _places(repository: Repository, name: str) -> Places:
    return linked.places_of(repository.layout, name.replace("/", "-"), TREES, PREFIX)
