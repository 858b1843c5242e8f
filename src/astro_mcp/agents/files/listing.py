"""What a folder holds. Blocks: for worker threads."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from astro_mcp.agents.files.models import NO_FIT, ListInput, ListItem, ListOutput
from astro_mcp.workspace.content import status_of
from astro_mcp.workspace.counts import Counts
from astro_mcp.workspace.folders import DEEPEST, folders
from astro_mcp.workspace.ignore import matcher
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.tree import MOST, Tree, tree
from astro_mcp.workspace.walk import Entry

DEPTH: Final = 2
_CUT: Final = f"only the first {MOST:,} are kept; name a folder within"


def list_all(places: Sequence[Place], args: ListInput, counts: Counts) -> ListOutput:
    """The entries below each of `places`."""
    if len(places) == 1:
        return _list_below(places[0], args, counts)
    parts = [_list_below(place, args, counts) for place in places]
    items = [item for part in parts for item in part.items]
    total = sum(part.total for part in parts)
    cut = total > len(items[:MOST])
    note = _CUT if cut else next((part.note for part in parts if not total), None)
    return ListOutput(items=items[:MOST], total=total, truncated=cut, note=note)


def _list_below(place: Place, args: ListInput, counts: Counts) -> ListOutput:
    """The entries below `place`, or `place` itself where it is a file."""
    if place.relative and not stat.S_ISDIR((status := status_of(place)).st_mode):
        kind = "link" if stat.S_ISLNK(status.st_mode) else "file" if stat.S_ISREG(status.st_mode) else "other"
        item = ListItem(path=place.display, type=kind, bytes=status.st_size, mtime=stamp(status.st_mtime))
        return ListOutput(items=[item], total=1)
    if args.glob is None:
        found = tree(place, args.depth or DEPTH, counts, include_ignored=args.include_ignored)
    else:
        found = _fitting(place, args.glob, args)
    entries = {one.path: one.entries for one in found.collapsed}
    items = [_item(place, entry, entries.get(entry.path)) for entry in found.entries]
    cut = found.total > len(items)
    note = _CUT if cut else None
    if args.glob is not None and not found.total:
        note = NO_FIT
    return ListOutput(items=items, total=found.total, truncated=cut, note=note)


def _fitting(place: Place, glob: str, args: ListInput) -> Tree:
    """What fits the glob, at every level or `depth` of them; no folders."""
    fits = matcher(glob)
    made = Tree()
    levels = args.depth or DEEPEST
    skip = len(place.relative) + 1 if place.relative else 0
    for folder in folders(place, include_ignored=args.include_ignored, levels=levels):
        head = folder.below("")
        for one in folder.found:
            if one.type == "folder" or not fits(head[skip:] + one.name):
                continue
            made.total += 1
            if len(made.entries) < MOST and (entry := Entry.of(one, head + one.name)):
                made.entries.append(entry)
    made.entries.sort(key=lambda entry: entry.path.split("/"))
    return made


def _item(place: Place, entry: Entry, entries: int | None) -> ListItem:
    size = None if entry.type == "folder" else entry.bytes
    return ListItem(
        path=place.shown(entry.path), type=entry.type, bytes=size, mtime=stamp(entry.mtime), entries=entries
    )


def stamp(seconds: float) -> str:
    """Unix seconds as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()[:19] + "Z"
