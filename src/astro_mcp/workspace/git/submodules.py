"""Which commit the folder of a submodule has checked out, read out of a few plain files: git is let near none of them.

`.git`, `HEAD`, the ref that it names, `packed-refs`: each is a regular file of bounded size within the root, reached
without a link. Nothing is told of what is kept in any other way (links, reftable, sha256, a folder outside of the
root), as of what is not checked out. Blocks: for worker threads.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from astro_mcp.errors import AstroError, InvalidInput, NotFound
from astro_mcp.workspace.beneath import open_folder, open_within
from astro_mcp.workspace.content import read_in
from astro_mcp.workspace.git.refs import SHA, valid_ref
from astro_mcp.workspace.place import Place

NAMING: Final = 8 * 1024
"""Bytes of a file that names a folder, a ref or a commit: twice the longest path."""
PACKED: Final = 8 * 1024 * 1024
"""Bytes of `packed-refs`: 100,000 refs."""
DEEP: Final = 5
"""Refs that name one another, as git follows them."""
_ZERO: Final = "0" * 40
_OWN: Final = ("HEAD", "refs/worktree/", "refs/bisect/", "refs/rewritten/")
"""Of a linked worktree's own folder; other refs are of the repository's."""


class _Odd(Exception):
    """It is kept in a way that is not read here, or not checked out."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Where parts of a submodule may lie: beneath the root of `top`, which is the repository's working tree, or in the
    folder `common` of the repository itself."""

    top: Place
    common: Path

    def parts(self, path: str) -> tuple[Path, Sequence[str]]:
        """The one of both that holds an absolute path, and the names that lead to it from there."""
        for anchor in (str(self.top.root), str(self.common)):
            if path.startswith(f"{anchor}/"):
                return Path(anchor), path[len(anchor) + 1 :].split("/")
        raise _Odd


def are_folders(reach: Reach, paths: Sequence[str]) -> list[str]:
    """Those of the paths at which there is a folder, and no link on the way."""
    found = []
    for path in paths:
        try:
            with _opened(reach, f"{reach.top.path}/{path}"):
                found.append(path)
        except (AstroError, _Odd):
            continue
    return found


def moved(reach: Reach, commits: Mapping[str, str]) -> dict[str, str]:
    """Of submodules, by path and commit, those that have another commit checked out, and which."""
    found = {}
    for path, commit in commits.items():
        now = checked_out(reach, path)
        if now not in ("", commit):
            found[path] = now
    return found


def checked_out(reach: Reach, path: str) -> str:
    """The commit that is checked out at `path` of the working tree, or "" where none is told."""
    try:
        gitdir = _gitdir(reach, f"{reach.top.path}/{path}")
        with _opened(reach, gitdir) as own:
            shared = _named(gitdir, _small(own, "commondir", missing=b""))
            with _opened(reach, shared) as common:
                _check_repository(common)
                sha = _followed(own, common, "HEAD")
    except (AstroError, OSError, _Odd):
        return ""
    return "" if sha == _ZERO else sha


def _gitdir(reach: Reach, folder: str) -> str:
    with _opened(reach, folder) as descriptor:
        mode = os.stat(".git", dir_fd=descriptor, follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            return f"{folder}/.git"
        text = _small(descriptor, ".git")
    if not text.startswith(b"gitdir: "):
        raise _Odd
    return _named(folder, text.removeprefix(b"gitdir: "))


def _named(folder: str, text: bytes) -> str:
    """The folder that a file in `folder` names; itself where it names none. A `..` behind a name might lead another way
    than it reads."""
    named = os.fsdecode(text.rstrip(b"\r\n"))
    parts = named.split("/")
    if ".." in parts[next((at for at, part in enumerate(parts) if part != ".."), len(parts)) :] or "\0" in named:
        raise _Odd
    return os.path.normpath(os.path.join(folder, named))


def _check_repository(common: int) -> None:
    """Git takes for a repository what has both."""
    for name in ("objects", "refs"):
        if not stat.S_ISDIR(os.stat(name, dir_fd=common, follow_symlinks=False).st_mode):
            raise _Odd


def _followed(own: int, common: int, name: str) -> str:
    for _ in range(DEEP):
        text = _ref(own if name.startswith(_OWN) else common, common, name)
        if SHA.fullmatch(text):
            return text
        name = text.removeprefix("ref:").strip()
        if not text.startswith("ref:") or not name.startswith("refs/") or not valid_ref(name):
            raise _Odd
    raise _Odd


def _ref(folder: int, common: int, name: str) -> str:
    """What a ref holds: its own file, or else its line among the packed ones."""
    try:
        return _small(folder, name).decode("utf-8", "replace").strip()
    except (NotFound, InvalidInput):  # a folder: a ref deeper down was there once
        packed = _small(common, "packed-refs", PACKED)
    line = re.search(rb"^([0-9a-f]{40}) %s$" % re.escape(os.fsencode(name)), packed, re.MULTILINE)
    return line[1].decode("ascii") if line else ""


def _small(folder: int, path: str, limit: int = NAMING, *, missing: bytes | None = None) -> bytes:
    """The bytes of a regular file below an open folder, reached without a link."""
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


@contextmanager
def _opened(reach: Reach, path: str) -> Iterator[int]:
    anchor, parts = reach.parts(path)
    with open_folder(anchor, parts, parts[-1]) as descriptor:
        yield descriptor
