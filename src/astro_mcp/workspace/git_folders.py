"""Git's own folders found, and what lies in them read, as plain files: for who lets no git near a repository.

Each is a regular file of bounded size beneath one of a few folders, reached without a link. Blocks: for worker threads.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from astro_mcp.errors import NotFound
from astro_mcp.workspace.beneath import open_folder, open_within
from astro_mcp.workspace.content import read_in

NAMING: Final = 8 * 1024
"""Bytes of a file that names a folder, a ref or a commit: twice the longest path."""


class Odd(Exception):
    """It is kept in a way that is not read here, or is not there."""


@dataclass(frozen=True, slots=True)
class Reach:
    """The real folders beneath which parts may lie."""

    anchors: Sequence[Path]

    @contextmanager
    def opened(self, path: str) -> Iterator[int]:
        """The descriptor of the folder at an absolute path. Raises `Odd` where that is beneath none of the anchors, and
        what `open_folder` does: for a link on the way, too."""
        for anchor in self.anchors:
            if path == str(anchor) or path.startswith(f"{anchor}/"):
                parts = path[len(str(anchor)) + 1 :]
                with open_folder(anchor, parts.split("/") if parts else (), path) as descriptor:
                    yield descriptor
                return
        raise Odd

    def gitdir(self, folder: str) -> str:
        """Git's own folder of the working tree at `folder`: `.git` itself, or what that file names."""
        with self.opened(folder) as descriptor:
            if stat.S_ISDIR(os.stat(".git", dir_fd=descriptor, follow_symlinks=False).st_mode):
                return f"{folder}/.git"
            text = small(descriptor, ".git")
        if not text.startswith(b"gitdir: "):
            raise Odd
        return _named(folder, text.removeprefix(b"gitdir: "))

    def common(self, gitdir: str, own: int) -> str:
        """The folder of what linked worktrees share, of which `own` is the open `gitdir`."""
        return _named(gitdir, small(own, "commondir", missing=b""))


def _named(folder: str, text: bytes) -> str:
    """The folder that a file in `folder` names; itself where it names none. A `..` behind a name might lead another way
    than it reads."""
    named = os.fsdecode(text.rstrip(b"\r\n"))
    parts = named.split("/")
    if ".." in parts[next((at for at, part in enumerate(parts) if part != ".."), len(parts)) :] or "\0" in named:
        raise Odd
    return os.path.normpath(os.path.join(folder, named))


def small(folder: int, path: str, limit: int = NAMING, *, missing: bytes | None = None) -> bytes:
    """The bytes of a regular file below an open folder; where there is none those of `missing`. Raises what `read_in`
    does."""
    *above, name = path.split("/")
    try:
        with _within(folder, above) as descriptor:
            return read_in(descriptor, name, name, limit)[0]
    except NotFound:
        if missing is None:
            raise
        return missing


@contextmanager
def _within(folder: int, parts: Sequence[str]) -> Iterator[int]:
    if not parts:
        yield folder
        return
    descriptor = open_within(folder, parts, parts[-1])
    try:
        yield descriptor
    finally:
        os.close(descriptor)
