"""Parts that no start needs: each is built once, at its first use or in the background some time after the start.

Importing what agents work with takes longer than all else that the daemon does before it answers. A module is imported
in a worker thread, one at a time, so that the loop goes on meanwhile; what it holds is then built on the loop.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from typing import Any, Final, Generic, TypeVar

import anyio
import anyio.abc
import anyio.to_thread

from astro_mcp.errors import AstroError, Unavailable

log = logging.getLogger(__name__)
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

BACKGROUND_SECONDS: Final = 1.0
"""From the start to the loading of what nobody asked for yet: a host's greeting and its first lists come before."""


class Deferred(ABC, Generic[T_co]):
    """A part that may not be there yet."""

    @property
    @abstractmethod
    def built(self) -> T_co | None:
        """The part where it is there."""

    @abstractmethod
    async def get(self) -> T_co:
        """The part; waits for it, raises an `AstroError` where it can't be had now."""


class Ready(Deferred[T]):
    """A part that is there from the beginning."""

    def __init__(self, value: T) -> None:
        self._value = value

    @property
    def built(self) -> T:
        return self._value

    async def get(self) -> T:
        return self._value


class Loader:
    """Loads parts while `running`; what it can't load now it tries again when it is next asked."""

    def __init__(self, background: float = BACKGROUND_SECONDS) -> None:
        self._background = background
        self._group: anyio.abc.TaskGroup | None = None
        self._thread = anyio.CapacityLimiter(1)
        self._parts: list[_Part[Any]] = []
        self._through = anyio.Event()

    def part(self, module: str, build: Callable[[], Awaitable[T]]) -> Deferred[T]:
        """What `build` gives once `module` is imported."""
        part = _Part(self, module, build)
        self._parts.append(part)
        return part

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Load until the block ends; every part in the background, in the order in which they were declared."""
        async with anyio.create_task_group() as group:
            self._group = group
            group.start_soon(self._load_all)
            try:
                yield
            finally:
                self._group = None
                group.cancel_scope.cancel()

    @property
    def busy(self) -> bool:
        """Whether the background has not tried every part yet."""
        return not self._through.is_set()

    async def through(self) -> None:
        """Return when the background has tried every part."""
        await self._through.wait()

    async def hold(self, life: AbstractAsyncContextManager[T]) -> T:
        """Enter `life` in a task of its own, that leaves it when the loader ends."""

        async def living(*, task_status: anyio.abc.TaskStatus[T]) -> None:
            async with life as value:
                task_status.started(value)
                await anyio.sleep_forever()

        entered: T = await self._running().start(living)
        return entered

    async def imported(self, module: str) -> None:
        await anyio.to_thread.run_sync(import_module, module, limiter=self._thread)

    def begin(self, load: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start a load in a task of its own: who waits for it may be cancelled, and others wait as well."""
        self._running().start_soon(load)

    def _running(self) -> anyio.abc.TaskGroup:
        if self._group is None:
            raise Unavailable("the server is starting or ending", retryable=True)
        return self._group

    async def _load_all(self) -> None:
        await anyio.sleep(self._background)
        for part in self._parts:
            if self._group is None:
                return  # it ends, and this task is cancelled in a moment
            await part.tried()
        self._through.set()


class _Part(Deferred[T]):
    def __init__(self, loader: Loader, module: str, build: Callable[[], Awaitable[T]]) -> None:
        self._loader = loader
        self._module = module
        self._build = build
        self._value: T | None = None
        self._error: AstroError | None = None
        self._going_on: anyio.Event | None = None

    @property
    def built(self) -> T | None:
        return self._value

    async def get(self) -> T:
        await self.tried()
        if self._value is None:
            raise self._error or Unavailable()
        return self._value

    async def tried(self) -> None:
        """Return when it is there, or an attempt has failed."""
        if self._value is None:
            if self._going_on is None:
                self._loader.begin(self._load)
                self._going_on = anyio.Event()
            await self._going_on.wait()

    async def _load(self) -> None:
        try:
            await self._loader.imported(self._module)
            self._value = await self._build()
        except AstroError as error:
            self._error = error
        except Exception:  # a part that is broken is missing where it is used, and nowhere else
            log.exception("%s can't be loaded", self._module)
            self._error = Unavailable("a part of the server can't be loaded", "the daemon's log says why")
        finally:
            if self._going_on is not None:
                self._going_on.set()
                self._going_on = None
