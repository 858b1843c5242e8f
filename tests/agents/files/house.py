"""A call path with the real files and artifacts agents over a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astro_mcp.agents.artifacts.agent import ArtifactsAgent
from astro_mcp.agents.artifacts.saving import Saving
from astro_mcp.agents.files.agent import FilesAgent
from astro_mcp.agents.files.work import FilesWork
from astro_mcp.config import SecretSettings
from astro_mcp.core.authority import Grant, Kind, Principal, Session
from astro_mcp.core.call import Call, Result
from astro_mcp.core.deferred import Ready
from astro_mcp.core.dispatcher import Dispatcher, Policy
from astro_mcp.core.policies.audit import Audit
from astro_mcp.core.policies.authorize import Authorize
from astro_mcp.core.policies.deadline import Deadline
from astro_mcp.core.policies.limit import Limit, Limits
from astro_mcp.core.ports import SystemClock
from astro_mcp.core.registry import Registry
from astro_mcp.errors import AstroError
from astro_mcp.store.artifacts import Artifacts
from astro_mcp.store.audit import AuditTrail, audit_key
from astro_mcp.store.database import Database
from astro_mcp.workspace.changes import Changes
from astro_mcp.workspace.workspace import Workspace

NO_SECRETS = SecretSettings()
GUIDES = Path(__file__).parents[3] / "resources" / "guides"


@dataclass
class House:
    """A session, and the ways to call as it or as another."""

    dispatcher: Dispatcher
    database: Database
    artifacts: Artifacts
    changes: Changes
    workspace: Workspace
    session: Session

    @property
    def root(self) -> Path:
        return self.session.grant.roots[0]

    async def result(
        self, tool: str, *, session: Session | None = None, of_run: str | None = None, **args: Any
    ) -> Result:
        return await self.dispatcher.call(Call(session or self.session, tool, args, run_id=of_run))

    async def ok(self, tool: str, *, session: Session | None = None, of_run: str | None = None, **args: Any) -> Any:
        """The value; fails the test with the error's text where there is one."""
        result = await self.result(tool, session=session, of_run=of_run, **args)
        assert result.error is None, result.error.text()
        return result.value

    async def refused(self, tool: str, *, session: Session | None = None, **args: Any) -> AstroError:
        result = await self.result(tool, session=session, **args)
        assert result.error is not None, f"{tool} was not refused: {result.value}"
        return result.error


def session_of(*roots: Path) -> Session:
    return Session(Principal("somebody", Kind.STDIO), Grant(roots=roots))


@asynccontextmanager
async def open_house(data: Path, roots: Sequence[Path], secrets: SecretSettings = NO_SECRETS) -> AsyncIterator[House]:
    """The parts over the data folder `data`; closing and opening again is a restart."""
    data.mkdir(exist_ok=True)
    clock = SystemClock()
    async with Database.open(data / "astro.db", synchronous="NORMAL") as database:
        audit = Audit(AuditTrail(database, audit_key(data)), clock)
        artifacts = Artifacts(database, data / "artifacts", clock)
        workspace = Workspace(secrets)
        changes = Changes(workspace, database, artifacts, clock)
        registry = Registry()
        await changes.recover()
        await registry.register(FilesAgent(Ready(FilesWork(workspace, changes))))
        await registry.register(
            ArtifactsAgent(registry, artifacts, Ready(Saving(artifacts, changes, workspace)), GUIDES)
        )
        policies: list[Policy] = [audit, Authorize(), Limit(Limits()), Deadline(), audit.intent()]
        dispatcher = Dispatcher(registry, policies, audit)
        yield House(dispatcher, database, artifacts, changes, workspace, session_of(*roots))


def listing(root: Path) -> dict[str, bytes]:
    """Every file below `root` and its bytes: equal before and after means that nothing was changed."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
