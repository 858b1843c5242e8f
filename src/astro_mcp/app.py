"""The composition root: the only place that names concretes. One `App` a daemon's life."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio.abc import TaskGroup

from astro_mcp.agents.artifacts.agent import ArtifactsAgent
from astro_mcp.agents.code.agent import CodeAgent
from astro_mcp.agents.files.agent import FilesAgent
from astro_mcp.agents.git.agent import GitAgent
from astro_mcp.agents.knowledge.agent import KnowledgeAgent
from astro_mcp.agents.knowledge.embedding import MODEL
from astro_mcp.agents.lint.agent import LintAgent
from astro_mcp.agents.search.agent import SearchAgent
from astro_mcp.agents.tests.agent import TestsAgent
from astro_mcp.config import Settings, load
from astro_mcp.core.agent import Agent
from astro_mcp.core.dispatcher import Dispatcher
from astro_mcp.core.policies.audit import Audit
from astro_mcp.core.policies.authorize import Authorize
from astro_mcp.core.policies.deadline import Deadline
from astro_mcp.core.policies.limit import Limit, Limits
from astro_mcp.core.ports import SystemClock
from astro_mcp.core.registry import Registry
from astro_mcp.net.client import GuardedClient
from astro_mcp.packs import Pack
from astro_mcp.sandbox.sandbox import Sandbox
from astro_mcp.store.artifacts import Artifacts
from astro_mcp.store.audit import AuditTrail, audit_key
from astro_mcp.store.database import Database
from astro_mcp.workflow.agent import WorkflowAgent
from astro_mcp.workflow.scheduler import Scheduler
from astro_mcp.workflow.templates import Templates
from astro_mcp.workspace.changes import Changes
from astro_mcp.workspace.git.repository import Git
from astro_mcp.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class App:
    """Everything that has one owner; closed as a whole, in the reverse of the order in which it was opened."""

    folder: Path
    settings: Settings
    registry: Registry
    dispatcher: Dispatcher
    artifacts: Artifacts
    audit: AuditTrail
    scheduler: Scheduler

    def active(self) -> bool:
        """Whether work goes on that no connection watches."""
        return self.scheduler.active()


@asynccontextmanager
async def open_app(folder: Path, environment: Mapping[str, str]) -> AsyncIterator[App]:
    """Open the data folder and everything above it. The caller holds the folder's lock."""
    settings = load(folder, environment)
    pack = Pack.find()
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            Database.open(folder / "astro.db", synchronous=settings.workflow.synchronous)
        )
        tasks = await stack.enter_async_context(anyio.create_task_group())
        trail = AuditTrail(database, audit_key(folder))
        artifacts = Artifacts(database, folder / "artifacts", clock)
        registry = Registry()
        dispatcher = _dispatcher(registry, trail, settings)
        scheduler = Scheduler(database, dispatcher, registry, artifacts, settings.workflow, clock)
        sandbox = Sandbox(settings.sandbox, folder / "images", pack.resources / "sandbox")
        stack.push_async_callback(sandbox.close)
        await stack.enter_async_context(sandbox.warm())
        workspace = Workspace(settings.secrets)
        changes = Changes(workspace, database, artifacts, clock)
        agents: Sequence[Agent] = (
            FilesAgent(workspace, changes),
            GitAgent(Git(workspace, folder / "git"), settings.git),
            CodeAgent(sandbox, workspace, artifacts),
            TestsAgent(sandbox, workspace, artifacts, pack),
            LintAgent(sandbox, workspace, pack),
            _knowledge(folder, pack, database, workspace, settings, tasks, clock),
            SearchAgent(GuardedClient(settings.web), pack, settings.search),
            WorkflowAgent(scheduler, registry, Templates(pack.resources / "workflows")),
            ArtifactsAgent(registry, artifacts, changes, workspace),
        )
        for agent in agents:
            await registry.register(agent)
            stack.push_async_callback(registry.unregister, agent.name)
        await stack.enter_async_context(scheduler.running())
        yield App(folder, settings, registry, dispatcher, artifacts, trail, scheduler)


def _dispatcher(registry: Registry, trail: AuditTrail, settings: Settings) -> Dispatcher:
    """The policies in their order: who, how many, how long, and the intent right before the effect."""
    audit = Audit(trail, SystemClock())
    limit = Limit(limits(settings), exempt=frozenset({WorkflowAgent.name}))
    return Dispatcher(
        registry, [audit, Authorize(), limit, Deadline(), audit.intent()], audit, settings.limits.argument_bytes
    )


def _knowledge(
    folder: Path,
    pack: Pack,
    database: Database,
    workspace: Workspace,
    settings: Settings,
    tasks: TaskGroup,
    clock: SystemClock,
) -> KnowledgeAgent:
    model = pack.resources / "models" / MODEL
    return KnowledgeAgent(database, workspace, folder / "knowledge", model, settings.knowledge, tasks, clock)


def limits(settings: Settings) -> Limits:
    """The limit policy's bounds, from the settings."""
    bounds = settings.limits
    return Limits(
        total=bounds.calls,
        by_agent=bounds.calls_per_agent,
        by_scope=bounds.calls_per_session,
        wait=bounds.wait_seconds,
        agents=dict.fromkeys((CodeAgent.name, TestsAgent.name, LintAgent.name), bounds.sandboxes),
    )
