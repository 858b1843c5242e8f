"""Greets a connection, decides what it may do, and hands it to the MCP face."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread
from anyio.abc import ByteStream, SocketAttribute, SocketStream

from astro_mcp.daemon.hello import Hello, Terms, parse
from astro_mcp.errors import CODES, AstroError, InvalidInput, TimedOut, Unauthorized
from astro_mcp.observe.printable import printable
from astro_mcp.shim.handover import LEFT, TAKEN
from astro_mcp.shim.place import VERSION
from astro_mcp.shim.start import peer_uid

if TYPE_CHECKING:
    from astro_mcp.daemon.host_pipes import HostPipes
    from astro_mcp.faces.mcp.face import McpFace  # half a second of imports that go on beside the App's opening

log = logging.getLogger(__name__)

HELLO_BYTES: Final = 64 * 1024
HELLO_SECONDS: Final = 5.0
CHUNK: Final = 256 * 1024
LOGGED: Final = 500


class Door:
    """One process's connections. `stop` ends the process."""

    def __init__(
        self, face: McpFace, terms: Terms, status: Callable[[], dict[str, Any]], stop: Callable[[], None]
    ) -> None:
        self._face = face
        self._terms = terms
        self._status = status
        self._stop = stop
        self.connections = 0
        self.quiet_since = time.monotonic()

    async def receive(self, link: SocketStream) -> None:
        """A connection, from its hello to its end. Nothing that it does ends more than itself."""
        self.connections += 1
        try:
            async with link:
                await self._receive(link)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream):
            log.debug("a connection broke")
        except Exception:  # one connection never ends the process
            log.exception("a connection ended in an error")
        finally:
            self.connections -= 1
            self.quiet_since = time.monotonic()

    async def _receive(self, link: SocketStream) -> None:
        from astro_mcp.faces.mcp.lines import LineReader  # noqa: PLC0415 - see above

        lines = LineReader(lambda: _chunk(link))
        try:
            _same_user(link)
            hello = await self._hello(lines)
            if hello.control:
                await self._control(link, hello.control)
                return
            peer = await anyio.to_thread.run_sync(self._terms.peer, hello)
        except AstroError as error:
            log.info("a connection was refused: %s", one_line(error.message))
            await _say(link, {"error": {**error.as_dict(), "exit": CODES[error.code].exit}})
            return
        roots = ", ".join(map(str, peer.session.grant.roots))
        log.info("pid %d connects, roots: %s", hello.pid, one_line(roots))
        await _say(link, {"ok": True, "version": VERSION, "pid": os.getpid(), "takes": hello.gives})
        host = await self._taken(link) if hello.gives else None
        if host is None:
            await self._face.serve(peer, link, lines)
            return
        async with anyio.create_task_group() as group:
            group.start_soon(host.until_shim_ends)
            await self._face.serve(peer, host, LineReader(lambda: _chunk(host)))
            group.cancel_scope.cancel()

    async def _taken(self, shim: SocketStream) -> HostPipes | None:
        """The host's own pipes, while the shim stands by; None where it has to carry."""
        from astro_mcp.daemon.host_pipes import take_over  # noqa: PLC0415 - see above

        try:
            host = await take_over(shim)
        except AstroError as error:
            log.warning("a host's pipes are carried: %s", error.message)
            await _write(shim, LEFT)
            return None
        await _write(shim, TAKEN)
        return host

    async def _hello(self, lines: Any) -> Hello:
        with anyio.move_on_after(HELLO_SECONDS):
            line = await lines.next(HELLO_BYTES)
            if line is None or line.cut:
                raise InvalidInput("the hello is missing or too long")
            return parse(line.data)
        raise TimedOut(f"no hello came within {HELLO_SECONDS:g} s")

    async def _control(self, link: ByteStream, verb: str) -> None:
        await _say(link, {"ok": True, **self._status()})
        if verb == "stop":
            log.info("stopped by request")
            self._stop()


def one_line(text: str) -> str:
    """What a peer said, as the log may hold it: short, and never a line that looks like the log's own."""
    return printable(text, LOGGED).replace("\n", "\\n")


async def _chunk(link: ByteStream) -> bytes:
    return await link.receive(CHUNK)


async def _say(link: ByteStream, body: dict[str, Any]) -> None:
    await _write(link, json.dumps(body).encode() + b"\n")


async def _write(link: ByteStream, data: bytes) -> None:
    with anyio.move_on_after(HELLO_SECONDS):
        await link.send(data)


def _same_user(link: ByteStream) -> None:
    uid = peer_uid(link.extra(SocketAttribute.raw_socket))  # noqa: S610 - anyio's typed attributes, not Django's SQL
    if uid != os.geteuid():
        raise Unauthorized(f"this daemon serves user {os.geteuid()} alone")
