"""What agents work with, each part built once.

What tools/list and the door need is imported and built at the start. What agents work with comes when it is first used,
or in the background a moment after the start.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from anyio.abc import TaskGroup

from astro_mcp.agents.artifacts.agent import ArtifactsAgent
from astro_mcp.agents.code.agent import CodeAgent
from astro_mcp.agents.files.agent import FilesAgent
from astro_mcp.agents.git.agent import GitAgent
from astro_mcp.agents.git_remote.agent import GitRemoteAgent
from astro_mcp.agents.knowledge.agent import KnowledgeAgent
from astro_mcp.agents.lint.agent import LintAgent
from astro_mcp.agents.search.agent import SearchAgent
from astro_mcp.agents.tests.agent import TestsAgent
from astro_mcp.app.policies import dispatching
from astro_mcp.config import Settings
from astro_mcp.core.agent import Agent
from astro_mcp.core.deferred import Deferred, Loader
from astro_mcp.core.dispatcher import Dispatcher
from astro_mcp.core.ports import SystemClock
from astro_mcp.core.registry import Registry
from astro_mcp.errors import Unavailable
from astro_mcp.packs import Language, Linter, Pack, Runner, Search
from astro_mcp.store.artifacts import Artifacts
from astro_mcp.store.audit import AuditTrail
from astro_mcp.store.database import Database
from astro_mcp.workflow.agent import WorkflowAgent
from astro_mcp.workspace.roots import own_folders

if TYPE_CHECKING:  # these are the parts; see the functions that build them
    from astro_mcp.agents.artifacts.saving import Saving
    from astro_mcp.agents.code.work import CodeWork
    from astro_mcp.agents.files.work import FilesWork
    from astro_mcp.agents.git.work import GitWork
    from astro_mcp.agents.git_remote.work import RemoteWork
    from astro_mcp.agents.knowledge.work import KnowledgeWork
    from astro_mcp.agents.lint.audit.osv import Osv
    from astro_mcp.agents.lint.audit.work import AuditWork
    from astro_mcp.agents.lint.fix_work import FixWork
    from astro_mcp.agents.lint.work import LintWork
    from astro_mcp.agents.search.work import SearchWork
    from astro_mcp.agents.tests.work import TestsWork
    from astro_mcp.sandbox.sandbox import Sandbox
    from astro_mcp.workflow.driver import Driver
    from astro_mcp.workflow.expressions.evaluator import Evaluator
    from astro_mcp.workflow.scheduler import Scheduler
    from astro_mcp.workflow.schedules import Schedules
    from astro_mcp.workflow.work import WorkflowWork
    from astro_mcp.workspace.changes import Changes
    from astro_mcp.workspace.git.repository import Git
    from astro_mcp.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Base:
    """What is there from the start."""

    folder: Path
    environment: Mapping[str, str]
    settings: Settings
    pack: Pack
    database: Database
    trail: AuditTrail
    artifacts: Artifacts
    registry: Registry
    dispatcher: Dispatcher
    tasks: TaskGroup
    clock: SystemClock


class Parts:
    """What agents work with, each part built once. They are declared in the order in which the background loads them;
    a part asks for those that it needs itself. (The imports stand in functions since no start needs them.)"""

    def __init__(self, loader: Loader, base: Base) -> None:
        """Reads the pack's manifests; raises `InvalidInput` for a wrong one."""
        self._base = base
        self._loader = loader
        self.linters: Sequence[Linter] = base.pack.manifests("linter")
        self.runners: Sequence[Runner] = base.pack.manifests("runner")
        self.languages: Sequence[Language] = base.pack.manifests("language")
        self.providers: Sequence[Search] = base.pack.manifests("search")
        self.scheduler = loader.part("astro_mcp.workflow.scheduler", self._scheduler)
        self.workspace = loader.part("astro_mcp.workspace.workspace", self._workspace)
        self.changes = loader.part("astro_mcp.workspace.changes", self._changes)
        self.files = loader.part("astro_mcp.agents.files.work", self._files)
        self.repositories = loader.part("astro_mcp.workspace.git.repository", self._repositories)
        self.git = loader.part("astro_mcp.agents.git.work", self._git)
        self.sandbox = loader.part("astro_mcp.sandbox.sandbox", self._sandbox)
        self.code = loader.part("astro_mcp.agents.code.work", self._code)
        self.tests = loader.part("astro_mcp.agents.tests.work", self._tests)
        self.lint = loader.part("astro_mcp.agents.lint.work", self._lint)
        self.fixing = loader.part("astro_mcp.agents.lint.fix_work", self._fixing)
        self.advisories = loader.part("astro_mcp.agents.lint.audit.osv", self._advisories)
        self.auditing = loader.part("astro_mcp.agents.lint.audit.work", self._auditing)
        self.knowledge = loader.part("astro_mcp.agents.knowledge.work", self._knowledge)
        self.search = loader.part("astro_mcp.agents.search.work", self._search)
        self.workflow = loader.part("astro_mcp.workflow.work", self._workflow)
        self.saving = loader.part("astro_mcp.agents.artifacts.saving", self._saving)
        self.remotes = loader.part("astro_mcp.agents.git_remote.work", self._remotes)
        if base.settings.schedules:
            self.schedules = loader.part("astro_mcp.workflow.schedules", self._schedules)

    def agents(self) -> Sequence[Agent]:
        base = self._base
        remotes = (GitRemoteAgent(self.remotes),) if base.settings.git.remote.hosts else ()
        return (
            FilesAgent(self.files),
            GitAgent(self.git),
            *remotes,
            CodeAgent(self.code, egress=bool(base.settings.sandbox.egress)),
            TestsAgent(self.tests),
            LintAgent(self.lint, self.fixing, self.auditing),
            KnowledgeAgent(self.knowledge),
            SearchAgent(self.providers, base.settings.search, self.search),
            WorkflowAgent(self.workflow),
            ArtifactsAgent(base.registry, base.artifacts, self.saving, base.pack.resources / "guides"),
        )

    async def close(self) -> None:
        if self.sandbox.built is not None:
            await self.sandbox.built.close()

    async def _scheduler(self) -> Scheduler:
        from astro_mcp.workflow.answerer import Answerer  # noqa: PLC0415 - see the class
        from astro_mcp.workflow.expressions.evaluator import Evaluator  # noqa: PLC0415 - see the class
        from astro_mcp.workflow.scheduler import Scheduler  # noqa: PLC0415 - see the class
        from astro_mcp.workflow.templates import Templates  # noqa: PLC0415 - see the class

        await self.changes.get()  # files are as they were before a crash when anybody is told that a step is lost
        base, evaluator = self._base, Evaluator()
        remote = base.settings.workflow.driver == "temporal"
        driver = await self._temporal(evaluator) if remote else await self._embedded(evaluator)
        templates = Templates(base.pack.resources / "workflows")
        model = base.settings.model
        scheduler = Scheduler(driver, base.registry, templates, evaluator, base.clock, answers=bool(model.base_url))
        if model.base_url:
            driver.answered_by(Answerer(await _model(base), every=model.answers == "every"))
        return await self._loader.hold(scheduler.running())

    async def _embedded(self, evaluator: Evaluator) -> Driver:
        from astro_mcp.workflow.effects import Effects  # noqa: PLC0415 - see the class
        from astro_mcp.workflow.embedded import EmbeddedDriver  # noqa: PLC0415 - see the class
        from astro_mcp.workflow.trees import Trees  # noqa: PLC0415 - see the class

        base = self._base
        trees = Trees(await _worktrees(base, self.repositories))
        effects = Effects(base.dispatcher, base.artifacts)
        settings = base.settings.workflow
        return EmbeddedDriver(
            base.database, base.artifacts, effects, evaluator.evaluate, base.registry, settings, base.clock, trees
        )

    async def _temporal(self, evaluator: Evaluator) -> Driver:
        """Raises `Unavailable` where the extra is not installed."""
        try:
            await self._loader.imported("astro_mcp.workflow.drivers.temporal.driver")
        except ModuleNotFoundError as error:
            hint = "pip install 'astro-mcp[temporal]', or workflow.driver = \"sqlite\""
            raise Unavailable(f"the Temporal driver is not installed: {error}", hint, retryable=False) from None
        from astro_mcp.workflow.drivers.temporal.calls import Calls  # noqa: PLC0415 - see the class
        from astro_mcp.workflow.drivers.temporal.driver import TemporalDriver  # noqa: PLC0415 - see the class
        from astro_mcp.workflow.effects import Effects  # noqa: PLC0415 - see the class
        from astro_mcp.workflow.trees import Trees  # noqa: PLC0415 - see the class

        base = self._base
        kept_away = kept_from_roots(base.settings, base.folder, base.pack)
        trees = Trees(await _worktrees(base, self.repositories))
        effects = Effects(base.dispatcher, None)
        ceiling, heartbeat = base.settings.roots.ceiling, base.settings.workflow.temporal.heartbeat_seconds
        calls = Calls(effects, trees, evaluator.evaluate, ceiling, kept_away, heartbeat)
        return TemporalDriver(calls, base.registry, base.settings.workflow, base.folder, base.clock)

    async def _schedules(self) -> Schedules:
        from astro_mcp.workflow.schedules import Schedules  # noqa: PLC0415 - see the class

        base = self._base
        kept_away = kept_from_roots(base.settings, base.folder, base.pack)
        ceiling, user = base.settings.roots.ceiling, f"uid:{os.geteuid()}"
        found = Schedules(base.settings.schedules, self.scheduler, ceiling, kept_away, user, base.clock)
        return await self._loader.hold(found.running())

    async def _workspace(self) -> Workspace:
        from astro_mcp.workspace.workspace import Workspace  # noqa: PLC0415 - see the class

        return Workspace(self._base.settings.secrets)

    async def _changes(self) -> Changes:
        from astro_mcp.workspace.changes import Changes  # noqa: PLC0415 - see the class
        from astro_mcp.workspace.git.moving import settle  # noqa: PLC0415 - see the class

        base = self._base
        changes = Changes(await self.workspace.get(), base.database, base.artifacts, base.clock)
        await changes.recover(await anyio.to_thread.run_sync(settle, base.folder / "git"))
        return changes

    async def _files(self) -> FilesWork:
        from astro_mcp.agents.files.work import FilesWork  # noqa: PLC0415 - see the class

        return FilesWork(await self.workspace.get(), await self.changes.get())

    async def _git(self) -> GitWork:
        from astro_mcp.agents.git.work import GitWork  # noqa: PLC0415 - see the class
        from astro_mcp.workspace.git.made import MadeCommits  # noqa: PLC0415 - see the class

        base = self._base
        made = MadeCommits(base.database, base.clock)
        return GitWork(await self.repositories.get(), await self.changes.get(), made, base.settings.git)

    async def _remotes(self) -> RemoteWork:
        from astro_mcp.agents.git_remote.work import RemoteWork  # noqa: PLC0415 - see the class
        from astro_mcp.workspace.git.remote.hosts import Hosts  # noqa: PLC0415 - see the class

        settings = self._base.settings.git
        hosts = Hosts(settings.remote, self._base.environment)
        return RemoteWork(await self.repositories.get(), await self.workspace.get(), hosts, settings)

    async def _repositories(self) -> Git:
        from astro_mcp.workspace.git.repository import Git  # noqa: PLC0415 - see the class

        await self.changes.get()  # it reads what a crash left in the folder, which goes now
        git = Git(await self.workspace.get(), self._base.folder / "git")
        await git.sweep()
        return await self._loader.hold(git.keeping())

    async def _sandbox(self) -> Sandbox:
        from astro_mcp.sandbox.sandbox import Sandbox  # noqa: PLC0415 - see the class

        base = self._base
        sandbox = Sandbox(base.settings.sandbox, base.folder / "images", base.pack.resources / "sandbox")
        await self._loader.hold(sandbox.warm())
        return sandbox

    async def _code(self) -> CodeWork:
        from astro_mcp.agents.code.work import CodeWork  # noqa: PLC0415 - see the class

        return CodeWork(await self.sandbox.get(), await self.workspace.get(), self._base.artifacts, self.languages)

    async def _tests(self) -> TestsWork:
        from astro_mcp.agents.tests.history import History  # noqa: PLC0415 - see the class
        from astro_mcp.agents.tests.work import TestsWork  # noqa: PLC0415 - see the class

        base, workspace = self._base, await self.workspace.get()
        modules = await workspace.quickly(base.pack.modules)
        history = History(base.database, workspace, base.clock)
        git = await self.repositories.get()
        return TestsWork(await self.sandbox.get(), workspace, git, history, base.artifacts, self.runners, modules)

    async def _lint(self) -> LintWork:
        from astro_mcp.agents.lint.advised import Advised  # noqa: PLC0415 - see the class
        from astro_mcp.agents.lint.work import LintWork  # noqa: PLC0415 - see the class

        base, workspace = self._base, await self.workspace.get()
        advised = Advised(await self.advisories.get(), workspace, await workspace.quickly(base.pack.modules))
        sandbox, git = await self.sandbox.get(), await self.repositories.get()
        return LintWork(sandbox, workspace, git, base.artifacts, self.linters, advised)

    async def _fixing(self) -> FixWork:
        from astro_mcp.agents.lint.fix_work import FixWork  # noqa: PLC0415 - see the class
        from astro_mcp.agents.lint.fixing import Fixers  # noqa: PLC0415 - see the class

        script = await anyio.Path(self._base.pack.resources, "sandbox", "mend.py").read_bytes()
        workspace = await self.workspace.get()
        fixers = Fixers(await self.sandbox.get(), workspace, script)
        return FixWork(await self.lint.get(), fixers, workspace, await self.changes.get())

    async def _advisories(self) -> Osv:
        from astro_mcp.agents.lint.audit.osv import Osv  # noqa: PLC0415 - see the class
        from astro_mcp.net.client import GuardedClient  # noqa: PLC0415 - see the class

        settings = self._base.settings
        return Osv(GuardedClient(settings.web), settings.advisories)

    async def _auditing(self) -> AuditWork:
        from astro_mcp.agents.lint.audit.work import AuditWork  # noqa: PLC0415 - see the class

        return AuditWork(await self.workspace.get(), await self.advisories.get())

    async def _knowledge(self) -> KnowledgeWork:
        from astro_mcp.agents.knowledge.embedding import MODEL  # noqa: PLC0415 - see the class
        from astro_mcp.agents.knowledge.work import KnowledgeWork  # noqa: PLC0415 - see the class
        from astro_mcp.net.client import GuardedClient  # noqa: PLC0415 - see the class
        from astro_mcp.workflow.produced import Produced  # noqa: PLC0415 - see the class

        base = self._base
        products = Produced(self.scheduler, base.registry, base.artifacts)
        workspace, model = await self.workspace.get(), base.pack.resources / "models" / MODEL
        settings = base.settings.knowledge
        place, client = base.folder / "knowledge", GuardedClient(base.settings.web)
        return KnowledgeWork(
            base.database, workspace, place, model, settings, base.tasks, base.clock, products, self.search, client
        )

    async def _search(self) -> SearchWork:
        from astro_mcp.agents.search.pages import Pages  # noqa: PLC0415 - see the class
        from astro_mcp.agents.search.robots import Robots  # noqa: PLC0415 - see the class
        from astro_mcp.agents.search.work import SearchWork  # noqa: PLC0415 - see the class
        from astro_mcp.net.client import GuardedClient  # noqa: PLC0415 - see the class

        settings, clock = self._base.settings, self._base.clock
        client, hourly = GuardedClient(settings.web), settings.web.searches_per_hour
        robots = Robots(client, clock, settings.web.user_agent) if settings.web.robots == "obey" else None
        pages = Pages(client, self._base.database, clock, robots)
        return SearchWork(client, pages, self.providers, settings.search, hourly)

    async def _workflow(self) -> WorkflowWork:
        from astro_mcp.workflow.work import WorkflowWork  # noqa: PLC0415 - see the class

        return WorkflowWork(await self.scheduler.get(), self._base.registry, self._base.artifacts)

    async def _saving(self) -> Saving:
        from astro_mcp.agents.artifacts.saving import Saving  # noqa: PLC0415 - see the class

        return Saving(self._base.artifacts, await self.changes.get(), await self.workspace.get())


def kept_from_roots(settings: Settings, folder: Path, pack: Pack) -> Sequence[Path]:
    """What no root may overlap."""
    return own_folders(folder, pack.tools, pack.resources, *settings.workflow.temporal.own_folders)


async def _model(base: Base) -> Dispatcher:
    """The way to the operator's model: through every policy, and from a registry that no host sees."""
    from astro_mcp.agents.model.agent import ModelAgent  # noqa: PLC0415 - see `Parts`
    from astro_mcp.net.client import GuardedClient  # noqa: PLC0415 - see `Parts`

    registry = Registry()
    await registry.register(ModelAgent(GuardedClient(base.settings.web), base.settings.model))
    return dispatching(registry, base.trail, base.settings)


async def _worktrees(base: Base, git: Deferred[Git]) -> Dispatcher:
    """The way to the worktrees of runs, as that to the model."""
    from astro_mcp.agents.git.worktrees import WorktreeAgent  # noqa: PLC0415 - see `Parts`

    registry = Registry()
    await registry.register(WorktreeAgent(git, base.settings.git))
    return dispatching(registry, base.trail, base.settings)
