"""What a host has, into `refs/remotes/NAME/…`: git fills a folder of ours, and what is whole is then published as a
commit is (see `publish`). Branches of the repository itself, its index and files stay as they are."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from astro_mcp.config import GitSettings
from astro_mcp.errors import LimitHit, NotFound, ProviderFailed, Unsupported
from astro_mcp.observe.printable import printable
from astro_mcp.workspace.git import publish, recovery
from astro_mcp.workspace.git.private import shallow
from astro_mcp.workspace.git.publish import Update
from astro_mcp.workspace.git.recovery import Step
from astro_mcp.workspace.git.refs import valid_ref
from astro_mcp.workspace.git.remote import git
from astro_mcp.workspace.git.remote.advertisement import Advertised, advertised, encode
from astro_mcp.workspace.git.remote.front import Front
from astro_mcp.workspace.git.remote.hosts import Hosts, Service, Talk
from astro_mcp.workspace.git.remote.named import Remote
from astro_mcp.workspace.git.repository import Repository

MOST: Final = 5_000
"""Refs that one fetch moves."""
HEADS: Final = "refs/heads/"
TAGS: Final = "refs/tags/"


@dataclass(frozen=True, slots=True)
class Moved:
    """A ref that moved; `before` is "" for a new one. One that went by force has a recovery ref."""

    ref: str
    before: str
    after: str
    recovery_ref: str = ""


@dataclass(frozen=True, slots=True)
class Fetched:
    """`stay` are refs that did not follow the host, and why; `odd` counts names of the host's that no ref can have."""

    moved: tuple[Moved, ...]
    stay: tuple[tuple[str, str], ...]
    received: int
    odd: int
    head: str


async def fetch(
    repository: Repository,
    hosts: Hosts,
    remote: Remote,
    settings: GitSettings,
    *,
    branch: str | None = None,
    tags: bool = False,
) -> Fetched:
    """Every branch of the host, or the one that is named; with `tags` its tags. A tag that is there stays.

    Raises `NotFound`, `LimitHit`, `TimedOut`, `ProviderFailed` where git refuses what came, and what `Hosts.talk` and
    `Talk` do. Nothing has changed then.
    """
    async with hosts.talk(remote.here) as talk:
        told = await advertised(repository, talk, Service.UPLOAD)
        changed = await repository.blocking(partial(_changed, repository.refs.table, told, remote, branch, tags=tags))
        if len(changed) > MOST:
            raise LimitHit(f"{len(changed):,} refs differ; {MOST:,} are fetched at once", "name one branch")
        stay = [(ref, "the tag is elsewhere here") for ref in changed.values() if _kept(repository, ref)]
        changed = {name: ref for name, ref in changed.items() if not _kept(repository, ref)}
        if changed:
            await _download(repository, talk, told, list(changed), hosts.settings.timeout_seconds)
    moved, left = await _publish(repository, [(ref, told.refs[name]) for name, ref in changed.items()], settings)
    return Fetched(tuple(moved), (*stay, *left), talk.received, told.odd, told.head)


def _changed(
    here: Mapping[str, str], told: Advertised, remote: Remote, branch: str | None, *, tags: bool
) -> dict[str, str]:
    """The host's names of refs that are elsewhere `here`, and what they are here."""
    wanted = {name: remote.tracking(name.removeprefix(HEADS)) for name in told.refs if name.startswith(HEADS)}
    if branch is not None:
        if HEADS + branch not in wanted:
            raise NotFound(f"the host has no branch named {printable(branch, 80)}", "leave branch out for all of them")
        wanted = {HEADS + branch: wanted[HEADS + branch]}
    wanted |= {name: name for name in told.refs if tags and name.startswith(TAGS)}
    moved = {name: ref for name, ref in wanted.items() if here.get(ref) != told.refs[name]}
    return {name: ref for name, ref in moved.items() if valid_ref(ref) and ref != remote.tracking("HEAD")}


def _kept(repository: Repository, ref: str) -> bool:
    return ref.startswith(TAGS) and ref in repository.refs.table


async def _download(repository: Repository, talk: Talk, told: Advertised, names: Sequence[str], seconds: float) -> None:
    """All objects of these refs, whole and checked, into the private folder."""
    front = Front(talk, Service.UPLOAD, encode(told, Service.UPLOAD, names))
    options = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance")
    before = await repository.blocking(partial(shallow, repository.layout))
    stdin = "".join(f"{name}\n" for name in names).encode()
    ran = await git.run(repository, front, ["fetch", *options, "--stdin", git.NAME], stdin, seconds)
    if ran.code:
        raise git.refused(ran)
    cut = repository.private.folder / "shallow"
    if await repository.blocking(lambda: cut.read_bytes() if cut.exists() else b"") != before:
        raise Unsupported("the host would cut off this repository's history")
    heads = [told.refs[name] for name in names if name.startswith(HEADS)]
    said = await repository.git("cat-file", "--batch-check", stdin="".join(f"{sha}\n" for sha in heads).encode())
    if any(row.split(b" ")[1:2] != [b"commit"] for row in said.out.splitlines()):
        raise ProviderFailed("a branch of the host's is at something that is no commit", retryable=False)


async def _publish(
    repository: Repository, updates: Sequence[tuple[str, str]], settings: GitSettings
) -> tuple[list[Moved], list[tuple[str, str]]]:
    by = publish.Signature(settings.author_name, settings.author_email, int(time.time()))
    before = {ref: repository.refs.table.get(ref, "") for ref, _ in updates}
    forced = [(ref, sha) for ref, sha in updates if before[ref] and not await _ahead(repository, before[ref], sha)]
    left = [(ref, "too many refs would be moved by force at once") for ref, _ in forced[recovery.KEPT :]]
    forced = forced[: recovery.KEPT]
    gone = {ref for ref, _ in left}
    going = [Update(ref, before[ref], sha, "fetch", by) for ref, sha in updates if ref not in gone]

    def store() -> None:
        publish.store_objects(repository.private.objects, repository.layout)
        publish.store_packs(repository.private.objects, repository.layout)

    if going:
        await repository.blocking(store)
    kept = {}
    for ref, sha in forced:
        step = Step(repository.refs.head, repository.refs.head, ref, before[ref], sha)
        kept[ref] = await recovery.keep(repository, step, settings, recovery.FETCHED)
    stay = await repository.blocking(partial(publish.track, repository.locks, repository.layout, going))
    for update, reason in stay:
        left.append((update.ref, reason))
        if update.ref in kept:
            await recovery.forget(repository, kept[update.ref])
    lying = {ref for ref, _ in left}
    moved = [Moved(one.ref, one.before, one.after, kept.get(one.ref, "")) for one in going if one.ref not in lying]
    return moved, left


async def _ahead(repository: Repository, before: str, after: str) -> bool:
    return (await repository.git("merge-base", "--is-ancestor", before, after, good=(0, 1))).code == 0
