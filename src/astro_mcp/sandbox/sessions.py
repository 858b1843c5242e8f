"""Interpreters that stay up between calls, each with its workspace, each its scope's own."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import anyio
from anyio.abc import TaskGroup

from astro_mcp.config import SandboxSettings
from astro_mcp.core.authority import Scope
from astro_mcp.errors import Conflict, LimitHit
from astro_mcp.sandbox.container import Container

TOTAL: Final = 16
"""Sessions of all scopes together."""

Ready = Callable[[str, str], Awaitable[Container]]


@dataclass(slots=True, eq=False)
class Session:
    """One interpreter. Times are monotonic seconds."""

    name: str
    image: str
    container: Container
    began: float
    used: float
    turns: int = 0
    over: bool = False
    turn: anyio.Lock = field(default_factory=anyio.Lock)


class Sessions:
    """Kept by (scope, name). `ready(tenant, image)` gives a container; what ends here ends in `tasks`."""

    def __init__(self, tasks: TaskGroup, ready: Ready, settings: SandboxSettings) -> None:
        self._tasks = tasks
        self._ready = ready
        self._settings = settings
        self._kept: dict[tuple[Scope, str], Session] = {}
        self._opening = anyio.Lock()

    @asynccontextmanager
    async def use(self, scope: Scope, name: str, image: str) -> AsyncIterator[Session]:
        """The scope's session of that name, for one turn; made where there is none. Left in any way but a turn that
        ended by itself, it is over. `image`: the one that it must run, or empty for whichever it runs.

        Raises `Conflict` where it runs another image, `LimitHit` where the scope has as many as it may.
        """
        session = await self._find(scope, name, image)
        async with session.turn:
            if session.over:
                raise Conflict(
                    f"the session {name!r} ended while this call waited for it", "call again: a new one begins"
                )
            session.over = True  # until the turn says otherwise: cancelled in the middle, it can't be used again
            try:
                yield session
            finally:
                session.used = time.monotonic()
                session.turns += 1
                if session.over:
                    self._drop((scope, name), session)

    def of(self, scope: Scope) -> list[Session]:
        """The scope's own, by name."""
        return sorted((s for (owner, _), s in self._kept.items() if owner == scope), key=lambda s: s.name)

    def settle(self, now: float) -> None:
        """End what was not used for too long, is too old, or has lost its container; a turn that goes on is not cut
        short."""
        for key, session in list(self._kept.items()):
            idle = now - session.used >= self._settings.session_idle_seconds
            old = now - session.began >= self._settings.session_seconds
            if not session.turn.locked() and (idle or old or not session.container.alive()):
                session.over = True
                self._drop(key, session)

    def close(self) -> None:
        """End all."""
        for key, session in list(self._kept.items()):
            session.over = True
            self._drop(key, session)

    async def _find(self, scope: Scope, name: str, image: str) -> Session:
        async with self._opening:
            session = self._kept.get((scope, name))
            if session is not None and not session.turn.locked() and not session.container.alive():
                self._drop((scope, name), session)  # the engine was restarted, or somebody ended it
                session = None
            if session is None:
                self._check_room(scope)
                now = time.monotonic()
                session = Session(name, image, await self._ready(scope.tenant, image), now, now)
                self._kept[scope, name] = session
            elif image and image != session.image:
                raise Conflict(
                    f"the session {name!r} runs with other packages",
                    "leave packages out, or use another session's name",
                )
            return session

    def _check_room(self, scope: Scope) -> None:
        own = [session.name for session in self.of(scope)]
        if len(own) >= self._settings.sessions:
            raise LimitHit(
                f"there are {len(own)} sessions: {', '.join(own)}", "go on in one of them, or end one with end_session"
            )
        if len(self._kept) >= TOTAL:
            raise LimitHit(f"{TOTAL} sessions of all hosts are up", "use code_run without a session")

    def _drop(self, key: tuple[Scope, str], session: Session) -> None:
        if self._kept.get(key) is session:
            del self._kept[key]
        self._tasks.start_soon(session.container.discard)
