"""A host with one repository, a clone of it in a session, and the whole app behind an MCP client."""

from __future__ import annotations

import functools
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import UNIXSocketStream
from mcp import Client
from tests.agents.git.bench import plain_git
from tests.agents.git.conftest import begun as begun  # noqa: PLC0414 - a fixture
from tests.agents.git_remote.server import GitServer, serving
from tests.faces.bench import Wire
from tests.net.signed import self_signed
from tests.net.web_site import Loopback, Names

from astro_mcp.app.app import App, open_app
from astro_mcp.faces.mcp.face import McpFace
from astro_mcp.faces.mcp.lines import LineReader
from astro_mcp.faces.mcp.peer import Peer
from astro_mcp.testing import session
from astro_mcp.workspace.git.remote import hosts

PROMPTS = Path(__file__).parents[3] / "resources/prompts"
TOKEN = "t0ken-that-nobody-may-see"


@dataclass
class Bench:
    """`root` holds `project`, a clone of the host's repository, made by git itself."""

    root: Path
    data: Path
    server: GitServer
    names: Names
    app: App
    client: Client

    @property
    def project(self) -> Path:
        return self.root / "project"

    def git(self, *arguments: str, stdin: str | None = None) -> str:
        return plain_git(self.project, *arguments, stdin=stdin)

    def write(self, path: str, text: str) -> None:
        file = self.project / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def committed(self, path: str, text: str, message: str = "More") -> str:
        self.write(path, text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD").strip()

    async def call(self, tool: str, **arguments: Any) -> Any:
        given = {"repo": "project", **arguments} if tool != "git_clone" else arguments
        result = await self.client.call_tool(tool, given)
        assert not result.is_error, result.content
        return result.structured_content

    async def refused(self, tool: str, **arguments: Any) -> dict[str, Any]:
        given = {"repo": "project", **arguments} if tool != "git_clone" else arguments
        result = await self.client.call_tool(tool, given)
        assert result.is_error, result.content
        error: dict[str, Any] = (result.structured_content or {})["error"]
        return error


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("authority") / "site.pem")


@pytest.fixture
def server(tmp_path: Path, begun: Path, certificate: Path) -> Iterator[GitServer]:
    with serving(tmp_path / "host", certificate) as running:
        running.take(begun)
        yield running


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
def settings(server: GitServer) -> str:
    remote = f'[git.remote]\nhosts = ["{server.host}"]\ntransfer_mb = 4\n'
    return f'{remote}[git.remote.tokens]\n"{server.host}" = "ASTRO_MCP_TOKEN_SITE"\n'


@pytest.fixture
async def bench(
    tmp_path: Path,
    server: GitServer,
    names: Names,
    certificate: Path,
    settings: str,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Bench]:
    root, data = tmp_path / "root", tmp_path / "data"
    root.mkdir()
    data.mkdir(mode=0o700)
    (data / "config.toml").write_text(settings)
    server.token = TOKEN
    plain_git(root, "clone", "-q", str(server.bare()), "project")
    plain_git(root / "project", "remote", "set-url", "origin", server.url())
    tls = ssl.create_default_context(cafile=str(certificate))
    guarded = functools.partial(hosts.Hosts, resolve=names, policy=Loopback(), tls=tls)
    monkeypatch.setattr(hosts, "Hosts", guarded)
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(open_app(data, {"ASTRO_MCP_TOKEN_SITE": TOKEN}))
        ours, theirs = [await UNIXSocketStream.from_socket(end) for end in socket.socketpair()]
        face = McpFace(app.dispatcher, app.artifacts, PROMPTS, "0")
        group = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(group.cancel_scope.cancel)
        group.start_soon(face.serve, Peer(session([root])), theirs, LineReader(lambda: theirs.receive(65536)))
        client = await stack.enter_async_context(Client(Wire(ours)))
        yield Bench(root, data, server, names, app, client)
    left = [path.name for path in (data / "git").glob("*")] + [path.name for path in root.glob(".astro*")]
    assert left == [], "something of a call was left behind"
