"""The one place that writes into a repository: loose objects, one ref, HEAD, the index. No git runs here.

Git's own lock protocol is kept, so that a git of the user and this never write over one another: `X.lock` is made
exclusively, what was read before is read again under it, and the lock becomes the file by a rename. All of it blocks.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from astro_mcp.errors import Conflict, Unsupported
from astro_mcp.workspace.git.layout import Layout, is_folder
from astro_mcp.workspace.git.locks import OF_A_REF, OF_PACKED, Locks, fill, settle, sync, unwritten
from astro_mcp.workspace.git.private import stamp_of
from astro_mcp.workspace.git.refs import no_links, read_head, read_ref, read_refs, symbolic

log = logging.getLogger(__name__)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
ZERO = "0" * 40


@dataclass(frozen=True, slots=True)
class Signature:
    """Who, and when: Unix seconds, always in UTC."""

    name: str
    email: str
    seconds: int

    def __str__(self) -> str:
        return f"{self.name} <{self.email}> {self.seconds} +0000"


@dataclass(frozen=True, slots=True)
class Update:
    """A ref from one sha to another; `before` is "" for a ref that is not there yet."""

    ref: str
    before: str
    after: str
    reason: str
    by: Signature


def store_objects(source: Path, layout: Layout) -> None:
    """Copy the loose objects of `source` into the repository, each on disk before it has its name. Raises `PathDenied`
    where there is no room."""
    touched = {layout.objects[0]}
    for folder in sorted(source.iterdir()):
        if len(folder.name) != 2:
            continue
        target = layout.objects[0] / folder.name
        _folder(target)
        touched.add(target)
        for item in folder.iterdir():
            if not os.path.lexists(target / item.name):
                _store(item, target / item.name)
    for folder in touched:
        sync(folder)


def store_packs(source: Path, layout: Layout) -> None:
    """The same of its packs. To git a pack is there once its index is, which comes last."""
    target = layout.objects[0] / "pack"
    _folder(target)
    for index in sorted((source / "pack").glob("pack-*.idx")):
        for name in (f"{index.stem}.pack", index.name):
            if not os.path.lexists(target / name):
                _store(source / "pack" / name, target / name)
    sync(target)


def track(locks: Locks, layout: Layout, updates: Sequence[Update]) -> list[tuple[Update, str]]:
    """Move refs that nobody works on, each for itself; returns those that did not come there, and why. Others may have
    moved one there at the same moment."""
    there = set(read_refs(layout).table)
    above = {"/".join(name.split("/")[:depth]) for name in there for depth in range(2, name.count("/") + 1)}
    stay = []
    until = time.monotonic() + OF_PACKED  # locks that nobody takes away may lie on all of them
    for update in updates:
        parents = {"/".join(update.ref.split("/")[:depth]) for depth in range(2, update.ref.count("/") + 1)}
        try:
            if not update.before and (update.ref in above or parents & there):
                raise Conflict("another ref has a part of its name")
            _move(locks, layout, update, min(OF_A_REF, until - time.monotonic()))
        except (Conflict, Unsupported) as error:
            stay.append((update, error.message))
        else:
            there.add(update.ref)
            above |= parents
    return [(update, reason) for update, reason in stay if read_ref(layout, update.ref) != update.after]


def commit(
    locks: Locks, layout: Layout, head: str, update: Update, index: Path, stamp: str, *, noted: bool = False
) -> None:
    """Move the branch (or a detached HEAD) to a new commit and put `index` in the place of the repository's.

    `head` is HEAD as it was read, `stamp` the index as it was copied; raises `Conflict` where either, or the ref,
    changed meanwhile, or where another git holds a lock. Nothing changed then. Whoever is killed in between leaves
    staged what is not committed yet; the other way about, a commit would stand as undone by what is staged. A step that
    is `noted` goes the other way: it has happened once the branch moved, and the next start brings the index.
    """
    with ExitStack() as held:
        index_lock = held.enter_context(locks.hold(layout.gitdir / "index"))
        head_lock = held.enter_context(locks.hold(layout.gitdir / "HEAD"))
        if read_head(layout) != head or stamp_now(layout) != stamp:
            raise _moved()
        fill(index_lock, index.read_bytes())  # what can fail for lack of space fails before the ref has moved
        if head.startswith("refs/"):
            with _moving(locks, layout, update) as lock:
                _settle_both(lock, index_lock, noted=noted)
            _log(layout.common, update.ref, update)
        else:
            fill(head_lock, f"{update.after}\n".encode())
            _settle_both(head_lock, index_lock, noted=noted)
        _log(layout.gitdir, "HEAD", update)


def _settle_both(ref: Path, index: Path, *, noted: bool) -> None:
    for lock in (ref, index) if noted else (index, ref):
        settle(lock)


def create(locks: Locks, layout: Layout, update: Update) -> None:
    """Make a ref; raises `Conflict` where it is there, or where its name can't stand beside another ref's."""
    for name in read_refs(layout).table:
        if name == update.ref or name.startswith(f"{update.ref}/") or update.ref.startswith(f"{name}/"):
            raise Conflict(f"{name.removeprefix('refs/heads/')} is there already", "choose another name")
    _move(locks, layout, update)


def attach(locks: Locks, layout: Layout, to: str, update: Update, head: str, index: Path, stamp: str) -> None:
    """Point HEAD at `to`, a branch or a sha, where the commit is `update.after`, and put `index` in the place of the
    repository's. `head` and `stamp` are as for `commit`, which says what is raised."""
    with locks.hold(layout.gitdir / "index") as index_lock, locks.hold(layout.gitdir / "HEAD") as lock:
        now = read_ref(layout, to) if to.startswith("refs/") else to
        if read_head(layout) != head or now != update.after or stamp_now(layout) != stamp:
            raise _moved()
        fill(index_lock, index.read_bytes())
        fill(lock, f"ref: {to}\n".encode() if to.startswith("refs/") else f"{to}\n".encode())
        settle(lock)
        _log(layout.gitdir, "HEAD", update)
        settle(index_lock)


def move(locks: Locks, layout: Layout, update: Update, head: str) -> None:
    """Move a branch that HEAD is not on; raises `Conflict` where either moved meanwhile."""
    with locks.hold(layout.gitdir / "HEAD"):
        if read_head(layout) != head:
            raise _moved()
        _move(locks, layout, update)


def replace_index(locks: Locks, layout: Layout, index: Path, stamp: str) -> None:
    """Put `index` in the place of the repository's, where that is still the one of `stamp`."""
    with locks.hold(layout.gitdir / "index") as lock:
        if stamp_now(layout) == stamp:
            fill(lock, index.read_bytes())
            settle(lock)


def delete(locks: Locks, layout: Layout, ref: str, before: str) -> None:
    """Take a ref away, which is at `before`; raises `Conflict` where it moved. One that is not there is fine."""
    packed = layout.common / "packed-refs"
    no_links(layout, ref)
    _make((layout.common / ref).parent)
    with locks.hold(layout.common / ref, OF_A_REF), locks.hold(packed, OF_PACKED) as packed_lock:
        now = read_ref(layout, ref)
        if now not in ("", before):
            raise Conflict(f"{ref} moved meanwhile", "look at git_log, and try again", retryable=True)
        name = os.fsencode(ref)
        lines = packed.read_bytes().splitlines(keepends=True) if packed.exists() else []
        kept = [line for line in lines if line.rstrip(b"\n")[41:] != name]
        if len(kept) < len(lines):
            fill(packed_lock, b"".join(kept))
            settle(packed_lock)
        (layout.common / ref).unlink(missing_ok=True)
        sync((layout.common / ref).parent)
        if (reflog := _reflog(layout.common, ref)) is not None:
            reflog.unlink(missing_ok=True)


def _move(locks: Locks, layout: Layout, update: Update, seconds: float = OF_A_REF) -> None:
    with _moving(locks, layout, update, seconds) as lock:
        settle(lock)
    _log(layout.common, update.ref, update)


@contextmanager
def _moving(locks: Locks, layout: Layout, update: Update, seconds: float = OF_A_REF) -> Iterator[Path]:
    """The lock of a ref that is where it was, with where it moves to; it is for the block to settle it."""
    path = layout.common / update.ref
    if not no_links(layout, update.ref):
        _make(path.parent)
    with locks.hold(path, seconds) as lock:
        if symbolic(layout, update.ref):
            raise Unsupported(f"{update.ref} is a symbolic ref, and stays one", "name the branch that it stands for")
        if read_ref(layout, update.ref) != update.before:
            raise Conflict(f"{update.ref} moved meanwhile", "look at git_log, and try again", retryable=True)
        if is_folder(path):
            _remove_empty(path)
        fill(lock, f"{update.after}\n".encode())
        yield lock


def _store(source: Path, target: Path) -> None:
    temporary = target.with_name(f"tmp_obj_{os.urandom(6).hex()}")
    try:
        with source.open("rb") as given, os.fdopen(os.open(temporary, _NEW, 0o444), "wb") as file:
            shutil.copyfileobj(given, file, 1 << 20)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise unwritten(error) from None


def _folder(path: Path) -> None:
    """Make it where it is not there: another git may do so at the same moment. What else has the name is refused."""
    try:
        if not is_folder(path):
            path.mkdir()
    except OSError as error:
        if not is_folder(path):
            raise unwritten(error) from None


def stamp_now(layout: Layout) -> str:
    """What tells the repository's index of this moment from another; "" where there is none."""
    try:
        return stamp_of(os.lstat(layout.gitdir / "index"))
    except FileNotFoundError:
        return ""


def _moved() -> Conflict:
    return Conflict("the repository changed meanwhile", "look at git_status, and try again", retryable=True)


def _log(folder: Path, name: str, update: Update) -> None:
    """A line in the reflog, where the repository keeps reflogs; a link in its place is left alone. What it tells of has
    happened, so where it can't be written the daemon's log alone says so."""
    reflog = _reflog(folder, name)
    if reflog is None:
        return
    line = f"{update.before or ZERO} {update.after} {update.by}\t{update.reason}\n"
    try:
        reflog.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(reflog, _APPEND, 0o666)
        with os.fdopen(descriptor, "wb") as file:
            file.write(line.encode("utf-8", "replace"))
    except OSError as error:
        log.warning("a reflog can't be written: %s", error)


def _reflog(folder: Path, name: str) -> Path | None:
    log = folder / "logs" / name
    links = any(part.is_symlink() for part in (log, *log.parents) if folder in part.parents)
    return None if links or not is_folder(folder / "logs") else log


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Conflict(f"the ref can't be made: {os.strerror(error.errno or 0)}", "another ref has its name") from None


def _remove_empty(folder: Path) -> None:
    """Folders that deleted branches left: a branch may take their name once they are empty."""
    for top, _, _ in os.walk(folder, topdown=False):
        try:
            os.rmdir(top)
        except OSError:
            raise Conflict("another branch's name starts with this one") from None
