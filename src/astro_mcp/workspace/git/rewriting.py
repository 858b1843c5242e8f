"""A working tree from one commit's files to another's, as `git switch` does it: what differs is rewritten, local
changes of other files stay, and where one would be lost nothing is done.

Nothing is written here: the outcome is a plan for `Changes`, which passed the write guard, and the index that goes with
it. The new content comes from git itself, checked out into a folder of ours by the new commit's attributes (line ends,
encodings) alone.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from astro_mcp.errors import Conflict, PathDenied, Problem, TooLarge, Unsupported
from astro_mcp.observe.printable import printable
from astro_mcp.workspace.actions import State
from astro_mcp.workspace.content import read_file
from astro_mcp.workspace.executor import LARGEST, look
from astro_mcp.workspace.git import entries
from astro_mcp.workspace.git.changed import SUBMODULE
from astro_mcp.workspace.git.commits import blobs, sizes
from astro_mcp.workspace.git.entries import LINK, Differing, Side
from astro_mcp.workspace.git.marked import SKIPPED, marked
from astro_mcp.workspace.git.repository import Repository, hostile
from astro_mcp.workspace.git.status import changes
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.planning import Plan
from astro_mcp.workspace.text import one_line
from astro_mcp.workspace.tree_plan import Coming, plan_tree

MOST: Final = 2_000
"""Files that one step rewrites."""
_BY_HAND: Final = "a person can do this with git itself"


@dataclass(frozen=True, slots=True)
class Rewriting:
    """What `Changes` has to carry out, and the index that is true then."""

    plan: Plan
    index: Path


async def rewriting(repository: Repository, before: str, after: str) -> Rewriting:
    """From the files of the commit `before`, where HEAD is, to those of `after`.

    Raises `Conflict` (local changes would be lost), `TooLarge`, `Unsupported` (filters, submodules that come in the
    place of files), `ProtectedPath` and `ApprovalRequired` for files that are not written here.
    """
    await repository.trusted_index()
    differing = await entries.between(repository, before, after)
    _possible(differing)
    places = {path: repository.place(path) for path in differing}
    # First what lies there, then git's word on it: what is changed in between is not as the plan has it, and refused.
    found = await repository.blocking(lambda: {path: look(place) for path, place in places.items()})
    special = await marked(repository)
    # One that goes would come back as a file of the tree, where the write guard may stand against the way back.
    left_out = {
        path
        for path, there in differing.items()
        if special.get(path) == SKIPPED and there.after and found[path][0].kind == "absent"
    }
    states = {path: state for path, (state, _) in found.items()}
    coming = await _coming(repository, before, differing, states, special.keys() - left_out)
    index = await _index(repository, coming, left_out)
    seen = {path: side for path, side in coming.items() if path not in left_out}
    files = {path: side for path, side in seen.items() if not _submodule(differing[path])}
    contents = await _contents(repository, index, files)
    contents |= {path: (State("folder"), b"") for path, side in seen.items() if side and path not in files}
    # A submodule is its empty folder here; a file that its owner has there instead stays.
    written = [path for path in seen if path in files or found[path][0].kind in ("absent", "folder")]
    ready = [Coming(places[path], *found[path], contents.get(path)) for path in written]
    guard = repository.read_guard
    return Rewriting(await repository.blocking(partial(plan_tree, ready, guard, repository.place(""))), index)


def _possible(differing: Mapping[str, Differing]) -> None:
    if len(differing) > MOST:
        raise TooLarge(f"{len(differing):,} files would be rewritten; {MOST:,} are allowed at once", _BY_HAND)
    names = b"".join(os.fsencode(path) + b"\0" for path in differing)
    if hostile(names):
        raise PathDenied("a commit names a path outside of the working tree")
    for path, there in differing.items():
        if _submodule(there) and any(side and side.mode != SUBMODULE for side in (there.before, there.after)):
            raise Unsupported(f"{one_line(path, 200)} is a submodule on one side and none on the other", _BY_HAND)
        if not _is_text(path):
            raise Unsupported(f"{printable(path, 200)!r} is no name in UTF-8", _BY_HAND)


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _submodule(there: Differing) -> bool:
    return any(side and side.mode == SUBMODULE for side in (there.before, there.after))


async def _coming(
    repository: Repository,
    before: str,
    differing: Mapping[str, Differing],
    found: Mapping[str, State],
    special: Set[str],
) -> dict[str, Side]:
    """What the index gets, by git-read-tree(1)'s rules for two trees. Raises `Conflict` with the paths in the way."""
    staged = await entries.in_index(repository, before, repository.private.index)
    changed = {item.path for item in await changes(repository, renames=False) if not item.untracked}
    coming: dict[str, Side] = {}
    lost: list[Problem] = []
    for path, there in differing.items():
        now = staged[path].after if path in staged else there.before
        if path in staged and now == there.after:
            continue  # the index has it already, and the file is what its owner made of it
        coming[path] = there.after
        if path in staged:
            lost.append(Problem(one_line(path, 200), "is staged, or was taken out of the index"))
        elif path in special:
            lost.append(Problem(one_line(path, 200), "is marked as assume-unchanged or skip-worktree"))
        elif path in changed and found[path].kind != "absent":
            lost.append(Problem(one_line(path, 200), "has changes that are not committed"))
        elif there.before is None and found[path].kind not in ("absent", "folder"):
            lost.append(Problem(one_line(path, 200), "is there, and not in any commit"))
    if lost:
        raise Conflict(
            f"{len(lost)} files hold changes that would be lost, {lost[0].path} among them",
            "commit them (git_commit) or move them away first",
            problems=tuple(lost[:50]),
        )
    return coming


async def _index(repository: Repository, coming: Mapping[str, Side], left_out: Set[str]) -> Path:
    """The index with what comes; a file that a sparse checkout leaves out is left out still."""
    index = repository.private.folder / "index.after"
    if repository.private.index.exists():
        await repository.blocking(lambda: shutil.copy2(repository.private.index, index))
    else:
        await repository.git("read-tree", "--empty", index=index)
    await entries.put(repository, index, coming)
    names = b"".join(os.fsencode(path) + b"\0" for path in left_out)
    if names:
        await repository.git("update-index", "--skip-worktree", "-z", "--stdin", stdin=names, index=index)
    await repository.check_index(index)
    return index


async def _contents(repository: Repository, index: Path, coming: Mapping[str, Side]) -> dict[str, tuple[State, bytes]]:
    """The state and bytes of what will be there."""
    files = [path for path, side in coming.items() if side and side.mode != LINK]
    links = {path: side.blob for path, side in coming.items() if side and side.mode == LINK}
    await _bounded(repository, [side.blob for side in coming.values() if side])
    await _no_filters(repository, index, files)
    targets = await blobs(repository, list(links.values()))
    out = repository.private.folder / "out"
    names = b"".join(os.fsencode(path) + b"\0" for path in files)
    await repository.blocking(out.mkdir)
    if files:
        await repository.git("checkout-index", "-z", "--stdin", "--quiet", stdin=names, index=index, tree=out)

    def read() -> dict[str, tuple[State, bytes]]:
        found = {}
        for path in files:
            data, status = read_file(Place(out, path), LARGEST)
            found[path] = (State("file", "", status.st_mode & 0o777), data)
        return found

    return {
        **await repository.blocking(read),
        **{path: (State("link", _target(path, targets[blob])), b"") for path, blob in links.items()},
    }


def _target(path: str, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Unsupported(f"{one_line(path, 200)} is a link to a name that is not UTF-8", _BY_HAND) from None


async def _bounded(repository: Repository, shas: Sequence[str]) -> None:
    known = await sizes(repository, shas)
    if sum(known.values()) > LARGEST:
        raise TooLarge(f"the files hold over {LARGEST:,} bytes, more than one change set may", _BY_HAND)


async def _no_filters(repository: Repository, index: Path, paths: Sequence[str]) -> None:
    names = b"".join(os.fsencode(path) + b"\0" for path in paths)
    command = ("check-attr", "--cached", "-z", "--stdin", "filter")
    ran = await repository.git(*command, stdin=names, index=index) if paths else None
    fields = os.fsdecode(ran.out).split("\0") if ran else []
    for path, value in zip(fields[::3], fields[2::3], strict=False):
        if value not in ("unspecified", "unset"):
            raise Unsupported(
                f"{one_line(path, 200)} goes through the filter {printable(value, 40)} of .gitattributes",
                "filters are programs and are not run here; " + _BY_HAND,
            )
