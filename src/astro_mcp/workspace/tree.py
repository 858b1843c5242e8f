"""The upper part of a tree: level by level, as far as a budget of entries goes. Blocks: for worker threads."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Final

from astro_mcp.errors import AstroError
from astro_mcp.workspace.beneath import open_folder, open_within
from astro_mcp.workspace.counts import Counts, device_of
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


def tree(start: Place, levels: int, counts: Counts, *, include_ignored: bool = False) -> Tree:
    """What is below the folder `start`, `levels` deep at most, without what `.gitignore` hides.

    A level is opened before the one below it, so the budget shows all of a tree's top before any of its depths.
    Raises `NotFound`, `PathDenied`, `LimitHit`.
    """
    made = Tree()
    scanner = Scanner(start, include_ignored=include_ignored)
    with open_folder(start.root, start.parts, start.display) as top:
        found, ignore = scanner.scan(top, start.relative, scanner.above())
        level = _take(made, start.relative, found, ignore)
        counted = _Counted(scanner, counts, device_of(top))
        skip = len(start.parts)
        for _ in range(1, levels):
            level = [one for folder, rules in level for one in _open(made, counted, top, skip, folder, rules)]
    made.entries.sort(key=lambda entry: entry.path.split("/"))
    made.collapsed.sort(key=lambda folder: folder.path.split("/"))
    return made


Level = list[tuple[Entry, Ignore]]
"""Folders to open next, with the rules of the one above each."""


@dataclass(frozen=True, slots=True)
class _Counted:
    """A scanner, and the counts that stand: only those of folders on `device` do."""

    scanner: Scanner
    counts: Counts
    device: int | None

    def known(self, folder: Entry) -> int | None:
        """How many entries it has; None where it has to be opened for that."""
        count = self.counts.of(folder.stamp)
        if count is not None:
            self.scanner.counted(count)
        return count

    def count(self, descriptor: int, folder: Entry) -> int:
        """The same of a folder that is open."""
        count = self.scanner.count(descriptor)
        if folder.stamp[2] == self.device:
            self.counts.keep(folder.stamp, count)
        return count


def _open(made: Tree, counted: _Counted, top: int, skip: int, folder: Entry, ignore: Ignore) -> Level:
    """Take the folder in, or only count it where that is over the budget. `top` is an open folder above it, whose own
    path has `skip` names."""
    path, known = folder.path, counted.known(folder)
    if known is not None and _too_much(made, known):
        made.collapsed.append(Collapsed(path, known))
        return []
    try:
        descriptor = open_within(top, path.split("/")[skip:], path)
    except AstroError:  # gone, or without permission: the entry itself was told
        return []
    try:
        count = counted.count(descriptor, folder) if known is None else known
        if _too_much(made, count):
            made.collapsed.append(Collapsed(path, count))
            return []
        found, ignore = counted.scanner.scan(descriptor, path, ignore)
        return _take(made, path, found, ignore)
    finally:
        os.close(descriptor)


def _too_much(made: Tree, count: int) -> bool:
    return count > WIDEST or len(made.entries) + count > BUDGET


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
            folders.append((entry, ignore))
    return folders
