"""tools/call: from MCP's words into the call path, and back."""

from __future__ import annotations

import base64
import time
from typing import Any, Final

from mcp.server.context import ServerRequestContext
from mcp_types import CallToolRequestParams, CallToolResult, ContentBlock, ImageContent, TextContent

from astro_mcp.core import bounds
from astro_mcp.core.call import Blob, Call, Progress, Result, silent
from astro_mcp.core.dispatcher import Dispatcher, Invocation
from astro_mcp.core.model import Page
from astro_mcp.core.policies.authorize import authorize
from astro_mcp.core.tool import Tool
from astro_mcp.errors import AstroError
from astro_mcp.faces.mcp.budget import Budget
from astro_mcp.faces.mcp.connection import Connection
from astro_mcp.faces.mcp.failures import failed, protocol_error
from astro_mcp.faces.mcp.peer import Peer, Profile
from astro_mcp.faces.mcp.shape import Shape, sound

IMAGES: Final = 700_000
"""Bytes of images in one result, in base64 as they travel."""
PROGRESS_SECONDS: Final = 0.05
ARGUMENT_BYTES: Final = 8_000_000

Ctx = ServerRequestContext[Connection, Any]


class Calling:
    """Answers tools/call."""

    def __init__(self, dispatcher: Dispatcher, budget: Budget) -> None:
        self._dispatcher = dispatcher
        self._budget = budget

    async def call(self, ctx: Ctx, params: CallToolRequestParams) -> CallToolResult:
        """A tool's failure is a result; only a tool that does not exist is an error of the protocol."""
        peer = ctx.lifespan_context.peer
        profile = peer.shown(client_name(ctx))
        tool = self._dispatcher.registry.tools.get(params.name)
        arguments = dict(params.arguments or {})
        paged = tool is not None and issubclass(tool.declaration.output, Page)
        cursor = arguments.pop("cursor", None) if paged else None
        if tool is not None and cursor:
            return await self._resume(peer, tool, arguments, str(cursor), profile)
        progress = _progress(ctx) if ctx.meta and ctx.meta.get("progress_token") is not None else silent
        result = await self._dispatcher.call(Call(peer.session, params.name, arguments, progress=progress))
        if tool is None:
            raise protocol_error(result.error or AstroError())
        return await self._answer(peer, tool, arguments, result, profile)

    async def _answer(
        self, peer: Peer, tool: Tool, arguments: dict[str, Any], result: Result, profile: Profile
    ) -> CallToolResult:
        if result.error is not None:
            return failed(result.error, profile)
        shape = await self._budget.shape(peer.session, tool, arguments, result.unwrap(), profile)
        return _succeeded(shape, result.blobs)

    async def _resume(
        self, peer: Peer, tool: Tool, arguments: dict[str, Any], cursor: str, profile: Profile
    ) -> CallToolResult:
        try:
            bounds.check(arguments, ARGUMENT_BYTES, tool.name)
            parsed = tool.parse(arguments)
            authorize(Invocation(Call(peer.session, tool.name, arguments), tool, parsed, tool.effects(parsed)))
            return _succeeded(await self._budget.resume(peer.session, tool, arguments, cursor, profile), ())
        except AstroError as error:
            return failed(error, profile)


def client_name(ctx: Ctx) -> str:
    """How the client names itself: in `initialize`, or in each request's envelope."""
    client = ctx.session.client_params
    return client.client_info.name if client else ""


def _succeeded(shape: Shape, blobs: tuple[Blob, ...]) -> CallToolResult:
    content: list[ContentBlock] = [] if shape.text is None else [TextContent(text=shape.text)]
    left = IMAGES
    for blob in blobs:
        if not blob.mime.startswith("image/") or (len(blob.data) + 2) // 3 * 4 > left:
            content.append(TextContent(text=f"[{blob.mime} of {len(blob.data):,} bytes is left out: over the limit]"))
            continue
        data = base64.b64encode(blob.data).decode()
        left -= len(data)
        content.append(ImageContent(data=data, mime_type=blob.mime))
    return CallToolResult(content=content, structured_content=shape.structured, _meta=shape.meta or None)


def _progress(ctx: Ctx) -> Progress:
    """Forwards progress that goes up, at most every 50 ms."""
    last, at = -1.0, 0.0

    async def report(done: float, total: float | None, text: str) -> None:
        nonlocal last, at
        now = time.monotonic()
        if done <= last or (now - at < PROGRESS_SECONDS and done != total):
            return
        last, at = done, now
        await ctx.session.report_progress(done, total, sound(text) or None)

    return report
