"""What a folder holds. Blocks: for worker threads."""

from __future__ import annotations

import stat
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from astro_mcp.agents.files.models import CollapsedFolder, ListInput, ListItem, ListOutput
from astro_mcp.workspace.content import status_of
from astro_mcp.workspace.ignore import matcher
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.walk import DEEPEST, Breadth, Collapsed, Entry, walk

MOST: Final = 10_000
WIDEST: Final = 200
"""Entries that a folder below the listed one may have to be shown; a bigger one is named with its count."""
DEPTH: Final = 2


def list_below(place: Place, args: ListInput) -> ListOutput:
    """The entries below `place`, or `place` itself where it is a file."""
    if place.relative and not stat.S_ISDIR((status := status_of(place)).st_mode):
        kind = "link" if stat.S_ISLNK(status.st_mode) else "file" if stat.S_ISREG(status.st_mode) else "other"
        item = ListItem(path=place.display, type=kind, bytes=status.st_size, mtime=stamp(status.st_mtime))
        return ListOutput(items=[item], collapsed=[], total=1)
    fits = matcher(args.glob) if args.glob is not None else None
    levels = args.depth or (DEEPEST if fits else DEPTH)
    items: list[ListItem] = []
    collapsed: list[CollapsedFolder] = []
    total = 0
    breadth = Breadth(levels, None if fits else WIDEST)
    for entry in walk(place, include_ignored=args.include_ignored, breadth=breadth):
        if isinstance(entry, Collapsed):
            collapsed.append(CollapsedFolder(path=place.at(entry.path).display, entries=entry.entries))
        elif fits is None or _fits(fits, entry, place):
            total += 1
            if len(items) < MOST:
                items.append(_item(place, entry))
    note = f"only the first {MOST:,} are kept; name a folder within" if total > len(items) else None
    return ListOutput(items=items, collapsed=collapsed, total=total, truncated=total > len(items), note=note)


def _fits(fits: Callable[[str], bool], entry: Entry, place: Place) -> bool:
    below = entry.path[len(place.relative) + 1 :] if place.relative else entry.path
    return entry.type != "folder" and fits(below)


def _item(place: Place, entry: Entry) -> ListItem:
    size = None if entry.type == "folder" else entry.bytes
    return ListItem(path=place.at(entry.path).display, type=entry.type, bytes=size, mtime=stamp(entry.mtime))


def stamp(seconds: float) -> str:
    """Unix seconds as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
