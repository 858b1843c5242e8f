"""Hosts of a house that runs workflows: real clients of the SDK, over a socket pair, before the real scheduler."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import anyio
from anyio.abc import UNIXSocketStream
from mcp import Client
from mcp_types import Implementation
from tests.workflow.house import House, house

from astro_mcp.agents.artifacts.agent import ArtifactsAgent
from astro_mcp.core.authority import Session
from astro_mcp.core.deferred import Deferred, Ready
from astro_mcp.core.ports import SystemClock
from astro_mcp.faces.mcp.face import McpFace
from astro_mcp.faces.mcp.lines import LineReader
from astro_mcp.faces.mcp.peer import Peer
from astro_mcp.store.artifacts import Artifacts

from .bench import Wire
from .test_tools import PROMPTS


@dataclass
class Hosts:
    """A house, and the face that its hosts see."""

    house: House
    face: McpFace

    @asynccontextmanager
    async def link(self, who: Session | None = None, *, narrow: bool = False) -> AsyncIterator[UNIXSocketStream]:
        """The host's end of a connection; what the face does is over when the block is. A narrow one takes a few
        messages that nobody reads, and no more."""
        ends = socket.socketpair()
        if narrow:
            ends[1].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        ours, theirs = [await UNIXSocketStream.from_socket(end) for end in ends]
        async with anyio.create_task_group() as group:
            group.start_soon(
                self.face.serve, Peer(who or self.house.me), theirs, LineReader(lambda: theirs.receive(65536))
            )
            yield ours
            with anyio.fail_after(10):
                await ours.aclose()

    @asynccontextmanager
    async def client(self, mode: str, who: Session | None = None, **options: Any) -> AsyncIterator[Client]:
        async with self.link(who) as link:
            info = Implementation(name="test", version="1")
            async with Client(Wire(link), mode=mode, client_info=info, **options) as client:
                yield client

    async def started(self, steps: Sequence[Any], wait: float = 0.0, **arguments: Any) -> str:
        """The id of a run that is going on, or waits for a word if it is waited for."""
        spec = json.dumps({"steps": list(steps)})
        return str((await self.house.run(spec, wait_seconds=wait, **arguments))["run_id"])


@asynccontextmanager
async def hosts(folder: Path) -> AsyncIterator[Hosts]:
    async with house(folder) as built:
        artifacts = Artifacts(built.database, folder / "artifacts", SystemClock())
        saving: Deferred[Any] = Ready(None)
        registry = built.dispatcher.registry
        await registry.register(ArtifactsAgent(registry, artifacts, saving, PROMPTS.parent / "guides"))
        yield Hosts(built, McpFace(built.dispatcher, artifacts, PROMPTS, "0"))


def frame(
    method: str,
    params: dict[str, Any],
    request_id: int | None = None,
    *,
    modern: bool = False,
    capabilities: Mapping[str, Any] = MappingProxyType({}),
) -> bytes:
    """A message as a client without a library writes it."""
    if modern:
        info = {"name": "raw", "version": "1"}
        meta = {"protocolVersion": "2026-07-28", "clientInfo": info, "clientCapabilities": dict(capabilities)}
        params = {**params, "_meta": {f"io.modelcontextprotocol/{name}": value for name, value in meta.items()}}
    known = {} if request_id is None else {"id": request_id}
    return json.dumps({"jsonrpc": "2.0", **known, "method": method, "params": params}).encode() + b"\n"


def answers_of(link: Any) -> Callable[[], Awaitable[Any]]:
    lines = LineReader(lambda: link.receive(65536))

    async def answer() -> Any:
        with anyio.fail_after(20):
            line = await lines.next(1 << 20)
        return json.loads(line.data) if line else None

    return answer


async def greeted(link: Any, answers: Callable[[], Awaitable[Any]], mode: str, capabilities: dict[str, Any]) -> None:
    if mode == "legacy":
        info = {"name": "raw", "version": "1"}
        hello = {"protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": info}
        await link.send(frame("initialize", hello, 1))
        await answers()
        await link.send(frame("notifications/initialized", {}))
