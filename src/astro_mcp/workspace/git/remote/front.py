"""Where git believes the host to be: an HTTP proxy on loopback, for one call, behind which one repository lies.

Git sends all that it ever sends to this proxy and resolves no name. Two requests are answered: the refs, which were
written before git was started, and the exchange, which goes to the host through `Talk`. Whoever does not know the
secret in the path, another process of this machine, gets nothing. What went wrong is kept: git would only say that its
connection broke.
"""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Final, TypeVar

import anyio
import anyio.abc
import h11

from astro_mcp.errors import AstroError
from astro_mcp.workspace.git.remote.hosts import Service, Talk

T = TypeVar("T")
log = logging.getLogger(__name__)
HOST: Final = "repository.invalid"
"""Of no machine (RFC 6761): a git that looked it up would find nothing."""
CHUNK: Final = 1 << 16
HEAD: Final = 1 << 14
"""Bytes of a request's head."""
AT_ONCE: Final = 4
"""Connections; git makes one, and a second where the first was closed."""
_PASSED: Final = ("content-encoding", "content-length")
"""Of git's own headers: whether it packed the request, and its length."""
_GONE: Final = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, OSError, h11.ProtocolError)


class Front:
    """`during` serves; `url` and `proxy` are for git's configuration, and valid within it."""

    def __init__(self, talk: Talk, service: Service, advertisement: bytes) -> None:
        self._talk = talk
        self._service = service
        self._advertisement = advertisement
        self._connections = anyio.CapacityLimiter(AT_ONCE)
        self._problem: AstroError | None = None
        self.url = f"http://{HOST}/{secrets.token_urlsafe(24)}"
        self.proxy = ""

    async def during(self, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` gives, with the front open meanwhile. Raises what the host's side did, else what `work` did."""
        error: AstroError | None = None
        async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
            port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - a socket's, and no database's
            self.proxy = f"http://127.0.0.1:{port}"
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(listener.serve, self._handle)
                try:
                    value = await work()
                except AstroError as raised:
                    error = raised
                tasks.cancel_scope.cancel()
        if problem := self._problem or error:
            raise problem
        return value

    async def _handle(self, stream: anyio.abc.SocketStream) -> None:
        async with stream:
            with suppress(*_GONE):
                async with self._connections:
                    line = _Line(stream)
                    while (request := await line.request()) is not None:
                        await self._answer(line, request)
                        if not line.again():
                            break

    async def _answer(self, line: _Line, request: h11.Request) -> None:
        if _same(request, "GET", f"{self.url}/info/refs?service={self._service}"):
            await line.begin(200, f"application/x-{self._service}-advertisement")
            await line.say(self._advertisement)
            await line.end()
        elif _same(request, "POST", f"{self.url}/{self._service}"):
            await self._exchange(line, request)
        else:
            log.warning("something asked a repository's front for what it has not")
            await line.begin(403, "text/plain")
            await line.end()

    async def _exchange(self, line: _Line, request: h11.Request) -> None:
        given = {name.decode(): value.decode("latin-1") for name, value in request.headers}
        headers = {name: value for name, value in given.items() if name in _PASSED}
        if "content-length" not in headers:
            headers["transfer-encoding"] = "chunked"
        try:
            async with self._talk.exchange(self._service, headers, line.body()) as chunks:
                await line.begin(200, f"application/x-{self._service}-result")
                async for chunk in chunks:
                    await line.say(chunk)
            await line.end()
        except AstroError as error:
            self._problem = self._problem or error
            raise anyio.BrokenResourceError from None  # git sees its connection end


class _Line:
    """One connection, request after request."""

    def __init__(self, stream: anyio.abc.SocketStream) -> None:
        self._stream = stream
        self._state = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD)

    async def request(self) -> h11.Request | None:
        """The next; None where git has no more."""
        event = await self._next()
        return event if isinstance(event, h11.Request) else None

    async def body(self) -> AsyncIterator[bytes]:
        """That of the request."""
        if self._state.they_are_waiting_for_100_continue:
            await self._send(h11.InformationalResponse(status_code=100, headers=[]))
        while isinstance(event := await self._next(), h11.Data):
            yield bytes(event.data)

    async def begin(self, status: int, kind: str) -> None:
        headers = [("content-type", kind), ("transfer-encoding", "chunked"), ("cache-control", "no-cache")]
        await self._send(h11.Response(status_code=status, headers=headers))

    async def say(self, data: bytes) -> None:
        await self._send(h11.Data(data=data))

    async def end(self) -> None:
        await self._send(h11.EndOfMessage())

    def again(self) -> bool:
        """Whether the connection can take another request."""
        if self._state.their_state is h11.SEND_BODY:
            with suppress(h11.ProtocolError):
                self._state.next_event()  # the end of a request without a body, which nobody asked for
        if self._state.states != {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE}:
            return False
        self._state.start_next_cycle()
        return True

    async def _next(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        while (event := self._state.next_event()) is h11.NEED_DATA:
            try:
                self._state.receive_data(await self._stream.receive(CHUNK))
            except anyio.EndOfStream:
                self._state.receive_data(b"")
        return event

    async def _send(self, event: h11.Event) -> None:
        data = self._state.send(event)
        if data:
            await self._stream.send(data)


def _same(request: h11.Request, method: str, url: str) -> bool:
    return request.method == method.encode() and hmac.compare_digest(request.target, url.encode())
