"""The changes of a file, for whoever watches its address.

What counts is what the address leads to now, by the same guards as a read: a look compares that with the look before.
A path that leads out of the root, or to a secret, is nothing, and what happens behind it is told of to nobody.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from typing import Final

from astro_mcp.core.authority import Session
from astro_mcp.errors import AstroError
from astro_mcp.workspace.alarms import Alarms
from astro_mcp.workspace.beneath import open_parent
from astro_mcp.workspace.content import status_of
from astro_mcp.workspace.place import Place
from astro_mcp.workspace.workspace import Workspace

LOOK_SECONDS: Final = 2.0
"""Between two looks where nothing rings: a folder further up was replaced, or the system tells nothing."""

Look = tuple[Place, int, int, int, int, int]
"""Where the address leads; device, inode, size, and the times of the last change of content and status there."""


class Watching:
    """One for all sessions."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._alarms = Alarms()

    async def changes(self, session: Session, path: str) -> AsyncIterator[None]:
        """A turn for each change at `path` from here on, or for several that came together: written, replaced, gone,
        there again. It never ends by itself."""

        def look() -> Look | None:
            return _look(self._workspace, session, path)

        return _Changes(self._workspace, self._alarms, look, await self._workspace.quickly(look))


class _Changes:
    def __init__(
        self, workspace: Workspace, alarms: Alarms, look: Callable[[], Look | None], seen: Look | None
    ) -> None:
        self._workspace = workspace
        self._alarms = alarms
        self._look = look
        self._seen = seen
        self._place = seen and seen[0]

    def __aiter__(self) -> _Changes:
        return self

    async def __anext__(self) -> None:
        """Nothing is held from one turn to the next: what happens between them the next look finds."""
        with self._alarms.on(await self._workspace.quickly(lambda: _folder(self._place))) as alarm:
            while (now := await self._workspace.quickly(self._look)) == self._seen:
                await alarm.wait(LOOK_SECONDS)
        self._seen = now
        self._place = now[0] if now else self._place


def _look(workspace: Workspace, session: Session, path: str) -> Look | None:
    """None where nothing is that may be read."""
    try:
        place = workspace.locate(session, path)
        workspace.guard_read(place)
        status = status_of(place)
    except AstroError:
        return None
    return place, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _folder(place: Place | None) -> int | None:
    """A descriptor of the folder that `place` is or was in, for its owner to close."""
    try:
        return None if place is None else _parent(place)
    except AstroError:
        return None


def _parent(place: Place) -> int:
    with open_parent(place) as (folder, _):
        return os.dup(folder)
