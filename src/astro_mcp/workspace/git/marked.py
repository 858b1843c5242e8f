"""Files that git was told not to look at: it calls them unchanged whatever they hold."""

from __future__ import annotations

import os
import shutil
from typing import Final

from astro_mcp.errors import TooLarge
from astro_mcp.workspace.git.repository import Repository

SKIPPED: Final = "S"
"""The letter of one that a sparse checkout leaves out."""


async def marked(repository: Repository) -> dict[str, str]:
    """Paths whose files git does not look at, each with its letter (git-ls-files(1), -v); those in conflict are told
    as well, as M."""
    ran = await repository.git("ls-files", "-v", "-z", "--cached", index=repository.private.index)
    if ran.cut:
        raise TooLarge("the repository's index is too large", "a person can do this with git itself")
    return {record[2:]: record[0] for record in os.fsdecode(ran.out).split("\0") if record and record[0] != "H"}


async def changed_unseen(repository: Repository) -> list[str]:
    """Those that are there and differ from the index. One that is not there, as in a sparse checkout, holds nothing."""
    await repository.trusted_index()
    paths = [path for path, letter in (await marked(repository)).items() if letter != "M"]
    if not paths:
        return []
    index = repository.private.folder / "index.unmarked"
    await repository.blocking(lambda: shutil.copy2(repository.private.index, index))
    names = b"".join(os.fsencode(path) + b"\0" for path in paths)
    for mark in ("--no-assume-unchanged", "--no-skip-worktree"):
        await repository.git("update-index", mark, "-z", "--stdin", stdin=names, index=index)
    await repository.git("update-index", "-q", "--ignore-submodules", "--refresh", index=index, good=(0, 1))
    differing = ("diff-files", "--name-only", "-z", "--diff-filter=d", "--ignore-submodules")
    ran = await repository.git(*differing, index=index)
    return sorted(set(paths).intersection(os.fsdecode(ran.out).split("\0")))
