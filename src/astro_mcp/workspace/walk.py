"""Everything below a folder, without following a link. Blocks: for worker threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from anyio import from_thread

from astro_mcp.core.record import record
from astro_mcp.errors import NotFound, PathDenied
from astro_mcp.workspace.beneath import open_child, open_folder
from astro_mcp.workspace.folders import DEEPEST, Found, Scanner, Type
from astro_mcp.workspace.ignore import Ignore
from astro_mcp.workspace.place import Place

Stamp = tuple[int, ...]
"""Changed and modified in ns, device, inode, mode and size."""


@record()
class Entry:
    """`path` is posix and relative to the root; `bytes` is 0 for folders; `mtime` in Unix seconds. `stamp` is another
    one where what lies there is another. `hidden` is what is ignored, and was spared."""

    path: str
    type: Type
    bytes: int
    mtime: float
    stamp: Stamp
    hidden: bool = False

    @classmethod
    def of(cls, found: Found, path: str) -> Entry | None:
        """None where it is gone. While its folder is open."""
        status = found.status()
        if status is None:
            return None
        size = status.st_size if found.type != "folder" else 0
        return cls(path, found.type, size, status.st_mtime, stamp(status), found.hidden)


@dataclass(frozen=True, slots=True)
class Collapsed:
    """A folder that was not opened, and how many entries it has."""

    path: str
    entries: int


def walk(
    start: Place,
    *,
    include_ignored: bool = False,
    include_git: bool = False,
    spares: Callable[[str], bool] | None = None,
) -> Iterator[Entry | Collapsed]:
    """Entries below the folder `start`, folders before what is in them, by name; `.git`, and a root's worktrees of
    runs, only on demand, and ignored files where `spares` says so of their names, in folders that are not ignored. What
    lies too deep is a `Collapsed` of 0 entries.

    Raises `NotFound`, `PathDenied`, `LimitHit` for too many entries, and `Unavailable` where a folder can't be opened
    now: it is not empty. Honours cancellation of the awaiting task.
    """
    scanner = Scanner(start, include_ignored=include_ignored, include_git=include_git, spares=spares)
    with open_folder(start.root, start.parts, start.display) as descriptor:
        yield from _folder(scanner, descriptor, start.relative, scanner.above(), 1)


def _folder(scanner: Scanner, descriptor: int, path: str, ignore: Ignore, level: int) -> Iterator[Entry | Collapsed]:
    found, ignore = scanner.scan(descriptor, path, ignore)
    for number, one in enumerate(found):
        if number % 256 == 0:
            from_thread.check_cancelled()
        below = f"{path}/{one.name}" if path else one.name
        entry = Entry.of(one, below)
        if entry is None:
            continue
        yield entry
        if one.type == "folder":
            yield from _inner(scanner, descriptor, one.name, below, ignore, level + 1)


def _inner(
    scanner: Scanner, parent: int, name: str, path: str, ignore: Ignore, level: int
) -> Iterator[Entry | Collapsed]:
    if level > DEEPEST:
        yield Collapsed(path, 0)
        return
    try:
        descriptor = open_child(parent, name, path)
    except (NotFound, PathDenied):  # gone, or without permission: the entry itself was told
        return
    try:
        yield from _folder(scanner, descriptor, path, ignore, level)
    finally:
        os.close(descriptor)


def stamp(status: os.stat_result) -> Stamp:
    """What tells one state of a file from the next. A program can set back what it modified, and not when it did."""
    return status.st_ctime_ns, status.st_mtime_ns, status.st_dev, status.st_ino, status.st_mode, status.st_size
