"""A merge, computed beside the repository: by git's own strategy, on commits alone, with no driver and no recorded
resolution. Nothing but the outcome is taken over, and only one without conflicts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final, Literal

from astro_mcp.config import GitSettings
from astro_mcp.errors import Conflict, NotFound, Problem, Unsupported
from astro_mcp.observe.printable import printable
from astro_mcp.workspace.git import commits, entries
from astro_mcp.workspace.git.branches import branch_meant, near
from astro_mcp.workspace.git.changed import SUBMODULE
from astro_mcp.workspace.git.entries import LINK
from astro_mcp.workspace.git.moving import Moved, Mover
from astro_mcp.workspace.git.recovery import Step
from astro_mcp.workspace.git.repository import Repository
from astro_mcp.workspace.git.revisions import commit_of
from astro_mcp.workspace.text import one_line

Kind = Literal["up_to_date", "fast_forward", "merge", "conflicts"]
SHOWN: Final = 2 * 1024 * 1024
"""Bytes of a file whose conflicts are shown."""
_ATTRIBUTES: Final = ".gitattributes"
_MAIN: Final = ("refs/heads/main", "refs/heads/master")
_SORTS: Final = {"refs/heads/": "branch", "refs/remotes/": "remote-tracking branch", "refs/tags/": "tag"}


@dataclass(frozen=True, slots=True)
class Conflicting:
    """One path that can't be merged: git's words for why ("contents", "modify/delete", …), and the places where both
    sides changed the same lines, each with git's markers."""

    path: str
    kind: str
    hunks: tuple[str, ...]
    withheld: bool


@dataclass(frozen=True, slots=True)
class Merge:
    """What merging the commit `theirs` into `ours` gives: the tree, with markers where there are conflicts."""

    kind: Kind
    ours: str
    theirs: str
    tree: str
    conflicts: tuple[Conflicting, ...] = ()


async def preview(repository: Repository, ours: str, theirs: str) -> Merge:
    """What a merge of two commits (full shas) would give. Raises `Unsupported` where they share no history."""
    if await _contains(repository, ours, theirs):
        return Merge("up_to_date", ours, theirs, ours)
    if await _contains(repository, theirs, ours):
        return Merge("fast_forward", ours, theirs, theirs)
    if (await repository.git("merge-base", ours, theirs, good=(0, 1))).code:
        raise Unsupported("the two share no history", "a person can merge them: git merge --allow-unrelated-histories")
    tree = await _attributes(repository, ours)
    command = ("merge-tree", "--write-tree", "-z", "--messages", ours, theirs)
    ran = await repository.git(*command, good=(0, 1), tree=tree)
    merged, *records = os.fsdecode(ran.out).split("\0")
    if ran.code == 0:
        return Merge("merge", ours, theirs, merged)
    return Merge("conflicts", ours, theirs, merged, await _conflicts(repository, ours, theirs, merged, records))


async def merge(
    repository: Repository, name: str, into: str, mover: Mover, settings: GitSettings
) -> tuple[str, Merge, Moved | None]:
    """Merge the commit that `name` names into the branch `into`, or into HEAD; returns the sha that it is at then.

    No key can be new in it, since each of its lines stands in a commit already. Raises `Conflict` (conflicts, each
    named; local changes would be lost), `NotFound`, and what `Mover.move` does. Nothing has changed then.
    """
    ref, ours = await _target(repository, into)
    theirs = await commit_of(repository, name)
    found = await preview(repository, ours, theirs)
    if found.kind == "up_to_date":
        return ours, found, None
    if found.kind == "conflicts":
        raise Conflict(
            f"{len(found.conflicts)} files conflict; nothing was merged",
            "git_merge_preview shows the places; change one of the branches, then merge again",
            problems=tuple(Problem(one_line(item.path, 200), item.kind) for item in found.conflicts[:50]),
        )
    sha, how = theirs, "Fast-forward"
    if found.kind == "merge":
        sha = await commits.write(repository, found.tree, (ours, theirs), _message(repository, name, ref), settings)
        how = "Merge made by the 'ort' strategy."
    head = repository.refs.head
    step = Step(head, head, ref, ours, sha) if ref else Step(head, sha, "", ours, sha)
    return sha, found, await mover.move(repository, step, f"merge {printable(name, 80)}: {how}")


async def _target(repository: Repository, into: str) -> tuple[str, str]:
    """The branch ("" for a detached HEAD) and where it is."""
    refs = repository.refs
    head = refs.head if refs.head.startswith("refs/") else ""
    ref = head if into == "HEAD" else await branch_meant(repository, into)
    sha = refs.table.get(ref, "") if ref else refs.sha
    if not sha:
        if into == "HEAD":
            raise NotFound("this branch has no commit yet", "commit first")
        hint = await repository.apart(64 * len(refs.table), lambda: near(refs, into))
        raise NotFound(f"no branch is named {printable(into, 80)}", hint or "into is a branch here, or HEAD")
    return ref, sha


def _message(repository: Repository, name: str, ref: str) -> str:
    sort = next((word for prefix, word in _SORTS.items() if prefix + name in repository.refs.table), "commit")
    where = "" if ref in _MAIN else f" into {ref.removeprefix('refs/heads/') or 'HEAD'}"
    return f"Merge {sort} '{name}'{where}"


async def _contains(repository: Repository, sha: str, other: str) -> bool:
    return (await repository.git("merge-base", "--is-ancestor", other, sha, good=(0, 1))).code == 0


async def _attributes(repository: Repository, sha: str) -> Path:
    """A folder with the commit's `.gitattributes` and nothing else: what git goes by in place of the working tree,
    which holds submodules' repositories."""
    folder, index = repository.private.folder / "merge", repository.private.folder / "index.merge"
    await repository.blocking(folder.mkdir)
    await repository.git("read-tree", sha, index=index)
    await repository.check_index(index)
    ran = await repository.git("ls-files", "--stage", "-z", index=index)
    rows = [record.partition(b"\t") for record in ran.out.split(b"\0") if record]
    names = [path for row, _, path in rows if os.path.basename(path) == _ATTRIBUTES.encode() and row[:3] == b"100"]
    if names:
        said = b"".join(name + b"\0" for name in names)
        await repository.git("checkout-index", "-z", "--stdin", "--quiet", stdin=said, index=index, tree=folder)
    return folder


async def _conflicts(
    repository: Repository, ours: str, theirs: str, merged: str, records: Sequence[str]
) -> tuple[Conflicting, ...]:
    """git-merge-tree(1), output with `-z`: rows of stages, an empty record, then messages."""
    rows = iter(records)
    paths = dict.fromkeys(row.partition("\t")[2] for row in iter(partial(next, rows, ""), ""))
    kinds: dict[str, str] = {}
    for kind, named in _messages(rows):
        for path in named:
            kinds.setdefault(path, kind)
    changed = await entries.between(repository, ours, merged)
    there = {path: changed[path].after for path in paths if path in changed}
    shas = {path: side.blob for path, side in there.items() if side and side.mode not in (LINK, SUBMODULE)}
    known = await commits.sizes(repository, list(shas.values()))
    shas = {path: sha for path, sha in shas.items() if known.get(sha, SHOWN + 1) <= SHOWN and repository.readable(path)}
    blobs = await commits.blobs(repository, list(shas.values()))
    marked = partial(_marked, ours=ours.encode(), theirs=theirs.encode())
    hunks = await repository.blocking(lambda: {path: tuple(marked(blobs[sha])) for path, sha in shas.items()})
    return tuple(
        Conflicting(path, kinds.get(path, "conflict"), hunks.get(path, ()), withheld=not repository.readable(path))
        for path in paths
    )


def _messages(rows: Iterator[str]) -> Iterator[tuple[str, list[str]]]:
    """The kind of each conflict, and the paths that it is about."""
    for count in rows:
        if not count.isdecimal():
            return  # advice for a person
        named = list(islice(rows, int(count)))
        kind, _text = next(rows, ""), next(rows, "")
        if kind.startswith("CONFLICT ("):
            yield kind.removeprefix("CONFLICT (").removesuffix(")"), named


def _marked(data: bytes, ours: bytes, theirs: bytes) -> Iterator[str]:
    """What stands between git's markers. They bear the shas of both commits, so no content of these can forge them."""
    pattern = rb"^<{7,} %s(?::[^\n]*)?\r?\n.*?^>{7,} %s(?::[^\n]*)?\r?$" % (ours, theirs)
    for found in re.finditer(pattern, data, re.MULTILINE | re.DOTALL):
        yield found[0].decode("utf-8", "replace")
