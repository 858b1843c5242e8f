"""What changed, as `git status` tells it: against HEAD and against the index."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from astro_mcp.errors import LimitHit
from astro_mcp.workspace.git.repository import Repository


@dataclass(frozen=True, slots=True)
class Changed:
    """One path. `staged` and `unstaged` are git's letters (M A D R T, "." for none); "?" both ways is untracked.

    `path` is as the file system has it: bytes that are no UTF-8 stand as surrogates. `former` is the name before a
    rename.
    """

    path: str
    staged: str
    unstaged: str
    former: str = ""

    @property
    def untracked(self) -> bool:
        return self.staged == "?"

    @property
    def conflicted(self) -> bool:
        return self.staged == "U"


async def changes(
    repository: Repository, paths: Sequence[str] = (), *, each_file: bool = False, renames: bool = True
) -> list[Changed]:
    """Everything that differs beneath `paths` (none: the whole tree). Submodules are not entered.

    `each_file` lists untracked files one by one in place of their folders. Raises `LimitHit` past 32 MB of names.
    """
    await repository.trusted_index()
    ran = await repository.git(
        "status",
        "--porcelain=v2",
        "-z",
        f"--untracked-files={'all' if each_file else 'normal'}",
        "--ignore-submodules=all",
        "--renames" if renames else "--no-renames",
        "--",
        *paths,
    )
    if ran.cut:
        raise LimitHit("too much changed to be listed", "name paths")
    return _parse(ran.out)


def _parse(out: bytes) -> list[Changed]:
    """git-status(1), porcelain format 2 with `-z`."""
    found: list[Changed] = []
    records = iter(os.fsdecode(out).split("\0"))
    for record in records:
        match record[:1]:
            case "1":
                _, xy, *_, path = record.split(" ", 8)
                found.append(Changed(path, xy[0], xy[1]))
            case "2":
                _, xy, *_, path = record.split(" ", 9)
                found.append(Changed(path, xy[0], xy[1], next(records, "")))
            case "u":
                found.append(Changed(record.split(" ", 10)[10], "U", "U"))
            case "?":
                found.append(Changed(record[2:], "?", "?"))
    return found


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
