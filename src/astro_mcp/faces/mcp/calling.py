"""tools/call: from MCP's words into the call path, and back."""

from __future__ import annotations

import base64
import time
from dataclasses import replace
from typing import Any, Final

from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ContentBlock,
    ImageContent,
    InputRequiredResult,
    TextContent,
)

from astro_mcp.core import bounds
from astro_mcp.core.authority import Level
from astro_mcp.core.call import Blob, Call, Progress, Result, silent
from astro_mcp.core.dispatcher import Dispatcher, Invocation
from astro_mcp.core.durable import Durable
from astro_mcp.core.ids import new_id
from astro_mcp.core.model import Page
from astro_mcp.core.policies.authorize import authorize
from astro_mcp.core.question import Question
from astro_mcp.core.tool import Tool
from astro_mcp.errors import AstroError
from astro_mcp.faces.mcp import person
from astro_mcp.faces.mcp.budget import Budget
from astro_mcp.faces.mcp.connection import Ctx
from astro_mcp.faces.mcp.failures import failed, protocol_error
from astro_mcp.faces.mcp.peer import Peer, Profile
from astro_mcp.faces.mcp.shape import Shape, sound

IMAGES: Final = 700_000
"""Bytes of images in one result, in base64 as they travel."""
FLOWS: Final = 4
"""What left, as far as one result tells it."""
PROGRESS_SECONDS: Final = 0.05
ARGUMENT_BYTES: Final = 8_000_000


class Calling:
    """Answers tools/call."""

    def __init__(self, dispatcher: Dispatcher, budget: Budget) -> None:
        self._dispatcher = dispatcher
        self._budget = budget

    async def call(
        self, ctx: Ctx, params: CallToolRequestParams, comes_back: frozenset[Level] | None = None
    ) -> CallToolResult | InputRequiredResult | Durable:
        """A tool's failure is a result; only a tool that does not exist is an error of the protocol. `comes_back`: as
        in `Call`; work that the host comes back for is given as it is."""
        peer = ctx.lifespan_context.peer
        profile = peer.shown(client_name(ctx))
        tool = self._dispatcher.registry.tools.get(params.name)
        arguments = dict(params.arguments or {})
        paged = tool is not None and issubclass(tool.declaration.output, Page)
        cursor = arguments.pop("cursor", None) if paged else None
        if tool is not None and cursor:
            return await self._resume(peer, tool, arguments, str(cursor), profile)
        progress = _progress(ctx) if ctx.meta and ctx.meta.get("progress_token") is not None else silent
        asks = person.can_be_asked(ctx)
        call = Call(peer.session, params.name, arguments, progress=progress, comes_back=comes_back, person=asks)
        result = await self._carried_out(ctx, call, params)
        if isinstance(result, InputRequiredResult):
            return result
        if tool is None:
            raise protocol_error(result.error or AstroError())
        return result.durable or await self.answer(peer, tool, arguments, result, profile)

    async def _carried_out(self, ctx: Ctx, call: Call, params: CallToolRequestParams) -> Result | InputRequiredResult:
        """The call's result, with the person's word wherever it waits for one that can be asked for."""
        try:
            asked = person.taken_up(ctx, call, params)
        except AstroError as error:
            return Result(error=error)
        so_far: frozenset[str] = frozenset()
        if asked is None:
            result = await self._dispatcher.call(call)
        else:
            so_far = asked.so_far | {asked.question.digest}
            said = person.word(ctx, asked.question, (params.input_responses or {}).get(person.KEY))
            result = await self._go_on(call, asked.question, said)
        while question := person.next_question(ctx, result, so_far):
            if person.is_modern(ctx):
                return person.put(ctx, call, question, so_far)
            so_far |= {question.digest}
            result = await self._go_on(call, question, await person.ask(ctx, question))
        return result

    async def _go_on(self, call: Call, question: Question, said: str | None) -> Result:
        """Hand on what the person said, and wait on; where it is refused, that is the result."""
        if said is not None and not question.tool:
            return await self._dispatcher.call(person.with_word(call, question, said))
        if said is not None:
            answered = await self._dispatcher.call(person.handing_on(call, question, said))
            if answered.error is not None:
                return answered
        return await self._dispatcher.call(replace(call, id=new_id("call"), resumes=question.resumes))

    async def answer(
        self, peer: Peer, tool: Tool, arguments: dict[str, Any], result: Result, profile: Profile
    ) -> CallToolResult:
        """What a tool gave, or why it did not, as the host reads it."""
        if result.error is not None:
            return failed(result.error, profile)
        shape = await self._budget.shape(peer.session, tool, arguments, result.unwrap(), profile, result.labels)
        return _succeeded(shape, result.blobs, result.flow)

    async def _resume(
        self, peer: Peer, tool: Tool, arguments: dict[str, Any], cursor: str, profile: Profile
    ) -> CallToolResult:
        try:
            bounds.check(arguments, ARGUMENT_BYTES, tool.name)
            parsed = tool.parse(arguments)
            authorize(Invocation(Call(peer.session, tool.name, arguments), tool, parsed, tool.effects(parsed)))
            return _succeeded(await self._budget.resume(peer.session, tool, arguments, cursor, profile))
        except AstroError as error:
            return failed(error, profile)


def client_name(ctx: Ctx) -> str:
    """How the client names itself: in `initialize`, or in each request's envelope."""
    client = ctx.session.client_params
    return client.client_info.name if client else ""


def _succeeded(shape: Shape, blobs: tuple[Blob, ...] = (), flow: tuple[str, ...] = ()) -> CallToolResult:
    content: list[ContentBlock] = [] if shape.text is None else [TextContent(text=shape.text)]
    told = list(dict.fromkeys(flow))[:FLOWS]
    if told and shape.text is not None:
        content.append(TextContent(text=f"flow: {'; '.join(told)} (astro://guides/flow)"))
    left = IMAGES
    for blob in blobs:
        if not blob.mime.startswith("image/") or (len(blob.data) + 2) // 3 * 4 > left:
            content.append(TextContent(text=f"[{blob.mime} of {len(blob.data):,} bytes is left out: over the limit]"))
            continue
        data = base64.b64encode(blob.data).decode()
        left -= len(data)
        content.append(ImageContent(data=data, mime_type=blob.mime))
    meta = {**shape.meta, "astro/flow": told} if told else shape.meta
    return CallToolResult(content=content, structured_content=shape.structured, _meta=meta or None)


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
