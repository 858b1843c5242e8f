"""One branch to a host, under the same name; never by force, never a deletion.

What leaves is told by the refs that the host says it has. Git is shown the very refs that were looked at, so that it
can't send more than was looked through.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Final

from astro_mcp.config import GitSettings
from astro_mcp.errors import AstroError, Conflict, NotFound, ProviderFailed, TimedOut
from astro_mcp.nearest import nearest
from astro_mcp.observe.printable import printable
from astro_mcp.workspace.git import publish
from astro_mcp.workspace.git.branches import branch_ref
from astro_mcp.workspace.git.child import Ran
from astro_mcp.workspace.git.remote import git, leaving
from astro_mcp.workspace.git.remote.advertisement import Advertised, advertised, encode
from astro_mcp.workspace.git.remote.front import Front
from astro_mcp.workspace.git.remote.hosts import Hosts, Service
from astro_mcp.workspace.git.remote.named import Remote
from astro_mcp.workspace.git.repository import Repository
from astro_mcp.workspace.git.revisions import NEAR

log = logging.getLogger(__name__)
SAID: Final = 20
"""Lines of what the host says."""
HEADS: Final = "refs/heads/"
_MAIN: Final = ("refs/heads/main", "refs/heads/master")


@dataclass(frozen=True, slots=True)
class Pushed:
    """`before` is "" for a branch that is new to the host; `said` is what the host says, and nothing of ours."""

    ref: str
    before: str
    after: str
    commits: int
    said: tuple[str, ...]


async def _instead(repository: Repository, branch: str) -> str:
    """What may be meant by a name that no branch has."""
    table = repository.refs.table
    if f"refs/tags/{branch}" in table:
        return "it is a tag, and no tags are pushed: a person does that with git"
    names = [name.removeprefix(HEADS) for name in islice(table, NEAR) if name.startswith(HEADS)]
    near = await repository.apart(64 * len(names), lambda: nearest(branch, names))
    return f"did you mean {printable(near, 80)}? git_branch makes one" if near else "git_branch makes one"


async def push(repository: Repository, hosts: Hosts, remote: Remote, branch: str, settings: GitSettings) -> Pushed:
    """Bring the branch of the host to where it is here.

    Raises `NotFound`, `Conflict` (the host has commits that are not here; it declines), `ProtectedPath` for keys and
    secrets in what would leave, and what `Hosts.talk` and `Talk` do. The host has nothing new then, but where it fell
    silent amid the exchange, of which the hint tells.
    """
    ref = branch_ref(branch)
    sha = repository.refs.table.get(ref, "")
    if not sha:
        raise NotFound(f"no branch is named {printable(branch, 80)} here", await _instead(repository, branch))
    asked = False
    try:
        async with hosts.talk(remote.here) as talk:
            told = await advertised(repository, talk, Service.RECEIVE)
            before = told.refs.get(ref, "")
            if before == sha:
                await _track(repository, remote, branch, sha, settings)
                return Pushed(ref, sha, sha, 0, ())
            known = await _known(repository, told)
            await _forward(repository, branch, sha, before, known)
            base = before or await _base(repository, sha, told, known)
            count = await leaving.check(repository, sha, sorted(known), base)
            shown = await repository.blocking(partial(encode, told, Service.RECEIVE, list(told.refs)))
            front = Front(talk, Service.RECEIVE, shown)
            options = ("--porcelain", "--no-verify", "--no-recurse-submodules", "--no-signed", "--no-follow-tags")
            arguments = ["push", *options, git.NAME, f"{sha}:{ref}"]
            asked = True
            ran = await git.run(repository, front, arguments, b"", hosts.settings.timeout_seconds)
    except (ProviderFailed, TimedOut) as error:
        if asked:
            error.hint = "whether the push arrived is not known: push again, which tells"
        raise
    said = _said(ran)
    if ran.code:
        raise _declined(ran, said)
    await _track(repository, remote, branch, sha, settings)
    return Pushed(ref, before, sha, count, said)


async def _known(repository: Repository, told: Advertised) -> set[str]:
    """Commits that both have, by the host's word; git takes no other word either."""
    stdin = await repository.blocking(lambda: "".join(f"{sha}\n" for sha in {*told.refs.values(), *told.have}).encode())
    ran = await repository.git("cat-file", "--batch-check", stdin=stdin) if stdin else None
    return await repository.blocking(partial(_commits, ran.out)) if ran else set()


def _commits(told: bytes) -> set[str]:
    rows = (row.split(" ") for row in told.decode().splitlines())
    return {row[0] for row in rows if row[1] in ("commit", "tag")}


async def _forward(repository: Repository, branch: str, sha: str, before: str, known: set[str]) -> None:
    if not before:
        return
    here = before in known
    if here:
        here = (await repository.git("merge-base", "--is-ancestor", before, sha, good=(0, 1))).code == 0
    if not here:
        raise Conflict(
            f"the host's {printable(branch, 80)} has commits that are not in this one; nothing is pushed by force",
            "git_fetch, then git_merge the remote branch, then push",
        )


async def _base(repository: Repository, sha: str, told: Advertised, known: set[str]) -> str:
    """Where a new branch left the host's main one; "" where that can't be told."""
    main = next((told.refs[ref] for ref in (told.head, *_MAIN) if ref in told.refs), "")
    if main not in known:
        return ""
    return (await repository.git("merge-base", sha, main, good=(0, 1))).out.decode().strip()


async def _track(repository: Repository, remote: Remote, branch: str, sha: str, settings: GitSettings) -> None:
    """Let `refs/remotes` know, as git does. The push has happened: what stands against this is in the log alone."""
    by = publish.Signature(settings.author_name, settings.author_email, int(time.time()))
    ref = remote.tracking(branch)
    update = publish.Update(ref, repository.refs.table.get(ref, ""), sha, "update by push", by)
    if update.before == sha:
        return
    try:
        await repository.blocking(partial(publish.track, repository.locks, repository.layout, [update]))
    except AstroError as error:
        log.warning("%s does not know of a push: %s", ref, error)


def _said(ran: Ran) -> tuple[str, ...]:
    lines = [line.removeprefix("remote:").strip() for line in ran.err.splitlines() if line.startswith("remote:")]
    return tuple(printable(line, 200) for line in lines if line)[:SAID]


def _declined(ran: Ran, said: tuple[str, ...]) -> Exception:
    rows = [line.split("\t") for line in ran.out.decode("utf-8", "replace").splitlines() if line.startswith("!")]
    if not rows:
        return git.refused(ran)
    return Conflict(f"the host declines: {printable(rows[0][-1], 200)}", " ".join(said)[:500])
