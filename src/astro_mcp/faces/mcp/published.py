"""Resources and completions: what agents publish under `astro://`."""

from __future__ import annotations

import base64
import logging
from collections.abc import Sequence
from typing import Any, Final, cast

import anyio
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
from astro_mcp.core.authority import Effect, Session
from astro_mcp.core.call import Call
from astro_mcp.core.dispatcher import Dispatcher
from astro_mcp.errors import AstroError, Internal, TimedOut
from astro_mcp.faces.mcp.connection import Ctx
from astro_mcp.faces.mcp.failures import protocol_error
from astro_mcp.faces.mcp.prompts import Prompts
from astro_mcp.faces.mcp.shape import sound
from astro_mcp.faces.mcp.traffic import Request

log = logging.getLogger(__name__)

READER: Final = "astro_read"
MOST: Final = 100
COMPLETE_SECONDS: Final = 2.0


class Published:
    """Answers resources/* and completion/complete."""

    def __init__(self, dispatcher: Dispatcher, prompts: Prompts) -> None:
        self._dispatcher = dispatcher
        self._registry = dispatcher.registry
        self._prompts = prompts

    async def list(self, ctx: Ctx, params: PaginatedRequestParams | None) -> ListResourcesResult:
        """Resources with a fixed URI."""
        fixed = [item for item in self._visible(ctx) if not item.is_template]
        return ListResourcesResult(resources=[Resource(uri=item.uri, **_about(item)) for item in fixed])

    async def templates(self, ctx: Ctx, params: PaginatedRequestParams | None) -> ListResourceTemplatesResult:
        """Resources whose URI has variables."""
        found = [item for item in self._visible(ctx) if item.is_template]
        return ListResourceTemplatesResult(
            resource_templates=[ResourceTemplate(uri_template=item.uri, **_about(item)) for item in found]
        )

    async def read(self, ctx: Ctx, params: ReadResourceRequestParams) -> ReadResourceResult:
        """The whole of a resource. It goes down the call path as a call of `astro_read`, so that it is authorized,
        bounded and audited like one."""
        uri = str(params.uri)
        await cast(Request, ctx.request).turn_to_read()
        result = await self._dispatcher.call(Call(ctx.lifespan_context.peer.session, READER, {"uri": uri}))
        if result.error is not None:
            raise protocol_error(result.error)
        value = result.unwrap()
        if not isinstance(value, core.Reading):
            raise TypeError(f"{READER} gives a Reading")
        body = value.body
        if body.data is not None:
            blob = base64.b64encode(body.data).decode()
            return ReadResourceResult(contents=[BlobResourceContents(uri=uri, mime_type=body.mime, blob=blob)])
        text = sound(body.text or "")
        return ReadResourceResult(contents=[TextResourceContents(uri=uri, mime_type=body.mime, text=text)])

    async def complete(self, ctx: Ctx, params: CompleteRequestParams) -> CompleteResult:
        """Values for a template's last variable or a prompt's argument; none where nobody knows any."""
        if isinstance(params.ref, PromptReference):
            name = self._prompts.completed_by(params.ref.name, params.argument.name)
        else:
            name = params.ref.uri
        try:
            with anyio.move_on_after(COMPLETE_SECONDS):
                values = await self._values(ctx.lifespan_context.peer.session, name, params.argument.value[:500])
                shown = [sound(value) for value in values[:MOST]]
                total, more = len(values), len(values) > MOST
                return CompleteResult(completion=Completion(values=shown, total=total, has_more=more))
        except AstroError as error:
            raise protocol_error(error) from None
        except Exception:  # a reader's defect is answered, and not the connection's end
            log.exception("the completion of %.200r broke", name)
            raise protocol_error(Internal()) from None
        raise protocol_error(TimedOut(f"no values were found within {COMPLETE_SECONDS:g} s"))

    async def _values(self, session: Session, name: str, prefix: str) -> Sequence[str]:
        complete = self._registry.completer(name, session.grant)
        if complete is None:
            return []
        session.grant.check_effects({Effect.READ}, name)
        return await complete(session, prefix)

    def _visible(self, ctx: Ctx) -> tuple[core.Resource, ...]:
        return self._registry.resources(ctx.lifespan_context.peer.session.grant)


def _about(item: core.Resource) -> dict[str, Any]:
    return {"name": item.name, "title": item.title, "description": item.description, "mime_type": item.mime or None}
