"""The web tools behind the whole call path, with loopback for the internet."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.net.web_site import Loopback, Names, Site, serving

from astro_mcp.agents.search.agent import SearchAgent
from astro_mcp.agents.search.pages import Pages
from astro_mcp.agents.search.robots import Robots
from astro_mcp.agents.search.work import SearchWork
from astro_mcp.config import SearchProvider, WebSettings
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
from astro_mcp.net.client import GuardedClient
from astro_mcp.packs import Pack
from astro_mcp.store.audit import AuditTrail, audit_key
from astro_mcp.store.database import Database

Ask = Callable[..., Coroutine[Any, Any, Result]]
Build = Callable[..., Awaitable[Ask]]


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with serving() as running:
        yield running


class Held(SystemClock):
    """The machine's time, and what a test adds to it."""

    ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead


@pytest.fixture
def clock() -> Held:
    return Held()


@pytest.fixture
async def build(tmp_path: Path, clock: Held) -> AsyncIterator[Build]:
    """`ask = await build(search=…, pack=…)`: the tools with these settings; `await ask("web_search", query=…)`."""
    async with Database.open(tmp_path / "astro.db", synchronous="NORMAL") as database:

        async def make(
            search: Mapping[str, SearchProvider] | None = None,
            pack: Pack | None = None,
            hourly: int = 1000,
            robots: bool = False,
            most: int = 5_000_000,
            seconds: float = 5,
        ) -> Ask:
            client = GuardedClient(
                WebSettings(timeout_seconds=seconds, page_bytes=most), resolve=Names(), policy=Loopback()
            )
            registry = Registry()
            manifests, settings = (pack or Pack.find()).manifests("search"), search or {}
            obeyed = Robots(client, clock, WebSettings().user_agent) if robots else None
            pages = Pages(client, database, clock, obeyed)
            work = Ready(SearchWork(client, pages, manifests, settings, hourly))
            await registry.register(SearchAgent(manifests, settings, work))
            audit = Audit(AuditTrail(database, audit_key(tmp_path)), clock)
            policies: list[Policy] = [audit, Authorize(), Limit(Limits()), Deadline(), audit.intent()]
            dispatcher = Dispatcher(registry, policies, audit)

            async def ask(tool: str, /, principal: str = "user", **arguments: Any) -> Result:
                session = Session(Principal(principal, Kind.STDIO), Grant())
                return await dispatcher.call(Call(session, tool, arguments))

            return ask

        yield make


@pytest.fixture
async def ask(build: Build) -> Ask:
    return await build()
