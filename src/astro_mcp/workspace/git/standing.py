"""A status that stands as long as nothing happens: git's last whole answer, and what a watch tells of since.

What stands is what one repository's index and working tree were found to be; what touched files are now is told here
where that is plain: a file of the index by its content, one that is gone, one that was untracked already.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import anyio

from astro_mcp.errors import AstroError, NotFound
from astro_mcp.workspace.content import read_file
from astro_mcp.workspace.git.changed import Changed
from astro_mcp.workspace.git.watch import Watch
from astro_mcp.workspace.place import Place

AGE: Final = 30.0
"""Seconds that an answer stands at most, for what no watch tells of."""
ENTRIES: Final = 20_000
"""Files of an index that are held; also changes, and ignored folders."""
LARGEST: Final = 1_000_000
"""Bytes of a file that is compared here."""
AT_ONCE: Final = 128 * 1024
"""Bytes of all the files that are compared on the event loop: their digest takes a fifth of a millisecond."""
RETRY: Final = 60.0
"""Seconds until another watch is tried where the last one could not be."""
_EMPTY: Final = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
"""An empty file; an index says this of one that is to be added, too."""

Key = tuple[str, str, bytes]
"""What an answer is given for: HEAD's commit, the index's stamp, the patterns of `info/exclude`."""


@dataclass(frozen=True, slots=True)
class Entries:
    """Of an index: mode and blob of files that git compares as they are, all other paths, and the folders of both."""

    plain: dict[str, tuple[str, str]]
    others: frozenset[str]
    folders: frozenset[str]

    @classmethod
    def of(cls, records: Sequence[str], rewritten: tuple[bytes, ...]) -> Entries:
        """The records of `git ls-files -s -v -z`. What attributes may have rewritten on its way in ends as `rewritten`
        says (see `attributes.endings`), and is not plain."""
        plain, others, folders = {}, set(), {""}
        for record in records:
            facts, _, path = record.partition("\t")
            tag, mode, blob, stage = facts.split(" ")
            as_it_is = not (rewritten and os.fsencode(path).lower().endswith(rewritten))
            if (tag, stage) == ("H", "0") and mode in ("100644", "100755") and blob != _EMPTY and as_it_is:
                plain[path] = mode, blob
            else:
                others.add(path)
            folder = path.rpartition("/")[0]
            while folder not in folders:
                folders.add(folder)
                folder = folder.rpartition("/")[0]
        return cls(plain, frozenset(others), frozenset(folders))


@dataclass(frozen=True, slots=True)
class Index:
    """The entries of an index, its stamp, and what each `.gitattributes` held, None for one that could not be read."""

    stamp: str
    rules: dict[str, bytes | None]
    entries: Entries | None


@dataclass(frozen=True, slots=True)
class Answer:
    """`at` is of `time.monotonic`, from before git was asked; `links` are the submodules that git did not look at, and
    the commits that the index names."""

    key: Key
    at: float
    changes: list[Changed]
    links: Mapping[str, str] = field(default_factory=dict)

    def holds(self, key: Key) -> bool:
        """Whether it was given for this, and not too long ago."""
        return self.key == key and time.monotonic() - self.at < AGE


@dataclass
class Standing:
    """What stands of one repository; who has the `lock` uses it. `left_out` are the folders that git ignores whole."""

    lock: anyio.Lock = field(default_factory=anyio.Lock)
    watch: Watch | None = None
    answer: Answer | None = None
    left_out: Collection[str] = ()
    index: Index | None = None
    _failed: tuple[Collection[str], float] | None = None

    @property
    def much(self) -> bool:
        """Whether `touched` takes a while, and is for worker threads."""
        return self.watch is not None and self.watch.much

    def touched(self) -> set[str] | None:
        """The files that may have changed since the last look; None where that can't be told."""
        return self.watch.touched() if self.watch is not None else None

    def begin(self, tree: Path) -> None:
        """A new watch from here on, if there can be one. Blocks: for worker threads."""
        self.close()
        if self._failed is None or self._failed[0] != self.left_out or time.monotonic() > self._failed[1]:
            self.watch = Watch.over(tree, self.left_out)
            self._failed = None if self.watch else (self.left_out, time.monotonic() + RETRY)

    def keep(self, answer: Answer, ignored: Iterable[str]) -> None:
        """Let it stand, where all that git did not ignore was watched before it was asked, and it is not long."""
        folders = [path for path in ignored if path.endswith("/")]
        self.left_out = frozenset(folders if len(folders) <= ENTRIES else ())
        watched = self.watch is not None and self.watch.passed <= self.left_out
        self.answer = answer if watched and len(answer.changes) <= ENTRIES else None
        if self.answer is None:
            self.close()

    def close(self) -> None:
        """End the watch, and what stands by it."""
        self.answer = None
        if self.watch is not None:
            self.watch.close()
            self.watch = None


def look(
    entries: Entries, paths: Iterable[str], untracked: Collection[str], place: Callable[[str], Place], *, modes: bool
) -> dict[str, str]:
    """The letter of each file as it is now, "" where git has to say; `modes` tells whether it counts that a file is
    executable. Blocks: for worker threads."""
    found: dict[str, str] = {}
    for path in paths:
        if path in entries.plain:
            found[path] = _looked_at(place(path), *entries.plain[path], modes=modes)
        elif path in entries.others:
            found[path] = ""
        else:
            found[path] = _beside(place(path).path, known=path in untracked)
    return found


def glance(
    entries: Entries,
    paths: Iterable[str],
    place: Callable[[str], Place],
    known: Callable[[Place, int], tuple[bytes, os.stat_result] | None],
    *,
    modes: bool,
) -> dict[str, str]:
    """The letters of those files that are compared without a wait, for the event loop: what `known` gives at once."""
    found: dict[str, str] = {}
    left = AT_ONCE
    for path in paths:
        read = known(place(path), left) if path in entries.plain else None
        if read is None:
            break
        found[path] = _compared(*read, *entries.plain[path], modes=modes)
        left -= len(read[0])
    return found


def _looked_at(place: Place, mode: str, blob: str, *, modes: bool) -> str:
    try:
        data, status = read_file(place, LARGEST)
    except NotFound:
        return "D"
    except AstroError:
        return ""
    return _compared(data, status, mode, blob, modes=modes)


def _compared(data: bytes, status: os.stat_result, mode: str, blob: str, *, modes: bool) -> str:
    if modes and bool(status.st_mode & stat.S_IXUSR) != (mode == "100755"):
        return "M"
    named = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    return "." if named == blob else "M"


def _beside(path: Path, *, known: bool) -> str:
    """Of a file that is not in the index."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return "."
    except OSError:
        return ""
    return "?" if known and (stat.S_ISREG(mode) or stat.S_ISLNK(mode)) else ""


def merged(changes: Iterable[Changed], letters: Mapping[str, str]) -> list[Changed]:
    """The answer with these letters, in git's order: by name, what is in conflict last, then what is untracked."""
    known = {(change.path, change.untracked): change for change in changes}
    for path, letter in letters.items():
        known.pop((path, True), None)
        before = known.pop((path, False), None) or Changed(path, ".", ".")
        if letter == "?":
            known[path, True] = Changed(path, "?", "?")
        elif not before.conflicted:
            before = replace(before, unstaged=letter)
        if (before.staged, before.unstaged) != (".", "."):
            known[path, False] = before
    return in_order(known.values())


def in_order(changes: Iterable[Changed]) -> list[Changed]:
    """As git lists them."""
    return sorted(changes, key=_place_in_list)


def _place_in_list(one: Changed) -> tuple[int, bytes]:
    return one.conflicted + 2 * one.untracked, one.path.encode("utf-8", "surrogateescape")
