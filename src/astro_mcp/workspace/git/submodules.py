"""Which commit the folder of a submodule has checked out, read out of a few plain files: git is let near none of them.

`.git`, `HEAD`, the ref that it names, `packed-refs`: each is a regular file of bounded size within the root, reached
without a link. Nothing is told of what is kept in any other way (links, reftable, sha256, a folder outside of the
root), as of what is not checked out. Blocks: for worker threads.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from astro_mcp.errors import AstroError, InvalidInput, NotFound
from astro_mcp.workspace.git.refs import DEEP, SHA, valid_ref
from astro_mcp.workspace.git_folders import Odd, Reach, small

PACKED: Final = 8 * 1024 * 1024
"""Bytes of `packed-refs`: 100,000 refs."""
_ZERO: Final = "0" * 40
_OWN: Final = ("HEAD", "refs/worktree/", "refs/bisect/", "refs/rewritten/")
"""Of a linked worktree's own folder; other refs are of the repository's."""


def are_folders(reach: Reach, top: Path, paths: Sequence[str]) -> list[str]:
    """Those of the paths in the folder `top` at which there is a folder, and no link on the way."""
    found = []
    for path in paths:
        try:
            with reach.opened(f"{top}/{path}"):
                found.append(path)
        except (AstroError, Odd):
            continue
    return found


def moved(reach: Reach, top: Path, commits: Mapping[str, str]) -> dict[str, str]:
    """Of submodules, by path and commit, those that have another commit checked out, and which."""
    found = {}
    for path, commit in commits.items():
        now = checked_out(reach, top, path)
        if now not in ("", commit):
            found[path] = now
    return found


def checked_out(reach: Reach, top: Path, path: str) -> str:
    """The commit that is checked out at `path` of the working tree `top`, or "" where none is told."""
    try:
        gitdir = reach.gitdir(f"{top}/{path}")
        with reach.opened(gitdir) as own, reach.opened(reach.common(gitdir, own)) as common:
            _check_repository(common)
            sha = _followed(own, common, "HEAD")
    except (AstroError, OSError, Odd):
        return ""
    return "" if sha == _ZERO else sha


def _check_repository(common: int) -> None:
    """Git takes for a repository what has both."""
    for name in ("objects", "refs"):
        if not stat.S_ISDIR(os.stat(name, dir_fd=common, follow_symlinks=False).st_mode):
            raise Odd


def _followed(own: int, common: int, name: str) -> str:
    for _ in range(DEEP):
        text = _ref(own if name.startswith(_OWN) else common, common, name)
        if SHA.fullmatch(text):
            return text
        name = text.removeprefix("ref:").strip()
        if not text.startswith("ref:") or not name.startswith("refs/") or not valid_ref(name):
            raise Odd
    raise Odd


def _ref(folder: int, common: int, name: str) -> str:
    """What a ref holds: its own file, or else its line among the packed ones."""
    try:
        return small(folder, name).decode("utf-8", "replace").strip()
    except (NotFound, InvalidInput):  # a folder: a ref deeper down was there once
        packed = small(common, "packed-refs", PACKED)
    line = re.search(rb"^([0-9a-f]{40}) %s$" % re.escape(os.fsencode(name)), packed, re.MULTILINE)
    return line[1].decode("ascii") if line else ""
