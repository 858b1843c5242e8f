"""Git's own locks, kept so that a daemon that is killed while it holds some can take them away at its next start.

A lock is made under a name of ours, written down, and only then linked to `X.lock`: at any moment what is written down
names every lock of ours that is there. A lock is known by its inode, so another git's is never removed.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from astro_mcp.errors import Conflict, PathDenied

NOTES: Final = "locks"
OF_A_REF: Final = 0.1
"""Seconds that are waited for a ref's lock, and below for that of the packed ones, as git waits for them."""
OF_PACKED: Final = 1.0
TICK: Final = 0.01
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Locks:
    """The locks of one call; `folder` is the call's private one, and holds the notes."""

    def __init__(self, folder: Path) -> None:
        self._notes = folder / NOTES

    @contextmanager
    def hold(self, path: Path, seconds: float = 0.0) -> Iterator[Path]:
        """`path.lock`, made by us, and taken away again where `settle` has not renamed it. Raises `Conflict` where
        another git holds it for longer than so many seconds."""
        lock = path.with_name(f"{path.name}.lock")
        draft = path.with_name(f"{path.name}.lock.{os.urandom(6).hex()}")
        try:
            descriptor = os.open(draft, _NEW, 0o666)
            mine = os.fstat(descriptor).st_ino
            os.close(descriptor)
            self._note(mine, draft, lock)
            _link(draft, lock, time.monotonic() + seconds)
            os.unlink(draft)
        except FileExistsError:
            draft.unlink(missing_ok=True)
            raise Conflict(
                f"{lock.name} is there: another git works in this repository, or one died in it",
                f"try again; if no git runs, a person may remove {lock}",
                retryable=True,
            ) from None
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise unwritten(error) from None
        try:
            yield lock
        finally:
            _remove(lock, mine)

    def _note(self, inode: int, *paths: Path) -> None:
        with self._notes.open("a", encoding="utf-8") as file:
            file.write(json.dumps([inode, *map(os.fsdecode, paths)]) + "\n")


def _link(draft: Path, lock: Path, until: float) -> None:
    while True:
        try:
            os.link(draft, lock, follow_symlinks=False)
            return
        except FileExistsError:
            if time.monotonic() >= until:
                raise
            time.sleep(TICK)


def release(folder: Path) -> None:
    """Take away what a killed call of the private `folder` still holds."""
    try:
        rows = (folder / NOTES).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return
    for row in rows:
        try:
            inode, *paths = json.loads(row)
        except ValueError:
            continue  # cut off in the middle: its lock was not made yet
        for path in paths:
            _remove(Path(path), inode)


def unwritten(error: OSError) -> PathDenied:
    """What the system says against a write into the repository."""
    return PathDenied(f"the repository can't be written: {os.strerror(error.errno or 0)}")


def fill(lock: Path, data: bytes) -> None:
    """Write the lock's content to disk. Raises `PathDenied` where it has no room."""
    try:
        descriptor = os.open(lock, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        raise unwritten(error) from None


def settle(lock: Path) -> None:
    """Let the lock become the file."""
    os.replace(lock, lock.with_name(lock.name.removesuffix(".lock")))
    sync(lock.parent)


def sync(folder: Path) -> None:
    """Put the folder's names on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(lock: Path, inode: int) -> None:
    with suppress(FileNotFoundError):  # another git's comes and goes at any moment
        if os.lstat(lock).st_ino == inode:
            lock.unlink()
