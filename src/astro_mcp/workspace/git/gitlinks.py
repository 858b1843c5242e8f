"""The submodules that an index names, and how a git is asked about everything else without entering one.

A git that compares an index with the working tree opens each submodule's repository and its configuration, also where
it is told to ignore submodules. So it is given a copy of the index in which those whose folder is there are marked as
not to be looked at (skip-worktree); what such a folder has checked out is read here (`submodules`).
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio

from astro_mcp.errors import TooLarge
from astro_mcp.workspace.git import submodules
from astro_mcp.workspace.git.changed import SUBMODULE
from astro_mcp.workspace.git.entries import Entry, put
from astro_mcp.workspace.git.repository import Repository
from astro_mcp.workspace.git_folders import Reach

MOST: Final = 2_000
"""Submodules that are looked at, in the index's order: that many take half a second. Of more nothing is told."""
_OURS: Final = "2"
"""The stage of our side of a conflict."""
_MODE: Final = int(SUBMODULE, 8).to_bytes(4, "big")
"""As an index has it. Where a name or a digest holds these bytes, git is asked once more."""


@dataclass(frozen=True, slots=True)
class Links:
    """`index` is what a git may compare with the working tree: it looks at none of the submodules in `passed`.
    `commits` are those of them that are folders there, by path, and the commit that the index names. Of those in
    conflict that is our side's, and it stands in place of the conflict."""

    index: Path
    passed: Sequence[str]
    commits: Mapping[str, str]
    conflicts: frozenset[str] = frozenset()


async def links_of(repository: Repository) -> Links:
    """Those of the index as this call saw it. The index is one that `trusted_index` let pass."""
    private = await repository.made_ready()
    named, conflicts = await _named(repository)
    if not named:
        return Links(private.index, (), {})
    first, rest = list(named)[:MOST], list(named)[MOST:]
    top = repository.layout.worktree
    there = await repository.blocking(lambda: submodules.are_folders(_reach(repository), top, first))
    passed = there + rest
    settled = {path: named[path] for path in passed if path in conflicts}
    index = await _index(repository, passed, settled)
    return Links(index, passed, {path: named[path] for path in there}, frozenset(settled))


def is_beneath(path: str, paths: Sequence[str]) -> bool:
    """Whether it is one of them, or in one; of none every path is."""
    return not paths or any(f"{path}/".startswith(f"{one}/") for one in paths)


async def moved(repository: Repository, commits: Mapping[str, str]) -> dict[str, str]:
    """Those of the submodules that have another commit checked out, and which."""
    if not commits:
        return {}
    top = repository.layout.worktree
    return await repository.blocking(lambda: submodules.moved(_reach(repository), top, commits))


@asynccontextmanager
async def as_checked_out(repository: Repository, links: Links) -> AsyncIterator[Path]:
    """For the length of the block an index as that of `links` in which each submodule is at the commit that its folder
    has checked out."""
    now = await moved(repository, links.commits)
    if not now:
        yield links.index
        return
    settled = {path: links.commits[path] for path in links.conflicts if path in links.commits}
    draft = await _draft(repository, links.passed, {**settled, **now})
    try:
        yield draft
    finally:
        with anyio.CancelScope(shield=True):
            await repository.blocking(lambda: draft.unlink(missing_ok=True))


async def _named(repository: Repository) -> tuple[dict[str, str], frozenset[str]]:
    """Submodules and their commits, and which of them are in conflict. One that is marked already (skip-worktree,
    assume-unchanged) is not looked at by git either."""
    memory, index, stamp = repository.memory, repository.private.index, repository.private.stamp
    if memory.links[0] != stamp:
        found: dict[str, str] = {}
        conflicts: set[str] = set()
        if await repository.blocking(lambda: index.exists() and _MODE in index.read_bytes()):
            ran = await repository.git("ls-files", "-s", "-v", "-z", limit=256 * 1024 * 1024)
            if ran.cut:
                raise TooLarge("the repository's index is too large")
            for record in os.fsdecode(ran.out).split("\0"):
                facts, _, path = record.partition("\t")
                if facts[2:].startswith(f"{SUBMODULE} ") and facts[0] in "HM":
                    _, _, sha, stage = facts.split(" ")
                    conflicts.update([path] if stage != "0" else ())
                    if path not in found or stage == _OURS:
                        found[path] = sha
        memory.links = stamp, found, frozenset(conflicts)
    return memory.links[1:]


async def _index(repository: Repository, passed: Sequence[str], settled: Mapping[str, str]) -> Path:
    """The copy in which none of these submodules is looked at, those `settled` at these commits; it is there as long as
    the copy that it was made of."""
    if not passed:
        return repository.private.index
    digest = hashlib.sha256("\0".join(passed).encode("utf-8", "surrogateescape")).hexdigest()
    index = repository.private.folder / f"{repository.private.name}-{digest[:16]}"
    if not index.exists():
        draft = await _draft(repository, passed, settled)
        await repository.blocking(lambda: os.replace(draft, index))
    return index


async def _draft(repository: Repository, passed: Sequence[str], now: Mapping[str, str]) -> Path:
    """A copy of the index in which none of the submodules is looked at, and those in `now` are at these commits."""
    index = repository.private.folder / f"index-{os.urandom(6).hex()}"
    await repository.blocking(lambda: shutil.copy2(repository.private.index, index))
    await put(repository, index, {path: Entry(SUBMODULE, sha) for path, sha in now.items()})
    names = b"".join(os.fsencode(path) + b"\0" for path in passed)
    await repository.git("update-index", "--skip-worktree", "-z", "--stdin", stdin=names, index=index)
    return index


def _reach(repository: Repository) -> Reach:
    return Reach((repository.place("").root, repository.layout.common))
