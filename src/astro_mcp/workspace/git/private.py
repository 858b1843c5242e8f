"""The own GIT_DIR that git is given in place of the repository's.

It holds our configuration and copies of what is data: HEAD, the refs as one packed file, where history was cut off
(`shallow`), the patterns of `info/exclude`, the index. The repository's objects are borrowed by alternates, so that
nothing git writes lands in the repository. Hooks, grafts, `info/attributes`, `config.worktree`, logs: not there.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from astro_mcp.errors import PathDenied, TooLarge, Unavailable
from astro_mcp.workspace.git.layout import Layout, small
from astro_mcp.workspace.git.refs import Refs

INDEX: Final = 256 * 1024 * 1024
CONFIG: Final = """\
[core]
\trepositoryFormatVersion = 0
\tbare = false
\tfileMode = {filemode}
\tsymlinks = {symlinks}
\thooksPath = /dev/null
\tattributesFile = /dev/null
\texcludesFile = /dev/null
\tfsmonitor = false
\tuntrackedCache = false
\tquotePath = false
\tlogAllRefUpdates = false
\twarnAmbiguousRefs = false
[gc]
\tauto = 0
[maintenance]
\tauto = false
[protocol]
\tallow = never
[submodule]
\trecurse = false
[commit]
\tgpgSign = false
[log]
\tshowSignature = false
"""


DECIDED: Final = "moved.json"
"""The note on a step that moves a branch or HEAD, once the rename that decides has happened: the branch may go on
then."""


@dataclass(frozen=True, slots=True)
class Private:
    """`stamp` is the real index as it was when it was copied: "" where there was none; `name` is the copy's, and
    `older` tells that copies of before may be there, too. `exclude` are the patterns of `info/exclude`."""

    folder: Path
    stamp: str
    exclude: bytes
    name: str = "index"
    older: bool = False

    @property
    def index(self) -> Path:
        return self.folder / self.name

    @property
    def no_index(self) -> Path:
        """Where none is, for a git that is asked about commits alone: one that has an index takes the bytes of a file
        of the working tree for those of its blob, and attributes of the index for the tree's."""
        return self.folder / "no-index"

    @property
    def objects(self) -> Path:
        return self.folder / "objects"


def build(layout: Layout, refs: Refs, parent: Path) -> Private:
    """A new folder beneath `parent`, for its owner alone. The caller removes it with `remove`. Raises `Unavailable`
    where it can't be written."""
    with _writing():
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = Path(tempfile.mkdtemp(prefix="git-", dir=parent))
        return _filled(layout, refs, folder)


def _filled(layout: Layout, refs: Refs, folder: Path) -> Private:
    try:
        for part in ("objects/info", "objects/pack", "refs", "info", "home"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / "config").write_text(
            CONFIG.format(filemode=str(layout.modes).lower(), symlinks=str(layout.links).lower())
        )
        (folder / "objects/info/alternates").write_bytes(b"".join(os.fsencode(p) + b"\n" for p in layout.objects))
        _write_table(folder, refs)
        _write_head(folder, refs)
        if cut := shallow(layout):
            (folder / "shallow").write_bytes(cut)
        exclude = _exclude(layout)
        (folder / "info/exclude").write_bytes(exclude)
        return Private(folder, _copy_index(layout.gitdir / "index", folder / "index"), exclude)
    except BaseException:
        remove(folder)
        raise


def renew(private: Private, layout: Layout, refs: Refs, former: Refs, *, alone: bool) -> Private:
    """Bring a folder that was built from `former` up to date. A changed index becomes a new copy: who reads the copy
    of before keeps it, unless the caller is `alone`. Raises `Unavailable` where it can't be written."""
    with _writing():
        return _renewed(private, layout, refs, former, alone=alone)


def _renewed(private: Private, layout: Layout, refs: Refs, former: Refs, *, alone: bool) -> Private:
    if refs.table != former.table:
        _write_table(private.folder, refs)
    if refs.head != former.head:
        _write_head(private.folder, refs)
    stamp, exclude = state_of(layout)
    if exclude != private.exclude:
        _replace(private.folder / "info/exclude", exclude)
        private = replace(private, exclude=exclude)
    if stamp != private.stamp:
        name = f"index-{os.urandom(6).hex()}"
        stamp = _copy_index(layout.gitdir / "index", private.folder / name)
        private = replace(private, stamp=stamp, name=name, older=True)
    if alone and private.older:
        for name in os.listdir(private.folder):
            if name.startswith("index") and name != private.name:
                (private.folder / name).unlink()
        private = replace(private, older=False)
    return private


def state_of(layout: Layout) -> tuple[str, bytes]:
    """What of the repository a folder holds beside its refs: the index's stamp, and the patterns of `info/exclude`.
    Raises `PathDenied` where one of them is a link, `TooLarge` for the index."""
    return _stamp(f"{layout.gitdir}/index"), _exclude(layout)


def shallow(layout: Layout) -> bytes:
    """The commits where history was cut off, a line each."""
    found = re.findall(rb"^[0-9a-f]{40}$", small(f"{layout.common}/shallow") or b"", re.MULTILINE)
    return b"".join(sha + b"\n" for sha in found)


def was_decided(folder: Path) -> bool:
    """Whether a step was decided from here, whose note is still needed where its end could not be recorded."""
    return (folder / DECIDED).exists()


def remove(folder: Path) -> None:
    """Take the folder away; git makes objects read-only, folders it does not."""
    shutil.rmtree(folder, ignore_errors=True)


def stamp_of(status: os.stat_result) -> str:
    """What tells one state of an index file from another."""
    return f"{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}"


def _write_table(folder: Path, refs: Refs) -> None:
    lines = sorted((os.fsencode(name), sha) for name, sha in refs.table.items())
    packed = b"".join(sha.encode() + b" " + name + b"\n" for name, sha in lines)
    _replace(folder / "packed-refs", b"# pack-refs with: sorted \n" + packed)


def _write_head(folder: Path, refs: Refs) -> None:
    head = f"ref: {refs.head}\n" if refs.head.startswith("refs/") else f"{refs.head}\n"
    _replace(folder / "HEAD", head.encode())


def _exclude(layout: Layout) -> bytes:
    info = f"{layout.common}/info"
    return b"" if os.path.islink(info) else small(f"{info}/exclude") or b""


def _replace(path: Path, data: bytes) -> None:
    """At once: a git that waits reads the one or the other."""
    draft = path.with_name(f"{path.name}.new")
    draft.write_bytes(data)
    os.replace(draft, path)


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise Unavailable(
            f"the daemon's own folder can't be written: {reason}", "make room in its data folder"
        ) from None


def _stamp(index: str) -> str:
    try:
        status = os.lstat(index)
    except FileNotFoundError:
        return ""
    if stat.S_ISLNK(status.st_mode):
        raise _no_index()
    _check_index(status)
    return stamp_of(status)


def _check_index(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise PathDenied("the repository's index is no regular file")
    if status.st_size > INDEX:
        raise TooLarge("the repository's index is too large")


def _no_index() -> PathDenied:
    return PathDenied("the repository's index is a link or can't be read")


def _copy_index(source: Path, target: Path) -> str:
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return ""
    except OSError:
        raise _no_index() from None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        _check_index(status)
        with target.open("wb") as copy:
            shutil.copyfileobj(file, copy)
    # git takes a file as changed or not by comparing its time with the index's: the copy keeps it
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    return stamp_of(status)
