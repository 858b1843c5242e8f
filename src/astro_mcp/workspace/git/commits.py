"""A commit, built beside the repository: its own index, its own objects. `publish` then makes it true.

Files go in as git's own rules of `.gitattributes` have it (line ends, encodings); a path that a filter program would
have to rewrite (LFS) is refused, and so are secrets, by name and by content.
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Final

from astro_mcp.config import GitSettings
from astro_mcp.errors import Conflict, LimitHit, NotFound, Problem, ProtectedPath, TooLarge, Unsupported
from astro_mcp.observe.printable import printable
from astro_mcp.workspace.git import publish
from astro_mcp.workspace.git.changed import SUBMODULE, Changed
from astro_mcp.workspace.git.child import Ran
from astro_mcp.workspace.git.entries import in_index, put
from astro_mcp.workspace.git.keys import TOLD, Key, find_keys
from astro_mcp.workspace.git.repository import FETCH_THEM, Repository
from astro_mcp.workspace.git.revisions import EMPTY_TREE
from astro_mcp.workspace.git.signing import signed
from astro_mcp.workspace.git.status import changes
from astro_mcp.workspace.text import one_line

LARGEST: Final = 20 * 1024 * 1024
"""Bytes of one file; hosting services refuse not much more."""
AT_ONCE: Final = 32 * 1024 * 1024
Note = Callable[[str], Awaitable[None]]
UNFINISHED: Final = {
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "MERGE_HEAD": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "sequencer": "cherry-pick or revert",
}
"""By the file that tells of it: what a person begins, and nobody else commits in."""
BISECT: Final = {"BISECT_LOG": "bisect"}


@dataclass(frozen=True, slots=True)
class CommittedFile:
    """`change` is A, M, D or T; `blob` is "" for a deleted file and a submodule; `link` tells a symbolic link."""

    path: str
    change: str
    blob: str
    former_blob: str
    link: bool


@dataclass(frozen=True, slots=True)
class Draft:
    """A commit to be: the tree, the index that goes with it, what changes against HEAD, and what was left out."""

    tree: str
    index: Path
    files: tuple[CommittedFile, ...]
    keys: tuple[Key, ...]
    left_out: tuple[str, ...]


async def draft(repository: Repository, paths: Sequence[str]) -> Draft:
    """The tree of HEAD with `paths` as they are in the working tree; without paths: with everything that changed.

    What is staged of other paths stays staged. Raises `Conflict` (nothing to commit, a path that is ignored, a merge
    under way), `NotFound`,
    `ProtectedPath` (the name of a file is on the secrets list), `LimitHit`, `TooLarge`, `Unsupported` (filters).
    """
    made = await draft_of(repository, paths)
    if made is None:
        raise Conflict("nothing to commit", "git_status lists what changed")
    return made


async def draft_of(repository: Repository, paths: Sequence[str]) -> Draft | None:
    """The same, and None where there is nothing to commit."""
    changed = await everything(repository, paths)
    if still := _all_known(repository, paths, changed):
        await _none_ignored(repository, still)
    others = left_out(changed)
    wanted = [item for item in changed if item.path not in others]
    index = repository.private.index
    await take(repository, wanted, index)
    if paths:
        index = repository.private.folder / "index.commit"
        if repository.refs.sha:
            await repository.git("read-tree", repository.refs.sha, index=index)
        await repository.check_index(index)
        await take(repository, wanted, index)
    return await checked(repository, index, others)


async def everything(repository: Repository, paths: Sequence[str] = ()) -> list[Changed]:
    """All that changed beneath `paths`, file by file; raises `Conflict` where a merge or its like is not finished."""
    unfinished(repository)
    changed = await changes(repository, paths, each_file=True, renames=False)
    if conflicts := [item.path for item in changed if item.conflicted]:
        raise Conflict(f"{one_line(conflicts[0], 200)} has conflicts", "resolve them first; git_status lists them")
    return changed


async def checked(repository: Repository, index: Path, others: tuple[str, ...] = ()) -> Draft | None:
    """The draft of what `index` holds, or None where that is what HEAD holds; raises as `draft` does."""
    files = await _against_head(repository, index)
    if not files:
        return None
    await _refuse(repository, files)
    keys = await find(repository, files)
    tree = (await repository.git("write-tree", index=index)).out.decode().strip()
    return Draft(tree, repository.private.index, files, keys, others)


async def commit(
    repository: Repository, made: Draft, message: str, settings: GitSettings, note: Note | None = None
) -> str:
    """Make the draft true; returns the new commit's sha, of which `note` is told before. Raises `Conflict` where the
    repository changed meanwhile.

    Cancelling has no effect once writing has begun.
    """
    refs, layout = repository.refs, repository.layout
    by = publish.Signature(settings.author_name, settings.author_email, int(time.time()))
    sha = await write(repository, made.tree, (refs.sha,) if refs.sha else (), message, settings)
    if note is not None:
        await note(sha)
    kind = "commit" if refs.sha else "commit (initial)"
    update = publish.Update(refs.head, refs.sha, sha, f"{kind}: {message.strip().splitlines()[0]}", by)

    def publishing() -> None:
        publish.store_objects(repository.private.objects, layout)
        publish.commit(repository.locks, layout, refs.head, update, made.index, repository.private.stamp)

    await repository.blocking(publishing)
    return sha


async def write(repository: Repository, tree: str, parents: Sequence[str], message: str, settings: GitSettings) -> str:
    """Make a commit object beside the repository, signed where the operator wants that; returns its sha. Nothing points
    to it yet. Raises what `signing.signed` does."""
    by = publish.Signature(settings.author_name, settings.author_email, int(time.time()))
    above = [word for sha in parents for word in ("-p", sha)]
    said = message.strip().encode() + b"\n"
    ran = await repository.git("commit-tree", tree, *above, "-F", "-", stdin=said, environment=identity(by))
    sha = ran.out.decode().strip()
    return await signed(repository, sha, settings) if settings.signing_program else sha


def identity(by: publish.Signature) -> dict[str, str]:
    """Author and committer as git's child takes them."""
    date = f"{by.seconds} +0000"
    return {
        **{f"GIT_{who}_NAME": by.name for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": by.email for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_DATE": date for who in ("AUTHOR", "COMMITTER")},
    }


def unfinished(repository: Repository) -> None:
    """Raise `Conflict` where a merge, a rebase or their like is under way."""
    if what := _begun(repository.layout.gitdir, UNFINISHED):
        raise Conflict(f"a {what} is under way in this repository", "finish or abort it with git first")


async def under_way(repository: Repository) -> str:
    """What a person began in this repository and did not finish, a bisect too; "" for nothing."""
    names, layout = {**UNFINISHED, **BISECT}, repository.layout
    here = layout.gitdir == layout.worktree / ".git"
    if here and repository.lacks(repository.place(f".git/{next(iter(names))}")):  # a folder in the kernel's memory
        return _begun(layout.gitdir, names)

    def work() -> str:
        repository.learn()  # by which the next call asks the kernel alone
        return _begun(layout.gitdir, names)

    return await repository.blocking(work)


def _begun(gitdir: Path, names: Mapping[str, str]) -> str:
    return next((what for name, what in names.items() if os.path.lexists(gitdir / name)), "")


def _all_known(repository: Repository, paths: Sequence[str], changed: Sequence[Changed]) -> list[str]:
    """Those in which nothing changed. A path that is neither changed nor there is a mistake of the caller's. To git
    nothing is there behind a link."""
    still: list[str] = []
    for path in paths:
        touched = not path or any(item.path == path or item.path.startswith(f"{path}/") for item in changed)
        place = repository.layout.worktree / path
        linked = os.path.realpath(place.parent) != str(place.parent)
        if not touched and (linked or not os.path.lexists(place)):
            raise NotFound(
                f"{one_line(path, 200)} is neither in the working tree nor in the last commit",
                "a folder above it is a link: name the file where it is" if linked else "",
            )
        still += [] if touched else [path]
    return still


async def _none_ignored(repository: Repository, paths: Sequence[str]) -> None:
    """Raise `Conflict` where one of these is ignored, as git does for who adds it by name. (What git can't say it of
    lies in a submodule.)"""
    named = b"".join(b"./%s\0" % os.fsencode(path) for path in paths)  # so that none begins as magic does
    plain = {"GIT_LITERAL_PATHSPECS": "0"}  # this command knows no other
    ran = await repository.git("check-ignore", "-z", "--stdin", stdin=named, good=(0, 1, 128), environment=plain)
    ignored = os.fsdecode(ran.out).split("\0")[:-1]
    if ran.code == 0 and ignored:
        raise Conflict(
            f"{one_line(ignored[0].removeprefix('./'), 200)} is ignored, so it is not committed; nothing was",
            "leave it out, or change the .gitignore that says so",
        )


async def take(repository: Repository, wanted: Sequence[Changed], index: Path) -> None:
    """Put the working tree's state of these paths into an index; of submodules what is staged: none is entered."""
    staged = [item.path for item in wanted if item.submodule]
    if staged and index != repository.private.index:
        held = await in_index(repository, repository.refs.sha or EMPTY_TREE, repository.private.index)
        await put(repository, index, {path: held[path].after for path in staged if path in held})
    wanted = [item for item in wanted if not item.submodule]
    there = {item.path for item in wanted if (item.staged if item.unstaged == "." else item.unstaged) != "D"}
    gone = {item.path for item in wanted} - there
    if gone:
        names = b"".join(os.fsencode(path) + b"\0" for path in sorted(gone))
        await repository.git("update-index", "--force-remove", "-z", "--stdin", stdin=names, index=index)
    if there:
        names = b"".join(os.fsencode(path) + b"\0" for path in sorted(there))
        await repository.git("update-index", "--add", "--replace", "-z", "--stdin", stdin=names, index=index)


async def _against_head(repository: Repository, index: Path) -> tuple[CommittedFile, ...]:
    base = repository.refs.sha or EMPTY_TREE
    ran = await repository.git(
        "diff-index",
        "--cached",
        "--raw",
        "-z",
        "--no-abbrev",
        "--no-renames",
        "--ignore-submodules=none",  # an index is compared with a tree: nothing of a submodule is looked at
        base,
        "--",
        index=index,
    )  # fmt: skip - one flag after another
    return _files(ran)


async def files_of(repository: Repository, sha: str) -> tuple[CommittedFile, ...]:
    """What a commit changed. Raises `LimitHit`."""
    options = ("-r", "--root", "--no-commit-id", "--raw", "-z", "--no-abbrev", "--no-renames")
    return _files(await repository.git("diff-tree", *options, sha, "--"))


def left_out(changed: Sequence[Changed]) -> tuple[str, ...]:
    """Repositories of their own inside of this one, which it knows nothing of."""
    return tuple(item.path for item in changed if item.untracked and item.path.endswith("/"))


def _files(ran: Ran) -> tuple[CommittedFile, ...]:
    if ran.cut:
        raise LimitHit(
            "too many files changed to be looked through for keys at once", "commit some of them: name paths"
        )
    records = os.fsdecode(ran.out).split("\0")
    found = []
    for head, path in zip(records[::2], records[1::2], strict=False):
        before, mode, old, new, change = head.removeprefix(":").split(" ")
        blob = "" if change == "D" or mode == SUBMODULE else new
        former = old if change[0] in "MT" and before != SUBMODULE else ""
        found.append(CommittedFile(path, change[0], blob, former, mode == "120000"))
    return tuple(found)


async def _refuse(repository: Repository, files: Sequence[CommittedFile]) -> None:
    """Names on the secrets list, and paths of filter programs."""
    added = [item.path for item in files if item.blob]
    if hidden := [path for path in added if not repository.readable(path)]:
        raise ProtectedPath(
            f"{one_line(hidden[0], 200)} holds secrets by its name, and is not committed",
            "add it to .gitignore, or name the paths to commit without it",
            problems=tuple(Problem(one_line(path, 200), "on the secrets list") for path in hidden[:50]),
        )
    names = b"".join(os.fsencode(path) + b"\0" for path in added)
    ran = await repository.git("check-attr", "-z", "--stdin", "filter", stdin=names) if added else None
    fields = os.fsdecode(ran.out).split("\0") if ran else []
    for path, value in zip(fields[::3], fields[2::3], strict=False):
        if value not in ("unspecified", "unset"):
            raise Unsupported(
                f"{one_line(path, 200)} goes through the filter {printable(value, 40)} of .gitattributes",
                "filters are programs and are not run here; commit this path with git itself",
            )


async def find(repository: Repository, files: Sequence[CommittedFile]) -> tuple[Key, ...]:
    """What looks like a key in the new content and did not stand in the old, `TOLD` of it. Raises `TooLarge`."""
    found: list[Key] = []
    group: list[CommittedFile] = []
    size = 0
    known = await sizes(repository, [item.blob for item in files if item.blob and not item.link])
    for item in files:
        if not item.blob or item.link or item.blob not in known:
            continue
        if known[item.blob] > LARGEST:
            raise TooLarge(f"{one_line(item.path, 200)} holds over {LARGEST:,} bytes", "commit it with git itself")
        if group and size + known[item.blob] > AT_ONCE:
            found += await _scan(repository, group)
            group, size = [], 0
        group.append(item)
        size += known[item.blob]
        if len(found) >= TOLD:
            return tuple(found[:TOLD])
    return tuple((found + await _scan(repository, group))[:TOLD])


async def sizes(repository: Repository, shas: Sequence[str]) -> dict[str, int]:
    """Bytes of each blob."""
    if not shas:
        return {}
    ran = await repository.git("cat-file", "--batch-check", stdin="\n".join(shas).encode() + b"\n")
    rows = [row.split(" ") for row in ran.out.decode().splitlines()]
    return {row[0]: int(row[2]) for row in rows if len(row) == 3 and row[1] == "blob"}


async def _scan(repository: Repository, group: Sequence[CommittedFile]) -> list[Key]:
    if not group:
        return []
    now = await blobs(repository, [item.blob for item in group])
    again = await repository.blocking(lambda: [item for item in group if find_keys(item.path, now[item.blob])])
    before = await blobs(repository, [item.former_blob for item in again if item.former_blob])
    return await repository.blocking(partial(_news, again, now, before))


def _news(group: Sequence[CommittedFile], now: dict[str, bytes], before: dict[str, bytes]) -> list[Key]:
    found = (find_keys(item.path, now[item.blob], before.get(item.former_blob, b"")) for item in group)
    return list(islice(chain.from_iterable(found), TOLD))


async def blobs(repository: Repository, shas: Sequence[str]) -> dict[str, bytes]:
    """The bytes of blobs, by `cat-file --batch`: a line `sha kind size`, the bytes, a line feed.

    Raises `TooLarge` over 128 MB, `Unsupported` where one is missing.
    """
    if not shas:
        return {}
    ran = await repository.git("cat-file", "--batch", stdin="\n".join(shas).encode() + b"\n", limit=4 * AT_ONCE)
    if ran.cut:
        raise TooLarge(f"the files hold over {4 * AT_ONCE:,} bytes", "do this with git itself")
    found: dict[str, bytes] = {}
    position = 0
    while position < len(ran.out):
        end = ran.out.index(b"\n", position)
        sha, kind, size = f"{ran.out[position:end].decode()} 0".split(" ")[:3]
        if kind == "missing":
            raise Unsupported("objects of this repository are missing", FETCH_THEM)
        found[sha] = ran.out[end + 1 : end + 1 + int(size)]
        position = end + int(size) + 2
    return found
