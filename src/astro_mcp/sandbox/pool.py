"""Containers that run and wait, by image and limits: a run that finds one starts in milliseconds.

Each is used once. How many wait follows what is asked for, within a bound over all: a run that found none raises
its sort's number by one, a minute without such a run lowers it, and a sort that nobody asks for keeps none.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import anyio
from anyio.abc import TaskGroup

from astro_mcp.config import RunLimits
from astro_mcp.sandbox.container import Container

log = logging.getLogger(__name__)

FILLING: Final = 2
"""Containers made at once: more would only take the cores from the runs that they are made for."""
HEAD_START: Final = 0.05
"""Seconds that a run has the machine to itself: making the next container takes more of it than most runs do."""
CALM_SECONDS: Final = 60.0


class Sort(NamedTuple):
    """What makes one container as good as another."""

    image: str
    limits: RunLimits


Make = Callable[[Sort], Awaitable[Container]]
"""`await make(sort)`: a container that has said that it is ready, and holds what it must."""


@dataclass(slots=True)
class _Shelf:
    """One sort's."""

    waiting: deque[Container] = field(default_factory=deque)
    wanted: int = 0
    filling: int = 0
    asked: float = 0.0
    missed: float = 0.0

    @property
    def lacks(self) -> int:
        return self.wanted - len(self.waiting) - self.filling


class Pool:
    """`most` containers in all; a sort's go after `idle_seconds` without a run. Lives in `tasks`."""

    def __init__(self, tasks: TaskGroup, make: Make, most: int, idle_seconds: float) -> None:
        self._tasks = tasks
        self._make = make
        self._most = most
        self._idle_seconds = idle_seconds
        self._shelves: dict[Sort, _Shelf] = {}
        self._fillers = anyio.CapacityLimiter(FILLING)
        self._closed = False

    def take(self, sort: Sort) -> Container | None:
        """One that waits, or None where none does; its shelf is filled up behind it."""
        if self._closed or not self._most:
            return None
        shelf = self._shelves.setdefault(sort, _Shelf())
        shelf.asked = time.monotonic()
        found = self._living(shelf)
        if found is None:
            shelf.missed = shelf.asked
            shelf.wanted = min(self._most, shelf.wanted + 1)
        self._tasks.start_soon(self._fill_soon, sort, shelf)
        return found

    def counts(self) -> dict[str, int]:
        """How many wait, by image."""
        found: Counter[str] = Counter()
        for sort, shelf in self._shelves.items():
            found[sort.image] += len(shelf.waiting)
        return found

    def settle(self, now: float) -> None:
        """One look at every shelf."""
        for sort, shelf in list(self._shelves.items()):
            if now - shelf.asked >= self._idle_seconds:
                shelf.wanted = 0
            elif now - shelf.missed >= CALM_SECONDS and shelf.wanted > 1:
                shelf.wanted -= 1
                shelf.missed = now
            while len(shelf.waiting) > shelf.wanted:
                self._drop(shelf.waiting.popleft())
            if not shelf.wanted and not shelf.filling:
                del self._shelves[sort]

    def close(self) -> None:
        """Give every container to its end; none is made or given out from here on."""
        self._closed = True
        for shelf in self._shelves.values():
            while shelf.waiting:
                self._drop(shelf.waiting.popleft())

    def _drop(self, container: Container) -> None:
        self._tasks.start_soon(container.discard)

    def _living(self, shelf: _Shelf) -> Container | None:
        while shelf.waiting:
            container = shelf.waiting.popleft()
            if container.alive():
                return container
            self._drop(container)  # the engine was restarted, or somebody ended it
        return None

    async def _fill_soon(self, sort: Sort, shelf: _Shelf) -> None:
        await anyio.sleep(HEAD_START)
        self._fill(sort, shelf)

    def _fill(self, sort: Sort, shelf: _Shelf) -> None:
        while shelf.lacks > 0 and self._make_room(shelf):
            shelf.filling += 1
            self._tasks.start_soon(self._fill_one, sort, shelf)

    def _make_room(self, shelf: _Shelf) -> bool:
        """Whether one more may wait; where there is no room, the sort that was asked for longest ago gives one up."""
        if sum(len(other.waiting) + other.filling for other in self._shelves.values()) < self._most:
            return True
        others = [other for other in self._shelves.values() if other is not shelf and other.waiting]
        if not others:
            return False
        oldest = min(others, key=lambda other: other.asked)
        self._drop(oldest.waiting.popleft())
        oldest.wanted = len(oldest.waiting)
        return True

    async def _fill_one(self, sort: Sort, shelf: _Shelf) -> None:
        try:
            async with self._fillers:
                container = await self._make(sort)
        except Exception as error:  # noqa: BLE001 - the next run asks the engine itself, and tells its caller
            log.warning("no container could be made to wait: %s: %s", type(error).__name__, error)
            return
        finally:
            shelf.filling -= 1
        if self._closed or len(shelf.waiting) >= shelf.wanted:
            self._drop(container)
        else:
            shelf.waiting.append(container)
