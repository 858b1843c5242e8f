"""Opening files so that no link, however fast it is swapped in, leads out of a root.

The kernel walks a path below the root's descriptor and refuses links (`openat2`); where it can't, every component is
opened here, relative to the descriptor of the one before and with O_NOFOLLOW. The path that is walked was resolved
before (`resolve`), so an honest link inside of the root works, and a component that has become a link since is refused.
All functions block: call them in a worker thread.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from astro_mcp.errors import AstroError, InvalidInput, NotFound, PathDenied, Unavailable
from astro_mcp.workspace import openat2
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.text import one_line

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
LONGEST_PATH: Final = 4096
OUTSIDE: Final = "relative paths start at the workspace root; fs_list without a path names the roots"


def resolve(root: Path, path: str, *, final_link: bool = False) -> str | None:
    """`path` (absolute, or relative to `root`) as a posix path relative to `root` and free of links; None if outside.

    With `final_link` the last component is not followed, so that a link itself can be named. Raises `InvalidInput`
    for NUL and for what is longer than a path can be, `PathDenied` for links without end.
    """
    check_text(path)
    if _is_plain(root, path):
        return path
    full = os.path.join(root, path)
    try:
        if final_link:
            folder, name = os.path.split(full.rstrip("/"))
            if name in ("", ".", ".."):
                raise InvalidInput(f"{path!r} does not end in a name")
            real = os.path.join(os.path.realpath(folder), name)
        else:
            real = os.path.realpath(full)
    except RecursionError:
        raise PathDenied("the path leads through too many links") from None
    if real == str(root):
        return ""
    prefix = f"{root}/"
    return real[len(prefix) :] if real.startswith(prefix) else None


def _is_plain(root: Path, path: str) -> bool:
    """Whether `path` is resolved as it stands. `root` is a real path, so only what is below it needs a look: the
    common case costs one system call a component."""
    full = str(root)
    for part in path.split("/"):
        if part in ("", ".", ".."):
            return False
        full = f"{full}/{part}"
        try:
            if stat.S_ISLNK(os.lstat(full).st_mode):
                return False
        except OSError:  # what is missing has no links below it; what is not permitted fails when it is opened
            return not any(name in ("", ".", "..") for name in path.split("/"))
    return True


def check_text(path: str) -> None:
    """Raises `InvalidInput` for what no path can be."""
    if "\0" in path:
        raise InvalidInput("a path holds no NUL character")
    try:
        size = len(os.fsencode(path))
    except UnicodeEncodeError:
        raise InvalidInput("the path is not valid Unicode") from None
    if size > LONGEST_PATH:
        raise InvalidInput(f"a path has at most {LONGEST_PATH} bytes; this one has {size:,}")


@contextmanager
def open_folder(root: Path, parts: Sequence[str], shown: str) -> Iterator[int]:
    """The descriptor of a folder below `root`, closed at the end; raises typed errors that name `shown`."""
    descriptor = open_root(root)
    try:
        if parts:
            outer, descriptor = descriptor, open_within(descriptor, parts, shown)
            os.close(outer)
        yield descriptor
    finally:
        os.close(descriptor)


def open_within(folder: int, parts: Sequence[str], shown: str) -> int:
    """The descriptor of the folder at `parts`, at least one, below the open `folder`; raises as `open_folder` does."""
    if openat2.is_available():
        try:  # with O_NOFOLLOW, a last link is "no folder"
            return openat2.open_beneath(folder, "/".join(parts), _FOLDER & ~os.O_NOFOLLOW)
        except OSError as error:
            raise translate(error, shown) from None
    descriptor = open_child(folder, parts[0], shown)
    for part in parts[1:]:
        try:
            inner = open_child(descriptor, part, shown)
        finally:
            os.close(descriptor)
        descriptor = inner
    return descriptor


@contextmanager
def open_parent(place: Place) -> Iterator[tuple[int, str]]:
    """The descriptor of the folder that holds `place`, and the last name in it; refuses the root itself."""
    if not place.relative:
        raise InvalidInput("this is the workspace root itself", "name something within it")
    *folders, name = place.parts
    with open_folder(place.root, folders, place.display) as descriptor:
        yield descriptor, name


def open_root(root: Path) -> int:
    try:
        return os.open(root, _FOLDER)
    except OSError as error:
        raise translate(error, str(root)) from None


def open_child(folder: int, name: str, shown: str) -> int:
    """The descriptor of the folder `name` in `folder`, whatever happens to that name meanwhile."""
    try:
        return os.open(name, _FOLDER, dir_fd=folder)
    except NotADirectoryError as error:  # so is a link called where a folder is wanted
        raise _no_folder(folder, name, shown) or translate(error, shown) from None
    except OSError as error:
        raise translate(error, shown) from None


def _no_folder(folder: int, name: str, shown: str) -> AstroError | None:
    try:
        link = stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError as error:
        return translate(error, shown)
    return translate(OSError(errno.ELOOP, ""), shown) if link else None


def open_file(folder: int, name: str, shown: str) -> tuple[int, os.stat_result]:
    """Descriptor and status of the regular file `name` in `folder`. Pipes and devices are not even opened."""
    try:
        _check_regular(os.stat(name, dir_fd=folder, follow_symlinks=False), shown)
        descriptor = os.open(name, _FILE, dir_fd=folder)
    except OSError as error:
        raise translate(error, shown) from None
    try:
        status = os.fstat(descriptor)
        _check_regular(status, shown)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, status


def _check_regular(status: os.stat_result, shown: str) -> None:
    if stat.S_ISREG(status.st_mode):
        return
    if stat.S_ISDIR(status.st_mode):
        raise InvalidInput(f"{one_line(shown)} is a folder", "fs_list shows what is in it")
    if stat.S_ISLNK(status.st_mode):
        raise PathDenied(f"{one_line(shown)} became a link meanwhile")
    raise PathDenied(f"{one_line(shown)} is a pipe, a socket or a device")


def translate(error: OSError, shown: str) -> AstroError:
    """The system's refusal as ours."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return NotFound(f"{one_line(shown)} does not exist", "fs_list shows what there is")
    if error.errno == errno.ELOOP:
        return PathDenied(f"{one_line(shown)} leads through a link that can't be followed")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return PathDenied(f"the system does not permit this on {one_line(shown)}: {os.strerror(error.errno)}")
    if error.errno in (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ):
        return InvalidInput(f"{one_line(shown[:200])} is not a possible name: {os.strerror(error.errno)}")
    return Unavailable(f"{one_line(shown)} can't be used now: {os.strerror(error.errno or errno.EIO)}")
