"""A commit of chosen hunks: HEAD's files with these changes of the working tree, and no others. No file is touched.

The hunks are those between HEAD and the working tree. Both are taken as they are at one moment, the working tree as an
index of its own, so that what is committed is what the ids name.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from astro_mcp.errors import Conflict, InvalidInput, LimitHit, Problem
from astro_mcp.observe.printable import printable
from astro_mcp.workspace.git import entries
from astro_mcp.workspace.git.changed import SUBMODULE
from astro_mcp.workspace.git.commits import Draft, blobs, checked, everything, take
from astro_mcp.workspace.git.entries import Differing, Entry, Side
from astro_mcp.workspace.git.gitlinks import links_of, moved
from astro_mcp.workspace.git.patches import OPTIONS, Hunk, parse_patch
from astro_mcp.workspace.git.repository import Repository
from astro_mcp.workspace.git.revisions import EMPTY_TREE
from astro_mcp.workspace.text import one_line

EMPTY: Final = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
"""The blob without a byte: what an index has for a file of which it knows no more than that it is to be added."""
_AGAIN: Final = "git_diff without from and to lists the hunks as they are now"


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The hunks of one file that were chosen, and whether those are all of it."""

    path: str
    former: str
    hunks: tuple[Hunk, ...]
    whole: bool


async def draft(repository: Repository, ids: Sequence[str]) -> Draft:
    """HEAD's tree with the hunks `ids` of `git_diff`, and the index that goes with it.

    The mode of a file and its new name come with its last hunk and its first. What else is staged stays staged.
    Raises `Conflict` (an id that no hunk has now, a file that is staged in part, a merge under way), and what
    `commits.draft` does.
    """
    base = repository.refs.sha or EMPTY_TREE
    whole = await _working_tree(repository)
    differing = await entries.between(repository, base, whole)
    staged = await entries.in_index(repository, base, repository.private.index)
    coming: dict[str, Side] = {}
    kept: dict[str, Side] = {}
    for chosen in await _chosen(repository, base, whole, ids):
        for path, entry, applied_to in await _outcome(repository, chosen, differing):
            coming[path] = entry
            if _to_follow(path, entry, applied_to, differing.get(path), staged):
                kept[path] = entry
    index = repository.private.folder / "index.commit"
    if repository.refs.sha:
        await repository.git("read-tree", repository.refs.sha, index=index)
        await repository.check_index(index)
    await entries.put(repository, index, coming)
    await entries.put(repository, repository.private.index, kept)
    made = await checked(repository, index)
    if made is None:
        raise Conflict("these hunks change nothing", _AGAIN)
    return made


async def _working_tree(repository: Repository) -> str:
    """The tree of all files that git knows, as they are now, and of submodules as they are checked out."""
    changed = [item for item in await everything(repository) if not item.untracked]
    index = repository.private.folder / "index.whole"
    if repository.private.index.exists():
        await repository.blocking(lambda: shutil.copy2(repository.private.index, index))
    await take(repository, changed, index)
    await repository.trusted_index()
    now = await moved(repository, (await links_of(repository)).commits)
    await entries.put(repository, index, {path: Entry(SUBMODULE, sha) for path, sha in now.items()})
    return (await repository.git("write-tree", index=index)).out.decode().strip()


async def _chosen(repository: Repository, base: str, whole: str, ids: Sequence[str]) -> list[_Chosen]:
    ran = await repository.git("diff", *OPTIONS, "--end-of-options", base, whole, "--")
    if ran.cut:
        raise LimitHit("too much changed to be committed by hunks", "commit paths")
    hunks = await repository.blocking(lambda: parse_patch(ran.out))
    known = {name: hunk for hunk in hunks for name in (hunk.placed, hunk.id)}
    if unknown := sorted(set(ids) - known.keys()):
        raise Conflict(
            f"{len(unknown)} of {len(set(ids))} hunks are not there any more",
            _AGAIN,
            problems=tuple(Problem(printable(name, 40), "no hunk has this id now") for name in unknown[:50]),
        )
    wanted = {known[name] for name in ids}
    found = []
    for path in dict.fromkeys(hunk.path for hunk in hunks if hunk in wanted):
        of_file = [hunk for hunk in hunks if hunk.path == path]
        chosen = tuple(hunk for hunk in of_file if hunk in wanted)
        found.append(_Chosen(path, of_file[0].former, chosen, len(chosen) == len(of_file)))
    return found


async def _outcome(
    repository: Repository, chosen: _Chosen, differing: Mapping[str, Differing]
) -> list[tuple[str, Side, Side]]:
    """Each path that the hunks change: what it becomes, and what they were applied to."""
    there = differing[chosen.path]
    if there.before and there.after and there.before.mode[:2] != there.after.mode[:2]:
        raise InvalidInput(f"{one_line(chosen.path, 200)} becomes another kind of file", "commit it by its path")
    source = differing[chosen.former].before if chosen.former else there.before
    entry = there.after if chosen.whole else await _partly(repository, chosen, source, there.after)
    gone: list[tuple[str, Side, Side]] = [(chosen.former, None, source)] if chosen.former else []
    return [(chosen.path, entry, source), *gone]


async def _partly(repository: Repository, chosen: _Chosen, before: Side, after: Side) -> Entry:
    shas = [side.blob for side in (before, after) if side]
    found = await blobs(repository, shas)
    old, new = (io.BytesIO(found[side.blob]).readlines() if side else [] for side in (before, after))
    data = _spliced(old, new, chosen)
    ran = await repository.git("hash-object", "-w", "--stdin", stdin=data)
    either = before or after
    return Entry(either.mode if either else entries.FILE, ran.out.decode().strip())


def _spliced(old: list[bytes], new: list[bytes], chosen: _Chosen) -> bytes:
    lines: list[bytes] = []
    at = 0
    for hunk in chosen.hunks:
        lines += [*old[at : hunk.old.start], *new[hunk.new.start : hunk.new.stop]]
        at = hunk.old.stop
    lines += old[at:]
    if any(not line.endswith(b"\n") for line in lines[:-1]):
        raise InvalidInput(
            f"a line at the end of {one_line(chosen.path, 200)} has no line end, so its hunks go together",
            "choose the hunks around it, too",
        )
    return b"".join(lines)


def _to_follow(
    path: str, entry: Side, applied_to: Side, there: Differing | None, staged: Mapping[str, Differing]
) -> bool:
    """Whether the index gets the entry: not where the whole file is staged, which stays so. Raises `Conflict` where
    something is staged that is neither HEAD's, nor the working tree's, nor of these hunks: it would be lost."""
    if path not in staged:
        return True
    now = staged[path].after
    if now in (entry, applied_to) or (now and now.blob == EMPTY):
        return True
    if there is not None and now == there.after:
        return False
    raise Conflict(
        f"{one_line(path, 200)} is staged in part, which these hunks would undo",
        "commit or unstage that first: git restore --staged",
    )
