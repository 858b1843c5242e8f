"""The folder that becomes a clone: beside its place, under a name of ours, until all of it is there. All of it blocks.

A note in the data folder names it before it is made, so that the next start takes away what a process that was killed
left behind.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from astro_mcp.errors import Conflict, NotFound, PathDenied
from astro_mcp.workspace.git.layout import is_folder
from astro_mcp.workspace.git.locks import sync

_NAME: Final = re.compile(r"\.astro-mcp-clone-[0-9a-f]{16}")
_PARTS: Final = ("objects/info", "objects/pack", "refs/heads", "refs/tags", "refs/remotes/origin", "info", "logs")
_CONFIG: Final = """\
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = false
\tlogallrefupdates = true
[remote "origin"]
\turl = {url}
\tfetch = +refs/heads/*:refs/remotes/origin/*
"""
_BRANCH: Final = '[branch "{branch}"]\n\tremote = origin\n\tmerge = "refs/heads/{branch}"\n'


@dataclass(frozen=True, slots=True)
class Staging:
    """`folder` lies beside `target`; `note` names it."""

    folder: Path
    target: Path
    note: Path

    @property
    def gitdir(self) -> Path:
        return self.folder / ".git"


def begin(notes: Path, target: Path, url: str) -> Staging:
    """An empty repository whose origin is `url`, plain ASCII without spaces, quotes and control characters. Raises
    `Conflict` where something is at `target`, `NotFound` where the folder above it is missing, `PathDenied`."""
    if os.path.lexists(target):
        raise Conflict(f"{target.name} is there already", "name a new folder")
    if not is_folder(target.parent):
        raise NotFound(f"there is no folder {target.parent}", "name one in a folder that is there")
    name = f".astro-mcp-clone-{os.urandom(8).hex()}"
    made = Staging(target.with_name(name), target, notes / f"{name[1:]}.json")
    with _writing():
        notes.mkdir(parents=True, exist_ok=True, mode=0o700)
        made.note.write_text(json.dumps(os.fspath(made.folder)), encoding="utf-8")
        made.folder.mkdir()
        for part in _PARTS:
            (made.gitdir / part).mkdir(parents=True)
        (made.gitdir / "config").write_text(_CONFIG.format(url=url))
        (made.gitdir / "HEAD").write_text("ref: refs/heads/main\n")
    return made


def put_on(staging: Staging, branch: str) -> None:
    """Let HEAD be on `branch`, which has its upstream at origin."""
    with _writing():
        (staging.gitdir / "HEAD").write_text(f"ref: refs/heads/{branch}\n", encoding="utf-8")
        with (staging.gitdir / "config").open("a", encoding="utf-8") as file:
            file.write(_BRANCH.format(branch=branch.replace("\\", "\\\\").replace('"', '\\"')))


def settle(staging: Staging) -> None:
    """Let the folder take its place. Raises `Conflict` where something came there meanwhile."""
    try:
        os.rename(staging.folder, staging.target)
        sync(staging.target.parent)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise Conflict(f"{staging.target.name} can't be put there: {reason}", "name a new folder") from None
    staging.note.unlink(missing_ok=True)


def discard(staging: Staging) -> None:
    """Take it away, where it has not taken its place."""
    shutil.rmtree(staging.folder, ignore_errors=True)
    if not os.path.lexists(staging.folder):
        staging.note.unlink(missing_ok=True)


def sweep(notes: Path) -> None:
    """Take away what processes that died left."""
    for note in notes.glob("astro-mcp-clone-*.json"):
        try:
            folder = Path(json.loads(note.read_text(encoding="utf-8")))
        except (ValueError, TypeError):
            note.unlink()  # cut off in the middle: its folder was not made yet
            continue
        if _NAME.fullmatch(folder.name) and is_folder(folder):
            shutil.rmtree(folder, ignore_errors=True)
        note.unlink()


@contextmanager
def _writing() -> Iterator[None]:
    """What the system refuses is a `PathDenied`."""
    try:
        yield
    except OSError as error:
        raise PathDenied(f"the clone can't be written: {error.filename}: {os.strerror(error.errno or 0)}") from None
