"""Folders one after the other, each scanned once, without following a link. Blocks: for worker threads.

The status of an entry costs a system call and most are not asked for it: what an entry is, its folder tells.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Final, Literal, NamedTuple

from anyio import from_thread

from astro_mcp.errors import AstroError, LimitHit, Unavailable
from astro_mcp.workspace.beneath import open_child, open_file, open_folder
from astro_mcp.workspace.git_folders import Odd, Reach, small
from astro_mcp.workspace.guards import GIT, OURS
from astro_mcp.workspace.ignore import LARGEST, Ignore, Patterns
from astro_mcp.workspace.names import fold
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.temporary import is_temporary
from astro_mcp.workspace.wildmatch import FOLDER

MOST: Final = 200_000
"""Entries that one scanner sees; beyond, `LimitHit`."""
DEEPEST: Final = 100
"""Levels of folders; each costs a descriptor."""

Type = Literal["file", "folder", "link", "other"]


class Found(NamedTuple):
    """`other` is a pipe, a socket, a device, or a name that is not UTF-8 (shown escaped, and not to be opened).
    `hidden` is what is ignored, and given all the same."""

    name: str
    type: Type
    entry: os.DirEntry[str]
    hidden: bool = False

    def status(self) -> os.stat_result | None:
        """Of a link itself; None where it is gone. While its folder is open."""
        try:
            return self.entry.stat(follow_symlinks=False)
        except OSError:
            return None


@dataclass(frozen=True, slots=True)
class Folder:
    """`path` is posix and relative to the root; `descriptor` is open until the next one is asked for; `found` are the
    visible entries by name."""

    path: str
    descriptor: int
    found: list[Found]

    def below(self, name: str) -> str:
        """The path of the entry `name`."""
        return f"{self.path}/{name}" if self.path else name


class Scanner:
    """Reads folders below `start`, without what `.gitignore` and `info/exclude` hide, `.git`, a root's worktrees of
    runs, and files that are being written.

    Raises `LimitHit` after `MOST` entries, and `Unavailable` where rules are there that can't be read now. Honours
    cancellation of the awaiting task.
    """

    def __init__(
        self,
        start: Place,
        *,
        include_ignored: bool = False,
        include_git: bool = False,
        spares: Callable[[str], bool] | None = None,
    ) -> None:
        """`spares`: files of these names are given in each visible folder, whatever hides them."""
        self._start = start
        self._spares = spares
        self._patterns = None if include_ignored else Patterns()
        self._include_git = include_git
        self._count = 0

    def above(self) -> Ignore:
        """The rules of the folders between the root and `start`, whose own are read with it."""
        ignore = Ignore()
        if self._patterns is None:
            return ignore
        parts = self._start.parts
        for depth in range(len(parts)):
            with open_folder(self._start.root, parts[:depth], self._start.display) as descriptor:
                path = "/".join(parts[:depth])
                ignore = self._with_exclude(descriptor, path, ignore, self._patterns)
                ignore = _with_file(descriptor, path, ignore, self._patterns)
        return ignore

    def count(self, descriptor: int) -> int:
        """How many entries the folder has, the hidden ones too."""
        entries = len(os.listdir(descriptor))
        self.counted(entries)
        return entries

    def counted(self, entries: int) -> None:
        """A folder of so many entries was seen."""
        from_thread.check_cancelled()
        self._saw(entries)

    def scan(self, descriptor: int, path: str, ignore: Ignore) -> tuple[list[Found], Ignore]:
        """The visible entries of the folder at `path` by name, and the rules for what is in it; `ignore` are those of
        the folder above."""
        found, repository = self._entries(descriptor, path)
        found.sort(key=itemgetter(0))
        if self._patterns is not None and repository:
            ignore = self._with_exclude(descriptor, path, ignore, self._patterns)
        if self._patterns is not None and any(one[0] == ".gitignore" for one in found):
            ignore = _with_file(descriptor, path, ignore, self._patterns)
        marked = [f"{name}{FOLDER}" if kind == "folder" else name for name, kind, *_ in found]
        if not ignore.hides_some(path, marked):
            return found, ignore
        head = f"{path}/" if path else ""
        visible = []
        for one in found:
            if not ignore.hides(head + one.name, folder=one.type == "folder"):
                visible.append(one)
            elif self._spares is not None and one.type == "file" and self._spares(one.name):
                visible.append(one._replace(hidden=True))
        return visible, ignore

    def _with_exclude(self, descriptor: int, path: str, ignore: Ignore, patterns: Patterns) -> Ignore:
        """The rules of `info/exclude`, where the open folder at `path` is the top of a repository: those of the folders
        above end there, as they do for git, and any `.gitignore` there has a say before them."""
        try:
            if stat.S_ISDIR(os.stat(".git", dir_fd=descriptor, follow_symlinks=False).st_mode):
                ignore = Ignore() if _is_there(descriptor, ".git/HEAD") else ignore
                data = small(descriptor, ".git/info/exclude", LARGEST)
            else:
                ignore = Ignore() if small(descriptor, ".git").startswith(b"gitdir: ") else ignore
                data = _of_worktree(self._start.root, path)
        except Unavailable:
            raise
        except (AstroError, OSError, Odd):
            return ignore
        return ignore.within(path, data, patterns)

    def _entries(self, descriptor: int, path: str) -> tuple[list[Found], bool]:
        """Also whether there is a `.git`. One turn an entry, and there are many: what most need is done in place."""
        found = []
        repository = False
        with os.scandir(descriptor) as entries:
            for count, entry in enumerate(entries, 1):
                if count % 256 == 0:
                    from_thread.check_cancelled()
                    self._saw(256)
                name = entry.name
                plain = name.isascii() and name.isprintable()
                if not plain or name[0] in ".gG":
                    repository = repository or name == ".git"
                    if not self._include_git and _is_hidden(name, path):
                        continue
                if plain or _is_unicode(name):
                    found.append(Found(name, _type(entry), entry))
                else:
                    found.append(Found(os.fsencode(name).decode("utf-8", "backslashreplace"), "other", entry))
        self._saw(len(found) % 256)
        return found, repository

    def _saw(self, entries: int) -> None:
        self._count += entries
        if self._count > MOST:
            raise LimitHit(f"more than {MOST:,} entries below {self._start.display}", "name a folder within")


def folders(start: Place, *, include_ignored: bool = False, levels: int = DEEPEST) -> Iterator[Folder]:
    """The folder `start` and every folder below it, down to `levels`, each before those in it.

    Raises `NotFound`, `PathDenied`, `LimitHit`, `Unavailable`.
    """
    scanner = Scanner(start, include_ignored=include_ignored)
    with open_folder(start.root, start.parts, start.display) as descriptor:
        yield from _folders(scanner, descriptor, start.relative, scanner.above(), min(levels, DEEPEST))


def _folders(scanner: Scanner, descriptor: int, path: str, ignore: Ignore, levels: int) -> Iterator[Folder]:
    found, ignore = scanner.scan(descriptor, path, ignore)
    folder = Folder(path, descriptor, found)
    yield folder
    for one in found if levels > 1 else ():
        if one.type != "folder":
            continue
        below = folder.below(one.name)
        try:
            inner = open_child(descriptor, one.name, below)
        except AstroError:  # gone, or without permission: the entry itself was told
            continue
        try:
            yield from _folders(scanner, inner, below, ignore, levels - 1)
        finally:
            os.close(inner)


def _type(entry: os.DirEntry[str]) -> Type:
    try:
        if entry.is_file(follow_symlinks=False):
            return "file"
        if entry.is_dir(follow_symlinks=False):
            return "folder"
        return "link" if entry.is_symlink() else "other"
    except OSError:
        return "other"


def _is_there(folder: int, path: str) -> bool:
    try:
        os.stat(path, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return False
    return True


def _is_unicode(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_hidden(name: str, folder: str) -> bool:
    """What is git's, and ours. In plain letters it begins with a dot, or a g."""
    return fold(name) in GIT or (name == OURS and not folder) or is_temporary(name)


def _of_worktree(root: Path, path: str) -> bytes:
    """The rules of `info/exclude` for the linked worktree at `path`: what it shares with others lies in `root`, too."""
    reach = Reach((root,))
    gitdir = reach.gitdir(f"{root}/{path}" if path else str(root))
    with reach.opened(gitdir) as own, reach.opened(reach.common(gitdir, own)) as common:
        return small(common, "info/exclude", LARGEST)


def _with_file(descriptor: int, path: str, ignore: Ignore, patterns: Patterns) -> Ignore:
    try:
        file, status = open_file(descriptor, ".gitignore", ".gitignore")
    except Unavailable:  # it is there, and may hide what must not be told
        raise
    except AstroError:
        return ignore
    with os.fdopen(file, "rb") as stream:
        data = stream.read(LARGEST + 1) if status.st_size <= LARGEST else b""
    return ignore.within(path, data, patterns)
