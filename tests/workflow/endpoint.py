"""An endpoint on this machine that stands for somebody's paid model."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.abc


def said(*contents: str) -> list[tuple[str, bytes]]:
    """Chat completions with these words."""
    bodies = [{"choices": [{"message": {"role": "assistant", "content": content}}]} for content in contents]
    return [("200 OK", json.dumps(body).encode()) for body in bodies]


@dataclass
class Endpoint:
    """Says its `replies` (status, body) in turn, the last one for good."""

    replies: list[tuple[str, bytes]]
    port: int = 0
    heads: list[str] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)

    async def handle(self, stream: anyio.abc.ByteStream) -> None:
        async with stream:
            data = b""
            while b"\r\n\r\n" not in data:
                data += await stream.receive()
            head, _, rest = data.partition(b"\r\n\r\n")
            self.heads.append(head.decode().lower())
            length = int(self.heads[-1].partition("content-length: ")[2].split("\r\n")[0])
            while len(rest) < length:
                rest += await stream.receive()
            self.bodies.append(json.loads(rest))
            status, body = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
            more = "location: https://example.org/\r\n" if status.startswith("3") else ""
            await stream.send(f"HTTP/1.1 {status}\r\n{more}content-length: {len(body)}\r\n\r\n".encode() + body)


@asynccontextmanager
async def endpoint(*replies: tuple[str, bytes]) -> AsyncIterator[Endpoint]:
    found = Endpoint(list(replies))
    async with anyio.create_task_group() as group:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        found.port = listener.extra(anyio.abc.SocketAttribute.local_port)
        group.start_soon(listener.serve, found.handle)
        yield found
        group.cancel_scope.cancel()


def configured(at: Endpoint, answers: str = "every") -> str:
    """`[model]` of a config.toml."""
    lines = [
        "[model]",
        f'base_url = "http://127.0.0.1:{at.port}/v1"',
        'name = "m"',
        'key = "k1"',
        "allow_private = true",
        f'answers = "{answers}"',
    ]
    return "\n".join(lines)
