"""An opened repository: what every reader and writer goes through."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import anyio
import anyio.to_thread
from anyio import from_thread

from astro_mcp.core.authority import Grant, Session
from astro_mcp.errors import AstroError, Conflict, InvalidInput, PathDenied, ProtectedPath, Unsupported
from astro_mcp.observe.printable import printable
from astro_mcp.workspace.git import staging
from astro_mcp.workspace.git.ahead import Ahead
from astro_mcp.workspace.git.child import OUTPUT, SECONDS, Child, Patience, Ran, run_git, start_git
from astro_mcp.workspace.git.escapes import named
from astro_mcp.workspace.git.kept import Keeper, Look, Memory, Quick, Ready
from astro_mcp.workspace.git.layout import Layout, find
from astro_mcp.workspace.git.locks import Locks, release
from astro_mcp.workspace.git.private import Private, build, remove, was_decided
from astro_mcp.workspace.git.refs import Refs, read_refs
from astro_mcp.workspace.git.waiting import Follower, Kind, Pool
from astro_mcp.workspace.guards import ReadGuard
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.workspace import Workspace

T = TypeVar("T")
HOSTILE: Final = re.compile(rb"(?:\A|[/\0])(?:|\.|\.\.|\.git[ .]*|git~[0-9]+)(?=[/\0])", re.IGNORECASE)
AT_ONCE: Final = 64 * 1024
"""Bytes of what git says that are taken apart on the event loop."""
OBJECT: Final = re.compile(r"[0-9a-f]{40}(?=[ :^~]|\Z)")
"""What a question begins with that means the same whatever the refs are: git takes a whole sha for nothing else."""
GONE: Final = re.compile(
    r"does not exist and --remove not passed|No such file or directory\s+fatal: Unable to process path"
)
"""A file that was there when it was looked at is none any more."""
FETCH_THEM: Final = "fetch them yourself: git fetch --refetch --no-filter"
"""Of objects that are missing. Without the second option a partial clone is filtered again."""
MISSING: Final = re.compile(
    r"missing (?:blob|tree|commit|object)|unable to read|could not (?:read|fetch)"
    r"|bad (?:object|file)|promisor|invalid object"
)


class Repository:
    """One repository for the length of one call."""

    def __init__(
        self,
        layout: Layout,
        refs: Refs,
        private: Private,
        top: Place,
        workspace: Workspace,
        threads: anyio.CapacityLimiter,
        pool: Pool,
        memory: Memory,
        ready: Ready | None = None,
        look: Look | None = None,
        ahead: Ahead | None = None,
    ) -> None:
        self.layout = layout
        self.refs = refs
        self._private = private
        self._ready = ready
        self._look = look
        self._ahead = ahead
        self.locks = Locks(private.folder)
        self._top = top
        self._workspace = workspace
        self._threads = threads
        self._pool = pool
        self.memory = memory

    @property
    def private(self) -> Private:
        """The folder that stands in for `.git`. Of one that is lent it is first to be `made_ready`."""
        if self._ready is not None:
            raise AssertionError("the private folder may be older than what this call saw")
        return self._private

    async def made_ready(self) -> Private:
        """The private folder, with index and refs as this call saw them, or newer."""
        if self._ready is not None:
            self._private = await self._ready()
            self._ready = None
        return self._private

    async def _looked_at(self) -> None:
        """Before any git is asked: what it may read was gone through, by this call or now."""
        if self._look is not None:
            await self._look()
            self._look = None

    @property
    def read_guard(self) -> ReadGuard:
        """What withholds secrets."""
        return self._workspace.read_guard

    async def git(
        self,
        *arguments: str | bytes,
        stdin: bytes = b"",
        limit: int = OUTPUT,
        good: Sequence[int] = (0,),
        index: Path | None = None,
        environment: dict[str, str] | None = None,
        seconds: float = SECONDS,
        tree: Path | None = None,
        history: bool = False,
        patience: Patience | None = None,
    ) -> Ran:
        """Run git against the private GIT_DIR, with the working tree as its folder.

        `index` stands in for the copy of the repository's index, `tree` for the working tree; `environment` is added to
        git's; exit codes in `good` are answers. `history` says that all that is asked of are whole shas, and that refs
        do not matter, nor an index, which git is not given then. Raises `Unsupported` where objects are missing, and
        for a repository that git can't read, and `InvalidInput` for a NUL among the arguments.
        """
        if any("\0" in (one if isinstance(one, str) else os.fsdecode(one)) for one in arguments):
            raise InvalidInput("git takes no text with a NUL")
        await self._looked_at()
        private = self._private if history else await self.made_ready()
        given = _environment(self.layout, private, private.no_index if history else private.index)
        if index is not None:
            given["GIT_INDEX_FILE"] = str(index)
        if tree is not None:
            given["GIT_WORK_TREE"] = str(tree)
        ran = await run_git(
            arguments,
            folder=tree or self.layout.worktree,
            environment={**given, **(environment or {})},
            stdin=stdin,
            limit=limit,
            seconds=seconds,
            patience=patience,
        )
        if ran.code in good or ran.cut:
            return ran
        raise _failure(ran)

    async def ask(self, kind: Kind, *lines: str, limit: int = OUTPUT, follower: Follower | None = None) -> Ran:
        """The answer of a git that waits (see `waiting`) to `lines`; raises what `git` does."""
        await self._looked_at()
        if self._ready is not None and not all(map(OBJECT.match, lines)):
            await self.made_ready()
        ran = await self._pool.ask(kind, lines, limit, follower=follower)
        if ran.code:
            raise _failure(ran)
        return ran

    async def not_too_old(self) -> None:
        """Before a log is told: no size of a change in it is by what attributes were over a minute ago."""
        if self.memory.forget_lines():
            await self._pool.end_since(self.memory.logged_since)

    async def trusted_index(self) -> None:
        """Raise `PathDenied` where the index names a path that leaves the working tree, or one in `.git`.

        Git checks names when it adds them and believes an index that it reads: `../../file` would be opened.
        """
        private = await self.made_ready()
        if self.memory.trusted != private.stamp:
            await self.check_index(private.index)
            self.memory.trusted = private.stamp

    async def check_index(self, index: Path) -> bytes:
        """The index's paths, each ended by NUL; raises `PathDenied` as `trusted_index` does."""
        ran = await self.git("ls-files", "-z", "--cached", index=index, limit=256 * 1024 * 1024)
        if ran.cut or hostile(ran.out):
            raise PathDenied("the repository's index names a path outside of its working tree")
        return ran.out

    async def blocking(self, work: Callable[[], T]) -> T:
        """`work` in a worker thread. Once begun it is carried to its end, whoever cancels."""
        return await anyio.to_thread.run_sync(work, limiter=self._threads)

    async def apart(self, size: int, work: Callable[[], T]) -> T:
        """`work` on so many bytes, or rows: in a worker thread where it would hold up the event loop."""
        return work() if size <= AT_ONCE else await self.blocking(work)

    def place(self, path: str) -> Place:
        """The place of a path of this repository, for the guards."""
        return self._top.at("/".join(part for part in (self._top.relative, path) if part))

    def known(self, place: Place, limit: int) -> tuple[bytes, os.stat_result] | None:
        """Bytes and status of a file that takes no wait, on the event loop; None for others."""
        return self._workspace.known(place, limit)

    def lacks(self, place: Place) -> bool:
        """Whether it is known without a wait that there is nothing."""
        return self._workspace.lacks(place)

    def learn(self) -> None:
        """Find out whether there are such files. Blocks: for worker threads."""
        self._workspace.learn(self._top)

    def follow_head(self, look: Callable[[], bool]) -> None:
        """Call `look` when HEAD's branch may have moved, for as long as there are questions about it now and then."""
        layout, head = self.layout, self.refs.head
        if self._ahead is not None and self.refs.branch and layout.common == layout.worktree / ".git":
            self._ahead.follow((layout.common / head).parent, look)

    def readable(self, path: str) -> bool:
        """Whether ReadGuard gives the bytes of `path` out; it speaks of history as of the working tree."""
        return not self.read_guard.withholds(f"{self._top.relative}/{path}" if self._top.relative else path)

    def inside(self, path: str) -> str:
        """A path as the caller says it (absolute, or relative to the repository) as git names it.

        Bytes that are no UTF-8 are said as `escapes` tells them. One that is there relative to the workspace root alone
        is taken too, and one that is there with the letters of an escape, for that is how the file tools name it.
        "" is the repository itself. The path may be missing, and a link stands for itself: what is below one in history
        is not what it leads to now. Raises `PathDenied` and `ProtectedPath`, also of where a link leads.
        """
        if "\0" in path or len(path) > 4096:
            raise InvalidInput("a path has no NUL and at most 4,096 characters")
        top = str(self.layout.worktree)
        full = os.path.normpath(os.path.join(top, named(path)))
        if not os.path.lexists(full):
            above = str(self._top.root)
            others = (os.path.join(top, path), os.path.join(above, named(path)), os.path.join(above, path))
            there = map(os.path.normpath, others)
            full = next((one for one in there if one.startswith(top + "/") and os.path.lexists(one)), full)
        if full == top:
            return ""
        real = os.path.join(os.path.realpath(os.path.dirname(full)), os.path.basename(full))
        if not real.startswith(top + "/"):
            raise PathDenied(f"{printable(path, 200)!r} lies outside of this repository")
        relative = _below(top, full) or real[len(top) + 1 :]
        if hostile(os.fsencode(f"{relative}\0{real[len(top) + 1 :]}\0")):
            raise ProtectedPath(f"{printable(path, 200)!r} belongs to git itself")
        return relative


class Git:
    """Opens repositories. `folder` is a folder of ours for what lives as long as one call, or is kept."""

    def __init__(self, workspace: Workspace, folder: Path) -> None:
        self._workspace = workspace
        self.folder = folder
        self._threads = anyio.CapacityLimiter(4)
        self._keeper: Keeper | None = None

    @asynccontextmanager
    async def keeping(self) -> AsyncIterator[Git]:
        """While the block lasts, what is read is read through folders and processes that outlive a call."""
        self._keeper = Keeper(self.folder, _pool, _draw, self._threads)
        try:
            async with self._keeper.running():
                yield self
        finally:
            self._keeper = None

    @asynccontextmanager
    async def open(self, session: Session, repo: str) -> AsyncIterator[Repository]:
        """The repository at `repo` for the length of the block, with a folder of its own that git may write to.

        Raises `NotFound`, `PathDenied` and `Unsupported` as `layout.find` and `refs.read_refs` do.
        """
        place = self._workspace.locate(session, repo)
        grant = session.grant
        layout, refs, private = await anyio.to_thread.run_sync(
            partial(_prepare, place.path, grant, self.folder), limiter=self._threads
        )
        pool = _pool(layout, private)
        kept = False
        try:
            yield Repository(layout, refs, private, place, self._workspace, self._threads, pool, Memory())
        except BaseException:
            kept = was_decided(private.folder)  # for the next start, which sees that the step happened
            raise
        finally:
            with anyio.CancelScope(shield=True):
                await pool.close()
                if not kept:
                    await anyio.to_thread.run_sync(remove, private.folder, limiter=self._threads)

    @asynccontextmanager
    async def read(self, session: Session, repo: str, quick: Quick = Quick.NO) -> AsyncIterator[Repository]:
        """The same for who only reads: through a folder that other calls read through too, where those are kept."""
        if self._keeper is None:
            async with self.open(session, repo) as repository:
                yield repository
            return
        place = self._workspace.locate(session, repo)
        async with self._keeper.lend(place.path, session.grant, quick) as view:
            yield Repository(
                view.layout,
                view.refs,
                view.private,
                place,
                self._workspace,
                self._threads,
                view.pool,
                view.memory,
                view.ready,
                view.look,
                self._keeper.ahead,
            )

    async def refs(self, session: Session, repo: str) -> Refs:
        """HEAD and refs of the repository at `repo`, for which no git is started; raises what `open` does."""
        place = self._workspace.locate(session, repo)
        return await self._workspace.at_length(partial(_refs, place.path, session.grant), place.root)

    async def blocking(self, work: Callable[[], T]) -> T:
        """`work` in a worker thread, as `Repository.blocking`: where there is no repository yet."""
        return await anyio.to_thread.run_sync(work, limiter=self._threads)

    async def sweep(self) -> None:
        """Remove what calls of a process that died left: in our folder, their locks in repositories, half a clone."""
        await anyio.to_thread.run_sync(_sweep, self.folder, limiter=self._threads)


def hostile(paths: bytes) -> bool:
    """Whether one of these NUL-ended paths has a component that leaves the tree or enters `.git`."""
    return bool(paths) and HOSTILE.search(paths) is not None


def _below(top: str, full: str) -> str:
    """The part of a path that stands below `top`, as it is written; "" where none of the folders above it is `top`."""
    if full.startswith(f"{top}/"):
        return full[len(top) + 1 :]
    above = next((str(one) for one in reversed(Path(full).parents) if os.path.realpath(one) == top), "")
    return full[len(above) + 1 :] if above else ""


def _environment(layout: Layout, private: Private, index: Path) -> dict[str, str]:
    return {
        "GIT_DIR": str(private.folder),
        "GIT_WORK_TREE": str(layout.worktree),
        "GIT_INDEX_FILE": str(index),
        "HOME": str(private.folder / "home"),
    }


def _pool(layout: Layout, private: Private) -> Pool:
    async def start(kind: Kind) -> Child:
        environment = _environment(layout, private, private.no_index)
        return await start_git(kind.arguments, folder=layout.worktree, environment=environment, stdin=True)

    return Pool(start)


async def _draw(layout: Layout, private: Private, newer: str) -> None:
    """The commits' graph, with the paths that each changed (git-commit-graph(1)), into the private folder; or a layer
    more, up to a commit that is `newer`."""
    which = ["--split", "--stdin-commits"] if newer else ["--reachable"]
    arguments = ["commit-graph", "write", *which, "--changed-paths", "--no-progress"]
    environment = _environment(layout, private, private.no_index)
    stdin = f"{newer}\n".encode() if newer else b""
    await run_git(arguments, folder=layout.worktree, environment=environment, stdin=stdin)


def _prepare(folder: Path, grant: Grant, parent: Path) -> tuple[Layout, Refs, Private]:
    layout = find(folder, grant.roots, grant.home)
    refs = read_refs(layout)
    return layout, refs, build(layout, refs, parent)


def _refs(folder: Path, grant: Grant) -> Refs:
    layout = find(folder, grant.roots, grant.home)
    from_thread.check_cancelled()
    return read_refs(layout)


def _sweep(folder: Path) -> None:
    for left in folder.glob("git-*"):
        release(left)
        remove(left)
    staging.sweep(folder)


def _failure(ran: Ran) -> AstroError:
    said = printable(ran.err.strip().splitlines()[-1] if ran.err.strip() else f"exit code {ran.code}", 300)
    if MISSING.search(ran.err):
        return Unsupported(
            "objects of this repository are missing (a partial clone, or a damaged one)",
            f"{FETCH_THEM}; git said: {said}",
        )
    if GONE.search(ran.err):
        return Conflict(f"a file went away while git read it: {said}", "look what is there now, then repeat")
    return Unsupported(f"git can't do this here: {said}", "git fsck tells more about the repository")
