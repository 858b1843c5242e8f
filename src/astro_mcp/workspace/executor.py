"""Carries actions out on the disk, in order, and takes them back where one fails. Blocks: for worker threads.

A file is replaced by rename after its bytes are on disk (fsync), so a reader sees the old or the new one, whole. Each
action looks first whether the world still is what it expects, by content and not by time.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress

from astro_mcp.errors import AstroError, Conflict, InvalidInput, NotFound, PathDenied, TooLarge, Unavailable
from astro_mcp.workspace.actions import ABSENT, Action, Put, Rename, State
from astro_mcp.workspace.beneath import open_file, open_folder, open_parent, translate
from astro_mcp.workspace.content import read_all
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.temporary import temporary
from astro_mcp.workspace.text import one_line

LARGEST = 64 * 1024 * 1024
"""Bytes of one file that is changed, and of all before- and after-images of one change set."""


class HalfDone(Unavailable):
    """A change set stopped half way and could not be taken back now; that is tried again at the next start."""


def look(place: Place) -> tuple[State, bytes]:
    """What lies at `place`, and its bytes if it is a file. Raises `PathDenied` for hard links and special files."""
    try:
        with open_parent(place) as (folder, name):
            return _look(folder, name, place.display)
    except NotFound:
        return ABSENT, b""


def _look(folder: int, name: str, shown: str) -> tuple[State, bytes]:
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return ABSENT, b""
    except OSError as error:
        raise translate(error, shown) from None
    mode = stat.S_IMODE(status.st_mode) & 0o777
    if stat.S_ISDIR(status.st_mode):
        return State("folder", "", mode), b""
    if stat.S_ISLNK(status.st_mode):
        return State("link", _target(folder, name, shown)), b""
    data = _bytes(folder, name, shown)
    return State("file", hashlib.sha256(data).hexdigest(), mode), data


def _target(folder: int, name: str, shown: str) -> str:
    try:
        return os.readlink(name, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise Conflict(f"{one_line(shown)} changed meanwhile", "look again, then repeat") from None
        raise translate(error, shown) from None


def _bytes(folder: int, name: str, shown: str) -> bytes:
    descriptor, status = open_file(folder, name, shown)
    try:
        if status.st_nlink > 1:
            raise PathDenied(
                f"{one_line(shown)} is a hard link: its content has {status.st_nlink} names", "copy it first"
            )
        if status.st_size > LARGEST:
            raise TooLarge(
                f"{one_line(shown)} has {status.st_size:,} bytes; {LARGEST:,} are allowed", "change it by hand"
            )
        return read_all(descriptor, status.st_size, LARGEST)
    finally:
        os.close(descriptor)


def carry_out(actions: Sequence[Action], contents: Mapping[str, bytes], token: str) -> None:
    """Do all `actions` or none. `contents` has the bytes of every sha256 that they name, before and after; `token`
    names temporary files. Raises what the action that failed raised."""
    done: list[Action] = []
    try:
        for action in actions:
            perform(action, contents, token)
            done.append(action)
        _settle(actions)
    except BaseException as error:
        for action in reversed(done):
            try:
                perform(action.inverse(), contents, token)
            except AstroError as second:
                raise HalfDone(f"{error}; and taking back what was done failed: {second}") from error
        raise


def roll_back(actions: Sequence[Action], contents: Mapping[str, bytes], token: str) -> list[Place]:
    """After a crash: take back what had been done of `actions`. Returns the places that are neither as before nor as
    after, which are left alone."""
    strange = []
    for action in reversed(actions):
        _sweep(action.place, token)
        try:
            perform(action.inverse(), contents, token)
        except AstroError:
            if not _is_undone(action):
                strange.append(action.place)
    return strange


def _is_undone(action: Action) -> bool:
    expected = action.before if isinstance(action, Put) else action.state
    try:
        found = look(action.place)[0]
    except AstroError:
        return False
    return found.kind == expected.kind and (found.kind == "folder" or found.same(expected))


def perform(action: Action, contents: Mapping[str, bytes], token: str) -> None:
    """Do one action. Raises `Conflict` where the world is not as it expects."""
    try:
        if isinstance(action, Rename):
            _rename(action)
        else:
            _put(action, contents, token)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
            raise Conflict(f"{one_line(action.place.display)} changed meanwhile", "look again, then repeat") from None
        if error.errno == errno.EXDEV:
            raise InvalidInput("the two places lie on different file systems", "write a copy, then delete") from None
        raise translate(error, action.place.display) from None


def _put(action: Put, contents: Mapping[str, bytes], token: str) -> None:
    with open_parent(action.place) as (folder, name):
        current = _look(folder, name, action.place.display)[0]
        if not current.same(action.before):
            raise Conflict(f"{one_line(action.place.display)} changed meanwhile", "read it again, then repeat")
        after = action.after
        if after.kind == "file":
            _write(
                folder, name, contents[after.value], after.mode, temporary(token), exclusive=current.kind == "absent"
            )
        elif after.kind == "folder":
            _make_folder(folder, name, after.mode)
        elif after.kind == "link":
            os.symlink(after.value, name, dir_fd=folder)
        elif current.kind == "folder":
            os.rmdir(name, dir_fd=folder)
        else:
            os.unlink(name, dir_fd=folder)


def _make_folder(folder: int, name: str, mode: int) -> None:
    os.mkdir(name, 0o700 if mode else 0o777, dir_fd=folder)
    if mode:  # as it was, whatever the umask is
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            os.fchmod(descriptor, mode | os.fstat(descriptor).st_mode & stat.S_ISGID)
        finally:
            os.close(descriptor)


def _write(folder: int, name: str, data: bytes, mode: int, beside: str, *, exclusive: bool) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(beside, flags, 0o666, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if mode:
                os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        if not exclusive or not _linked(folder, beside, name):
            os.rename(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(beside, dir_fd=folder)
        raise


def _linked(folder: int, beside: str, name: str) -> bool:
    """Give the file its name without taking it from another that appeared meanwhile; False where the file system has
    no hard links."""
    try:
        os.link(beside, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
            return False
        raise
    os.unlink(beside, dir_fd=folder)
    return True


def _rename(action: Rename) -> None:
    with open_parent(action.place) as (source, name), open_parent(action.to) as (target, new_name):
        current = _look(source, name, action.place.display)[0]
        if current.kind != action.state.kind or (current.kind != "folder" and not current.same(action.state)):
            raise Conflict(f"{one_line(action.place.display)} changed meanwhile", "look again, then repeat")
        if _look(target, new_name, action.to.display)[0].kind != "absent":
            raise Conflict(f"{one_line(action.to.display)} exists", "move or delete it first")
        os.rename(name, new_name, src_dir_fd=source, dst_dir_fd=target)


def _settle(actions: Sequence[Action]) -> None:
    """Make the names durable: fsync each folder that got or lost one."""
    places = [place for action in actions for place in _places(action)]
    for root, parts in {(place.root, place.parts[:-1]) for place in places}:
        with suppress(NotFound, PathDenied), open_folder(root, parts, "/".join(parts)) as descriptor:
            os.fsync(descriptor)


def _places(action: Action) -> tuple[Place, ...]:
    return (action.place, action.to) if isinstance(action, Rename) else (action.place,)


def _sweep(place: Place, token: str) -> None:
    with suppress(NotFound, PathDenied, FileNotFoundError), open_parent(place) as (folder, _):
        os.unlink(temporary(token), dir_fd=folder)
