"""A web server that says exactly what a test wants it to say, byte for byte, and names that lead to it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address

import anyio
import anyio.abc
from anyio.streams.tls import TLSListener

from astro_mcp.net.addresses import Address, Public

Reply = bytes | Callable[[anyio.abc.ByteStream], Awaitable[None]]


class Loopback(Public):
    """127.0.0.1 stands for the whole internet, on any port; everything else is as it is in production."""

    def address(self, address: Address) -> str:
        return "" if str(address) == "127.0.0.1" else super().address(address)

    def port(self, port: int) -> str:
        return ""


class Names:
    """A name server: each look-up of a name gives the next of its answers, the last one for good."""

    def __init__(self) -> None:
        self.answers: dict[str, list[list[str]]] = {}
        self.asked: list[str] = []

    async def __call__(self, host: str) -> Sequence[Address]:
        self.asked.append(host)
        answers = self.answers.get(host, [["127.0.0.1"]])
        return [ip_address(text) for text in (answers.pop(0) if len(answers) > 1 else answers[0])]


@dataclass
class Site:
    """One request a connection: the reply to its path, as it stands, and then the end."""

    port: int = 0
    replies: dict[str, Reply] = field(default_factory=lambda: {"/robots.txt": answer(b"", "404 Not Found")})
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    left: anyio.Event = field(default_factory=anyio.Event)

    async def handle(self, stream: anyio.abc.ByteStream) -> None:
        async with stream:
            try:
                await self._answer(stream)
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, ssl.SSLError):
                self.left.set()

    async def _answer(self, stream: anyio.abc.ByteStream) -> None:
        read = b""
        while b"\r\n\r\n" not in read:
            read += await stream.receive()
        head, _, body = read.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        path = first.split(" ")[1]
        pairs = (line.partition(": ") for line in lines if line)
        headers = {name.lower(): value for name, _, value in pairs}
        while len(body) < int(headers.get("content-length", "0")):
            body += await stream.receive()
        self.requests.append((path, headers))
        self.bodies.append(body)
        reply = self.replies[path]
        if isinstance(reply, bytes):
            await stream.send(reply)
        else:
            await reply(stream)


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Site]:
    site = Site()
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    site.port = listener.extra(anyio.abc.SocketAttribute.local_port)
    accepting: anyio.abc.Listener[anyio.abc.ByteStream] = (
        TLSListener(listener, tls, standard_compatible=False) if tls else listener
    )
    async with accepting, anyio.create_task_group() as group:
        group.start_soon(accepting.serve, site.handle)
        yield site
        group.cancel_scope.cancel()


def answer(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    """A whole response; `content_type="…"` is a header."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def redirect(location: str, **headers: str) -> bytes:
    return answer(b"", "302 Found", location=location, **headers)
