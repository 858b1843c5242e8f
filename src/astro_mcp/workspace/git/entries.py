"""Entries of trees and indexes: which differ, and how an index gets others."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from astro_mcp.errors import TooLarge
from astro_mcp.workspace.git.repository import Repository

FILE: Final = "100644"
LINK: Final = "120000"
_ZERO: Final = "0" * 40


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, a link or a submodule: git's mode, and the blob (of a submodule the commit)."""

    mode: str
    blob: str


Side = Entry | None
"""None where there is nothing."""


@dataclass(frozen=True, slots=True)
class Differing:
    """One path on both sides."""

    before: Side
    after: Side


async def between(repository: Repository, before: str, after: str) -> dict[str, Differing]:
    """What differs between two commits or trees, by path. Raises `TooLarge` past 32 MB of names."""
    return await _raw(repository, "diff-tree", "-r", before, after)


async def in_index(repository: Repository, before: str, index: Path) -> dict[str, Differing]:
    """What an index holds otherwise than a commit or tree."""
    return await _raw(repository, "diff-index", "--cached", before, index=index)


async def put(repository: Repository, index: Path, entries: Mapping[str, Side]) -> None:
    """Give an index these entries; those that are None go. What a path of them stands in the way of goes too."""
    rows = [
        f"{entry.mode} {entry.blob} 0\t{path}" if entry else f"0 {_ZERO}\t{path}"
        for path, entry in sorted(entries.items(), key=lambda item: item[1] is not None)
    ]
    if rows:
        names = b"".join(os.fsencode(row) + b"\0" for row in rows)
        await repository.git("update-index", "--add", "--replace", "-z", "--index-info", stdin=names, index=index)


async def _raw(repository: Repository, command: str, *sides: str, index: Path | None = None) -> dict[str, Differing]:
    """git-diff-tree(1), raw output format with `-z`."""
    options = ("--raw", "-z", "--no-abbrev", "--no-renames", "--ignore-submodules=none")  # whatever .gitmodules says
    ran = await repository.git(command, *options, *sides, "--", index=index)
    if ran.cut:
        raise TooLarge("too many files differ", "a person can do this with git itself")
    records = os.fsdecode(ran.out).split("\0")
    found = {}
    for head, path in zip(records[::2], records[1::2], strict=False):
        modes = head.lstrip(":").split(" ")
        found[path] = Differing(_side(modes[0], modes[2]), _side(modes[1], modes[3]))
    return found


def _side(mode: str, blob: str) -> Side:
    return Entry(mode, blob) if int(mode, 8) else None
