"""What differs: between two commits, the index, and the working tree."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from astro_mcp.agents.git.inputs import DiffInput
from astro_mcp.agents.git.outputs import Diff, DiffFile, DiffHunk, DiffStat
from astro_mcp.errors import InvalidInput
from astro_mcp.workspace.git.objects import trees_of
from astro_mcp.workspace.git.patches import HISTORY, OPTIONS, parse_numstat, parse_patch
from astro_mcp.workspace.git.repository import Repository
from astro_mcp.workspace.git.revisions import EMPTY_TREE, commit_of
from astro_mcp.workspace.git.waiting import COUNTS, PATCHES

PATCH: Final = 8 * 1024 * 1024
"""Bytes of patch text that are taken apart."""


def shown(path: str) -> str:
    """A path as text: bytes that are no UTF-8 as escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class Sides:
    """What is compared: `options` for `git diff`; of two commits also their trees, old and new."""

    options: tuple[str, ...]
    trees: tuple[str, ...] = ()


async def diff(repository: Repository, args: DiffInput) -> Diff:
    """What differs between two commits, the index, and the working tree."""
    sides = await _sides(repository, args)
    paths = [inside for path in args.paths if (inside := repository.inside(path))]
    files, hunks, cut = await difference(repository, sides, paths, stat_only=args.stat_only)
    kind = DiffStat if args.stat_only else Diff
    return kind(files=files, hunks=hunks, truncated=cut)


async def _sides(repository: Repository, args: DiffInput) -> Sides:
    """What says what is compared; the working tree or the index can only be the new side of it."""
    if args.to in ("worktree", "index"):
        await repository.trusted_index()
        if args.from_ == "index":
            if args.to == "index":
                raise InvalidInput("from and to are the same", "to=worktree is what is not staged")
            return Sides(())
        base = await commit_of(repository, args.from_) if args.from_ != "HEAD" else repository.refs.sha or EMPTY_TREE
        return Sides((*(["--cached"] if args.to == "index" else []), "--end-of-options", base))
    if args.from_ in ("index", "worktree"):
        raise InvalidInput("the working tree and the index are compared with what came before", "swap from and to")
    return await between(repository, await commit_of(repository, args.from_), await commit_of(repository, args.to))


async def between(repository: Repository, old: str, new: str) -> Sides:
    """Two commits or trees, by their shas."""
    return Sides(("--end-of-options", old, new), tuple(await trees_of(repository, old, new)))


async def difference(
    repository: Repository, sides: Sides, paths: Sequence[str], *, stat_only: bool
) -> tuple[list[DiffFile], list[DiffHunk], bool]:
    """Files, hunks, and whether that is not all of it; text on the secrets list is left out."""
    out, cut = await _compared(repository, sides, paths, stat_only=stat_only)
    return await taken_apart(repository, out, cut=cut, stat_only=stat_only)


async def taken_apart(
    repository: Repository, out: bytes, *, cut: bool, stat_only: bool = False
) -> tuple[list[DiffFile], list[DiffHunk], bool]:
    """The same of `git diff --numstat -z --patch`, which may be cut."""
    counts, _, patch = out.partition(b"\0\0")
    open_to_readers: set[str] = set()
    files = []
    for stat in parse_numstat(counts):
        withheld = not _readable(repository, stat.path, stat.former)
        open_to_readers.update([] if withheld else [stat.path])
        files.append(
            DiffFile(
                path=shown(stat.path),
                former=shown(stat.former),
                additions=stat.additions,
                deletions=stat.deletions,
                withheld=withheld,
            )
        )
    if stat_only:
        return files, [], cut
    hunks = await repository.blocking(lambda: parse_patch(patch, cut=cut))
    kept = [
        DiffHunk(id=hunk.id, path=shown(hunk.path), text=hunk.text)
        for hunk in hunks
        if hunk.path in open_to_readers and _readable(repository, hunk.former)
    ]
    return files, kept, cut


async def _compared(
    repository: Repository, sides: Sides, paths: Sequence[str], *, stat_only: bool
) -> tuple[bytes, bool]:
    """`git diff --numstat -z`, two NULs, and the patch; and whether it was cut."""
    if sides.trees and not paths:
        question = " ".join(sides.trees)
        ran = await repository.ask(COUNTS if stat_only else PATCHES, question, limit=PATCH)
        return ran.out.removeprefix(f"{question}\n".encode()), ran.cut
    forms = ["--numstat", "-z", *([] if stat_only else ["--patch"])]
    options = HISTORY if sides.trees else OPTIONS
    ran = await repository.git("diff", *options, *forms, *sides.options, "--", *paths, limit=PATCH)
    return ran.out, ran.cut


def _readable(repository: Repository, *paths: str) -> bool:
    return all(repository.readable(path) for path in paths if path)
