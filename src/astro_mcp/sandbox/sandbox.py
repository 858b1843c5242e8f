"""The sandbox: the one door to code execution. There is no other, and none that runs anything on the host."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from astro_mcp.config import RunLimits, SandboxSettings
from astro_mcp.core.agent import Health
from astro_mcp.core.authority import LOCAL, Scope
from astro_mcp.core.call import Progress, silent
from astro_mcp.errors import (
    Busy,
    InvalidInput,
    ProviderFailed,
    SandboxUnavailable,
    TooLarge,
    Unavailable,
)
from astro_mcp.sandbox import hardening, owner
from astro_mcp.sandbox.answer import Answer
from astro_mcp.sandbox.checked_engine import CheckedEngine
from astro_mcp.sandbox.container import Container
from astro_mcp.sandbox.egress import Egress
from astro_mcp.sandbox.engine import Engine
from astro_mcp.sandbox.image import base_tag, language_tag
from astro_mcp.sandbox.job import Job, Outcome, check
from astro_mcp.sandbox.maker import Maker
from astro_mcp.sandbox.packages.order import NO_PINS, Order, Pins
from astro_mcp.sandbox.pool import Pool, Sort
from astro_mcp.sandbox.sessions import Caller, Session, Sessions
from astro_mcp.sandbox.standing import Key, Standing

if TYPE_CHECKING:
    from astro_mcp.packs import Registry
    from astro_mcp.sandbox.packages.builder import Builder

AT_ONCE: Final = 8
SETTLE_SECONDS: Final = 15.0


class Sandbox:
    """Runs jobs in hardened, single-use containers, at most eight at once.

    `folder` is the data folder's `images/`; `pack_resources` is the pack's `resources/sandbox`. Nothing is touched
    before the first use. `egress` is there for tests: it is made of the settings.
    """

    def __init__(
        self, settings: SandboxSettings, folder: Path, pack_resources: Path, *, egress: Egress | None = None
    ) -> None:
        self._settings = settings
        self._egress = egress or Egress(settings)
        self._folder = folder
        self._recipe = pack_resources / "image"
        self.tag = base_tag(self._recipe)
        """The base image by its recipe's digest."""
        self._labels = owner.labels(folder)
        self._limits: dict[str, RunLimits] = {}
        self._places = anyio.CapacityLimiter(AT_ONCE)
        self._own_places: dict[str, anyio.CapacityLimiter] = {}
        self._reaper = ThreadPoolExecutor(2, "sandbox-reaper")
        self._maker = Maker(self._labels, self._reaper)
        self._engine = CheckedEngine(settings, folder, self.tag, self._labels, self._maker)
        self._builder: Builder | None = None
        self._pool: Pool | None = None
        self._sessions: Sessions | None = None
        self._standing: Standing | None = None

    @asynccontextmanager
    async def warm(self) -> AsyncIterator[None]:
        """Keep containers waiting, and sessions, while the block lasts. Without it every run starts its own, and there
        are no sessions."""
        async with anyio.create_task_group() as group:
            pool = self._pool = Pool(group, self._fresh, self._settings.warm, self._settings.warm_idle_seconds)
            sessions = self._sessions = Sessions(group, self._ready, self._place, self._settings)
            standing = Standing(
                group, self._ready, self._stand, self._recipe.with_name("again.py"), self._settings.warm_idle_seconds
            )
            self._standing = standing if self._settings.warm else None

            async def keep() -> None:
                while True:
                    await anyio.sleep(SETTLE_SECONDS)
                    pool.settle(time.monotonic())
                    sessions.settle(time.monotonic())
                    standing.settle(time.monotonic())

            group.start_soon(keep)
            try:
                yield
            finally:
                self._pool = self._sessions = self._standing = None
                sessions.close()
                standing.close()
                pool.close()
                group.cancel_scope.cancel()

    async def run(self, job: Job) -> Outcome:
        """Run `job` in a container of its own: one that waits, or a fresh one.

        Raises `SandboxUnavailable` with one line to type, `InvalidInput` for a job that is none, `TooLarge` for files
        over the workspace's size, `Busy` where no place got free in time. Cancellation ends the container before it is
        passed on.
        """
        self._check(job)
        asked = time.monotonic()
        async with self._place(job.tenant), await self._ready(job.tenant, job.image) as container:
            answer, queued_ms, run_ms = await self._carry_out(container, job, asked)
            return answer.outcome(queued_ms, run_ms)

    async def again(self, key: Key, job: Job) -> Outcome:
        """`run`, for a program that runs nothing of the job's files: where it can be, in a container that stays up for
        `key` and is sent the files that changed. The outcome is that of a fresh container: where there is a doubt, that
        is where the job runs. Raises what `run` does."""
        self._check(job)
        if self._standing is not None:
            async with self._place(job.tenant):
                outcome = await self._standing.run(key, job)
            if outcome is not None:
                return outcome
        return await self.run(job)

    def standing(self, key: Key) -> str | None:
        """The image of the container that stays up for `key`, where there is one."""
        return self._standing.image(key) if self._standing else None

    async def _stand(self, container: Container, job: Job) -> Outcome:
        answer, queued_ms, run_ms = await self._carry_out(container, job, time.monotonic())
        return answer.outcome(queued_ms, run_ms)

    async def turn(
        self, scope: Scope, name: str, job: Job, caller: Caller | None = None, *, last: bool = False
    ) -> Outcome:
        """Run `job` in the scope's session `name`, which is begun where there is none: interpreter and workspace are as
        the turn before left them. `Outcome.over` tells that the session ended with it; files are those that the turn
        made or changed, labels those of all that came into it so far. A turn that is `last`, is cancelled, or can't be
        interrupted when its time is over, ends its session.

        Raises what `run` does, and what `Sessions.use` does; where the session ended with it, the error's hint says so.
        """
        job = replace(job, session=True, tenant=scope.tenant)
        self._check(job)
        asked = time.monotonic()
        use = self._open_sessions().use(scope, name, job.image, caller or Caller())
        async with use as (session, container):
            answer, queued_ms, run_ms = await self._carry_out(container, job, asked)
            session.over = answer.over or last
            return replace(answer.outcome(queued_ms, run_ms), over=session.over, labels=session.labels)

    def end(self, scope: Scope, name: str) -> None:
        """End the scope's session `name` now; a turn that goes on in it gets `Cancelled`. Raises `NotFound`."""
        self._open_sessions().end(scope, name)

    @property
    def reachable(self) -> tuple[str, ...]:
        """The hosts and ports that a run may reach, where its call may."""
        return self._egress.allowed

    def sessions(self, scope: Scope) -> list[Session]:
        """The scope's sessions."""
        return self._sessions.of(scope) if self._sessions else []

    def _open_sessions(self) -> Sessions:
        if self._sessions is None:
            raise Unavailable("the sandbox keeps no sessions here")
        return self._sessions

    async def _carry_out(self, container: Container, job: Job, asked: float) -> tuple[Answer, float, float]:
        """The answer, and the milliseconds until the program could start and from there."""
        egress = self._egress if job.egress and self._egress.is_open else None
        if egress:
            files = (*job.files, await egress.authorities())
            job = replace(job, files=files, env={**egress.environment, **job.env})
        started, since = time.monotonic(), time.time()
        answer = await container.carry_out(job, self.limits(job.tenant).output_bytes, egress)
        ended = time.monotonic()
        if answer.end is None and "timeout" not in answer.limits:
            await self._explain(await self.engine(), container.name, since, answer)
        return answer, (started - asked) * 1000, (ended - started) * 1000

    def limits(self, tenant: str = LOCAL) -> RunLimits:
        """What runs of `tenant` may use."""
        return self._limits.setdefault(tenant, self._settings.of(tenant))

    @asynccontextmanager
    async def _place(self, tenant: str) -> AsyncIterator[None]:
        """One of the tenant's places, and then one of all: who waits for a place of its own holds none."""
        own = self._own_places.setdefault(tenant, anyio.CapacityLimiter(self.limits(tenant).runs))
        async with AsyncExitStack() as places:
            most = self._settings.queue_seconds
            with anyio.move_on_after(most) as waited:
                await places.enter_async_context(own)
                await places.enter_async_context(self._places)
            if waited.cancelled_caught:
                raise Busy(
                    f"no sandbox got free within {most:g} s",
                    "try again, or raise sandbox.queue_seconds",
                    retry_after_ms=1000,
                )
            yield

    async def _ready(self, tenant: str, image: str) -> Container:
        """A container that waited, or a fresh one; whoever gets it enters it, or discards it."""
        sort = Sort(image or self.tag, self.limits(tenant))
        return (self._pool.take(sort) if self._pool else None) or await self._fresh(sort)

    async def _fresh(self, sort: Sort) -> Container:
        return await self._maker.make(await self.engine(), sort)

    async def python(self) -> dict[str, str]:
        """What Python runs there: the environment of dependency markers (PEP 508), and `libc`."""
        return dict(await self._engine.python())

    async def python_image(
        self,
        tenant: str,
        requirements: Sequence[str],
        progress: Progress = silent,
        pins: Pins = NO_PINS,
    ) -> str:
        """The base image with packages of PyPI; see `package_image`."""
        return await self.package_image("pypi", "", tenant, requirements, progress, pins)

    async def package_image(
        self,
        registry: Registry,
        base: str,
        tenant: str,
        requirements: Sequence[str],
        progress: Progress = silent,
        pins: Pins = NO_PINS,
        before: Callable[[], object] | None = None,
    ) -> str:
        """An image of `base` (empty: the base image) with the packages that `requirements` name, for `Job.image`.

        Names and versions alone. Wheels and tarballs are fetched outside by this machine's pip or npm and unpacked in a
        container without network, and no script of a package runs. What has no wheel is built in such a container too,
        where `sandbox.build_from_source` names it. What `pins` has a hash of is a file with that hash, or refused; a
        lock of npm is all that is installed, and goes without `requirements`. Cached by tenant and content; which
        versions a list resolves to is believed for 24 hours. Where something has to be fetched `before` is called, and
        what it raises is raised. Raises `InvalidInput` with the words of pip, npm or a
        build, `ApprovalRequired` where a package would have to be built and may not, `ProviderFailed` where the
        registry can't be reached, `Unavailable` where there is no npm, `LimitHit`, `TimedOut`, `SandboxUnavailable`.
        """
        if not requirements and not pins.locked:
            return base
        engine, facts, base = await self.engine(), await self.python(), base or self.tag
        approved = frozenset(self._settings.build_from_source)
        base_id = str((await engine.image(base) or {}).get("Id", ""))
        order = Order(engine, base, base_id, tenant, approved, pins)
        async with self._place(tenant):
            return await self._package_builder().image(registry, order, facts, requirements, progress, before)

    async def language_image(self, packages: Sequence[str], missing: str) -> str:
        """The image that holds Debian's `packages`, for `Job.image`.

        A person makes it, and no call does: where it is missing this raises `SandboxUnavailable` with the line that
        does, which is `missing`.
        """
        tag = language_tag(self._recipe, packages)
        if await (await self.engine()).image(tag) is None:
            raise SandboxUnavailable(f"the sandbox's image with {', '.join(packages)} is not built", missing)
        return tag

    def _package_builder(self) -> Builder:
        from astro_mcp.sandbox.packages.builder import Builder  # noqa: PLC0415 - the daemon's start does without it

        if self._builder is None:
            program = self._recipe.with_name("build_wheel.py")
            self._builder = Builder(self._settings, self._folder, self._maker, program)
        return self._builder

    async def engine(self) -> Engine:
        """The engine that containers are made by; raises `SandboxUnavailable`. See `CheckedEngine`."""
        return await self._engine.get()

    async def not_held(self) -> list[str]:
        """The limits that this engine does not hold when programs go over them, tried now; raises what `run` does."""
        return await self._engine.not_held()

    async def health(self) -> Health:
        """Engine, API, image and what the last container said of its own walls."""
        return await self._engine.health()

    async def close(self) -> None:
        """Wait until every container is gone."""
        if self._pool is not None:
            raise AssertionError("the sandbox is closed while containers wait in it")
        await anyio.to_thread.run_sync(self._reaper.shutdown)
        await self._engine.close()

    def _check(self, job: Job) -> None:
        check(job)
        limits = self.limits(job.tenant)
        most = limits.timeout_seconds
        if not 0 < job.timeout <= most:
            raise InvalidInput(
                f"a run's timeout is more than 0 and at most {most} s", "sandbox.timeout_seconds is the bound"
            )
        size = sum(len(file.data) for file in job.files) + len(job.stdin)
        if size > limits.workspace_mb * hardening.MIB:
            raise TooLarge(
                f"the files hold {size:,} bytes; the sandbox's workspace has {limits.workspace_mb} MiB",
                "pass fewer paths, or raise sandbox.workspace_mb",
            )

    async def _explain(self, engine: Engine, container: str, since: float, answer: Answer) -> None:
        """PID 1 itself went: the kernel's out-of-memory killer, or somebody outside."""
        query = {"container": container, "event": "oom"}
        window = {"since": int(since), "until": int(time.time()) + 1}
        if await engine.call(lambda api: list(api.events(**window, filters=query))):
            answer.limits.add("memory")
            return
        raise ProviderFailed("the container ended before its run did", "run it again", retryable=True)
