"""The code agent on the whole call path: real policies, store, workspace and sandbox."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import docker
import pytest

from astro_mcp.agents.code.agent import CodeAgent
from astro_mcp.agents.code.work import CodeWork
from astro_mcp.config import SandboxSettings, SecretSettings
from astro_mcp.core.authority import Grant, Kind, Principal, Session
from astro_mcp.core.call import Call, Progress, Result, silent
from astro_mcp.core.deferred import Ready
from astro_mcp.core.dispatcher import Dispatcher, Policy
from astro_mcp.core.policies.audit import Audit
from astro_mcp.core.policies.authorize import Authorize
from astro_mcp.core.policies.deadline import Deadline
from astro_mcp.core.policies.flow import Flow
from astro_mcp.core.policies.limit import Limit, Limits
from astro_mcp.core.ports import SystemClock
from astro_mcp.core.registry import Registry
from astro_mcp.packs import Pack
from astro_mcp.sandbox import owner
from astro_mcp.sandbox.egress import Egress
from astro_mcp.sandbox.sandbox import Sandbox
from astro_mcp.store.artifacts import Artifacts
from astro_mcp.store.audit import AuditTrail, audit_key
from astro_mcp.store.database import Database
from astro_mcp.workspace.workspace import Workspace

RESOURCES = Path(__file__).parents[3] / "resources/sandbox"


@dataclass
class House:
    """What a test calls, as whom, and where results are kept."""

    dispatcher: Dispatcher
    session: Session
    artifacts: Artifacts
    root: Path
    trail: AuditTrail

    async def run(self, /, watch: Progress = silent, by: Session | None = None, **arguments: Any) -> Result:
        return await self.dispatcher.call(Call(by or self.session, "code_run", arguments, progress=watch))

    def with_grant(self, **changes: Any) -> Session:
        return Session(self.session.principal, replace(self.session.grant, **changes))


Open = Callable[..., Awaitable[House]]
"""`await open_house(settings)`, and a pack if it is another than the checkout's; `egress` is what the sandbox has, and
`told` what its agent is told of it, where that is not what the settings say; `strict` is the operator's flow. A
`sandbox` that is given is left open."""


@pytest.fixture
async def open_house(tmp_path: Path, known_engine: Callable[[Path], None]) -> AsyncIterator[Open]:
    root = tmp_path / "project"
    root.mkdir()
    data = tmp_path / "data"
    known_engine(data / "images")
    session = Session(Principal("user", Kind.STDIO), Grant(roots=(root,)))
    registry = Registry()
    async with Database.open(data / "astro.db") as database, AsyncExitStack() as stack:
        artifacts = Artifacts(database, data / "artifacts", SystemClock())
        trail = AuditTrail(database, audit_key(data))
        audit = Audit(trail, SystemClock())

        async def open_it(
            settings: SandboxSettings,
            pack: Pack | None = None,
            egress: Egress | None = None,
            told: bool | None = None,
            *,
            strict: bool = False,
            sandbox: Sandbox | None = None,
        ) -> House:
            flow = Flow(SystemClock(), strict=strict)
            policies: list[Policy] = [audit, Authorize(), flow, Limit(Limits()), Deadline(), audit.intent()]
            if sandbox is None:
                sandbox = Sandbox(settings, data / "images", RESOURCES, egress=egress)
                stack.push_async_callback(sandbox.close)
                await stack.enter_async_context(sandbox.warm())
            work = CodeWork(
                sandbox, Workspace(SecretSettings()), artifacts, (pack or Pack.find()).manifests("language")
            )
            known = bool(settings.egress) if told is None else told
            await registry.register(CodeAgent(Ready(work), egress=known))
            return House(Dispatcher(registry, policies, audit), session, artifacts, root, trail)

        yield open_it
        await registry.unregister("code")


@pytest.fixture(scope="module")
async def sandbox(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, known_engine: Callable[[Path], None]
) -> AsyncIterator[Sandbox]:
    """One, of the module's `SETTINGS`, for all its tests that make no images: a container that waits is the next
    test's."""
    known_engine(folder := tmp_path_factory.mktemp("code") / "images")
    made = Sandbox(request.module.SETTINGS, folder, RESOURCES)
    async with made.warm():
        yield made
    await made.close()


@pytest.fixture
def tidy(tmp_path: Path) -> Iterator[None]:
    """The images with packages that a test made go; asked for before the house, which ends first then."""
    yield
    client = docker.APIClient("unix:///var/run/docker.sock", version="auto")
    label = f"{owner.HOUSE}={owner.house(tmp_path / 'data' / 'images')}"
    for row in client.images(filters={"label": label}):
        client.remove_image(row["Id"], force=True)
    client.close()


@pytest.fixture
async def house(open_house: Open) -> House:
    return await open_house(SandboxSettings(memory_mb=256))
