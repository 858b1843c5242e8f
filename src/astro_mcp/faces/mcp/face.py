"""The MCP server: the SDK's low-level one, shared by all connections; what differs between them is their `Peer`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
from anyio.abc import ByteStream
from mcp.server.lowlevel import Server
from mcp.server.models import InitializationOptions
from mcp.server.runner import serve_dual_era_loop
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    DiscoverResult,
    InputRequiredResult,
    PaginatedRequestParams,
    RequestParams,
    ServerCapabilities,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from astro_mcp.core.dispatcher import Dispatcher
from astro_mcp.core.durable import Durable
from astro_mcp.core.ports import ArtifactSink
from astro_mcp.faces.mcp.budget import Budget
from astro_mcp.faces.mcp.calling import Calling, client_name
from astro_mcp.faces.mcp.connection import Connection, Ctx
from astro_mcp.faces.mcp.instructions import instructions
from astro_mcp.faces.mcp.lines import LineReader
from astro_mcp.faces.mcp.listing import Listing
from astro_mcp.faces.mcp.peer import Peer
from astro_mcp.faces.mcp.prompts import Prompts
from astro_mcp.faces.mcp.published import Published
from astro_mcp.faces.mcp.subscriptions import Subscriptions
from astro_mcp.faces.mcp.task_words import EXTENSION, created
from astro_mcp.faces.mcp.tasks import Tasks
from astro_mcp.faces.mcp.wire import Read, Write, speak

NAME = "astro-mcp"
TITLE = "Astro workbench"


class McpFace:
    """Serves MCP to any number of connections. `prompts` is the pack's folder of prompts."""

    def __init__(self, dispatcher: Dispatcher, artifacts: ArtifactSink, prompts: Path, version: str) -> None:
        self._registry = dispatcher.registry
        self._listing = Listing(dispatcher.registry)
        self._calling = Calling(dispatcher, Budget(artifacts))
        published_prompts = Prompts(prompts, dispatcher.registry)
        published = Published(dispatcher, published_prompts)
        self._tasks = Tasks(dispatcher, self._calling)
        subscriptions = Subscriptions(dispatcher, self._tasks)
        self._server: Server[Connection] = Server(
            NAME,
            version=version,
            title=TITLE,
            on_list_resources=published.list,
            on_list_resource_templates=published.templates,
            on_read_resource=published.read,
            on_subscribe_resource=subscriptions.subscribe,
            on_unsubscribe_resource=subscriptions.unsubscribe,
            on_subscriptions_listen=subscriptions.listen,
            on_list_prompts=published_prompts.list,
            on_get_prompt=published_prompts.get,
            on_completion=published.complete,
        )
        self._server.middleware.clear()  # the call path keeps its own record of every call
        self._server.add_request_handler("tools/list", PaginatedRequestParams, self._tools)
        self._server.add_request_handler("tools/call", CallToolRequestParams, self._call)
        self._server.add_request_handler("server/discover", RequestParams, self._discover)
        self._server.add_request_handler("tasks/get", RequestParams, self._tasks.get)
        self._server.add_request_handler("tasks/update", RequestParams, self._tasks.update)
        self._server.add_request_handler("tasks/cancel", RequestParams, self._tasks.cancel)

    async def serve(self, peer: Peer, link: ByteStream, lines: LineReader) -> None:
        """One connection, in the era that its client opens with, until its bytes end; closes the link."""
        options = self._options(peer)

        async def drive(read: Read, write: Write) -> None:
            async with anyio.create_task_group() as tasks:
                here = Connection(peer, tasks)
                await serve_dual_era_loop(self._server, read, write, lifespan_state=here, init_options=options)
                tasks.cancel_scope.cancel()

        await speak(link, lines, drive)

    def _options(self, peer: Peer) -> InitializationOptions:
        options = self._server.create_initialization_options()
        told = {"capabilities": self._capabilities(peer), "instructions": instructions(peer.notices)}
        return options.model_copy(update=told)

    def _capabilities(self, peer: Peer) -> ServerCapabilities:
        """The same in both eras: lists do not change, and addresses are watched where this session has one that can
        be. (For the modern era the SDK would promise changes of every list.)"""
        capabilities = self._server.get_capabilities()
        watched = any(item.watch is not None for item in self._registry.resources(peer.session.grant))
        resources = capabilities.resources and capabilities.resources.model_copy(update={"subscribe": watched})
        return capabilities.model_copy(update={"resources": resources})

    async def _discover(self, ctx: Ctx, params: RequestParams) -> DiscoverResult:
        """The modern era's greeting: like the SDK's, with this connection's instructions."""
        peer = ctx.lifespan_context.peer
        extensions: dict[str, dict[str, Any]] | None = {EXTENSION: {}} if self._tasks.offered(peer) else None
        return DiscoverResult(
            supported_versions=list(MODERN_PROTOCOL_VERSIONS),
            capabilities=self._capabilities(peer).model_copy(update={"extensions": extensions}),
            instructions=instructions(peer.notices),
        )

    async def _tools(self, ctx: Ctx, params: PaginatedRequestParams) -> dict[str, Any]:
        peer = ctx.lifespan_context.peer
        tools = self._listing.tools(peer, peer.shown(client_name(ctx)))
        return {"tools": tools, "resultType": "complete", "ttlMs": 0, "cacheScope": "private"}

    async def _call(
        self, ctx: Ctx, params: CallToolRequestParams
    ) -> CallToolResult | InputRequiredResult | dict[str, Any]:
        answer = await self._calling.call(ctx, params, self._tasks.comes_back(ctx, params.name))
        return created(answer) if isinstance(answer, Durable) else answer
