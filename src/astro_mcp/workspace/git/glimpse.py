"""What a repository is made of, as a whole look found it: seen again on the event loop, by the state of each file.

A file that is the same inode with the same times is the same file, for nobody sets a ctime back. All is resolved from
the kernel's own memory and without a link (as `page_cache` does), so nothing here waits for a disk. Objects are not
looked at: before a git is asked about a repository that was only glimpsed, a whole look has to be taken.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from astro_mcp.core.authority import Grant
from astro_mcp.workspace import openat2
from astro_mcp.workspace.git.layout import SETTLED, Layout
from astro_mcp.workspace.git.private import INDEX
from astro_mcp.workspace.git.refs import SHA, Refs
from astro_mcp.workspace.inotify import tells_all
from astro_mcp.workspace.page_cache import read_beneath

FOLDERS: Final = ("", "/.git", "/.git/info")
"""Above the files; what comes and goes in them is not all a look's, so that their own times say nothing."""
MAILMAP: Final = ".mailmap"
RULES: Final = (".gitattributes", MAILMAP)
"""At the top of the working tree, read once by a git: how paths are compared, and what authors are called."""
FILES: Final = (
    *(f".git/{name}" for name in ("HEAD", "index", "config", "packed-refs", "info/exclude")),
    *(f".git/{name}" for name in ("commondir", "shallow", "reftable")),
    *RULES,
)
"""All else that a look reads beside the refs, there or not."""
MOST: Final = 64
"""Refs and their folders: a repository with more is not glimpsed."""
LONGEST: Final = 64
"""Bytes of a file that names a commit."""
_LOOK: Final = getattr(os, "O_PATH", 0) | os.O_CLOEXEC

State = tuple[int, ...]
"""Of a file or folder; () where there is none."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a whole look found: beside layout and refs the commits where history is cut, the states of the `RULES`,
    the index's stamp and the patterns of `info/exclude`."""

    layout: Layout
    refs: Refs
    shallow: bytes
    rules: tuple[str, ...]
    stamp: str
    exclude: bytes


@dataclass(frozen=True, slots=True)
class Glimpse:
    """`found` by a look of `grant`, which folder the working tree was, and the states of all that was read."""

    grant: Grant
    found: Found
    top: State
    files: tuple[tuple[str, State], ...]

    @classmethod
    def of(cls, grant: Grant, found: Found, folders: tuple[State, ...], began: int) -> Glimpse | None:
        """Of a look that began at that nanosecond, when `folders` were what `which` said; None where anything may have
        changed since, and where a glimpse might wait. Blocks: for worker threads."""
        layout = found.layout
        tree = str(layout.worktree)
        if str(layout.common) != f"{tree}/.git" or layout.gitdir != layout.common or not openat2.is_available():
            return None
        try:
            names = list(_refs(tree))
            files: list[tuple[str, State]] = []
            for name in (*names, *FILES):
                files.append((name, state := _state(f"{tree}/{name}")))
                if state and state[-1] > began - SETTLED:
                    return None
            local = _is_local(tree)
        except OSError:
            return None
        there = {name for name, state in files if state}
        same = bool(folders) and folders == which(tree) and local and len(names) <= MOST
        told = {
            ".git/shallow": found.shallow,
            **dict(zip(RULES, found.rules, strict=True)),
            ".git/index": found.stamp,
            ".git/info/exclude": found.exclude,
        }
        packed = any(f".git/{name}" not in there for name in found.refs.table)
        if not same or ".git/commondir" in there or (packed and ".git/packed-refs" not in there):
            return None
        if any(said and name not in there for name, said in told.items()):
            return None
        return cls(grant, found, folders[0], tuple(files))

    def refs(self, *, moved: bool) -> Refs | None:
        """The refs, where all of it is as it was, as far as that is told without a wait; else None. With `moved` also
        where HEAD's branch moved, and with it its folder and the index: HEAD's commit is told then, and other branches
        may have come or gone."""
        try:
            top = openat2.open_known(str(self.found.layout.worktree), _LOOK | os.O_DIRECTORY)
        except OSError:
            return None
        try:
            return self._refs(top, moved) if _stamped(os.fstat(top))[:3] == self.top else None
        except OSError:
            return None
        finally:
            os.close(top)

    def _refs(self, top: int, moved: bool) -> Refs | None:
        refs = self.found.refs
        head = f".git/{refs.head}" if moved and refs.branch else ""
        same = True
        for name, state in self.files:
            now = _known(top, name)
            if now != state:
                if not head or not _may_move(name, head, now):
                    return None
                same = False
        if same:
            return refs
        read = read_beneath(top, head, LONGEST)
        sha = read[0].decode("ascii", "replace").strip() if read else ""
        return replace(refs, table={**refs.table, refs.head: sha}) if SHA.fullmatch(sha) else None


def _may_move(name: str, head: str, now: State) -> bool:
    """Whether it comes with a commit on the branch whose file is `head`: that file, a folder of it, the index."""
    if name == ".git/index":
        return not now or (now[2] == stat.S_IFREG and now[3] <= INDEX)
    return name == head or (head.startswith(f"{name}/") and now[2:3] == (stat.S_IFDIR,))


def which(tree: Path | str) -> tuple[State, ...]:
    """Which `FOLDERS` there are. Blocks, as a look does, which it comes before."""
    try:
        return tuple(_state(f"{tree}{name}")[:3] for name in FOLDERS)
    except OSError:  # a name that is none; the look itself says so
        return ()


def _refs(tree: str) -> Iterator[str]:
    """The folders of loose refs and all that is in them; some more than are glimpsed at most."""
    waiting, count = [".git/refs"], 0
    while waiting and count <= MOST:
        folder = waiting.pop()
        yield folder
        for entry in os.scandir(f"{tree}/{folder}"):
            count += 1
            name = f"{folder}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                waiting.append(name)
            else:
                yield name


def _is_local(tree: str) -> bool:
    folder = os.open(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return tells_all(folder)
    finally:
        os.close(folder)


def _state(path: str) -> State:
    try:
        return _stamped(os.lstat(path))
    except (FileNotFoundError, NotADirectoryError):
        return ()


def _known(top: int, name: str) -> State:
    """The same, without a wait: raises `OSError` where the kernel does not have it in memory, and for a link."""
    try:
        descriptor = openat2.open_known_beneath(top, name, _LOOK)
    except (FileNotFoundError, NotADirectoryError):
        return ()
    try:
        return _stamped(os.fstat(descriptor))
    finally:
        os.close(descriptor)


def _stamped(status: os.stat_result) -> State:
    """Identity first, the ctime last."""
    kind = stat.S_IFMT(status.st_mode)
    return status.st_dev, status.st_ino, kind, status.st_size, status.st_mtime_ns, status.st_ctime_ns
