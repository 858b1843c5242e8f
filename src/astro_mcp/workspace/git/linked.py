"""The folders of linked worktrees, made and taken away without git: `.astro-mcp/runs/RUN` and `.git/worktrees/RUN`, or
`.astro-mcp/trees/NAME` for a host's own.

`.astro-mcp` hides itself: its `.gitignore` says `*`. Whatever else has that name, a link or files of the repository's
own, is refused. All of it blocks.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from astro_mcp.errors import Conflict, InvalidInput, PathDenied, Unsupported
from astro_mcp.observe.printable import printable
from astro_mcp.workspace.git.layout import Layout, is_folder, small
from astro_mcp.workspace.git.locks import sync
from astro_mcp.workspace.git.refs import read_head
from astro_mcp.workspace.guards import OURS
from astro_mcp.workspace.text import one_line

RUNS: Final = "runs"
TREES: Final = "trees"
HIDDEN: Final = b"*\n"
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Places:
    """Where the worktree `name` of a repository lies: its files, git's part of it, and its files once all is done."""

    folder: Path
    gitdir: Path
    done: Path

    @property
    def whole(self) -> bool:
        """Whether it was made to its end: the index comes last."""
        return is_folder(self.folder) and (self.gitdir / "index").is_file()

    @property
    def begun(self) -> bool:
        """Whether anything of it is there."""
        return any(os.path.lexists(path) for path in (self.folder, self.done))


def places_of(layout: Layout, name: str, sort: str = RUNS, prefix: str = "") -> Places:
    """The places of the worktree `name`, of which git's part begins with `prefix`; raises `InvalidInput` for what can't
    be one's name."""
    if not _NAME.fullmatch(name):
        raise InvalidInput("the name of a worktree is of letters, digits, - and _")
    above = layout.worktree / OURS / sort
    return Places(above / name, layout.common / "worktrees" / f"{prefix}{name}", above / f"{name}.done")


def check_home(layout: Layout) -> None:
    """Raise `Conflict` or `PathDenied` where `.astro-mcp` is not ours."""
    home = layout.worktree / OURS
    for folder in (home, home / RUNS, home / TREES, layout.common / "worktrees"):
        if os.path.lexists(folder) and not is_folder(folder):
            raise PathDenied(f"{folder.name} is in the way: it is no folder, or a link", f"move {folder} elsewhere")
    hidden = small(home / ".gitignore") or b""
    if hidden != HIDDEN and is_folder(home) and (hidden or set(os.listdir(home)) - {".gitignore"}):
        raise Conflict(f"{OURS} holds files that are not ours", f"worktrees go there: move {home} elsewhere")


def prepare(layout: Layout, places: Places) -> None:
    """The worktree's empty folder, in an `.astro-mcp` that hides itself; what a broken attempt left is taken away."""
    check_home(layout)
    home = layout.worktree / OURS
    discard(places)
    with _writing():
        home.mkdir(exist_ok=True)
        if small(home / ".gitignore") != HIDDEN:
            (home / ".gitignore").unlink(missing_ok=True)
            _write(home / ".gitignore", HIDDEN)
        places.folder.parent.mkdir(exist_ok=True)
        places.folder.mkdir()
        sync(places.folder.parent)


def attach(layout: Layout, places: Places, ref: str) -> None:
    """Git's part of the worktree, on the branch `ref`, as in gitrepository-layout(5), without an index yet."""
    with _writing():
        places.gitdir.parent.mkdir(exist_ok=True)
        places.gitdir.mkdir()
        _write(places.gitdir / "HEAD", f"ref: {ref}\n".encode())
        _write(places.gitdir / "commondir", b"../..\n")
        _write(places.gitdir / "gitdir", os.fsencode(places.folder / ".git") + b"\n")
        _write(places.folder / ".git", b"gitdir: " + os.fsencode(places.gitdir) + b"\n")
        sync(places.gitdir)


def put_away(places: Places) -> None:
    """Say that nothing in the worktree is wanted any more: from here on `discard` may be cut short and repeated."""
    if os.path.lexists(places.folder):
        with _writing():
            os.replace(places.folder, places.done)
            sync(places.done.parent)


def discard(places: Places) -> None:
    """Take away all that is there of the worktree."""
    with _writing():
        for path in (places.gitdir, places.folder, places.done):
            if is_folder(path):
                shutil.rmtree(path)
            elif os.path.lexists(path):
                path.unlink()


def of_a_run(layout: Layout) -> bool:
    """Whether it is a worktree that was made for a run."""
    return layout.gitdir != layout.common and layout.worktree.parts[-3:-1] == (OURS, RUNS)


def checked_out(layout: Layout, ref: str) -> Path | None:
    """The other working tree that is on the branch `ref`, or None."""
    others = ((replace(layout, gitdir=gitdir), tree) for gitdir, tree in _trees(layout) if gitdir != layout.gitdir)
    return next((tree for other, tree in others if _is_on(other, ref)), None)


def taken(branch: str, tree: Path) -> Conflict:
    """That the branch is checked out in `tree`, which is what the repository says, and may be any text."""
    where = one_line(str(tree), 500)
    return Conflict(f"{printable(branch, 80)} is checked out in {where}", "two working trees never share a branch")


def _trees(layout: Layout) -> Iterator[tuple[Path, Path]]:
    yield layout.common, layout.common.parent
    folder = layout.common / "worktrees"
    for gitdir in sorted(folder.iterdir()) if is_folder(folder) else ():
        if is_folder(gitdir):
            yield gitdir, Path(os.fsdecode((small(gitdir / "gitdir") or b"").strip())).parent


def _is_on(other: Layout, ref: str) -> bool:
    try:
        return read_head(other) == ref
    except Unsupported:  # its HEAD names nothing
        return False


@contextmanager
def _writing() -> Iterator[None]:
    """What the system refuses is a `PathDenied`."""
    try:
        yield
    except OSError as error:
        raise PathDenied(f"the worktree can't be written: {error.filename}: {os.strerror(error.errno or 0)}") from None


def _write(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, _NEW, 0o666), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
