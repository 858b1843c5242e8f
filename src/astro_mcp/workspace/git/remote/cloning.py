"""A clone: a new folder, whole or not at all."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Final

import anyio

from astro_mcp.config import GitSettings
from astro_mcp.core.authority import Session
from astro_mcp.errors import InvalidInput, Unsupported
from astro_mcp.net.urls import Target
from astro_mcp.observe.printable import printable
from astro_mcp.workspace.git import publish, staging
from astro_mcp.workspace.git.branches import branch_ref
from astro_mcp.workspace.git.remote.fetching import HEADS, fetch
from astro_mcp.workspace.git.remote.files import check_out
from astro_mcp.workspace.git.remote.hosts import Hosts
from astro_mcp.workspace.git.remote.named import Remote
from astro_mcp.workspace.git.repository import Git
from astro_mcp.workspace.git.staging import Staging
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.planning import check_place

ORIGIN: Final = "origin"
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/@!$&'()*+,=%[]")
"""What a URL may hold to stand in a configuration as it is."""


@dataclass(frozen=True, slots=True)
class Cloned:
    """`left_out` are paths that were not written, each with the reason."""

    branch: str
    sha: str
    files: int
    left_out: dict[str, str]
    received: int


async def clone(
    git: Git, session: Session, hosts: Hosts, here: Target, target: Place, branch: str | None, settings: GitSettings
) -> Cloned:
    """All branches and tags of the host at `here`, or the one branch that is named, into the new folder `target`.

    Raises `Conflict` where something is there, `Unsupported` for a repository without commits, and what `check_place`,
    `fetch` and `check_out` do. Nothing is left of it then.
    """
    if not _PLAIN.issuperset(here.url):
        raise InvalidInput(f"{printable(here.url, 200)} has characters that a repository's URL does without")
    await git.blocking(partial(check_place, target))
    made = await git.blocking(partial(staging.begin, git.folder, target.path, here.url))
    try:
        name, sha, received = await _filled(git, session, hosts, Remote(ORIGIN, here), made, branch, settings)
        async with git.open(session, str(made.folder)) as tree:
            most, seconds = hosts.settings.transfer_mb << 20, hosts.settings.timeout_seconds
            count, left_out = await check_out(tree, sha, target, most, seconds)
        await git.blocking(partial(staging.settle, made))
    finally:
        with anyio.CancelScope(shield=True):
            await git.blocking(partial(staging.discard, made))
    return Cloned(name, sha, count, left_out, received)


async def _filled(
    git: Git,
    session: Session,
    hosts: Hosts,
    remote: Remote,
    made: Staging,
    branch: str | None,
    settings: GitSettings,
) -> tuple[str, str, int]:
    """Fetch, and put HEAD on the branch; returns it, its commit, and how many bytes came."""
    async with git.open(session, str(made.folder)) as repository:
        got = await fetch(repository, hosts, remote, settings, branch=branch, tags=branch is None)
        heads = {one.ref.removeprefix(remote.tracking("")): one.after for one in got.moved}
        name = branch or got.head.removeprefix(HEADS)
        if name not in heads:
            raise Unsupported("the host's repository has no commit on its main branch", "name a branch that it has")
        by = publish.Signature(settings.author_name, settings.author_email, int(time.time()))
        update = publish.Update(branch_ref(name), "", heads[name], "clone", by)
        work = partial(publish.create, repository.locks, repository.layout, update)
        await repository.blocking(work)
        await repository.blocking(partial(staging.put_on, made, name))
    return name, heads[name], got.received
