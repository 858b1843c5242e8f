"""The workspace of a session: where a path leads, and what may be read of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar
from weakref import WeakValueDictionary

import anyio
import anyio.to_thread

from astro_mcp.config import SecretSettings
from astro_mcp.core.authority import Session
from astro_mcp.errors import InvalidInput, NotFound, PathDenied
from astro_mcp.workspace.beneath import OUTSIDE, resolve
from astro_mcp.workspace.content import read_file
from astro_mcp.workspace.guards import ReadGuard, check_write
from astro_mcp.workspace.near import near_path
from astro_mcp.workspace.page_cache import PageCache
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.snapshot import Snapshot, take
from astro_mcp.workspace.survey import Survey
from astro_mcp.workspace.text import one_line
from astro_mcp.workspace.walk import Entry, walk

T = TypeVar("T")
QUICK: Final = 8
"""Threads for single files."""
LONG: Final = 4
"""Threads for walks, copies and searches; apart from the others, so that a long one delays no short one."""
EACH: Final = LONG // 2
"""How many of them one root has at most, so that a hostile tree delays no other."""


class Workspace:
    """One for all sessions; every method says whose roots it goes by."""

    def __init__(self, secrets: SecretSettings) -> None:
        self.read_guard = ReadGuard(secrets.readable)
        self._quick = anyio.CapacityLimiter(QUICK)
        self._long = anyio.CapacityLimiter(LONG)
        self._page_cache = PageCache()
        self._shares: WeakValueDictionary[Path | None, anyio.CapacityLimiter] = WeakValueDictionary()

    async def quickly(self, work: Callable[[], T]) -> T:
        """Run `work`, which touches a few files, in a worker thread."""
        return await anyio.to_thread.run_sync(work, limiter=self._quick)

    async def at_length(self, work: Callable[[], T], root: Path | None = None) -> T:
        """Run `work`, which may touch many files and calls `from_thread.check_cancelled`, in a worker thread.

        `root` is whose files these are: one root has `EACH` threads at most, and so has all work of none.
        """
        share = self._shares.get(root)
        if share is None:
            share = self._shares[root] = anyio.CapacityLimiter(EACH)
        async with share:
            return await anyio.to_thread.run_sync(work, limiter=self._long)

    def locate(self, session: Session, path: str, *, final_link: bool = False) -> Place:
        """The place that `path` means; its target may be missing.

        An absolute path lies beneath one of the roots; a relative one belongs to the first root that has it, else to
        the first root. `final_link` names a link itself and not what it leads to. Raises `NoRoot`, `PathDenied`,
        `InvalidInput`.
        """
        roots = session.grant.roots
        if not roots:
            raise session.no_root()
        fallback: Place | None = None
        for index, root in enumerate(roots):
            relative = resolve(root, path, final_link=final_link)
            if relative is None:
                continue
            place = Place(root, relative, primary=index == 0)
            if len(roots) == 1 or os.path.isabs(path) or os.path.lexists(place.path):
                return place
            fallback = fallback or place
        if fallback is None:
            raise PathDenied("the path is outside of the workspace roots", OUTSIDE)
        return fallback

    async def read(self, place: Place, limit: int) -> bytes:
        """The bytes of a file. Raises `NotFound`, `ProtectedPath`, `PathDenied`, `TooLarge` over `limit` bytes."""
        return await self.quickly(lambda: self.read_now(place, limit))

    def read_now(self, place: Place, limit: int) -> bytes:
        """`read` for those who are in a worker thread already."""
        self.guard_read(place)
        try:
            data = read_file(place, limit)[0]
        except NotFound as error:
            near = near_path(place)
            raise NotFound(error.message, f"did you mean {one_line(near)}?" if near else error.hint) from None
        self._page_cache.learn(place.root)
        return data

    def read_at_once(self, session: Session, path: str, limit: int) -> tuple[Place, bytes] | None:
        """`locate` and `read` in one for the event loop, of a file that needs no wait: the kernel has it in memory, and
        no link leads there. None for every other, and over `limit` bytes. Raises `ProtectedPath`."""
        for index, root in enumerate(session.grant.roots):
            relative = path.removeprefix(f"{root}/")
            data = self._page_cache.read(root, relative, limit)
            if data is not None:
                place = Place(root, relative, primary=index == 0)
                self.guard_read(place)
                return place, data
            if not os.path.isabs(path):
                return None  # another root has it only where this one has not, and that is for `locate` to see
        return None

    def known(self, place: Place, limit: int) -> tuple[bytes, os.stat_result] | None:
        """`content.read_file` for the event loop, as `read_at_once` does it; for who compares a file and gives nothing
        of it out."""
        return self._page_cache.read_whole(place.root, place.relative, limit)

    def lacks(self, place: Place) -> bool:
        """Whether there is nothing at a place, as far as that is known without a wait."""
        return self._page_cache.lacks(place.root, place.relative)

    def learn(self, place: Place) -> None:
        """Find out whether `known` may do something for files of that root. Blocks: for worker threads."""
        self._page_cache.learn(place.root)

    async def walk(self, place: Place, *, include_ignored: bool = False) -> list[Entry]:
        """Everything below a folder, without what `.gitignore` hides, `.git`, and what lies behind links."""
        return await self.at_length(
            lambda: [entry for entry in walk(place, include_ignored=include_ignored) if isinstance(entry, Entry)],
            place.root,
        )

    async def snapshot(
        self,
        session: Session,
        paths: Sequence[str],
        *,
        max_files: int,
        max_bytes: int,
        before: Snapshot | None = None,
        survey: Survey | None = None,
    ) -> Snapshot:
        """Guarded copies of files, for a sandbox or an index; none or `.` means the whole first root.

        Without secrets, ignored files (unless named), `.git`, special files and links that lead out; what was left
        out for another reason than `.gitignore` is in `withheld`. `before` is one of the same root: what did not change
        since is not read again. `survey` has what lies at the paths. Raises `TooLarge`, `NotFound`, `PathDenied`, and
        `InvalidInput` for paths in different roots.
        """
        places = [self.locate(session, path) for path in paths or ["."]]
        if len({place.root for place in places}) > 1:
            raise InvalidInput("the paths lie in different roots", "name paths of one root at a time")
        bounds = {"max_files": max_files, "max_bytes": max_bytes}
        work = partial(take, self.read_guard, places, **bounds, before=before, survey=survey)
        return await self.at_length(work, places[0].root)

    def guard_read(self, place: Place) -> None:
        """Raises `ProtectedPath` for what is on the secrets list."""
        self.read_guard.check(place.relative, place.display)

    def guard_write(self, place: Place) -> None:
        """Raises `ProtectedPath` for `.git`, `ApprovalRequired` for files that make a host run something."""
        check_write(place.relative, place.display)
