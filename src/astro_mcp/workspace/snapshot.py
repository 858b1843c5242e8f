"""Guarded copies of workspace files. Blocks: for worker threads."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from anyio import from_thread

from astro_mcp.errors import AstroError, TooLarge
from astro_mcp.workspace.beneath import resolve
from astro_mcp.workspace.content import read_file, status_of
from astro_mcp.workspace.guards import GIT, ReadGuard
from astro_mcp.workspace.names import fold
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.walk import Collapsed, walk


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """`path` is posix and relative to the root."""

    path: str
    data: bytes
    executable: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The copies, by path; `withheld` has one line, `path (reason)`, for each file that a guard left out."""

    root: Path
    files: tuple[SnapshotFile, ...]
    withheld: tuple[str, ...]


def take(guard: ReadGuard, places: Sequence[Place], *, max_files: int, max_bytes: int) -> Snapshot:
    """Copy what lies at `places`, all of one root. Raises `TooLarge`, `NotFound`, `PathDenied`."""
    copies = _Copies(guard, max_files, max_bytes)
    for place in places:
        for found in _files(place, copies.withheld):
            copies.add(found)
    files = tuple(copies.files[path] for path in sorted(copies.files))
    return Snapshot(places[0].root, files, tuple(sorted(copies.withheld)))


def _files(place: Place, withheld: set[str]) -> Iterable[Place]:
    if any(fold(part) in GIT for part in place.parts):
        withheld.add(f"{place.relative} (git's own folder)")
        return ()
    if place.relative and not stat.S_ISDIR(status_of(place).st_mode):
        return (place,)
    return _below(place, withheld)


def _below(place: Place, withheld: set[str]) -> Iterator[Place]:
    for entry in walk(place):
        if isinstance(entry, Collapsed):
            withheld.add(f"{entry.path} (too deep)")
        elif entry.type in ("file", "link"):
            yield place.at(entry.path)
        elif entry.type == "other":
            withheld.add(f"{entry.path} (a pipe, a socket, a device, or a name that is not UTF-8)")


class _Copies:
    def __init__(self, guard: ReadGuard, max_files: int, max_bytes: int) -> None:
        self.files: dict[str, SnapshotFile] = {}
        self.withheld: set[str] = set()
        self._guard = guard
        self._max_files = max_files
        self._left = max_bytes
        self._max_bytes = max_bytes

    def add(self, place: Place) -> None:
        from_thread.check_cancelled()
        if place.relative in self.files:
            return
        target = resolve(place.root, place.relative)
        if target is None:
            self.withheld.add(f"{place.relative} (a link that leads out of the root)")
            return
        if self._guard.withholds(place.relative) or self._guard.withholds(target):
            self.withheld.add(f"{place.relative} (may hold secrets)")
            return
        if len(self.files) >= self._max_files:
            raise TooLarge(f"there are more than {self._max_files:,} files", "name fewer paths")
        self._copy(place, place.at(target))

    def _copy(self, place: Place, target: Place) -> None:
        try:
            data, status = read_file(target, self._left)
        except TooLarge:
            raise TooLarge(f"the files hold more than {self._max_bytes:,} bytes in all", "name fewer paths") from None
        except AstroError as error:
            self.withheld.add(f"{place.relative} ({error.message})")
            return
        self._left -= len(data)
        self.files[place.relative] = SnapshotFile(place.relative, data, bool(status.st_mode & 0o100))
