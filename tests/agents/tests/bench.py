"""The tests and lint agents on the real call path: SQLite, a workspace, containers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import anyio
from tests.agents.git.bench import plain_git

from astro_mcp.agents.files.agent import FilesAgent
from astro_mcp.agents.files.work import FilesWork
from astro_mcp.agents.lint.advised import Advised
from astro_mcp.agents.lint.agent import LintAgent
from astro_mcp.agents.lint.audit.models import AuditOutput
from astro_mcp.agents.lint.audit.osv import Osv
from astro_mcp.agents.lint.audit.work import AuditWork
from astro_mcp.agents.lint.fix_models import FixOutput
from astro_mcp.agents.lint.fix_work import FixWork
from astro_mcp.agents.lint.fixing import Fixers
from astro_mcp.agents.lint.models import CheckOutput
from astro_mcp.agents.lint.work import LintWork
from astro_mcp.agents.tests.agent import TestsAgent
from astro_mcp.agents.tests.history import History
from astro_mcp.agents.tests.models import RunOutput
from astro_mcp.agents.tests.work import TestsWork
from astro_mcp.config import AdvisorySettings, SandboxSettings, SecretSettings, WebSettings
from astro_mcp.core.authority import Grant, Kind, Principal, Session
from astro_mcp.core.call import Call, Progress, Result, silent
from astro_mcp.core.deferred import Ready
from astro_mcp.core.dispatcher import Dispatcher
from astro_mcp.core.policies.audit import Audit
from astro_mcp.core.policies.authorize import Authorize
from astro_mcp.core.policies.deadline import Deadline
from astro_mcp.core.ports import SystemClock
from astro_mcp.core.registry import Registry
from astro_mcp.net.client import GuardedClient
from astro_mcp.packs import Pack
from astro_mcp.sandbox import owner
from astro_mcp.sandbox.sandbox import Sandbox
from astro_mcp.store.artifacts import Artifacts
from astro_mcp.store.audit import AuditTrail, audit_key
from astro_mcp.store.database import Database
from astro_mcp.workspace.changes import Changes
from astro_mcp.workspace.git.repository import Git
from astro_mcp.workspace.workspace import Workspace

A = TypeVar("A")
B = TypeVar("B")
RESOURCES = Pack.find().resources / "sandbox"
NO_ADVISORIES = AdvisorySettings(base_url="")
NO_SECRETS = SecretSettings()


@dataclass
class Bench:
    dispatcher: Dispatcher
    artifacts: Artifacts
    sandbox: Sandbox
    session: Session
    images: Path

    async def call(self, tool: str, progress: Progress = silent, **arguments: Any) -> Result:
        return await self.dispatcher.call(Call(self.session, tool, arguments, progress=progress))

    async def run(self, **arguments: Any) -> RunOutput:
        value = (await self.call("test_run", **arguments)).unwrap()
        assert isinstance(value, RunOutput)
        return value

    async def containers(self) -> set[str]:
        """The ids of those that run for this house."""
        labels = [f"{key}={value}" for key, value in owner.labels(self.images).items()]
        engine = await self.sandbox.engine()
        return {row["Id"] for row in await engine.call(lambda api: api.containers(filters={"label": labels}))}

    def other(self, *roots: Path, principal: str = "user") -> Bench:
        """Another session on the same app."""
        grant = Grant(roots=tuple(root.resolve() for root in roots) or self.session.grant.roots)
        return replace(self, session=Session(Principal(principal, Kind.STDIO), grant))

    async def check(self, **arguments: Any) -> CheckOutput:
        value = (await self.call("lint_check", **arguments)).unwrap()
        assert isinstance(value, CheckOutput)
        return value

    async def audit(self, **arguments: Any) -> AuditOutput:
        value = (await self.call("lint_audit", **arguments)).unwrap()
        assert isinstance(value, AuditOutput)
        return value

    async def fix(self, **arguments: Any) -> FixOutput:
        value = (await self.call("lint_fix", **arguments)).unwrap()
        assert isinstance(value, FixOutput)
        return value


@asynccontextmanager
async def bench(
    folder: Path,
    roots: tuple[Path, ...],
    images: Path,
    linters: Pack | None = None,
    advisories: AdvisorySettings = NO_ADVISORIES,
    runners: Pack | None = None,
    sandbox: Sandbox | None = None,
    secrets: SecretSettings = NO_SECRETS,
    **settings: Any,
) -> AsyncIterator[Bench]:
    """`images` may be one folder for many benches: the second use of the same packages is served from it. A `sandbox`
    that is given, of that folder, is left open."""
    folder.mkdir(parents=True, exist_ok=True)
    pack, workspace, clock = Pack.find(), Workspace(secrets), SystemClock()
    async with Database.open(folder / "astro.db") as database:
        artifacts = Artifacts(database, folder / "artifacts", clock)
        own = sandbox or Sandbox(SandboxSettings(**settings), images, RESOURCES)
        registry = Registry()
        those = (runners or pack).manifests("runner")
        git, history = Git(workspace, folder / "git"), History(database, workspace, clock)
        work = TestsWork(own, workspace, git, history, artifacts, those, pack.modules())
        await registry.register(TestsAgent(Ready(work)))
        manifests = (linters or pack).manifests("linter")
        osv = Osv(GuardedClient(WebSettings()), advisories)
        advised = Advised(osv, workspace, pack.modules())
        lint = LintWork(own, workspace, git, artifacts, manifests, advised)
        changes = Changes(workspace, database, artifacts, clock)
        fixers = Fixers(own, workspace, (RESOURCES / "mend.py").read_bytes())
        fixing = FixWork(lint, fixers, workspace, changes)
        auditing = AuditWork(workspace, osv)
        await registry.register(LintAgent(Ready(lint), Ready(fixing), Ready(auditing)))
        await registry.register(FilesAgent(Ready(FilesWork(workspace, changes))))
        audit = Audit(AuditTrail(database, audit_key(folder)), clock)
        dispatcher = Dispatcher(registry, [audit, Authorize(), Deadline(), audit.intent()], audit)
        session = Session(Principal("user", Kind.STDIO), Grant(roots=tuple(root.resolve() for root in roots)))
        try:
            yield Bench(dispatcher, artifacts, own, session, images)
        finally:
            if sandbox is None:
                await own.close()


async def at_once(one: Awaitable[A], other: Awaitable[B]) -> tuple[A, B]:
    """What two runs give that do not hang on one another."""
    found: list[B] = []

    async def beside() -> None:
        found.append(await other)

    async with anyio.create_task_group() as group:
        group.start_soon(beside)
        first = await one
    return first, found[0]


def write(project: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(text)


def commit(project: Path) -> None:
    """All of it, as the one commit of a repository."""
    plain_git(project, "init", "--quiet")
    plain_git(project, "add", "--all")
    plain_git(project, "commit", "--quiet", "--message", "all")
