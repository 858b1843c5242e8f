"""A new branch, and moving to a branch where no file has to change for it."""

from __future__ import annotations

import time
from functools import partial

from astro_mcp.config import GitSettings
from astro_mcp.errors import Conflict, InvalidInput, NotFound, Unsupported
from astro_mcp.observe.printable import printable
from astro_mcp.workspace.git import linked, publish
from astro_mcp.workspace.git.commits import unfinished
from astro_mcp.workspace.git.refs import valid_ref
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


async def switch(repository: Repository, name: str, settings: GitSettings) -> str:
    """Put HEAD on the branch; returns its sha. Raises `Unsupported` where the branch's files are others than HEAD's and
    in the worktree of a run, `Conflict` where another working tree is on it."""
    ref = branch_ref(name)
    sha = repository.refs.table.get(ref)
    if sha is None:
        raise NotFound(f"no branch is named {printable(name, 80)}", "action=create makes one")
    unfinished(repository)
    if ref == repository.refs.head:
        return sha
    if linked.of_a_run(repository.layout):
        raise Unsupported(
            f"the worktree of a run stays on {printable(repository.refs.branch, 80)}",
            "leave the switch out; action=create makes a branch all the same",
        )
    if (other := linked.checked_out(repository.layout, ref)) is not None:
        raise Conflict(f"{printable(name, 80)} is checked out in {other}", "two working trees never share a branch")
    if not repository.refs.sha or await _tree(repository, sha) != await _tree(repository, repository.refs.sha):
        raise Unsupported(
            f"{printable(name, 80)} holds other files than the current commit; they would have to be rewritten",
            "only branches that hold the same files are switched to; a person can run git switch",
        )
    reason = f"checkout: moving from {repository.refs.branch or repository.refs.sha} to {name}"
    update = publish.Update(ref, repository.refs.sha, sha, reason, _by(settings))
    await repository.blocking(
        partial(publish.attach, repository.locks, repository.layout, repository.refs.head, update)
    )
    return sha


async def _tree(repository: Repository, sha: str) -> str:
    ran = await repository.git("rev-parse", "--verify", "--end-of-options", f"{sha}^{{tree}}")
    return ran.out.decode().strip()


def _by(settings: GitSettings) -> publish.Signature:
    return publish.Signature(settings.author_name, settings.author_email, int(time.time()))
