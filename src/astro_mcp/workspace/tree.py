"""The upper part of a tree: level by level, as far as a budget of entries goes. Blocks: for worker threads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from astro_mcp.errors import AstroError, LimitHit
from astro_mcp.workspace.beneath import open_folder
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
    level = [(start.relative, scanner.above())]
    for depth in range(1, levels + 1):
        below = []
        for path, ignore in level:
            below += _open(made, scanner, start.at(path), ignore, whole=depth == 1)
        level = below
    made.entries.sort(key=lambda entry: entry.path.split("/"))
    made.collapsed.sort(key=lambda folder: folder.path.split("/"))
    return made


def _open(made: Tree, scanner: Scanner, place: Place, ignore: Ignore, *, whole: bool) -> list[tuple[str, Ignore]]:
    """Take the folder at `place` in; returns the folders in it, with their rules."""
    try:
        with open_folder(place.root, place.parts, place.display) as descriptor:
            if not whole:
                count = scanner.count(descriptor)
                if count > WIDEST or len(made.entries) + count > BUDGET:
                    made.collapsed.append(Collapsed(place.relative, count))
                    return []
            found, ignore = scanner.scan(descriptor, place.relative, ignore)
            made.total += len(found)
            return [(path, ignore) for path in _entries(made, place, found)]
    except LimitHit:
        raise
    except AstroError:
        if whole:
            raise
        return []  # gone, or without permission: the entry itself was told


def _entries(made: Tree, place: Place, found: list[Found]) -> list[str]:
    folders = []
    for one in found[:MOST]:
        path = f"{place.relative}/{one.name}" if place.relative else one.name
        entry = Entry.of(one, path)
        if entry is None:
            made.total -= 1
            continue
        made.entries.append(entry)
        if one.type == "folder":
            folders.append(path)
    return folders
