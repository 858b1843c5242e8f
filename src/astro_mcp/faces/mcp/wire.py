"""MCP over a stream of bytes: one JSON message a line, each line bounded, a bad line answered and left behind."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Self

import anyio
import anyio.to_thread
from anyio.abc import ByteStream
from mcp.shared._stream_protocols import ReadStream, WriteStream
from mcp.shared.dispatcher import as_request_id
from mcp.shared.message import ServerMessageMetadata, SessionMessage
from mcp_types import (
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    RequestId,
    jsonrpc_message_adapter,
)

from astro_mcp.errors import AstroError, TooLarge
from astro_mcp.faces.mcp.failures import error_data
from astro_mcp.faces.mcp.lines import Line, LineReader
from astro_mcp.faces.mcp.outbox import Aside, Outbox
from astro_mcp.faces.mcp.traffic import Traffic

LINE_MAX: Final = 9 * 1024 * 1024
LONG: Final = 256 * 1024
"""Bytes of a line from which on it is parsed in a thread, so that other connections go on meanwhile."""
GRACE_SECONDS: Final = 1.0
"""After the peer's last byte, how long requests that came before it may still be answered."""

Read = ReadStream[SessionMessage | Exception]
Write = WriteStream[SessionMessage]


async def speak(link: ByteStream, lines: LineReader, drive: Callable[[Read, Write], Awaitable[None]]) -> None:
    """Run `drive` over the link until the peer's bytes end, the link breaks, or the peer stops reading; closes it."""
    traffic = Traffic()
    async with link, anyio.create_task_group() as group:
        outbox = Outbox(link, traffic, group.cancel_scope.cancel)
        group.start_soon(outbox.write_all)
        async with outbox:
            await drive(_Inbox(lines, outbox, traffic), outbox)


class _Inbox:
    """What the SDK reads its messages from: the next line is read when the next message is wanted."""

    def __init__(self, lines: LineReader, answers: Outbox, traffic: Traffic) -> None:
        self._lines = lines
        self._answers = answers
        self._traffic = traffic

    async def receive(self) -> SessionMessage:
        """The next message that is one; raises anyio's `EndOfStream` after the last, when the requests before had their
        time to be answered."""
        while (line := await self._lines.next(LINE_MAX)) is not None:
            message = await self._message(line) if line.data.strip() else None
            if message is not None:
                return message
        with anyio.move_on_after(GRACE_SECONDS):
            await self._traffic.quiet()
        raise anyio.EndOfStream

    async def _message(self, line: Line) -> SessionMessage | None:
        """What a line holds; None where it is answered here. Where the peer does not read its answers, no further line
        is read."""
        if line.cut:
            hint = "write the content to a file and pass its path"
            error = TooLarge(f"a message holds at most {LINE_MAX:,} bytes", hint)
            await self._answers.send(Aside(_refusal(find_id(line.data), error)))
            return None
        message = parse(line.data) if len(line.data) < LONG else await anyio.to_thread.run_sync(parse, line.data)
        metadata = None
        if isinstance(message, JSONRPCRequest):
            try:
                metadata = ServerMessageMetadata(request_context=self._traffic.open(message.id, len(line.data)))
            except AstroError as error:
                await self._answers.send(Aside(_refusal(message.id, error)))
                return None
        elif isinstance(message, Complaint):
            await self._answers.send(Aside(message))
            return None
        elif isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled":
            cancelled = as_request_id((message.params or {}).get("requestId"))
            self._traffic.close(cancelled)  # a cancelled request is never answered
        return SessionMessage(message, metadata)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        """The bytes are the link's, which is closed with it."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def _refusal(request_id: RequestId | None, error: AstroError) -> JSONRPCError:
    return JSONRPCError(jsonrpc="2.0", id=request_id, error=error_data(error))


class Complaint(JSONRPCError):
    """The answer to a line that is no message."""


def parse(data: bytes) -> JSONRPCMessage:
    """The message in a line, or the `Complaint` that answers it."""
    try:
        return jsonrpc_message_adapter.validate_json(data, by_name=False)
    except ValueError:
        return _complaint(data)


def _complaint(data: bytes) -> Complaint:
    """What a line that is no message is answered: not JSON, or JSON of another kind."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return Complaint(jsonrpc="2.0", id=None, error=ErrorData(code=PARSE_ERROR, message="this line is not JSON"))
    found = value.get("id") if isinstance(value, dict) else None
    known = as_request_id(found)
    message = "this line is not one JSON-RPC 2.0 message"
    return Complaint(jsonrpc="2.0", id=known, error=ErrorData(code=INVALID_REQUEST, message=message))


_ID: Final = rb'"id"\s*:\s*(-?\d{1,18}|"[^"\\]{1,200}")'
_LAST_ID: Final = re.compile(_ID + rb'\s*(?:,\s*"(?:jsonrpc|method)"\s*:\s*"[^"\\]{0,200}"\s*)*\}\s*\Z')


def find_id(ends: bytes) -> RequestId | None:
    """The id of a message of which only both ends are known: before its params, or after them."""
    head = ends.partition(b'"params"')[0]
    found = re.search(_ID, head) if len(head) < len(ends) else None
    found = found or _LAST_ID.search(ends)
    return json.loads(found[1]) if found else None
