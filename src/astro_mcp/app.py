"""The composition root: the only place that names concretes. One `App` a daemon's life."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from astro_mcp.config import Settings, load
from astro_mcp.core.dispatcher import Dispatcher
from astro_mcp.core.policies.audit import Audit
from astro_mcp.core.policies.authorize import Authorize
from astro_mcp.core.policies.deadline import Deadline
from astro_mcp.core.policies.limit import Limit, Limits
from astro_mcp.core.ports import SystemClock
from astro_mcp.core.registry import Registry
from astro_mcp.store.artifacts import Artifacts
from astro_mcp.store.audit import AuditTrail, audit_key
from astro_mcp.store.database import Database


@dataclass(frozen=True, slots=True)
class App:
    """Everything that has one owner; closed as a whole, in the reverse of the order in which it was opened."""

    folder: Path
    settings: Settings
    registry: Registry
    dispatcher: Dispatcher
    artifacts: Artifacts
    audit: AuditTrail

    def active(self) -> bool:
        """Whether work goes on that no connection watches."""
        return False


@asynccontextmanager
async def open_app(folder: Path, environment: Mapping[str, str]) -> AsyncIterator[App]:
    """Open the data folder and everything above it. The caller holds the folder's lock."""
    settings = load(folder, environment)
    clock = SystemClock()
    registry = Registry()
    async with Database.open(folder / "astro.db", synchronous=settings.workflow.synchronous) as database:
        trail = AuditTrail(database, audit_key(folder))
        artifacts = Artifacts(database, folder / "artifacts", clock)
        audit = Audit(trail, clock)
        policies = [audit, Authorize(), Limit(limits(settings), frozenset({"workflow"})), Deadline(), audit.intent()]
        dispatcher = Dispatcher(registry, policies, audit)
        yield App(folder, settings, registry, dispatcher, artifacts, trail)


def limits(settings: Settings) -> Limits:
    """The limit policy's bounds, from the settings."""
    bounds = settings.limits
    return Limits(
        total=bounds.calls,
        by_agent=bounds.calls_per_agent,
        by_scope=bounds.calls_per_session,
        wait=bounds.wait_seconds,
        argument_bytes=bounds.argument_bytes,
        agents=dict.fromkeys(("code", "tests", "lint"), bounds.sandboxes),
    )
