"""Guarded copies of workspace files. Blocks: for worker threads.

A copy may begin with the one before: a file that bears the stamp which it bore then is not read again. One that had
changed just before it was read has none, as the next change might bear the same time (see `fingerprint`).
"""

from __future__ import annotations

import stat
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from anyio import from_thread

from astro_mcp.errors import AstroError, TooLarge
from astro_mcp.workspace.beneath import resolve
from astro_mcp.workspace.content import read_file, status_of
from astro_mcp.workspace.fingerprint import MARGIN_SECONDS
from astro_mcp.workspace.guards import GIT, ReadGuard
from astro_mcp.workspace.names import fold
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.survey import Survey
from astro_mcp.workspace.walk import Collapsed, Entry, Stamp, stamp


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """`path` is posix and relative to the root."""

    path: str
    data: bytes
    executable: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The copies, by path; `withheld` has one line, `path (reason)`, for each file that a guard left out. `stamps` are
    those of the files that had not changed just before they were read."""

    root: Path
    files: tuple[SnapshotFile, ...]
    withheld: tuple[str, ...]
    stamps: Mapping[str, Stamp] = field(default_factory=dict)


def take(
    guard: ReadGuard,
    places: Sequence[Place],
    *,
    max_files: int,
    max_bytes: int,
    before: Snapshot | None = None,
    survey: Survey | None = None,
) -> Snapshot:
    """Copy what lies at `places`, all of one root, with files of `before`, a copy in the same root, where they are the
    same; `survey` is of what lies there. Raises `TooLarge`, `NotFound`, `PathDenied`."""
    copies = _Copies(guard, max_files, max_bytes, before)
    for place in places:
        for path, now in _files(place, survey or Survey(), copies.withheld):
            copies.add(place, path, now)
    files = tuple(copies.files[path] for path in sorted(copies.files))
    return Snapshot(places[0].root, files, tuple(sorted(copies.withheld)), copies.stamps)


def _files(place: Place, survey: Survey, withheld: set[str]) -> Iterable[tuple[str, Stamp | None]]:
    """Each with its stamp, where the walk came by it and it is no link."""
    if any(fold(part) in GIT for part in place.parts):
        withheld.add(f"{place.relative} (git's own folder)")
        return ()
    if place.relative and not stat.S_ISDIR(status_of(place).st_mode):
        return ((place.relative, None),)
    return _below(survey.below(place), withheld)


def _below(entries: Iterable[Entry | Collapsed], withheld: set[str]) -> Iterator[tuple[str, Stamp | None]]:
    for entry in entries:
        if isinstance(entry, Collapsed):
            withheld.add(f"{entry.path} (too deep)")
        elif entry.type in ("file", "link"):
            yield entry.path, entry.stamp if entry.type == "file" else None
        elif entry.type == "other":
            withheld.add(f"{entry.path} (a pipe, a socket, a device, or a name that is not UTF-8)")


class _Copies:
    def __init__(self, guard: ReadGuard, max_files: int, max_bytes: int, before: Snapshot | None) -> None:
        self.files: dict[str, SnapshotFile] = {}
        self.withheld: set[str] = set()
        self.stamps: dict[str, Stamp] = {}
        self._stamps = before.stamps if before else {}
        self._before = {file.path: file for file in before.files} if before else {}
        self._guard = guard
        self._max_files = max_files
        self._left = max_bytes
        self._max_bytes = max_bytes

    def add(self, place: Place, path: str, now: Stamp | None) -> None:
        """The file at `path` of the root of `place`, whose stamp is `now`."""
        if path in self.files:
            return
        same = now is not None and self._stamps.get(path) == now
        target = path if same else resolve(place.root, path)
        if target is None:
            self.withheld.add(f"{path} (a link that leads out of the root)")
            return
        if self._guard.withholds(path) or (target != path and self._guard.withholds(target)):
            self.withheld.add(f"{path} (may hold secrets)")
            return
        if len(self.files) >= self._max_files:
            raise TooLarge(f"there are more than {self._max_files:,} files", "name fewer paths")
        if same and len(self._before[path].data) <= self._left:
            self._keep(self._before[path], now)
        else:
            self._copy(place.at(path), place.at(target), link=now is None)

    def _copy(self, place: Place, target: Place, *, link: bool) -> None:
        from_thread.check_cancelled()
        latest = (time.time() - MARGIN_SECONDS) * 1e9
        try:
            data, status = read_file(target, self._left)
        except TooLarge:
            raise TooLarge(f"the files hold more than {self._max_bytes:,} bytes in all", "name fewer paths") from None
        except AstroError as error:
            self.withheld.add(f"{place.relative} ({error.message})")
            return
        then = stamp(status)
        settled = not link and target.relative == place.relative and max(then[:2]) <= latest
        self._keep(SnapshotFile(place.relative, data, bool(status.st_mode & 0o100)), then if settled else None)

    def _keep(self, file: SnapshotFile, then: Stamp | None) -> None:
        self._left -= len(file.data)
        self.files[file.path] = file
        if then is not None:
            self.stamps[file.path] = then
