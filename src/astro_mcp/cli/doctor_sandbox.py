"""What `astro-mcp doctor` looks at in the sandbox, in the order in which each needs the one before."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from astro_mcp.config import SandboxSettings
from astro_mcp.core.agent import Health
from astro_mcp.errors import SandboxUnavailable
from astro_mcp.packs import Pack
from astro_mcp.sandbox import canary, hints, runtimes
from astro_mcp.sandbox.address import context
from astro_mcp.sandbox.engine import Engine, answering
from astro_mcp.sandbox.job import Job
from astro_mcp.sandbox.sandbox import Sandbox


class SandboxChecks:
    """Each method is one row; a row that is not well ends the rows."""

    def __init__(self, settings: SandboxSettings, sandbox: Sandbox) -> None:
        self._settings = settings
        self._sandbox = sandbox

    async def engine(self) -> Health:
        """One answers, and has the runtime that is set."""
        address = await answering(self._settings.engine, Path.home())
        runtime = await runtimes.chosen(address, self._settings.runtime)
        named = f", runtime {runtime}" if runtime else ""
        facts = {"engine": address.url, "runtime": runtime}
        return Health(ok=True, detail=f"{address.url} answers{named}", fix=self._other_engine(), facts=facts)

    async def api(self) -> Health:
        engine = await Engine.find(self._settings.engine, Path.home())
        return Health(ok=True, detail=f"version {engine.api_version}", facts={"api": engine.api_version})

    async def image(self) -> Health:
        engine = await Engine.find(self._settings.engine, Path.home())
        if await engine.image(self._sandbox.tag) is None:
            raise SandboxUnavailable("the sandbox's base image is not built", hints.IMAGE)
        return Health(ok=True, detail=self._sandbox.tag, facts={"image": self._sandbox.tag})

    async def canary(self) -> Health:
        """A real container, whose walls are read back from inside, and what the operator lets code reach from one."""
        outcome = await self._sandbox.run(Job(("true",), timeout=20, collect=""))
        if outcome.exit_code == 0:
            reached = ", ".join(self._settings.egress)
            detail = f"a container answered in {outcome.run_ms + outcome.queued_ms:.0f} ms"
            told = f"{detail}; code may reach {reached or 'nothing beyond it'}"
            return Health(ok=True, detail=told, facts={"egress": reached})
        fix = f"docker rmi --force {self._sandbox.tag}, then astro-mcp sandbox build"
        return Health(ok=False, detail=f"`true` in a container ended with {outcome.exit_code}", fix=fix)

    async def limits(self) -> Health:
        """Programs that go over each limit."""
        missing = await self._sandbox.not_held()
        facts = {name: "not held" if name in missing else "held" for name in canary.NAMES}
        if missing:
            detail = f"not held: {', '.join(missing)}"
            return Health(ok=False, detail=detail, fix=hints.OTHER_ENGINE, facts=facts)
        return Health(ok=True, detail=f"held when tried: {', '.join(canary.NAMES)}", facts=facts)

    def _other_engine(self) -> str:
        """What of the environment, or of the chosen Docker context, is not followed."""
        if self._settings.engine:
            return ""
        if asked := os.environ.get("DOCKER_HOST"):
            return f'DOCKER_HOST is not taken over; to use it: [sandbox] engine = "{asked}" in config.toml'
        if named := os.environ.get("DOCKER_CONTEXT"):
            return f"DOCKER_CONTEXT is not taken over; to use it: docker context use {named}"
        try:
            if chosen := context(Path.home()):
                chosen.address()
        except SandboxUnavailable as error:
            return error.message
        return ""


@asynccontextmanager
async def sandbox_checks(settings: SandboxSettings, folder: Path) -> AsyncIterator[SandboxChecks]:
    """The checks, on a sandbox that ends with the block."""
    sandbox = Sandbox(settings, folder / "images", Pack.find().resources / "sandbox")
    try:
        yield SandboxChecks(settings, sandbox)
    finally:
        await sandbox.close()
