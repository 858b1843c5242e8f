"""MCP over a stream of bytes: one JSON message a line, each line bounded, a bad line answered and left behind."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
from anyio.abc import ByteStream
from mcp.shared._context_streams import ContextReceiveStream, ContextSendStream, create_context_streams
from mcp.shared.message import SessionMessage
from mcp_types import (
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    RequestId,
    jsonrpc_message_adapter,
)

from astro_mcp.errors import CODES, TooLarge
from astro_mcp.faces.mcp.lines import Line, LineReader

LINE_MAX: Final = 16 * 1024 * 1024
GRACE_SECONDS: Final = 1.0
"""After the peer's last byte, how long requests that came before it may still be answered."""

Read = ContextReceiveStream[SessionMessage | Exception]
Write = ContextSendStream[SessionMessage]


@dataclass(slots=True)
class _Open:
    """Requests that were read and not answered yet."""

    ids: set[RequestId] = field(default_factory=set)
    none: anyio.Event = field(default_factory=anyio.Event)

    def add(self, request_id: RequestId) -> None:
        self.ids.add(request_id)

    def close(self, request_id: RequestId | None) -> None:
        if request_id is not None:
            self.ids.discard(request_id)
        if not self.ids:
            self.none.set()
            self.none = anyio.Event()


async def speak(link: ByteStream, lines: LineReader, drive: Callable[[Read, Write], Awaitable[None]]) -> None:
    """Run `drive` over the link until the peer's bytes end or the link breaks; closes the link."""
    inbound, read = create_context_streams[SessionMessage | Exception](0)
    write, outbound = create_context_streams[SessionMessage](0)
    pending = _Open()
    async with link, anyio.create_task_group() as group:
        group.start_soon(_write_all, link, outbound, pending, group.cancel_scope)
        group.start_soon(_read_all, lines, inbound, write.clone(), pending)
        await drive(read, write)


async def _read_all(lines: LineReader, inbound: ContextSendStream[Any], answers: Write, pending: _Open) -> None:
    async with inbound, answers:
        while (line := await lines.next(LINE_MAX)) is not None:
            if not line.data.strip():
                continue
            try:
                await _receive(line, inbound, answers, pending)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                return
        with anyio.move_on_after(GRACE_SECONDS):
            while pending.ids:
                await pending.none.wait()


async def _receive(line: Line, inbound: ContextSendStream[Any], answers: Write, pending: _Open) -> None:
    if line.cut:
        error = TooLarge(f"a message holds at most {LINE_MAX:,} bytes", "write the content to a file and pass its path")
        data = ErrorData(code=CODES[error.code].jsonrpc, message=error.text(), data={"error": error.as_dict()})
        await answers.send(SessionMessage(JSONRPCError(jsonrpc="2.0", id=find_id(line.data), error=data)))
        return
    try:
        message = jsonrpc_message_adapter.validate_json(line.data, by_name=False)
    except ValueError:
        await answers.send(SessionMessage(_complaint(line.data)))
        return
    if isinstance(message, JSONRPCRequest):
        pending.add(message.id)
    elif isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled":
        pending.close((message.params or {}).get("requestId"))  # a cancelled request is never answered
    await inbound.send(SessionMessage(message))


async def _write_all(
    link: ByteStream, outbound: ContextReceiveStream[SessionMessage], pending: _Open, scope: anyio.CancelScope
) -> None:
    async with outbound:
        async for item in outbound:
            text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
            try:
                await link.send(text.encode() + b"\n")
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                scope.cancel()  # nobody is left to answer
                return
            if not isinstance(item.message, JSONRPCRequest | JSONRPCNotification):
                pending.close(item.message.id)


def _complaint(data: bytes) -> JSONRPCError:
    """What a line that is no message is answered: not JSON, or JSON of another kind."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return JSONRPCError(jsonrpc="2.0", id=None, error=ErrorData(code=PARSE_ERROR, message="this line is not JSON"))
    found = value.get("id") if isinstance(value, dict) else None
    known = found if isinstance(found, int | str) and not isinstance(found, bool) else None
    message = "this line is not one JSON-RPC 2.0 message"
    return JSONRPCError(jsonrpc="2.0", id=known, error=ErrorData(code=INVALID_REQUEST, message=message))


_ID: Final = rb'"id"\s*:\s*(-?\d{1,18}|"[^"\\]{1,200}")'
_LAST_ID: Final = re.compile(_ID + rb'\s*(?:,\s*"(?:jsonrpc|method)"\s*:\s*"[^"\\]{0,200}"\s*)*\}\s*\Z')


def find_id(ends: bytes) -> RequestId | None:
    """The id of a message of which only both ends are known: before its params, or after them."""
    head = ends.partition(b'"params"')[0]
    found = re.search(_ID, head) if len(head) < len(ends) else None
    found = found or _LAST_ID.search(ends)
    return json.loads(found[1]) if found else None
