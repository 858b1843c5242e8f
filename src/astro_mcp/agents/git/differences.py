"""What differs: between two commits, the index, and the working tree."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from astro_mcp.agents.git.absent import absent
from astro_mcp.agents.git.inputs import DiffInput
from astro_mcp.agents.git.outputs import Diff, DiffFile, DiffHunk
from astro_mcp.errors import InvalidInput
from astro_mcp.workspace.git.arriving import Arriving, Change
from astro_mcp.workspace.git.child import Ran
from astro_mcp.workspace.git.escapes import shown
from astro_mcp.workspace.git.gitlinks import Links, as_checked_out, is_beneath, links_of, moved
from astro_mcp.workspace.git.objects import trees_of
from astro_mcp.workspace.git.patches import (
    OPTIONS,
    FileStat,
    Hunk,
    of_submodule,
    parse_numstat,
    parse_patch,
    same_names,
)
from astro_mcp.workspace.git.repository import Repository
from astro_mcp.workspace.git.revisions import EMPTY_TREE, commit_of
from astro_mcp.workspace.git.waiting import COUNTS, PATCHES

PATCH: Final = 8 * 1024 * 1024
"""Bytes of patch text that are taken apart."""


NAMED: Final = 200
"""Names that git is asked about; where there are more it is asked about everything."""


_UNMERGED: Final = re.compile(rb"(?:^|(?<=\0\0))\* Unmerged path [^\n]*\n?", re.MULTILINE)
"""A line of a patch that is of no file's: a line of content begins with another sign."""


@dataclass(frozen=True, slots=True)
class Sides:
    """What is compared: `options` for `git diff`; of two commits also their trees, old and new. `worktree` tells that
    the new side is the working tree, `index` that the old one is the index, or our side of a conflict, and `head` that
    it is HEAD's commit: of the working tree's hunks these are the ones that can be committed."""

    options: tuple[str, ...]
    trees: tuple[str, ...] = ()
    worktree: bool = False
    index: bool = False
    head: bool = False

    @property
    def commits(self) -> list[str]:
        """Those that are compared."""
        after = self.options[self.options.index("--end-of-options") + 1 :] if "--end-of-options" in self.options else ()
        return [sha for sha in after if sha != EMPTY_TREE]


async def diff(repository: Repository, args: DiffInput) -> Diff:
    """What differs between two commits, the index, and the working tree."""
    sides = await _sides(repository, args)
    inside = [repository.inside(path) for path in args.paths]
    paths = [] if "" in inside else inside
    files, hunks, cut = await difference(repository, sides, paths, stat_only=args.stat_only)
    changed = [name for file in files for name in (file.path, file.former) if name]
    still = [path for path in paths if not cut and not any(is_beneath(name, [shown(path)]) for name in changed)]
    note = await absent(repository, still, sides.commits, tree=not sides.trees) if still else None
    return Diff(files=files, hunks=hunks, truncated=cut, note=note)


async def _sides(repository: Repository, args: DiffInput) -> Sides:
    """What says what is compared; the working tree or the index can only be the new side of it."""
    if args.from_ == "worktree" or (args.from_ == "index" and args.to not in ("worktree", "index")):
        raise InvalidInput("the working tree and the index are compared with what came before", "swap from and to")
    if args.to in ("worktree", "index"):
        await repository.trusted_index()
        if args.from_ == "index":
            if args.to == "index":
                raise InvalidInput("from and to are the same", "to=worktree is what is not staged")
            return Sides(("--ours",), worktree=True, index=True)
        head = repository.refs.sha or EMPTY_TREE
        base = await commit_of(repository, args.from_) if args.from_ != "HEAD" else head
        cached = ["--cached"] if args.to == "index" else []
        return Sides((*cached, "--end-of-options", base), worktree=not cached, head=base == head and not cached)
    return await between(repository, await commit_of(repository, args.from_), await commit_of(repository, args.to))


async def between(repository: Repository, old: str, new: str) -> Sides:
    """Two commits or trees, by their shas."""
    return Sides(("--end-of-options", old, new), tuple(await trees_of(repository, old, new)))


async def difference(
    repository: Repository, sides: Sides, paths: Sequence[str], *, stat_only: bool
) -> tuple[list[DiffFile], list[DiffHunk], bool]:
    """Files, hunks, and whether that is not all of it; text on the secrets list is left out."""
    if sides.trees and not paths:
        question = " ".join(sides.trees)
        if not stat_only:
            arriving = Arriving(repository.blocking, f"{question}\n".encode())
            ran = await repository.ask(PATCHES, question, limit=PATCH, follower=arriving)
            return await of_trees(repository, _answer(ran, question), sides.trees, arriving.change, cut=ran.cut)
        ran = await repository.ask(COUNTS, question)
        return await _counted(repository, ran, question), [], ran.cut
    forms = ["--raw", "--numstat", "-z", *([] if stat_only else ["--patch"])]
    words = ("diff", *OPTIONS, *forms, *sides.options, "--")
    links = await links_of(repository) if sides.worktree else None
    if links is None:
        ran = await repository.git(*words, *paths, limit=PATCH)
    elif sides.index:
        ran = await repository.git(*words, *paths, index=links.index, limit=PATCH)
    else:
        async with as_checked_out(repository, links) as index:
            ran = await repository.git(*words, *paths, index=index, limit=PATCH)
            if paths and sides.head and any(map(_may_be_half, _parts(ran)[0])):
                whole = await repository.git(*words, index=index, limit=PATCH)
                ran = ran if whole.cut else whole
    stats, patch = await repository.apart(len(ran.out), lambda: _parts(ran))
    hunks = await repository.blocking(lambda: parse_patch(patch, cut=ran.cut))
    if sides.head:
        stats = [one for one in stats if _is_asked_for(one, paths)]
        hunks = [one for one in hunks if _is_asked_for(one, paths)]
    if links is not None and sides.index:
        stats, hunks = await _with_submodules(repository, links, paths, stats, hunks)

    def work() -> tuple[list[DiffFile], list[DiffHunk]]:
        files = _files(repository, stats)
        return files, [] if stat_only else _hunks(repository, files, hunks)

    return *await repository.apart(len(ran.out), work), ran.cut


def _parts(ran: Ran) -> tuple[list[FileStat], bytes]:
    """What is said of each file, of one in conflict once, and the patch."""
    counts, _, patch = _UNMERGED.sub(b"", ran.out).partition(b"\0\0")
    return list({stat.path: stat for stat in parse_numstat(counts)}.values()), patch


def _may_be_half(stat: FileStat) -> bool:
    """Whether it may be renamed, or have come or gone: git that is asked for one of a renamed file's two names tells
    another change, whose hunks a commit does not find."""
    return bool(stat.former) or not stat.additions or not stat.deletions


def _is_asked_for(one: FileStat | Hunk, paths: Sequence[str]) -> bool:
    return is_beneath(one.path, paths) or (bool(one.former) and is_beneath(one.former, paths))


async def _with_submodules(
    repository: Repository, links: Links, paths: Sequence[str], stats: Sequence[FileStat], hunks: Sequence[Hunk]
) -> tuple[list[FileStat], list[Hunk]]:
    """With the submodules beneath `paths` that moved or are in conflict, in git's order: by name."""
    now = await moved(repository, links.commits)
    wanted = [path for path in now if is_beneath(path, paths)]
    told = [of_submodule(path, links.commits[path], now[path]) for path in wanted]
    still = [FileStat(path, "", 0, 0) for path in links.conflicts if path not in now and is_beneath(path, paths)]
    return (
        sorted([*stats, *still, *(stat for stat, _ in told)], key=lambda stat: os.fsencode(stat.path)),
        sorted([*hunks, *(hunk for _, hunk in told)], key=lambda hunk: os.fsencode(hunk.path)),
    )


def is_open(change: bytes, *, cut: bool) -> bool:
    """Whether the patch alone does not tell the lines of each file."""
    return cut or bool(same_names(change))


async def of_trees(
    repository: Repository, change: bytes, trees: Sequence[str], begun: Change | None = None, *, cut: bool
) -> tuple[list[DiffFile], list[DiffHunk], bool]:
    """The same of what `PATCHES` says of two trees, of which `begun` may have taken some."""
    counted: Ran | None = None
    named = await repository.apart(len(change), lambda: same_names(change))
    question = " ".join(trees)
    binary: set[str] = set()
    if cut or len(named) > NAMED:
        counted = await repository.ask(COUNTS, question)
    elif named:
        forms = ("-r", *OPTIONS, "-z", "--numstat")
        ran = await repository.git("diff-tree", *forms, *trees, "--", *sorted(named), history=True)
        binary = {stat.path for stat in parse_numstat(ran.out) if stat.additions is None}

    def work() -> tuple[list[DiffFile], list[DiffHunk]]:
        if counted is not None:
            stats, hunks = parse_numstat(_answer(counted, question)), parse_patch(change.partition(b"\0\0")[2], cut=cut)
        else:
            stats, hunks = (begun or Change()).whole(change)
            stats = [replace(one, additions=None, deletions=None) if one.path in binary else one for one in stats]
        files = _files(repository, stats)
        return files, _hunks(repository, files, hunks)

    return *await repository.blocking(work), cut


async def _counted(repository: Repository, ran: Ran, question: str) -> list[DiffFile]:
    return await repository.apart(len(ran.out), lambda: _files(repository, parse_numstat(_answer(ran, question))))


def _answer(ran: Ran, question: str) -> bytes:
    return ran.out.removeprefix(f"{question}\n".encode())


def _files(repository: Repository, stats: Sequence[FileStat]) -> list[DiffFile]:
    return [
        DiffFile(
            path=shown(stat.path),
            former=shown(stat.former),
            additions=stat.additions,
            deletions=stat.deletions,
            modes=stat.modes or None,
            withheld=not all(repository.readable(path) for path in (stat.path, stat.former) if path),
        )
        for stat in stats
    ]


def _hunks(repository: Repository, files: Sequence[DiffFile], hunks: Sequence[Hunk]) -> list[DiffHunk]:
    """Those of files that may be read, under whichever of their names."""
    open_to_readers = {file.path for file in files if not file.withheld}
    names = {"": ""}
    found = []
    for hunk in hunks:
        for path in (hunk.path, hunk.former):
            if path not in names:
                names[path] = shown(path) if repository.readable(path) else ""
        if names[hunk.path] in open_to_readers and (names[hunk.former] or not hunk.former):
            found.append(DiffHunk(id=hunk.id, path=names[hunk.path], text=hunk.text))
    return found
