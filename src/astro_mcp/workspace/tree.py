"""The upper part of a tree: level by level, as far as a budget of entries goes. Blocks: for worker threads."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Final

from astro_mcp.errors import AstroError
from astro_mcp.workspace.beneath import open_folder, open_within
from astro_mcp.workspace.folders import Found, Scanner
from astro_mcp.workspace.ignore import Ignore
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.walk import Collapsed, Entry

MOST: Final = 5_000
"""Entries of the listed folder itself that are kept; more are counted."""
BUDGET: Final = 1_000
"""Entries in all that open a further folder; beyond, each is told with its count."""
WIDEST: Final = 200
"""Entries that a folder below the listed one may have to be opened."""


@dataclass(slots=True)
class Tree:
    """Entries, folders before what is in them, by name; `total` also counts those that were not kept."""

    entries: list[Entry] = field(default_factory=list)
    collapsed: list[Collapsed] = field(default_factory=list)
    total: int = 0


def tree(start: Place, levels: int, *, include_ignored: bool = False) -> Tree:
    """What is below the folder `start`, `levels` deep at most, without what `.gitignore` hides.

    A level is opened before the one below it, so the budget shows all of a tree's top before any of its depths.
    Raises `NotFound`, `PathDenied`, `LimitHit`.
    """
    made = Tree()
    scanner = Scanner(start, include_ignored=include_ignored)
    with open_folder(start.root, start.parts, start.display) as top:
        found, ignore = scanner.scan(top, start.relative, scanner.above())
        level = _take(made, start.relative, found, ignore)
        skip = len(start.parts)
        for _ in range(1, levels):
            level = [one for path, rules in level for one in _open(made, scanner, top, skip, path, rules)]
    made.entries.sort(key=lambda entry: entry.path.split("/"))
    made.collapsed.sort(key=lambda folder: folder.path.split("/"))
    return made


Level = list[tuple[str, Ignore]]
"""Folders to open next, with the rules of the one above each."""


def _open(made: Tree, scanner: Scanner, top: int, skip: int, path: str, ignore: Ignore) -> Level:
    """Take the folder at `path` in, or only count it where that is over the budget. `top` is an open folder above it,
    whose own path has `skip` names."""
    try:
        descriptor = open_within(top, path.split("/")[skip:], path)
    except AstroError:  # gone, or without permission: the entry itself was told
        return []
    try:
        count = scanner.count(descriptor)
        if count > WIDEST or len(made.entries) + count > BUDGET:
            made.collapsed.append(Collapsed(path, count))
            return []
        found, ignore = scanner.scan(descriptor, path, ignore)
        return _take(made, path, found, ignore)
    finally:
        os.close(descriptor)


def _take(made: Tree, path: str, found: list[Found], ignore: Ignore) -> Level:
    made.total += len(found)
    head = f"{path}/" if path else ""
    folders: Level = []
    for one in found[:MOST]:
        entry = Entry.of(one, head + one.name)
        if entry is None:
            made.total -= 1
            continue
        made.entries.append(entry)
        if one.type == "folder":
            folders.append((entry.path, ignore))
    return folders
