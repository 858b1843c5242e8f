"""A new branch, and moving to one."""

from __future__ import annotations

import time
from functools import partial

from astro_mcp.config import GitSettings
from astro_mcp.errors import InvalidInput, NotFound, Unsupported
from astro_mcp.observe.printable import printable
from astro_mcp.workspace.git import publish
from astro_mcp.workspace.git.moving import Moved, Mover
from astro_mcp.workspace.git.recovery import Step
from astro_mcp.workspace.git.refs import followed, valid_ref
from astro_mcp.workspace.git.repository import Repository
from astro_mcp.workspace.git.revisions import commit_of


def branch_ref(name: str) -> str:
    """The full name of a branch; raises `InvalidInput` for what git would not take."""
    ref = f"refs/heads/{name}"
    if not valid_ref(name) or not valid_ref(ref) or name == "HEAD" or name.startswith("refs/"):
        raise InvalidInput(
            f"{printable(name, 80)!r} can't be a branch's name", "letters, digits and ./_- as in fix/login"
        )
    return ref


async def branch_meant(repository: Repository, name: str) -> str:
    """The same; of a branch that is a symbolic ref, the one that it stands for."""
    return await repository.blocking(partial(followed, repository.layout, branch_ref(name)))


async def create(repository: Repository, name: str, start: str, settings: GitSettings) -> str:
    """Make the branch at the commit `start`; returns its sha. HEAD and files stay.

    A branch that is there at that very commit is fine. Raises `Conflict`, `InvalidInput`, `NotFound`.
    """
    ref = branch_ref(name)
    sha = await commit_of(repository, start)
    if repository.refs.table.get(ref) != sha:
        update = publish.Update(ref, "", sha, f"branch: Created from {printable(start, 80)}", _by(settings))
        await repository.blocking(partial(publish.create, repository.locks, repository.layout, update))
    return sha


async def switch(repository: Repository, name: str, mover: Mover) -> tuple[str, Moved | None]:
    """Put HEAD on the branch, with its files; returns its sha, and the step where one was needed.

    Local changes of files that both branches have alike stay. Raises what `Mover.move` does.
    """
    ref = await branch_meant(repository, name)
    sha = repository.refs.table.get(ref)
    if sha is None:
        raise NotFound(f"no branch is named {printable(name, 80)}", "action=create makes one")
    if ref == repository.refs.head:
        return sha, None
    if not repository.refs.sha:
        raise Unsupported("this branch has no commit yet, so nothing says which files are its own", "commit first")
    step = Step(repository.refs.head, ref, "", repository.refs.sha, sha)
    reason = f"checkout: moving from {repository.refs.branch or repository.refs.sha} to {name}"
    return sha, await mover.move(repository, step, reason)


def _by(settings: GitSettings) -> publish.Signature:
    return publish.Signature(settings.author_name, settings.author_email, int(time.time()))
