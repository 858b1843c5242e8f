"""Where the parts of a repository lie. Every part lies beneath the session's roots, and none is a link."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from astro_mcp.errors import NotFound, PathDenied, TooLarge, Unsupported
from astro_mcp.observe.printable import printable
from astro_mcp.workspace.git.configuration import Key, parse

SMALL: Final = 1_000_000
"""Bytes of a file that names something: `.git`, `HEAD`, `commondir`, `config`, `alternates`."""
FANOUT: Final = re.compile(r"[0-9a-f]{2}|pack|info")
EXTENSIONS: Final = frozenset({"noop", "partialclone", "preciousobjects", "worktreeconfig", "relativeworktrees"})
BORROWED: Final = 16
"""Object folders that a repository may borrow from by alternates."""
SETTLED: Final = 1_000_000_000
"""Nanoseconds after a change of a folder from which on another change is sure to give it another ctime."""
KNOWN: Final = 64
"""Object folders of which it is remembered what was gone through."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Real paths. `gitdir` holds HEAD and index; `common` the refs; the two differ in a linked worktree.

    `objects` are the repository's own objects, then those that it borrows; `config` is its text, taken as data.
    """

    worktree: Path
    gitdir: Path
    common: Path
    objects: tuple[Path, ...]
    config: dict[Key, str]

    @property
    def modes(self) -> bool:
        """Whether it counts as a change that a file became executable, or ceased to be."""
        return self._is_on("filemode")

    @property
    def links(self) -> bool:
        """Whether links are links in the working tree, and not files that hold where they lead, as on Windows."""
        return self._is_on("symlinks")

    def _is_on(self, key: str) -> bool:
        return self.config.get(("core", "", key), "true").lower() not in ("false", "no", "off", "0")


class Seen:
    """Folders of objects that were gone through, each by its state: a folder's ctime changes with whatever is put into
    it or taken out, and can't be set back."""

    def __init__(self) -> None:
        self._states: dict[str, dict[str, tuple[int, int]]] = {}

    def of(self, objects: str) -> dict[str, tuple[int, int]]:
        """What is known of the folders within `objects`: inode and ctime, by their names."""
        if objects not in self._states and len(self._states) >= KNOWN:
            self._states.clear()
        return self._states.setdefault(objects, {})


def find(folder: Path, roots: Sequence[Path], home: Sequence[Path] = (), seen: Seen | None = None) -> Layout:
    """The repository whose working tree is `folder`; parent folders are not searched.

    The working tree lies beneath `roots`; git's own parts lie there, or beneath `home` (see `Grant`). Raises `NotFound`
    (no repository), `PathDenied` (a part lies outside of the roots, or is a link), `Unsupported` (bare, sha256,
    reftable, an unknown extension). Object folders that `seen` knows are not gone through again.
    """
    if not os.path.isdir(folder):
        raise NotFound(f"there is no folder {printable(folder.name, 80)!r}", "fs_list tells what is there")
    worktree = beneath(folder, roots)
    roots = (*roots, *home)
    gitdir = _gitdir(worktree, roots)
    common = _common(gitdir, roots)
    config = parse((small(f"{common}/config") or b"").decode("utf-8", "replace"))
    _supported(common, gitdir, config)
    if gitdir != worktree / ".git":
        _belongs(worktree, gitdir, common, config)
    return Layout(worktree, gitdir, common, objects_of(common, roots, seen or Seen()), config)


def objects_of(common: Path, roots: Sequence[Path], seen: Seen) -> tuple[Path, ...]:
    """The object folders of a repository, gone through: of what `find` does all that has to do with objects. `roots`
    are those of the session and its home."""
    return tuple(_objects(_folder(common / "objects"), roots, seen))


def beneath(path: Path, roots: Sequence[Path]) -> Path:
    """The real path; raises `PathDenied` where it is not beneath a root, `NotFound` where it is missing."""
    try:
        real = Path(os.path.realpath(path, strict=True))
    except (OSError, RuntimeError, ValueError):
        raise NotFound("this repository names a part of itself that is missing") from None
    if not any(real == root or root in real.parents for root in roots):
        raise PathDenied(
            "this repository keeps a part of itself outside of the workspace roots",
            "add the folder that holds it as a root (--root), or clone the repository anew",
        )
    return real


def small(path: Path | str) -> bytes | None:
    """The bytes of a regular file; None where there is none, or a folder. A link, a device, over 1 MB are refused."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        raise PathDenied(f"{_name(path)} in the repository's folder is a link or can't be read") from None
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            return None
        if not stat.S_ISREG(status.st_mode):
            raise PathDenied(f"{_name(path)} in the repository's folder is no regular file")
        data = os.read(descriptor, min(status.st_size, SMALL) + 1)  # room for more costs more than the file
        if len(data) > status.st_size:  # it grows while it is read
            data += os.read(descriptor, SMALL)
    finally:
        os.close(descriptor)
    if len(data) > SMALL:
        raise TooLarge(f"{_name(path)} in the repository's folder is over {SMALL:,} bytes")
    return data


def _name(path: Path | str) -> str:
    return os.path.basename(path)


def entries_of(folder: str) -> Iterator[os.DirEntry[str]]:
    """What is in a folder; nothing where it went meanwhile, as git takes away those that it emptied."""
    try:
        yield from os.scandir(folder)
    except FileNotFoundError:
        return


def is_folder(path: Path | str) -> bool:
    """Whether it is a folder, and not a link to one."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def _folder(path: Path) -> Path:
    if not is_folder(path):
        raise PathDenied(f"{path.name} in the repository's folder is missing or a link")
    return path


def _gitdir(worktree: Path, roots: Sequence[Path]) -> Path:
    dot = worktree / ".git"
    if is_folder(dot):
        return dot
    if not os.path.lexists(dot):
        raise _missing(worktree, roots)
    text = (small(dot) or b"").decode("utf-8", "replace").rstrip("\r\n")
    if not text.startswith("gitdir: ") or "\n" in text or "\0" in text:
        raise Unsupported("the file .git here does not name a repository")
    return _folder(beneath(worktree / text.removeprefix("gitdir: "), roots))


def _missing(worktree: Path, roots: Sequence[Path]) -> Exception:
    if is_folder(worktree / "objects") and is_folder(worktree / "refs"):
        return Unsupported("a bare repository is not opened", "clone it into the workspace, and name the clone")
    for parent in worktree.parents:
        if not any(parent == root or root in parent.parents for root in roots):
            break
        if os.path.lexists(parent / ".git"):
            return NotFound("this folder is inside of a repository and not its top", f"use repo={str(parent)!r}")
    return NotFound("there is no git repository here", "name the folder that holds .git, beneath a root")


def _common(gitdir: Path, roots: Sequence[Path]) -> Path:
    text = small(f"{gitdir}/commondir")
    if text is None:
        return gitdir
    return _folder(beneath(gitdir / text.decode("utf-8", "replace").strip("\r\n"), roots))


def _supported(common: Path, gitdir: Path, config: dict[Key, str]) -> None:
    extensions = {key: value.lower() for (section, _, key), value in config.items() if section == "extensions"}
    if extensions.pop("objectformat", "sha1") != "sha1":
        raise Unsupported("repositories of sha256 objects are not supported")
    if extensions.pop("refstorage", "files") != "files" or os.path.lexists(f"{common}/reftable"):
        raise Unsupported("repositories that keep their refs as reftable are not supported")
    if unknown := sorted(set(extensions) - EXTENSIONS):
        raise Unsupported(f"the repository uses an extension that is not supported: {unknown[0][:40]}")
    if any(entry.name.startswith("sharedindex.") for entry in os.scandir(gitdir)):
        raise Unsupported("a split index is not supported", "run: git update-index --no-split-index")


def _belongs(worktree: Path, gitdir: Path, common: Path, config: dict[Key, str]) -> None:
    """A `.git` file names a repository; that repository has to name this folder in turn, or a stranger's could."""
    if gitdir != common:
        back = (small(gitdir / "gitdir") or b"").decode("utf-8", "replace").strip("\r\n")
        named = Path(os.path.realpath(gitdir / back)) if back and "\0" not in back else None
        mine = worktree / ".git"
    else:
        back = config.get(("core", "", "worktree"), "")
        named = Path(os.path.realpath(gitdir / back)) if back and "\0" not in back else None
        mine = worktree
    if named != mine:
        raise PathDenied("the file .git here names a repository that does not know this folder")


def _objects(first: Path, roots: Sequence[Path], seen: Seen) -> list[Path]:
    """The object folders in the order git reads them; a link or a special file anywhere in them is refused."""
    found: list[Path] = []
    waiting = [first]
    while waiting:
        folder = waiting.pop(0)
        if folder in found:
            continue
        if len(found) >= BORROWED or "\n" in str(folder):
            raise Unsupported("the repository borrows objects from too many places")
        _no_links(folder, seen)
        found.append(folder)
        for line in (small(f"{folder}/info/alternates") or b"").decode("utf-8", "surrogateescape").splitlines():
            if line.startswith('"'):
                raise Unsupported("a quoted path in objects/info/alternates is not supported")
            if line and not line.startswith("#"):
                waiting.append(_folder(beneath(folder / line, roots)))
    return found


def _no_links(objects: Path, seen: Seen) -> None:
    top = str(objects)
    known = seen.of(top)
    try:
        descriptor = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except NotADirectoryError:  # it was one a moment ago
        raise _linked() from None
    try:
        for entry in os.scandir(descriptor):
            name = entry.name
            former = known.get(name)
            if former is not None and former == _state(name, descriptor):  # most of up to 256
                continue
            if entry.is_symlink():
                raise _linked()
            if FANOUT.fullmatch(name) and entry.is_dir(follow_symlinks=False):
                state = _state(name, descriptor)
                known.pop(name, None)
                deeper = _files_alone(f"{top}/{name}")
                # commit-graphs/ is the one folder at this depth
                if any(_files_alone(folder) for folder in deeper):
                    raise _linked()
                if state and not deeper and time.time_ns() - state[1] > SETTLED:
                    known[name] = state
    finally:
        os.close(descriptor)


def _state(name: str, folder: int) -> tuple[int, int] | None:
    """Of what has that name in the open folder: a link there has an inode of its own. None where it went meanwhile."""
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_ctime_ns


def _files_alone(folder: str) -> list[str]:
    """The folders in it; raises `PathDenied` for what is no file either."""
    found = []
    for entry in entries_of(folder):
        if entry.is_dir(follow_symlinks=False):
            found.append(entry.path)
        elif not entry.is_file(follow_symlinks=False):
            raise _linked()
    return found


def _linked() -> PathDenied:
    return PathDenied("the repository's objects hold a link")
