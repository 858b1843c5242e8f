"""A new branch, and moving to one."""

from __future__ import annotations

import time
from functools import partial
from itertools import islice

from astro_mcp.config import GitSettings
from astro_mcp.errors import InvalidInput, NotFound, Unsupported
from astro_mcp.nearest import nearest
from astro_mcp.observe.printable import printable
from astro_mcp.workspace.git import publish
from astro_mcp.workspace.git.moving import Moved, Mover
from astro_mcp.workspace.git.recovery import Step
from astro_mcp.workspace.git.refs import Refs, followed, valid_ref
from astro_mcp.workspace.git.repository import Repository
from astro_mcp.workspace.git.revisions import NEAR, commit_of, names


def branch_ref(name: str) -> str:
    """The full name of a branch; raises `InvalidInput` for what git would not take."""
    ref = f"refs/heads/{name}"
    if not valid_ref(name) or not valid_ref(ref) or name == "HEAD" or name.startswith("refs/"):
        full = name.startswith("refs/heads/")
        raise InvalidInput(
            f"{printable(name, 80)!r} can't be a branch's name",
            "leave refs/heads/ out" if full else "letters, digits and ./_- as in fix/login",
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
        hint = await repository.apart(64 * len(repository.refs.table), lambda: _instead(repository.refs, name))
        raise NotFound(f"no branch is named {printable(name, 80)}", hint)
    if ref == repository.refs.head:
        return sha, None
    if not repository.refs.sha:
        raise Unsupported("this branch has no commit yet, so nothing says which files are its own", "commit first")
    step = Step(repository.refs.head, ref, "", repository.refs.sha, sha)
    reason = f"checkout: moving from {repository.refs.branch or repository.refs.sha} to {name}"
    return sha, await mover.move(repository, step, reason)


def near(refs: Refs, name: str) -> str:
    """The branch that may be meant, as a question; "" where none is like it."""
    found = nearest(name, [one for one in islice(names(refs), NEAR) if f"refs/heads/{one}" in refs.table])
    return f"did you mean {found}?" if found else ""


def _instead(refs: Refs, name: str) -> str:
    """What to do where there is no such branch to switch to."""
    theirs = (one for one in names(refs) if f"refs/remotes/{one}" in refs.table and one.partition("/")[2] == name)
    if remote := next(theirs, ""):
        return f"action=create with from={remote} makes it"
    return f"{near(refs, name)} action=create makes a new one".lstrip()


def _by(settings: GitSettings) -> publish.Signature:
    return publish.Signature(settings.author_name, settings.author_email, int(time.time()))
