"""What changed, as `git status` tells it: against HEAD and against the index."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence, Set
from dataclasses import replace
from functools import partial
from typing import Final

from astro_mcp.errors import LimitHit
from astro_mcp.workspace.git.changed import Changed, parse
from astro_mcp.workspace.git.entries import SUBMODULE
from astro_mcp.workspace.git.repository import Repository
from astro_mcp.workspace.git.revisions import EMPTY_TREE
from astro_mcp.workspace.git.standing import Answer, Entries, Standing, glance, in_order, look, merged

TOUCHED: Final = 200
"""Files that are looked at one by one."""
_GITLINK: Final = (0o160000).to_bytes(4, "big")
"""A submodule's mode as an index has it. Where a name or a digest holds these bytes, git is asked once more."""
_ALONE: Final = frozenset(".MDTU?")
"""What may be said of a file whatever is said of others; a rename, or a file to be added, has to do with two."""


async def changes(
    repository: Repository, paths: Sequence[str] = (), *, each_file: bool = False, renames: bool = True
) -> list[Changed]:
    """Everything that differs beneath `paths` (none: the whole tree). Submodules are not entered.

    `each_file` lists untracked files one by one in place of their folders. Raises `LimitHit` past 32 MB of names.
    """
    options = [f"--untracked-files={'all' if each_file else 'normal'}", "--renames" if renames else "--no-renames"]
    return (await _asked(repository, options, paths))[0]


async def current(repository: Repository) -> list[Changed]:
    """`changes` of the whole tree, out of what stands where the repository is kept: while HEAD, index and
    `info/exclude` are the same, git is asked about touched files alone, and not even about most of those."""
    standing = repository.memory.standing
    if standing is None:
        return await changes(repository)
    async with standing.lock:
        # taken away until all that was told is in it: a call that is cut off has lost what it read of the watch
        answer, standing.answer = standing.answer, None
        private = await repository.made_ready()
        key = repository.refs.sha, private.stamp, private.exclude
        touched = await repository.blocking(standing.touched) if standing.much else standing.touched()
        if touched is None:
            await repository.blocking(lambda: standing.begin(repository.layout.worktree))
        if answer is not None and touched is not None and answer.holds(key):
            letters = await _letters(repository, standing, answer.changes, touched)
            if letters is not None:
                found = merged(answer.changes, letters) if letters else answer.changes
                standing.answer = replace(answer, changes=found)
                return found
        began = time.monotonic()
        options = ["--untracked-files=normal", "--renames", "--ignored=matching"]
        try:
            found, ignored = await _asked(repository, options, ())
        except LimitHit:  # of what is ignored, too
            standing.close()
            return await changes(repository)
        standing.keep(Answer(key, began, found), ignored)
        return found


async def _letters(
    repository: Repository, standing: Standing, known: Sequence[Changed], touched: Set[str]
) -> dict[str, str] | None:
    """What is said of the touched files now; None where one of them may change what is said of another."""
    if not touched:
        return {}
    if len(touched) > TOUCHED or any(change.unstaged not in _ALONE for change in known):
        return None
    entries = await _entries(repository, standing)
    if entries is None or any(path.rpartition("/")[0] not in entries.folders for path in touched):
        return None
    untracked = {change.path for change in known if change.untracked}
    modes = repository.layout.modes
    letters = glance(entries, touched, repository.place, repository.known, modes=modes)
    if rest := touched - letters.keys():
        work = partial(look, entries, rest, untracked, repository.place, modes=modes)
        letters |= await repository.blocking(work)
    unknown = sorted(path for path, letter in letters.items() if not letter)
    if unknown:
        said, _ = await _asked(repository, ["--untracked-files=normal", "--renames"], unknown)
        letters |= dict.fromkeys(unknown, ".") | {change.path: change.unstaged for change in said}
        if len(letters) > len(touched) or not _ALONE.issuperset(letters.values()):
            return None
    return letters


async def _entries(repository: Repository, standing: Standing) -> Entries | None:
    attributes = standing.watch is not None and standing.watch.attributes
    key = repository.private.stamp, attributes
    if standing.entries[0] != key:
        await repository.trusted_index()
        ran = await repository.git("ls-files", "-s", "-v", "-z")

        def work() -> Entries | None:
            repository.learn()
            return Entries.of(ran.out, rewritten=attributes)

        standing.entries = key, None if ran.cut else await repository.blocking(work)
    return standing.entries[1]


async def _asked(
    repository: Repository, options: Sequence[str], paths: Sequence[str]
) -> tuple[list[Changed], list[str]]:
    await repository.trusted_index()
    ran = await repository.git("status", "--porcelain=v2", "-z", "--ignore-submodules=all", *options, "--", *paths)
    if ran.cut:
        raise LimitHit("too much changed to be listed", "name paths")
    found, ignored = parse(ran.out)
    index = repository.private.index
    if await repository.blocking(lambda: index.exists() and _GITLINK in index.read_bytes()):
        found = await _with_submodules(repository, found, paths)
    return found, ignored


async def _with_submodules(repository: Repository, found: list[Changed], paths: Sequence[str]) -> list[Changed]:
    """With the submodules whose commit is staged. Git compares the index with HEAD for that and enters none of them;
    `git status` without its option would go by `.gitmodules`, and run git in them."""
    base = repository.refs.sha or EMPTY_TREE
    options = ("--cached", "--raw", "-z", "--no-abbrev", "--no-renames", "--ignore-submodules=none")
    ran = await repository.git("diff-index", *options, base, "--", *paths)
    if ran.cut:
        raise LimitHit("too much changed to be listed", "name paths")
    known = {(change.path, change.untracked): change for change in found}
    records = os.fsdecode(ran.out).split("\0")
    for head, path in zip(records[::2], records[1::2], strict=False):
        if SUBMODULE in head.removeprefix(":").split(" ")[:2] and (path, False) not in known:
            known[path, False] = Changed(path, head.rsplit(" ", 1)[1][0], ".", submodule=True)
    return in_order(known.values())


async def tracking(repository: Repository) -> tuple[str, int, int]:
    """The upstream of the current branch, and by how many commits the branch is ahead and behind; "" for none.

    The names come from the repository's config as data; the remote's refs are those of the last fetch.
    """
    branch, config = repository.refs.branch, repository.layout.config
    remote, merge = config.get(("branch", branch, "remote"), ""), config.get(("branch", branch, "merge"), "")
    name = merge if remote == "." else f"refs/remotes/{remote}/{merge.removeprefix('refs/heads/')}"
    upstream = repository.refs.table.get(name, "") if remote and merge else ""
    if not upstream or not repository.refs.sha:
        return "", 0, 0
    ahead, behind = await _apart(repository, repository.refs.sha, upstream)
    return name.removeprefix("refs/remotes/").removeprefix("refs/heads/"), ahead, behind


async def _apart(repository: Repository, one: str, other: str) -> tuple[int, int]:
    """How many commits each of two has that the other lacks."""
    known = repository.memory.apart
    if (one, other) not in known:
        ran = await repository.git("rev-list", "--left-right", "--count", f"{one}...{other}", "--")
        ahead, behind = ran.out.split()
        known[one, other] = int(ahead), int(behind)
    return known[one, other]
