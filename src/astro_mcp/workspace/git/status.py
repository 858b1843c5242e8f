"""What changed, as `git status` tells it: against HEAD and against the index."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from functools import partial
from typing import Final

from astro_mcp.errors import LimitHit
from astro_mcp.workspace.git.attributes import LARGEST, MANY, endings
from astro_mcp.workspace.git.changed import Changed, parse
from astro_mcp.workspace.git.gitlinks import is_beneath, links_of, moved
from astro_mcp.workspace.git.repository import Repository
from astro_mcp.workspace.git.standing import (
    ENTRIES,
    Answer,
    Entries,
    Index,
    Standing,
    glance,
    in_order,
    look,
    merged,
)
from astro_mcp.workspace.git.watch import ATTRIBUTES

TOUCHED: Final = 200
"""Files that are looked at one by one."""
_ALONE: Final = frozenset(".MDTU?")
"""What may be said of a file whatever is said of others; a rename, or a file to be added, has to do with two."""


async def changes(
    repository: Repository, paths: Sequence[str] = (), *, each_file: bool = False, renames: bool = True
) -> list[Changed]:
    """Everything that differs beneath `paths` (none: the whole tree). Of submodules it is what is staged: neither their
    folders nor what those have checked out is looked at.

    `each_file` lists untracked files one by one in place of their folders. Raises `LimitHit` past 32 MB of names.
    """
    options = [f"--untracked-files={'all' if each_file else 'normal'}", "--renames" if renames else "--no-renames"]
    found = [
        replace(one, unstaged=".") if one.submodule else one for one in (await _asked(repository, options, paths))[0]
    ]
    return [one for one in found if (one.staged, one.unstaged) != (".", ".")]


async def current(repository: Repository) -> list[Changed]:
    """What differs in the whole tree, submodules that moved among it, out of what stands where the repository is kept:
    while HEAD, index and `info/exclude` are the same, git is asked about touched files alone, and not even about most
    of those."""
    standing = repository.memory.standing
    if standing is None:
        return await _whole(repository)
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
                letters |= await _moves(repository, answer.links)
                found = merged(answer.changes, letters) if letters else answer.changes
                standing.answer = replace(answer, changes=found)
                return found
        began = time.monotonic()
        options = ["--untracked-files=normal", "--renames", "--ignored=matching"]
        try:
            found, ignored, links = await _asked(repository, options, ())
        except LimitHit:  # of what is ignored, too
            standing.close()
            return await _whole(repository)
        if links:
            found = merged(found, await _moves(repository, links))
        standing.keep(Answer(key, began, found, links), ignored)
        return found


async def _whole(repository: Repository) -> list[Changed]:
    found, _, links = await _asked(repository, ["--untracked-files=normal", "--renames"], ())
    return merged(found, await _moves(repository, links)) if links else found


async def _moves(repository: Repository, links: Mapping[str, str]) -> dict[str, str]:
    """The letter of each submodule. What it has checked out is read anew each time: no watch tells of it."""
    if not links:
        return {}
    others = await moved(repository, links)
    return {path: "M" if path in others else "." for path in links}


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
        said, *_ = await _asked(repository, ["--untracked-files=normal", "--renames"], unknown)
        letters |= dict.fromkeys(unknown, ".") | {change.path: change.unstaged for change in said}
        if len(letters) > len(touched) or not _ALONE.issuperset(letters.values()):
            return None
    return letters


async def _entries(repository: Repository, standing: Standing) -> Entries | None:
    """Those of the index; None for too many."""
    stamp = repository.private.stamp
    seen = standing.watch.attributes if standing.watch is not None else set()
    index = standing.index
    if index is None or index.stamp != stamp or index.rules != _rules(repository, {*index.rules, *seen}):
        await repository.trusted_index()
        ran = await repository.git("ls-files", "-s", "-v", "-z")

        def work() -> tuple[list[str], set[str]]:
            repository.learn()
            records = os.fsdecode(ran.out).split("\0")[:-1]
            named = (record.partition("\t")[2] for record in records)
            return records, {path for path in named if path.rpartition("/")[2] == ATTRIBUTES}

        records, within = await repository.blocking(work)
        rules, entries = _rules(repository, within | seen), None
        if not ran.cut and len(records) <= ENTRIES:
            entries = await repository.blocking(lambda: Entries.of(records, endings(rules.values())))
        standing.index = index = Index(stamp, rules, entries)
    return index.entries


def _rules(repository: Repository, paths: Set[str]) -> dict[str, bytes | None]:
    """What they hold; None for what can't be told at once, as a link, and where they are many."""
    if len(paths) > MANY:
        return dict.fromkeys(paths)
    read = {path: repository.known(repository.place(path), LARGEST) for path in paths}
    return {path: None if found is None else found[0] for path, found in read.items()}


async def _asked(
    repository: Repository, options: Sequence[str], paths: Sequence[str]
) -> tuple[list[Changed], list[str], Mapping[str, str]]:
    """What git tells, what it ignores where that is asked for, and the submodules that it did not look at."""
    await repository.trusted_index()
    links = await links_of(repository)
    asked = ("--porcelain=v2", "-z", "--ignore-submodules=dirty", *options)  # whatever .gitmodules says
    ran = await repository.git("status", *asked, "--", *paths, index=links.index)
    if ran.cut:
        raise LimitHit("too much changed to be listed", "name paths")
    found, ignored = await repository.apart(len(ran.out), lambda: parse(ran.out))
    if conflicts := {path for path in links.conflicts if is_beneath(path, paths)}:
        rest = [one for one in found if one.path not in conflicts]
        found = in_order([*rest, *(Changed(path, "U", "U", submodule=True) for path in conflicts)])
    return found, ignored, links.commits


async def tracking(repository: Repository) -> tuple[str, int, int]:
    """The upstream of the current branch, and by how many commits the branch is ahead and behind; "" for none.

    The names come from the repository's config as data; the remote's refs are those of the last fetch.
    """
    branch, config = repository.refs.branch, repository.layout.config
    remote, merge = config.get(("branch", branch, "remote"), ""), config.get(("branch", branch, "merge"), "")
    name = merge if remote == "." else _tracking(config.get(("remote", remote, "fetch"), ""), remote, merge)
    upstream = repository.refs.table.get(name, "") if remote and merge else ""
    if not upstream or not repository.refs.sha:
        return "", 0, 0
    ahead, behind = await _apart(repository, repository.refs.sha, upstream)
    return name.removeprefix("refs/remotes/").removeprefix("refs/heads/"), ahead, behind


def _tracking(refspec: str, remote: str, branch: str) -> str:
    """The ref that tells where a remote's branch was: by the remote's (last) refspec, else where most have it."""
    source, _, target = refspec.removeprefix("+").partition(":")
    start, _, end = source.partition("*")
    if target and source == branch:
        return target
    if "*" in source and "*" in target and branch.startswith(start) and branch.endswith(end):
        return target.replace("*", branch[len(start) : len(branch) - len(end)])
    return f"refs/remotes/{remote}/{branch.removeprefix('refs/heads/')}"


async def _apart(repository: Repository, one: str, other: str) -> tuple[int, int]:
    """How many commits each of two has that the other lacks."""
    known = repository.memory.apart
    if (one, other) not in known:
        ran = await repository.git("rev-list", "--left-right", "--count", f"{one}...{other}", "--")
        ahead, behind = ran.out.split()
        known[one, other] = int(ahead), int(behind)
    return known[one, other]
