"""The engine that containers are made by: found and tried once, at first use, and refused where it does not hold."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import anyio
import anyio.to_thread

from astro_mcp.config import SandboxSettings
from astro_mcp.core.agent import Health
from astro_mcp.errors import AstroError, SandboxUnavailable
from astro_mcp.sandbox import canary, hints, owner, runtimes, unfinished, verdict
from astro_mcp.sandbox.engine import Engine
from astro_mcp.sandbox.job import Job, Outcome
from astro_mcp.sandbox.maker import Maker
from astro_mcp.sandbox.pool import Sort
from astro_mcp.sandbox.removal import end
from astro_mcp.sandbox.warden import Warden

log = logging.getLogger(__name__)


class CheckedEngine:
    """`tag` is the base image; `folder` keeps what a canary found; `labels` are those of this house's containers."""

    def __init__(
        self, settings: SandboxSettings, folder: Path, tag: str, labels: Mapping[str, str], maker: Maker
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._tag = tag
        self._labels = labels
        self._maker = maker
        self._opening = anyio.Lock()
        self._engine: Engine | None = None
        self._warden: Warden | None = None
        self._python: Mapping[str, str] = {}

    async def get(self) -> Engine:
        """It answers, its API is new enough, the image is there, orphans are gone, and it holds every limit that a
        program goes over. Raises `SandboxUnavailable`."""
        async with self._opening:
            if self._engine is None:
                engine = await self._found()
                try:
                    await self._sweep(engine)
                    await self._guard(engine)
                    await self._hold(engine)
                except BaseException:
                    engine.close()
                    raise
                self._engine = engine
            return self._engine

    async def python(self) -> Mapping[str, str]:
        """What Python runs in a container of the base image, as PID 1 of the canary's told. Raises what `get` does."""
        await self.get()
        return self._python

    async def not_held(self) -> list[str]:
        """The limits that this engine does not hold when programs go over them, tried now."""
        return await self._tried(await self.get())

    async def health(self) -> Health:
        """Engine, API, image and what the last container said of its own walls."""
        facts = {"canary": "holds" if self._maker.facts else "not run yet"}
        try:
            engine = await self._found(facts)
        except AstroError as error:
            return Health(ok=False, detail=error.message, fix=error.hint, facts=facts)
        return Health(ok=True, detail=f"Docker at {engine.address.url}, API {engine.api_version}", facts=facts)

    async def close(self) -> None:
        """After the last container: the warden ends, and the connection."""
        if self._warden is not None:
            await anyio.to_thread.run_sync(self._warden.close)
        if self._engine is not None:
            self._engine.close()

    async def _found(self, facts: dict[str, str] | None = None) -> Engine:
        """One that answers, with the runtime that is set and the base image; `facts` gets each as it is found."""
        facts = {} if facts is None else facts
        engine = await Engine.find(self._settings.engine, Path.home())
        facts |= {"engine": engine.address.url, "api": engine.api_version}
        engine.runtime = await runtimes.chosen(engine.address, self._settings.runtime)
        facts["runtime"] = engine.runtime or "the engine's default"
        if await engine.image(self._tag) is None:
            raise SandboxUnavailable("the sandbox's base image is not built", hints.IMAGE)
        facts["image"] = self._tag
        return engine

    async def _sweep(self, engine: Engine) -> None:
        """End what a dead owner left, and remove what it was making."""
        label = f"{owner.HOUSE}={self._labels[owner.HOUSE]}"
        found = await engine.call(lambda api: api.containers(all=True, filters={"label": label}))
        for row in found:
            if owner.is_orphan(row["Labels"]):
                await anyio.to_thread.run_sync(end, engine, row["Id"])
        await anyio.to_thread.run_sync(unfinished.sweep, self._folder)

    async def _guard(self, engine: Engine) -> None:
        """From the first container on, the canary's, a warden is there; it outlives an engine that does not hold."""
        if self._warden is not None:
            await anyio.to_thread.run_sync(self._warden.close)
        self._warden = await anyio.to_thread.run_sync(Warden, engine.address, self._labels)

    async def _hold(self, engine: Engine) -> None:
        about = await verdict.subject(engine, self._tag)
        known = await anyio.to_thread.run_sync(verdict.known, self._folder, about)
        if known is not None:
            self._python = known
            return
        missing = await self._tried(engine)
        if missing:  # a limit that is not there is not there twice; what a busy machine made of a program is
            again = await self._tried(engine)
            missing = [name for name in missing if name in again]
        if missing:
            raise SandboxUnavailable(
                f"this Docker engine lets a program go over its limits: {', '.join(missing)}", hints.OTHER_ENGINE
            )
        try:
            await anyio.to_thread.run_sync(verdict.keep, self._folder, about, self._python)
        except OSError as error:  # the next start tries it again
            log.warning("what the canary found could not be kept: %s", error)

    async def _tried(self, engine: Engine) -> list[str]:
        limits = canary.BELOW_GVISOR if engine.runtime in runtimes.NAMES["runsc"] else canary.LIMITS
        async with await self._maker.make(engine, Sort(self._tag, limits)) as container:
            self._python = {str(name): str(value) for name, value in container.facts["python"].items()}

            async def turn(job: Job) -> Outcome:
                return (await container.carry_out(job, limits.output_bytes)).outcome(0.0, 0.0)

            return await canary.not_held(turn, limits)
