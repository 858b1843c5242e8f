"""The writing half of a connection: a message goes out at once where the peer takes it, else by a task of its own.

Most peers read, and then nobody has to be woken for an answer. A message of which a part went out is the task's to end,
whatever becomes of the request that it answers: half a message would spoil every later one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import anyio
from anyio import TypedAttributeSet, typed_attribute
from anyio.abc import ByteStream, SocketAttribute
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCMessage, JSONRPCNotification, JSONRPCRequest, RequestId, jsonrpc_message_adapter

from astro_mcp.faces.mcp.traffic import Traffic

log = logging.getLogger(__name__)

CHUNK: Final = 256 * 1024
SEND_SECONDS: Final = 30.0
"""How long the peer may take for one chunk before it counts as gone."""


class LinkAttribute(TypedAttributeSet):
    """What a link may have beside a stream's methods: `at_once` writes without waiting and returns how many bytes were
    taken. Raises `BlockingIOError`, and `OSError` where the peer is gone."""

    at_once: Callable[[bytes], int] = typed_attribute()


@dataclass
class Aside(SessionMessage):
    """An answer of the wire's own, to a line that never became a request."""


class Outbox:
    """What the SDK writes its messages to. `broken` is called where the peer is gone, or reads nothing."""

    def __init__(self, link: ByteStream, traffic: Traffic, broken: Callable[[], None]) -> None:
        self._link = link
        raw = link.extra(SocketAttribute.raw_socket, None)  # noqa: S610 - anyio's typed attributes, not Django's SQL
        self._at_once = link.extra(LinkAttribute.at_once, None if raw is None else raw.send)  # noqa: S610 - as above
        self._traffic = traffic
        self._broken = broken
        self._later, self._waiting = anyio.create_memory_object_stream[SessionMessage | bytes](0)

    async def send(self, item: SessionMessage, /) -> None:
        """Raises anyio's `BrokenResourceError` and `ClosedResourceError`."""
        if self._at_once is None or not self._later.statistics().tasks_waiting_receive:  # others go before
            await self._later.send(item)
            return
        data = self._taken(item)
        sent = self._send_at_once(self._at_once, data)
        if sent < len(data):
            try:
                self._later.send_nowait(data[sent:])
            except anyio.WouldBlock:  # the task is cancelled, as all of the connection is
                raise anyio.BrokenResourceError from None

    async def write_all(self) -> None:
        """Write what does not go out at once, until this is closed or the peer is gone."""
        async with self._waiting:
            while True:
                try:
                    work = await self._waiting.receive()
                    data = work if isinstance(work, bytes) else self._taken(work)
                    del work  # it may be large, and the peer slow
                    with self._traffic.writing():
                        await self._send(data)
                except anyio.EndOfStream:
                    return
                except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                    self._broken()  # nobody is left to answer
                    return

    def _taken(self, item: SessionMessage) -> bytes:
        """The message's line; what it answers is answered."""
        data = jsonrpc_message_adapter.dump_json(item.message, by_alias=True, exclude_unset=True) + b"\n"
        self._traffic.close(None if isinstance(item, Aside) else _answered(item.message))
        return data

    def _send_at_once(self, write: Callable[[bytes], int], data: bytes) -> int:
        """How many bytes of it the peer's buffer took."""
        try:
            return write(data[:CHUNK])
        except BlockingIOError:
            return 0
        except OSError:
            self._broken()
            raise anyio.BrokenResourceError from None

    async def _send(self, data: bytes) -> None:
        for start in range(0, len(data), CHUNK):
            with anyio.move_on_after(SEND_SECONDS) as waited:
                await self._link.send(data[start : start + CHUNK])
            if waited.cancelled_caught:
                log.warning("a connection is closed: its peer read nothing for %g s", SEND_SECONDS)
                raise anyio.BrokenResourceError

    async def aclose(self) -> None:
        await self._later.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def _answered(message: JSONRPCMessage) -> RequestId | None:
    return None if isinstance(message, JSONRPCRequest | JSONRPCNotification) else message.id
