"""The knowledge agent behind the real call path: real SQLite, real Chroma, real embeddings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest
from tests.agents.knowledge import embedding_endpoint

from astro_mcp.agents.knowledge import catch_up, embedding, endpoint, moving
from astro_mcp.agents.knowledge.agent import KnowledgeAgent
from astro_mcp.agents.knowledge.work import KnowledgeWork
from astro_mcp.config import KnowledgeSettings, SecretSettings
from astro_mcp.core.authority import LOCAL, Grant, Kind, Label, Principal, Session
from astro_mcp.core.call import Call, Result
from astro_mcp.core.deferred import Deferred, Ready
from astro_mcp.core.dispatcher import Dispatcher
from astro_mcp.core.policies.audit import Audit
from astro_mcp.core.policies.authorize import Authorize
from astro_mcp.core.policies.deadline import Deadline
from astro_mcp.core.ports import SystemClock, WebPages
from astro_mcp.core.registry import Registry
from astro_mcp.net.client import GuardedClient
from astro_mcp.store.audit import AuditTrail, audit_key
from astro_mcp.store.connection import Row
from astro_mcp.store.database import Database
from astro_mcp.workspace.workspace import Workspace

MODEL_FOLDER = Path(__file__).parents[3] / "resources" / "models" / "minilm-l6-v2-int8"
T = TypeVar("T")


@dataclass
class Desk:
    """One session at an open house."""

    database: Database
    registry: Registry
    dispatcher: Dispatcher
    session: Session

    async def call(self, tool: str, /, labels: frozenset[Label] = frozenset(), **arguments: Any) -> Result:
        return await self.dispatcher.call(Call(self.session, tool, arguments, labels=labels))

    async def value(self, tool: str, /, **arguments: Any) -> Any:
        return (await self.call(tool, **arguments)).unwrap()

    async def search(self, query: str, **arguments: Any) -> list[Any]:
        items: list[Any] = (await self.value("kb_search", query=query, **arguments)).items
        return items

    def at(self, *roots: Path, principal: str = "user", tenant: str = LOCAL) -> Desk:
        own = session(*roots, principal=principal, tenant=tenant)
        return Desk(self.database, self.registry, self.dispatcher, own)

    async def rows(self, sql: str) -> list[Row]:
        return await self.database.read(lambda tx: tx.rows(sql))

    async def caught_up(self) -> None:
        """Until the vector index answers, and lacks and holds nothing that it should not."""
        with anyio.fail_after(60):
            while (await self.value("kb_search", query="anything")).notice or await self.rows(
                "SELECT 1 FROM knowledge_gone LIMIT 1"
            ):
                await anyio.sleep(0.01)


def session(*roots: Path, principal: str = "user", tenant: str = LOCAL) -> Session:
    return Session(Principal(principal, Kind.STDIO, tenant), Grant(roots=tuple(root.resolve() for root in roots)))


@asynccontextmanager
async def open_house(
    folder: Path,
    *roots: Path,
    model: Path = MODEL_FOLDER,
    settings: KnowledgeSettings | None = None,
    pages: Callable[[Database], Deferred[WebPages]] | None = None,
    client: GuardedClient | None = None,
    secrets: SecretSettings | None = None,
) -> AsyncIterator[Desk]:
    folder.mkdir(exist_ok=True)
    clock = SystemClock()
    async with Database.open(folder / "astro.db") as database, anyio.create_task_group() as tasks:
        audit = Audit(AuditTrail(database, audit_key(folder)), clock)
        registry = Registry()
        workspace = Workspace(secrets or SecretSettings())
        settings = settings or KnowledgeSettings()
        web = pages(database) if pages else None
        place = folder / "knowledge"
        work = KnowledgeWork(database, workspace, place, model, settings, tasks, clock, pages=web, client=client)
        await registry.register(KnowledgeAgent(Ready(work)))
        dispatcher = Dispatcher(registry, [audit, Authorize(), Deadline(), audit.intent()], audit)
        try:
            yield Desk(database, registry, dispatcher, session(*roots))
        finally:
            await registry.unregister("knowledge")


OpenHouse = Callable[..., AbstractAsyncContextManager[Desk]]


@pytest.fixture(scope="session", autouse=True)
def loaded() -> Iterator[None]:
    """A network is loaded once for all houses of one folder: it takes longer than most of what they are asked. Whether
    its files are what their digests say is looked at by each."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("network", "tokenizer"):
            patch.setattr(embedding, name, cache(getattr(embedding, name)))
        yield


@pytest.fixture
def house() -> OpenHouse:
    return open_house


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small repository: two modules, a document, and what must never be indexed."""
    root = tmp_path / "project"
    files = {
        "src/upload.py": UPLOAD,
        "src/accounts.py": ACCOUNTS,
        "docs/guide.md": GUIDE,
        ".gitignore": "build/\n",
        "build/out.py": "def generatedArtifact():\n    return 'ignored'\n",
        ".env": "API_TOKEN=hunter2secretvalue\n",
        ".git/config": "[core]\n\tsecretgitsetting = 1\n",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "logo.png").write_bytes(b"\x89PNG\0\0binary")
    return root


UPLOAD = '''"""Sends files to the object store."""

import random
import time


class UploadClient:
    """Talks to the bucket."""

    def sendWithBackoff(self, blob, attempts=5):
        """Try again after a growing pause with jitter."""
        for attempt in range(attempts):
            try:
                return self._put(blob)
            except ConnectionError:
                time.sleep(2**attempt + random.random())
        raise RuntimeError("the bucket did not answer")

    def _put(self, blob):
        return self.session.put(self.url, data=blob, timeout=30, headers={"content-type": "application/octet-stream"})
'''

ACCOUNTS = '''"""People who may sign in."""

import hashlib


def verify_password_hash(stored, given, salt):
    """Whether the secret that somebody typed at the login form is theirs."""
    digest = hashlib.scrypt(given.encode(), salt=salt, n=2**14, r=8, p=1)
    return digest == stored


def monthly_invoice_total(lines, vat):
    """The sum that a customer pays for a month, tax included."""
    net = sum(line.price * line.quantity for line in lines)
    return round(net * (1 + vat), 2)
'''

GUIDE = """# Guide

## Deployment

The service is rolled out with a blue and a green environment. Traffic moves once the new one is healthy.

## Gardening

Tomatoes want six hours of sun and water at their roots, never on their leaves.
"""


@pytest.fixture
def quick_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint is asked again soon, and a move goes two chunks at a time."""
    monkeypatch.setattr(endpoint, "PAUSE", 0.01)
    monkeypatch.setattr(catch_up, "AGAIN", 0.2)
    monkeypatch.setattr(catch_up, "LATER", 0.0)
    monkeypatch.setattr(moving, "AT_ONCE", 2)


@pytest.fixture
async def at() -> AsyncIterator[embedding_endpoint.Endpoint]:
    async with embedding_endpoint.embedding() as running:
        yield running
