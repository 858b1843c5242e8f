"""Everything below a folder, without following a link. Blocks: for worker threads."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from anyio import from_thread

from astro_mcp.errors import AstroError, LimitHit
from astro_mcp.workspace.beneath import open_child, open_file, open_folder
from astro_mcp.workspace.guards import GIT, OURS
from astro_mcp.workspace.ignore import LARGEST, Ignore, Patterns
from astro_mcp.workspace.names import fold
from astro_mcp.workspace.place import Place

MOST: Final = 200_000
"""Entries of one walk; beyond, `LimitHit`."""
DEEPEST: Final = 100
"""Levels of folders; each costs a descriptor."""

Type = Literal["file", "folder", "link", "other"]
Stamp = tuple[int, ...]
"""Changed and modified in ns, device, inode, mode and size."""


@dataclass(frozen=True, slots=True)
class Entry:
    """`path` is posix and relative to the root; `bytes` is 0 for folders; `mtime` in Unix seconds. `stamp` is another
    one where what lies there is another.

    `other` is a pipe, a socket, a device, or a name that is not UTF-8 (shown escaped, and not to be opened).
    """

    path: str
    type: Type
    bytes: int
    mtime: float
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Breadth:
    """How far a walk goes: levels below its start, and how many entries a deeper folder may have to be opened."""

    levels: int = DEEPEST
    widest: int | None = None


@dataclass(frozen=True, slots=True)
class Collapsed:
    """A folder that was not opened, and how many entries it has."""

    path: str
    entries: int


def walk(
    start: Place, *, include_ignored: bool = False, include_git: bool = False, breadth: Breadth | None = None
) -> Iterator[Entry | Collapsed]:
    """Entries below the folder `start`, folders before what is in them, by name; `.git`, and a root's worktrees of
    runs, only on demand.

    Raises `NotFound`, `PathDenied`, and `LimitHit` after `MOST` entries. Honours cancellation of the awaiting task.
    """
    bounds = breadth or Breadth()
    with open_folder(start.root, start.parts, start.display) as descriptor:
        patterns = None if include_ignored else Patterns()
        ignore = Ignore() if patterns is None else _above(start, patterns)
        walker = _Walk(start, patterns, include_git, bounds)
        yield from walker.folder(descriptor, start.relative, ignore, 1)


class _Walk:
    def __init__(self, start: Place, patterns: Patterns | None, include_git: bool, breadth: Breadth) -> None:
        self._start = start
        self._patterns = patterns
        self._include_git = include_git
        self._breadth = breadth
        self._count = 0

    def folder(self, descriptor: int, path: str, ignore: Ignore, level: int) -> Iterator[Entry | Collapsed]:
        found = self._scan(descriptor)
        names = {name for name, _, _ in found}
        if self._patterns is not None and ".gitignore" in names:
            ignore = _with_file(descriptor, path, ignore, self._patterns)
        if self._breadth.widest is not None and level > 1 and len(found) > self._breadth.widest:
            yield Collapsed(path, len(found))
            return
        for number, (name, kind, status) in enumerate(found):
            if number % 256 == 0:
                from_thread.check_cancelled()
            below = f"{path}/{name}" if path else name
            if not self._include_git and (fold(name) in GIT or below == OURS):
                continue
            if ignore.hides(below, folder=kind == "folder"):
                continue
            yield Entry(below, kind, status.st_size if kind != "folder" else 0, status.st_mtime, stamp(status))
            if kind == "folder" and level < self._breadth.levels:
                yield from self._inner(descriptor, name, below, ignore, level + 1)

    def _inner(self, parent: int, name: str, path: str, ignore: Ignore, level: int) -> Iterator[Entry | Collapsed]:
        if level > DEEPEST:
            yield Collapsed(path, 0)
            return
        try:
            descriptor = open_child(parent, name, path)
        except AstroError:  # gone, or without permission: the entry itself was told
            return
        try:
            yield from self.folder(descriptor, path, ignore, level)
        finally:
            os.close(descriptor)

    def _scan(self, descriptor: int) -> list[tuple[str, Type, os.stat_result]]:
        found = []
        with os.scandir(descriptor) as entries:
            for entry in entries:
                self._count += 1
                if self._count % 256 == 0:
                    from_thread.check_cancelled()
                if self._count > MOST:
                    raise LimitHit(f"more than {MOST:,} entries below {self._start.display}", "name a folder within")
                try:
                    status = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                kind = _kind(status.st_mode)
                name = entry.name
                if not _is_unicode(name):
                    name, kind = os.fsencode(name).decode("utf-8", "backslashreplace"), "other"
                found.append((name, kind, status))
        return sorted(found, key=lambda item: item[0])


def stamp(status: os.stat_result) -> Stamp:
    """What tells one state of a file from the next. A program can set back what it modified, and not when it did."""
    return status.st_ctime_ns, status.st_mtime_ns, status.st_dev, status.st_ino, status.st_mode, status.st_size


def _kind(mode: int) -> Type:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "folder"
    return "link" if stat.S_ISLNK(mode) else "other"


def _is_unicode(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _above(start: Place, patterns: Patterns) -> Ignore:
    """The rules of the folders between the root and `start`, whose own are read by the walk."""
    ignore = Ignore()
    parts = start.parts
    for depth in range(len(parts)):
        with open_folder(start.root, parts[:depth], start.display) as descriptor:
            ignore = _with_file(descriptor, "/".join(parts[:depth]), ignore, patterns)
    return ignore


def _with_file(descriptor: int, path: str, ignore: Ignore, patterns: Patterns) -> Ignore:
    try:
        file, status = open_file(descriptor, ".gitignore", ".gitignore")
    except AstroError:
        return ignore
    with os.fdopen(file, "rb") as stream:
        data = stream.read(LARGEST + 1) if status.st_size <= LARGEST else b""
    return ignore.within(path, data, patterns)
