"""MCP over a stream of bytes: one JSON message a line, each line bounded, a bad line answered and left behind."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import anyio
import anyio.to_thread
from anyio.abc import ByteStream
from mcp.shared._context_streams import ContextReceiveStream, ContextSendStream, create_context_streams
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
from astro_mcp.faces.mcp.traffic import Traffic

log = logging.getLogger(__name__)

LINE_MAX: Final = 9 * 1024 * 1024
LONG: Final = 256 * 1024
"""Bytes of a line from which on it is parsed in a thread, so that other connections go on meanwhile."""
CHUNK: Final = 256 * 1024
SEND_SECONDS: Final = 30.0
"""How long the peer may take for one chunk before it counts as gone."""
GRACE_SECONDS: Final = 1.0
"""After the peer's last byte, how long requests that came before it may still be answered."""

Read = ContextReceiveStream[SessionMessage | Exception]
Write = ContextSendStream[SessionMessage]


@dataclass
class _Aside(SessionMessage):
    """An answer of the wire's own, to a line that never became a request."""


async def speak(link: ByteStream, lines: LineReader, drive: Callable[[Read, Write], Awaitable[None]]) -> None:
    """Run `drive` over the link until the peer's bytes end, the link breaks, or the peer stops reading; closes it."""
    inbound, read = create_context_streams[SessionMessage | Exception](0)
    write, outbound = create_context_streams[SessionMessage](0)
    traffic = Traffic()
    async with link, anyio.create_task_group() as group:
        group.start_soon(_write_all, link, outbound, traffic, group.cancel_scope)
        group.start_soon(_read_all, lines, inbound, write.clone(), traffic)
        await drive(read, write)


async def _read_all(lines: LineReader, inbound: ContextSendStream[Any], answers: Write, traffic: Traffic) -> None:
    async with inbound, answers:
        while (line := await lines.next(LINE_MAX)) is not None:
            if not line.data.strip():
                continue
            try:
                await _receive(line, inbound, answers, traffic)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                return
        with anyio.move_on_after(GRACE_SECONDS):
            await traffic.quiet()


async def _receive(line: Line, inbound: ContextSendStream[Any], answers: Write, traffic: Traffic) -> None:
    """Hand a line on, or answer it. Where the peer does not read its answers, no further line is read."""
    if line.cut:
        error = TooLarge(f"a message holds at most {LINE_MAX:,} bytes", "write the content to a file and pass its path")
        await answers.send(_Aside(_refusal(find_id(line.data), error)))
        return
    message = parse(line.data) if len(line.data) < LONG else await anyio.to_thread.run_sync(parse, line.data)
    metadata = None
    if isinstance(message, JSONRPCRequest):
        try:
            metadata = ServerMessageMetadata(request_context=traffic.open(message.id, len(line.data)))
        except AstroError as error:
            await answers.send(_Aside(_refusal(message.id, error)))
            return
    elif isinstance(message, Complaint):
        await answers.send(_Aside(message))
        return
    elif isinstance(message, JSONRPCNotification) and message.method == "notifications/cancelled":
        traffic.close(as_request_id((message.params or {}).get("requestId")))  # a cancelled request is never answered
    await inbound.send(SessionMessage(message, metadata))


async def _write_all(
    link: ByteStream, outbound: ContextReceiveStream[SessionMessage], traffic: Traffic, scope: anyio.CancelScope
) -> None:
    async with outbound:
        while True:
            try:
                item = await outbound.receive()
                data = item.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"
                answered = None if isinstance(item, _Aside) else _answered(item.message)
                del item  # it may be large, and the peer slow
                with traffic.writing():
                    traffic.close(answered)
                    await _send(link, data)
            except anyio.EndOfStream:
                return
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                scope.cancel()  # nobody is left to answer
                return


async def _send(link: ByteStream, data: bytes) -> None:
    for start in range(0, len(data), CHUNK):
        with anyio.move_on_after(SEND_SECONDS) as waited:
            await link.send(data[start : start + CHUNK])
        if waited.cancelled_caught:
            log.warning("a connection is closed: its peer read nothing for %g s", SEND_SECONDS)
            raise anyio.BrokenResourceError


def _answered(message: JSONRPCMessage) -> RequestId | None:
    return None if isinstance(message, JSONRPCRequest | JSONRPCNotification) else message.id


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
