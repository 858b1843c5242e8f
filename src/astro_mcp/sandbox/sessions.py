"""Interpreters that stay up between calls, each with its workspace, each its scope's own."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import anyio
from anyio.abc import TaskGroup

from astro_mcp.config import SandboxSettings
from astro_mcp.core.authority import Effect, Grant, Label, Scope
from astro_mcp.errors import AstroError, Busy, Cancelled, Conflict, LimitHit, NotFound
from astro_mcp.sandbox.container import Container

TOTAL: Final = 16
"""Sessions of all scopes together."""
OF_A_TENANT: Final = 12
"""Sessions of all of one tenant's scopes: some are always left for others."""
ENDED: Final = "the session ended: its variables and files are gone"
NOT_BEGUN: Final = "the session is up, and nothing ran: remove there what is in the way or takes the room"

Ready = Callable[[str, str], Awaitable[Container]]
Place = Callable[[str], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose turn it is: what it may do, the labels of what it brings, and whether files of a workspace are in that."""

    grant: Grant = field(default_factory=Grant)
    labels: frozenset[Label] = frozenset()
    files: bool = False


@dataclass(slots=True, eq=False)
class Session:
    """One interpreter. Times are monotonic seconds. `labels` and `files` are of all that came into it so far.

    `container` is None until the first turn has it, and after the end. `over`: the turn that goes on leaves nothing to
    go on with. `going` is there while a turn has it.
    """

    name: str
    image: str
    began: float
    used: float
    container: Container | None = None
    turns: int = 0
    labels: frozenset[Label] = frozenset()
    files: bool = False
    over: bool = False
    turn: anyio.Lock = field(default_factory=anyio.Lock)
    going: anyio.CancelScope | None = None

    def alive(self) -> bool:
        return self.container is not None and self.container.alive()


class Sessions:
    """Kept by (scope, name). `ready(tenant, image)` gives a container, `place(tenant)` one of the places that runs
    share; what ends here ends in `tasks`."""

    def __init__(self, tasks: TaskGroup, ready: Ready, place: Place, settings: SandboxSettings) -> None:
        self._tasks = tasks
        self._ready = ready
        self._place = place
        self._settings = settings
        self._kept: dict[tuple[Scope, str], Session] = {}

    @asynccontextmanager
    async def use(
        self, scope: Scope, name: str, image: str, caller: Caller
    ) -> AsyncIterator[tuple[Session, Container]]:
        """The scope's session of that name, for one turn; made where there is none. Left in any way but a turn that
        ended by itself, it is over. `image`: the one that it must run, or empty for whichever it runs.

        Who waits for a session holds no place. Raises `Conflict` where it runs another image or ended meanwhile,
        `Forbidden` where it holds workspace files and the caller may not read, `Busy` where a turn of it goes on for
        too long or no place gets free, `Cancelled` where `end` ended it amid the turn, `LimitHit` where the scope or
        the tenant has as many as it may.
        """
        key = scope, name
        session = self._find(key, image)
        async with self._waited_for(session):
            if self._kept.get(key) is not session:
                raise Conflict(
                    f"the session {name!r} ended while this call waited for it", "call again: a new one begins"
                )
            if session.files:
                caller.grant.check_effects({Effect.READ}, f"the session {name!r}, which holds workspace files,")
            try:
                with anyio.CancelScope() as session.going:
                    async with self._place(scope.tenant):
                        container = session.container
                        if container is None:
                            container = session.container = await self._ready(scope.tenant, session.image)
                        async with self._turn(session, caller):
                            yield session, container
                if session.going.cancelled_caught:
                    raise Cancelled(f"the session {name!r} was ended amid this turn", "call again: a new one begins")
            finally:
                session.going = None
                if session.over or session.container is None or self._kept.get(key) is not session:
                    self._drop(key, session)

    def of(self, scope: Scope) -> list[Session]:
        """The scope's own, by name."""
        return sorted((s for (owner, _), s in self._kept.items() if owner == scope), key=lambda s: s.name)

    def end(self, scope: Scope, name: str) -> None:
        """End the scope's session of that name, and the turn that goes on in it. Raises `NotFound`."""
        key = scope, name
        session = self._kept.get(key)
        if session is None:
            raise NotFound(f"there is no session {name!r} here", "astro-mcp sandbox sessions")
        if session.going is None:
            self._drop(key, session)
        else:  # the turn lets go of the container first, and drops it
            del self._kept[key]
            session.going.cancel()

    def settle(self, now: float) -> None:
        """End what was not used for too long, is too old, or has lost its container; a turn that goes on is not cut
        short."""
        for key, session in list(self._kept.items()):
            idle = now - session.used >= self._settings.session_idle_seconds
            old = now - session.began >= self._settings.session_seconds
            if not session.turn.locked() and (idle or old or not session.alive()):
                self._drop(key, session)

    def close(self) -> None:
        """End all, at once."""
        for key, session in list(self._kept.items()):
            if session.going is not None:
                session.going.cancel()
            self._drop(key, session)

    def _find(self, key: tuple[Scope, str], image: str) -> Session:
        scope, name = key
        session = self._kept.get(key)
        if session is not None and not session.turn.locked() and not session.alive():
            self._drop(key, session)  # the engine was restarted, or somebody ended it
            session = None
        if session is None:
            self._check_room(scope)
            now = time.monotonic()
            session = self._kept[key] = Session(name, image, now, now)
        elif image and image != session.image:
            raise Conflict(
                f"the session {name!r} runs with other packages",
                "leave packages out, or use another session's name",
            )
        return session

    @asynccontextmanager
    async def _waited_for(self, session: Session) -> AsyncIterator[None]:
        """The session for this turn alone."""
        most = self._settings.queue_seconds
        with anyio.move_on_after(most) as waited:
            await session.turn.acquire()
        if waited.cancelled_caught:
            raise Busy(
                f"the session {session.name!r} was busy for {most:g} s",
                "call again, use another session's name, or end it: end_session, with empty code",
                retry_after_ms=1000,
            )
        try:
            yield
        finally:
            session.turn.release()

    @asynccontextmanager
    async def _turn(self, session: Session, caller: Caller) -> AsyncIterator[None]:
        session.labels |= caller.labels
        session.files |= caller.files
        session.over = True  # until the turn says otherwise: cancelled in the middle, it can't be used again
        try:
            yield
        except AstroError as error:
            after = ENDED if session.over else NOT_BEGUN
            error.hint = f"{error.hint}; {after}" if error.hint else after
            raise
        finally:
            session.used = time.monotonic()
            session.turns += 1

    def _check_room(self, scope: Scope) -> None:
        own = [session.name for session in self.of(scope)]
        if len(own) >= self._settings.sessions:
            raise LimitHit(
                f"there are {len(own)} sessions: {', '.join(own)}", "go on in one of them, or end one with end_session"
            )
        if sum(owner.tenant == scope.tenant for owner, _ in self._kept) >= OF_A_TENANT:
            raise LimitHit(f"{OF_A_TENANT} sessions of this tenant are up", "use code_run without a session")
        if len(self._kept) >= TOTAL:
            raise LimitHit(f"{TOTAL} sessions of all hosts are up", "use code_run without a session")

    def _drop(self, key: tuple[Scope, str], session: Session) -> None:
        if self._kept.get(key) is session:
            del self._kept[key]
        container, session.container = session.container, None
        if container is not None:
            self._tasks.start_soon(container.discard)
