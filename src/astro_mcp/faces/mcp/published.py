"""Resources and completions: what agents publish under `astro://`."""

from __future__ import annotations

import base64
from typing import Any, Final

from mcp.shared.exceptions import MCPError
from mcp_types import (
    BlobResourceContents,
    CompleteRequestParams,
    CompleteResult,
    Completion,
    ListResourcesResult,
    ListResourceTemplatesResult,
    PaginatedRequestParams,
    PromptReference,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
)

from astro_mcp.core import resource as core
from astro_mcp.core.call import Call
from astro_mcp.core.dispatcher import Dispatcher
from astro_mcp.errors import CODES, AstroError
from astro_mcp.faces.mcp.calling import Ctx
from astro_mcp.faces.mcp.prompts import Prompts
from astro_mcp.faces.mcp.shape import sound

READER: Final = "astro_read"
MOST: Final = 100


class Published:
    """Answers resources/* and completion/complete."""

    def __init__(self, dispatcher: Dispatcher, prompts: Prompts) -> None:
        self._dispatcher = dispatcher
        self._registry = dispatcher.registry
        self._prompts = prompts

    async def list(self, ctx: Ctx, params: PaginatedRequestParams | None) -> ListResourcesResult:
        """Resources with a fixed URI."""
        fixed = [item for item in self._registry.resources if not item.is_template]
        return ListResourcesResult(resources=[Resource(uri=item.uri, **_about(item)) for item in fixed])

    async def templates(self, ctx: Ctx, params: PaginatedRequestParams | None) -> ListResourceTemplatesResult:
        """Resources whose URI has variables."""
        found = [item for item in self._registry.resources if item.is_template]
        return ListResourceTemplatesResult(
            resource_templates=[ResourceTemplate(uri_template=item.uri, **_about(item)) for item in found]
        )

    async def read(self, ctx: Ctx, params: ReadResourceRequestParams) -> ReadResourceResult:
        """The whole of a resource. It goes down the call path as a call of `astro_read`, so that it is authorized,
        bounded and audited like one; bytes, which that tool does not hand out, are read once it has passed."""
        uri = str(params.uri)
        session = ctx.lifespan_context.session
        result = await self._dispatcher.call(Call(session, READER, {"uri": uri}))
        if result.error is not None:
            raise protocol_error(result.error)
        try:
            resource, variables = self._registry.resource(uri)
            body = await resource.read(session, variables)
        except AstroError as error:
            raise protocol_error(error) from None
        if body.data is not None:
            blob = base64.b64encode(body.data).decode()
            return ReadResourceResult(contents=[BlobResourceContents(uri=uri, mime_type=body.mime, blob=blob)])
        text = sound(body.text or "")
        return ReadResourceResult(contents=[TextResourceContents(uri=uri, mime_type=body.mime, text=text)])

    async def complete(self, ctx: Ctx, params: CompleteRequestParams) -> CompleteResult:
        """Values for a template's last variable or a prompt's argument; none where nobody knows any."""
        if isinstance(params.ref, PromptReference):
            template = self._prompts.completed_by(params.ref.name, params.argument.name)
        else:
            template = params.ref.uri
        resource = next((item for item in self._registry.resources if item.uri == template), None)
        values: list[str] = []
        if resource is not None and resource.complete is not None:
            prefix = params.argument.value[:500]
            values = [sound(value) for value in await resource.complete(ctx.lifespan_context.session, prefix)]
        shown = values[:MOST]
        return CompleteResult(completion=Completion(values=shown, total=len(values), has_more=len(values) > MOST))


def protocol_error(error: AstroError) -> MCPError:
    """An error where MCP has no result that could carry it."""
    return MCPError(CODES[error.code].jsonrpc, sound(error.text()), {"error": error.as_dict()})


def _about(item: core.Resource) -> dict[str, Any]:
    return {"name": item.name, "title": item.title, "description": item.description, "mime_type": item.mime or None}
