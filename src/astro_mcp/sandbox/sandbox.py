"""The sandbox: the one door to code execution. There is no other, and none that runs anything on the host."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread

from astro_mcp.config import RunLimits, SandboxSettings
from astro_mcp.core.agent import Health
from astro_mcp.core.authority import LOCAL, Scope
from astro_mcp.core.call import Progress, silent
from astro_mcp.errors import (
    AstroError,
    Busy,
    InvalidInput,
    LimitHit,
    ProviderFailed,
    SandboxUnavailable,
    TooLarge,
    Unavailable,
)
from astro_mcp.sandbox import canary, hardening, hints, owner, runtimes, verdict
from astro_mcp.sandbox.answer import Answer
from astro_mcp.sandbox.container import Container, end
from astro_mcp.sandbox.egress import Egress
from astro_mcp.sandbox.engine import Engine
from astro_mcp.sandbox.image import base_tag, language_tag
from astro_mcp.sandbox.job import Job, Outcome, check
from astro_mcp.sandbox.order import Order
from astro_mcp.sandbox.pool import Pool, Sort
from astro_mcp.sandbox.sessions import Session, Sessions
from astro_mcp.sandbox.warden import Warden

if TYPE_CHECKING:
    from astro_mcp.packs import Registry
    from astro_mcp.sandbox.package_images import PackageImages
    from astro_mcp.sandbox.python_packages import PythonPackages
    from astro_mcp.sandbox.source import Source

AT_ONCE: Final = 8
KILLED: Final = 137
SETTLE_SECONDS: Final = 15.0
NO_HASHES: Final[Mapping[str, frozenset[str]]] = MappingProxyType({})


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
        self._labels = owner.labels(folder)
        self._limits: dict[str, RunLimits] = {}
        self._places = anyio.CapacityLimiter(AT_ONCE)
        self._own_places: dict[str, anyio.CapacityLimiter] = {}
        self._opening = anyio.Lock()
        self._engine: Engine | None = None
        self._warden: Warden | None = None
        self._reaper = ThreadPoolExecutor(2, "sandbox-reaper")
        self._images: PackageImages | None = None
        self._python: PythonPackages | None = None
        self._pool: Pool | None = None
        self._sessions: Sessions | None = None
        self._checked: dict[str, Any] = {}

    @asynccontextmanager
    async def warm(self) -> AsyncIterator[None]:
        """Keep containers waiting, and sessions, while the block lasts. Without it every run starts its own, and there
        are no sessions."""
        async with anyio.create_task_group() as group:
            pool = self._pool = Pool(group, self._fresh, self._settings.warm, self._settings.warm_idle_seconds)
            sessions = self._sessions = Sessions(group, self._ready, self._settings)

            async def keep() -> None:
                while True:
                    await anyio.sleep(SETTLE_SECONDS)
                    pool.settle(time.monotonic())
                    sessions.settle(time.monotonic())

            group.start_soon(keep)
            try:
                yield
            finally:
                self._pool = self._sessions = None
                sessions.close()
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
            return await self._carry_out(container, job, asked)

    async def turn(self, scope: Scope, name: str, job: Job, *, last: bool = False) -> Outcome:
        """Run `job` in the scope's session `name`, which is begun where there is none: interpreter and workspace are as
        the turn before left them. `Outcome.over` tells that the session ended with it; files are those that the turn
        made or changed. A turn that is `last`, is cancelled, or can't be interrupted when its time is over, ends its
        session.

        Raises what `run` does, and what `Sessions.use` does.
        """
        job = replace(job, session=True, tenant=scope.tenant)
        self._check(job)
        asked = time.monotonic()
        async with self._place(job.tenant), self._open_sessions().use(scope, name, job.image) as session:
            outcome = await self._carry_out(session.container, job, asked)
            session.over = outcome.over or last
            return replace(outcome, over=session.over)

    def sessions(self, scope: Scope) -> list[Session]:
        """The scope's sessions."""
        return self._sessions.of(scope) if self._sessions else []

    def _open_sessions(self) -> Sessions:
        if self._sessions is None:
            raise Unavailable("the sandbox keeps no sessions here")
        return self._sessions

    async def _carry_out(self, container: Container, job: Job, asked: float) -> Outcome:
        egress = self._egress if job.egress and self._egress.is_open else None
        if egress:
            files = (*job.files, await egress.authorities())
            job = replace(job, files=files, env={**egress.environment, **job.env})
        started, since = time.monotonic(), time.time()
        answer = await container.carry_out(job, self.limits(job.tenant).output_bytes, egress)
        ended = time.monotonic()
        if answer.end is None and "timeout" not in answer.limits:
            await self._explain(await self.engine(), container.name, since, answer)
        return _outcome(answer, (started - asked) * 1000, (ended - started) * 1000)

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
        return await self._started(await self.engine(), sort)

    async def _started(self, engine: Engine, sort: Sort) -> Container:
        """A container of `sort` that holds what it must."""
        config = hardening.container(sort.image, sort.limits, self._labels, engine.runtime, podman=engine.podman)
        container = Container(engine, config, self._reaper)
        await container.start()
        try:
            facts = await container.ready()
            hardening.check(facts, sort.limits)
        except BaseException:
            await container.discard()
            raise
        self._checked = facts
        return container

    async def python(self) -> dict[str, str]:
        """What Python runs there: the environment of dependency markers (PEP 508), and `libc`."""
        if not self._checked:
            await self.run(Job(("true",), collect=""))
        return {str(name): str(value) for name, value in self._checked["python"].items()}

    async def python_image(
        self,
        tenant: str,
        requirements: Sequence[str],
        progress: Progress = silent,
        hashes: Mapping[str, frozenset[str]] = NO_HASHES,
    ) -> str:
        """The base image with packages of PyPI; see `package_image`."""
        return await self.package_image("pypi", "", tenant, requirements, progress, hashes)

    async def package_image(
        self,
        registry: Registry,
        base: str,
        tenant: str,
        requirements: Sequence[str],
        progress: Progress = silent,
        hashes: Mapping[str, frozenset[str]] = NO_HASHES,
    ) -> str:
        """An image of `base` (empty: the base image) with the packages that `requirements` name, for `Job.image`.

        Names and versions alone. Wheels and tarballs are fetched outside by this machine's pip or npm and unpacked in a
        container without network, and no script of a package runs. What has no wheel is built in such a container too,
        where `sandbox.build_from_source` names it. Where `hashes` has a package of PyPI, by canonical name, its file is
        one with such a sha256, or refused. Cached by tenant and content; which versions a list resolves to is believed
        for 24 hours. Raises `InvalidInput` with the words of pip, npm or a build, `ApprovalRequired` where a package
        would have to be built and may not, `ProviderFailed` where the registry can't be reached, `Unavailable` where
        there is no npm, `LimitHit`, `TimedOut`, `SandboxUnavailable`.
        """
        if not requirements:
            return base
        engine, facts, base = await self.engine(), await self.python(), base or self.tag
        approved = frozenset(self._settings.build_from_source)
        base_id = str((await engine.image(base) or {}).get("Id", ""))
        images, source = self._package_images(registry, Order(engine, base, base_id, tenant, approved, hashes))
        async with self._places:
            return await images.get(engine, source, base, facts, tenant, requirements, progress)

    async def language_image(self, packages: Sequence[str], missing: str) -> str:
        """The image that holds Debian's `packages`, for `Job.image`.

        A person makes it, and no call does: where it is missing this raises `SandboxUnavailable` with the line that
        does, which is `missing`.
        """
        tag = language_tag(self._recipe, packages)
        if await (await self.engine()).image(tag) is None:
            raise SandboxUnavailable(f"the sandbox's image with {', '.join(packages)} is not built", missing)
        return tag

    def _package_images(self, registry: Registry, order: Order) -> tuple[PackageImages, Source]:
        from astro_mcp.sandbox import npm  # noqa: PLC0415 - the daemon's start does without it
        from astro_mcp.sandbox.package_images import PackageImages  # noqa: PLC0415 - the same
        from astro_mcp.sandbox.python_packages import PythonPackages  # noqa: PLC0415 - the same
        from astro_mcp.sandbox.source_builds import SourceBuilds  # noqa: PLC0415 - the same

        if self._images is None or self._python is None:
            self._images = PackageImages(self._settings, self._folder, self._labels, self._reaper)
            program = self._recipe.with_name("build_wheel.py")
            builds = SourceBuilds(self._settings, self._folder / "built", self._labels, self._reaper, program)
            self._python = PythonPackages(self._images, builds)
        return self._images, npm.NPM if registry == "npm" else self._python.source(order)

    async def engine(self) -> Engine:
        """The engine, checked at first use: it answers, its API is new enough, the image is there, orphans are gone,
        and it holds every limit that a program goes over."""
        async with self._opening:
            if self._engine is None:
                engine = await Engine.find(self._settings.engine, Path.home())
                engine.runtime = await runtimes.chosen(engine.address, self._settings.runtime)
                await self._need_image(engine)
                await self._sweep(engine)
                await self._hold(engine)
                self._warden = await anyio.to_thread.run_sync(Warden, engine.address, self._labels)
                self._engine = engine
            return self._engine

    async def not_held(self) -> list[str]:
        """The limits that this engine does not hold when programs go over them, tried now; raises what `run` does."""
        return await self._tried(await self.engine())

    async def _hold(self, engine: Engine) -> None:
        about = await verdict.subject(engine, self.tag)
        if await anyio.to_thread.run_sync(verdict.known, self._folder, about):
            return
        missing = await self._tried(engine)
        if missing:  # a limit that is not there is not there twice; what a busy machine made of a program is
            again = await self._tried(engine)
            missing = [name for name in missing if name in again]
        if missing:
            raise SandboxUnavailable(
                f"this Docker engine lets a program go over its limits: {', '.join(missing)}", hints.OTHER_ENGINE
            )
        await anyio.to_thread.run_sync(verdict.keep, self._folder, about)

    async def _tried(self, engine: Engine) -> list[str]:
        limits = canary.BELOW_GVISOR if engine.runtime in runtimes.NAMES["runsc"] else canary.LIMITS
        async with await self._started(engine, Sort(self.tag, limits)) as container:

            async def turn(job: Job) -> Outcome:
                return _outcome(await container.carry_out(job, limits.output_bytes), 0.0, 0.0)

            return await canary.not_held(turn, limits)

    @property
    def tag(self) -> str:
        """The base image by its recipe's digest."""
        return base_tag(self._recipe)

    async def health(self) -> Health:
        """Engine, API, image and what the last container said of its own walls."""
        facts = {"canary": "holds" if self._checked else "not run yet"}
        try:
            engine = await Engine.find(self._settings.engine, Path.home())
            facts |= {"engine": engine.address.url, "api": engine.api_version}
            facts["runtime"] = await runtimes.chosen(engine.address, self._settings.runtime) or "the engine's default"
            await self._need_image(engine)
            facts["image"] = self.tag
        except AstroError as error:
            return Health(ok=False, detail=error.message, fix=error.hint, facts=facts)
        return Health(ok=True, detail=f"Docker at {engine.address.url}, API {engine.api_version}", facts=facts)

    async def close(self) -> None:
        """Wait until every container is gone."""
        if self._pool is not None:
            raise AssertionError("the sandbox is closed while containers wait in it")
        await anyio.to_thread.run_sync(self._reaper.shutdown)
        if self._warden is not None:
            await anyio.to_thread.run_sync(self._warden.close)
        if self._engine is not None:
            self._engine.close()

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

    async def _need_image(self, engine: Engine) -> None:
        if await engine.image(self.tag) is None:
            raise SandboxUnavailable("the sandbox's base image is not built", hints.IMAGE)

    async def _sweep(self, engine: Engine) -> None:
        label = f"{owner.HOUSE}={self._labels[owner.HOUSE]}"
        found = await engine.call(lambda api: api.containers(all=True, filters={"label": label}))
        for row in found:
            if owner.is_orphan(row["Labels"]):
                await anyio.to_thread.run_sync(end, engine, row["Id"])

    async def _explain(self, engine: Engine, container: str, since: float, answer: Answer) -> None:
        """PID 1 itself went: the kernel's out-of-memory killer, or somebody outside."""
        query = {"container": container, "event": "oom"}
        window = {"since": int(since), "until": int(time.time()) + 1}
        if await engine.call(lambda api: list(api.events(**window, filters=query))):
            answer.limits.add("memory")
            return
        raise ProviderFailed("the container ended before its run did", "run it again", retryable=True)


def _outcome(answer: Answer, queued_ms: float, run_ms: float) -> Outcome:
    code, withheld, over, built = KILLED, tuple[str, ...](), True, True
    if answer.end is not None:
        if answer.end.error:
            raise LimitHit(f"the files could not be put into the sandbox: {answer.end.error}", "pass fewer paths")
        code, withheld, over, built = answer.end.code, answer.end.withheld, answer.end.over, answer.end.built
    out, err = bytes(answer.streams["stdout"]), bytes(answer.streams["stderr"])
    files = tuple(answer.files.values())
    limits, traffic = tuple(sorted(answer.limits)), answer.traffic
    return Outcome(code, out, err, files, limits, queued_ms, run_ms, withheld, over, built, traffic)
