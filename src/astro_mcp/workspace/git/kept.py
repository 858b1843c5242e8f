"""Private GIT_DIRs that outlive a call, with git processes that wait in them.

What a repository is made of is looked at anew by every call (`layout`, `refs`); what is kept of it is used only while
that is the same. Refs and index are brought up to date before a git is asked about them, and by no call that asks about
objects alone; anything else that changed makes a new folder.
"""

from __future__ import annotations

import logging
import os
import stat
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from astro_mcp.core.authority import Grant
from astro_mcp.errors import AstroError, Conflict, PathDenied
from astro_mcp.workspace.git.ahead import Ahead
from astro_mcp.workspace.git.glimpse import RULES, Found, Glimpse, which
from astro_mcp.workspace.git.layout import Layout, Seen, find, objects_of
from astro_mcp.workspace.git.private import Private, build, remove, renew, shallow, stamp_of, state_of
from astro_mcp.workspace.git.refs import Refs, read_refs
from astro_mcp.workspace.git.standing import Standing
from astro_mcp.workspace.git.waiting import AGE, Pool

log = logging.getLogger(__name__)

MOST: Final = 8
"""Repositories that are kept; the one that was not used for longest goes."""
IDLE: Final = 30.0
"""Seconds without a question after which a git that waits is ended, and after ten times as many the folder goes too."""
MOVES: Final = 8
"""Times that HEAD moved, after which what came since is drawn, too: a path's history is compared there tree by tree."""
REMEMBERED: Final = 4_000
"""Answers about commits that are remembered of one repository."""


BLAMES: Final = 32
"""Files of one repository whose lines' writers are remembered."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Of a commit; `date` is ISO 8601."""

    author: str
    date: str


@dataclass(frozen=True, slots=True)
class Blame:
    """The commit of each line of a file as it is in `commit`, which is "" where it was asked for once, in part. It is
    not `worth` going through files whose history is too long for it."""

    commit: str = ""
    shas: list[str] = field(default_factory=list)
    writers: dict[str, Writer] = field(default_factory=dict)
    worth: bool = True


@dataclass(frozen=True, slots=True)
class Listed:
    """Commits of a list: the first or some of them, how many it has at least, and whether that is all that it has."""

    shas: list[str]
    count: int
    whole: bool


@dataclass
class Memory:
    """What was found out of a repository and can't change: objects are named by their content. Sizes in `logged` can,
    and are kept for `AGE` seconds.

    `trusted` is the stamp of the index that was found in order; `links` the stamp of one, its submodules, and
    which of those are in conflict.
    `lists`: a commit's history, its length and its first shas; `searches`: the same of what git was asked of it, as far
    as git came; `apart`: how far two commits are from one another;
    `logged`: a commit's line of a log; `found`: the sha of a name that begins with one, as in `sha^{tree}`; `blames`:
    who wrote a file's lines, by its path; `recent`: objects of the commit that was told last without git.
    What `standing` holds can change, and is watched. `cut`: history may be cut off somewhere.
    """

    standing: Standing | None = None
    cut: bool = True
    trusted: str = "none yet"
    links: tuple[str, dict[str, str], frozenset[str]] = ("none yet", {}, frozenset())
    walked: bool = False
    lists: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    searches: dict[tuple[str, ...], Listed] = field(default_factory=dict)
    apart: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    logged: dict[str, bytes] = field(default_factory=dict)
    logged_since: float = field(default_factory=time.monotonic)
    found: dict[str, str] = field(default_factory=dict)
    blames: dict[str, Blame] = field(default_factory=dict)
    recent: dict[str, bytes] = field(default_factory=dict)

    def forget_lines(self) -> bool:
        """Forget the lines of logs where their sizes may be a minute old; whether they were. What says how files are
        compared may lie anywhere in the working tree, and come and go there."""
        now = time.monotonic()
        if now - self.logged_since < AGE:
            return False
        self.logged, self.logged_since = {}, now  # a new one: what a git tells by now is of before
        return True

    def forget_unfinished(self) -> None:
        """Of lists: git is faster by now."""
        self.searches = {asked: found for asked, found in self.searches.items() if found.whole}

    def bound(self) -> None:
        """Forget, where that became much."""
        while len(self.lists) > 16:
            del self.lists[next(iter(self.lists))]
        while len(self.searches) > 16:
            del self.searches[next(iter(self.searches))]
        if len(self.logged) + len(self.apart) > REMEMBERED:
            self.logged.clear()
            self.apart.clear()
        if len(self.found) > REMEMBERED:
            self.found.clear()
        while len(self.blames) > BLAMES:
            del self.blames[next(iter(self.blames))]


Ready = Callable[[], Awaitable[Private]]
Look = Callable[[], Awaitable[None]]


class Quick(Enum):
    """Who may be given a repository by a glimpse, for which no thread is needed: who mostly asks no git."""

    NO = 0
    ALL = 1  # where nothing changed
    HEAD = 2  # where HEAD's branch moved, too: of refs only HEAD's commit matters to it

    def __bool__(self) -> bool:
        return self is not Quick.NO


@dataclass(frozen=True, slots=True)
class View:
    """A repository as one call sees it. `private` may be older than `refs`: `ready` gives it brought up to date, where
    that is not None. Where `look` is not, the repository was only glimpsed, and that comes before any git is asked."""

    layout: Layout
    refs: Refs
    private: Private
    pool: Pool
    memory: Memory
    ready: Ready | None
    look: Look | None = None


@dataclass
class Kept:
    """One repository; `facts` are what may not change under a git that waits. `private` holds `refs`, as the call of
    the number `seen` saw them. `moves`: how often a call found HEAD at another commit since the history was drawn."""

    facts: tuple[Layout, bytes, tuple[str, ...]]
    refs: Refs
    private: Private
    seen: int
    pool: Pool
    memory: Memory
    glimpse: Glimpse | None = None
    drawn: bool = False
    head: str = ""
    moves: int = 0
    users: int = 0
    used: float = 0.0
    dropped: bool = False

    def note(self, refs: Refs, state: tuple[str, bytes], number: int) -> None:
        """The call of that number found these: whether `private` holds just that."""
        if state == (self.private.stamp, self.private.exclude) and refs == self.refs and not self.private.older:
            self.seen = number

    def is_to_be_drawn(self, head: str) -> bool:
        """Whether its history was gone through, and is drawn by now, which the caller sees to, or no more as it is."""
        self.moves += head != self.head
        self.head = head
        if self.dropped or not self.memory.walked or (self.drawn and self.moves < MOVES):
            return False
        self.memory.walked, self.moves = False, 0
        return True

    async def close(self) -> None:
        with anyio.CancelScope(shield=True):
            if self.memory.standing is not None:
                self.memory.standing.close()
            await self.pool.close()
            await anyio.to_thread.run_sync(remove, self.private.folder)


class Keeper:
    """Lends repositories; `pool` makes the processes of a private folder, and `draw` writes git's own picture of the
    history into it, by which the next walk is ten times as fast, or, given a commit, what came since up to it. All of
    it ends with `running`."""

    def __init__(
        self,
        folder: Path,
        pool: Callable[[Layout, Private], Pool],
        draw: Callable[[Layout, Private, str], Awaitable[None]],
        threads: anyio.CapacityLimiter,
    ) -> None:
        self._folder = folder
        self._pool = pool
        self._draw = draw
        self._group: TaskGroup | None = None
        self.ahead: Ahead | None = None
        self._threads = threads
        self._kept: OrderedDict[Path, Kept] = OrderedDict()
        self._locks: WeakValueDictionary[Path, anyio.Lock] = WeakValueDictionary()
        self._seen = Seen()
        self._calls = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """End what nobody uses while the block lasts, and everything at its end."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._tidy)
            self._group, self.ahead = group, Ahead(group, self._threads)
            try:
                yield
            finally:
                group.cancel_scope.cancel()
                self._group = self.ahead = None
                with anyio.CancelScope(shield=True):
                    await self._let_go(0)

    @asynccontextmanager
    async def lend(self, folder: Path, grant: Grant, quick: Quick = Quick.NO) -> AsyncIterator[View]:
        """The repository at `folder` for the length of the block; raises what `find` and `read_refs` do."""
        lock = self._locks.get(folder)
        if lock is None:
            lock = self._locks[folder] = anyio.Lock()
        async with lock:
            former = self._kept.get(folder)
            self._calls += 1
            number = self._calls
            found = _glimpsed(former, grant, quick, number) if quick and former is not None else None
            look = None if found is None else partial(self._looked, lock, grant, found[1])
            if found is None:
                prepare = partial(self._prepare, folder, grant, former, number)
                found = await anyio.to_thread.run_sync(prepare, limiter=self._threads)
            kept, layout, refs = found
            whole = None if look is None or kept.glimpse is None or refs is kept.glimpse.found.refs else grant
            kept.users += 1
            self._kept[folder] = kept
            self._kept.move_to_end(folder)
            ready = None if kept.seen == number else partial(self._renewed, lock, kept, layout, refs, number, whole)
            view = View(layout, refs, kept.private, kept.pool, kept.memory, ready, look)
        try:
            if former is not None and kept is not former:
                await _drop(former)
            yield view
        finally:
            await self._given_back(kept)
            if self._group is not None and kept.is_to_be_drawn(refs.sha):
                newer, kept.drawn = refs.sha if kept.drawn else "", True
                kept.users += 1
                self._group.start_soon(self._picture, kept, layout, newer)

    async def _picture(self, kept: Kept, layout: Layout, newer: str) -> None:
        try:
            await self._draw(layout, kept.private, newer)
            kept.memory.forget_unfinished()
        except (AstroError, OSError) as error:
            log.info("the history of %s is walked without a picture: %s", layout.worktree, error)
        finally:
            await self._given_back(kept)

    async def _given_back(self, kept: Kept) -> None:
        kept.users -= 1
        kept.used = time.monotonic()
        kept.memory.bound()
        if kept.dropped and not kept.users:
            await kept.close()
        await self._let_go(MOST if self._group is not None else 0)

    def _prepare(self, folder: Path, grant: Grant, kept: Kept | None, number: int) -> tuple[Kept, Layout, Refs]:
        began, folders = time.time_ns(), which(folder)
        layout = find(folder, grant.roots, grant.home, self._seen)
        refs = read_refs(layout)
        cut, rules = shallow(layout), _rules(layout.worktree)
        facts = (layout, cut, rules)
        if kept is None or kept.facts != facts:
            private = build(layout, refs, self._folder)
            memory = Memory(Standing(), cut=bool(cut))
            kept = Kept(facts, refs, private, number, self._pool(layout, private), memory)
            state = private.stamp, private.exclude
        else:
            state = state_of(layout)
            kept.note(refs, state, number)
        seen = Glimpse.of(grant, Found(layout, refs, cut, rules, *state), folders, began)
        kept.glimpse = seen or kept.glimpse  # by an older one it is still told what differs
        return kept, layout, refs

    async def _looked(self, lock: anyio.Lock, grant: Grant, layout: Layout) -> None:
        """The part of a look that a glimpse put off: what a git may read. Raises what `find` does."""
        async with lock:
            work = partial(objects_of, layout.common, (*grant.roots, *grant.home), self._seen)
            if await anyio.to_thread.run_sync(work, limiter=self._threads) != layout.objects:
                raise _changed()

    async def _renewed(
        self, lock: anyio.Lock, kept: Kept, layout: Layout, refs: Refs, number: int, grant: Grant | None
    ) -> Private:
        """The folder as the call of that number saw the repository, or as a later one did; by a whole look where a
        `grant` says that the call took none."""

        def work() -> tuple[Private, Refs]:
            now = refs if grant is None else self._again(kept, grant)
            return renew(kept.private, layout, now, kept.refs, alone=kept.users == 1), now

        async with lock:
            if kept.seen < number:
                kept.private, kept.refs = await anyio.to_thread.run_sync(work, limiter=self._threads)
                kept.seen = number
            return kept.private

    def _again(self, kept: Kept, grant: Grant) -> Refs:
        layout = find(kept.facts[0].worktree, grant.roots, grant.home, self._seen)
        if (layout, shallow(layout), _rules(layout.worktree)) != kept.facts:
            raise _changed()
        return read_refs(layout)

    async def _let_go(self, most: int) -> None:
        while len(self._kept) > most:
            await _drop(self._kept.popitem(last=False)[1])

    async def _tidy(self) -> None:
        while True:
            await anyio.sleep(IDLE / 2)
            now = time.monotonic()
            for folder, kept in list(self._kept.items()):
                await kept.pool.end_since(now - IDLE)
                if not kept.users and now - kept.used > IDLE and kept.memory.standing is not None:
                    kept.memory.standing.close()
                if not kept.users and now - kept.used > 10 * IDLE and self._kept.get(folder) is kept:
                    del self._kept[folder]
                    await _drop(kept)


def _glimpsed(kept: Kept, grant: Grant, quick: Quick, number: int) -> tuple[Kept, Layout, Refs] | None:
    """What `_prepare` would give, where nothing is other than its last look found, or nothing that `quick` minds; else
    None. Of refs that moved HEAD's alone is told."""
    seen = kept.glimpse
    refs = seen.refs(moved=quick is Quick.HEAD) if seen is not None and seen.grant == grant else None
    if seen is None or refs is None:
        return None
    if refs is seen.found.refs:
        kept.note(refs, (seen.found.stamp, seen.found.exclude), number)
    return kept, seen.found.layout, refs


def _changed() -> Conflict:
    return Conflict("the repository changed while it was read", "repeat the call", retryable=True)


async def _drop(kept: Kept) -> None:
    """It is lent no more, and ends with the last call that uses it."""
    kept.dropped = True
    if not kept.users:
        await kept.close()


def _rules(worktree: Path) -> tuple[str, ...]:
    """The states of the `RULES`; attributes further down are read anew with each process. Raises `PathDenied` where git
    would wait for who writes into a pipe in place of one."""
    found = []
    for name in RULES:
        try:
            status = os.lstat(f"{worktree}/{name}")
        except OSError:
            found.append("")
            continue
        if stat.S_ISFIFO(status.st_mode):
            raise PathDenied(f"the repository's {name} is a pipe")
        found.append(stamp_of(status))
    return tuple(found)
