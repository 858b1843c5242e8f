"""One `App` a daemon's life: what has one owner, and its opening."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import anyio

from astro_mcp.agents.git_remote.agent import OFF
from astro_mcp.app.parts import Base, Parts
from astro_mcp.app.policies import dispatching
from astro_mcp.config import Settings, load
from astro_mcp.core.deferred import Deferred, Loader
from astro_mcp.core.dispatcher import Dispatcher
from astro_mcp.core.ports import SystemClock
from astro_mcp.core.registry import Registry
from astro_mcp.packs import Pack
from astro_mcp.store.artifacts import Artifacts
from astro_mcp.store.audit import AuditTrail, audit_key
from astro_mcp.store.database import Database

if TYPE_CHECKING:
    from astro_mcp.workflow.scheduler import Scheduler


@dataclass(frozen=True, slots=True)
class App:
    """Everything that has one owner; closed as a whole, in the reverse of the order in which it was opened."""

    folder: Path
    settings: Settings
    registry: Registry
    dispatcher: Dispatcher
    artifacts: Artifacts
    audit: AuditTrail
    loader: Loader
    scheduler: Deferred[Scheduler]

    def active(self) -> bool:
        """Whether work goes on that no connection watches: until all is loaded nobody knows of runs that were left."""
        scheduler = self.scheduler.built
        if self.settings.schedules:
            return True
        return self.loader.busy or (scheduler is not None and scheduler.active())


@asynccontextmanager
async def open_app(folder: Path, environment: Mapping[str, str]) -> AsyncIterator[App]:
    """Open the data folder and everything above it. The caller holds the folder's lock."""
    settings = load(folder, environment)
    if settings.schedules:
        from astro_mcp.workflow import schedules  # noqa: PLC0415 - most starts do without

        schedules.check(settings.schedules)
    async with _opened(folder, environment, settings, Loader()) as app:
        yield app


@asynccontextmanager
async def open_rehearsal(settings: Settings, environment: Mapping[str, str]) -> AsyncIterator[App]:
    """The same on a data folder that is thrown away, to ask what would happen by these settings. What nobody asks for
    is not loaded, no schedule begins, and no Temporal server is asked."""
    workflow = settings.workflow.model_copy(update={"driver": "sqlite"})
    without = settings.model_copy(update={"workflow": workflow, "schedules": {}})
    with TemporaryDirectory(prefix="astro-mcp-") as folder:
        async with _opened(Path(folder), environment, without, Loader(math.inf)) as app:
            yield app


@asynccontextmanager
async def _opened(
    folder: Path, environment: Mapping[str, str], settings: Settings, loader: Loader
) -> AsyncIterator[App]:
    pack = Pack.find()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            Database.open(folder / "astro.db", synchronous=settings.workflow.synchronous)
        )
        tasks = await stack.enter_async_context(anyio.create_task_group())
        trail = AuditTrail(database, audit_key(folder))
        clock = SystemClock()
        artifacts = Artifacts(database, folder / "artifacts", clock)
        registry = Registry({} if settings.git.remote.hosts else OFF)
        dispatcher = dispatching(registry, trail, settings)
        base = Base(folder, environment, settings, pack, database, trail, artifacts, registry, dispatcher, tasks, clock)
        parts = Parts(loader, base)
        stack.push_async_callback(parts.close)
        for agent in parts.agents():
            await registry.register(agent)
            stack.push_async_callback(registry.unregister, agent.name)
        await stack.enter_async_context(loader.running())
        yield App(folder, settings, registry, dispatcher, artifacts, trail, loader, parts.scheduler)
