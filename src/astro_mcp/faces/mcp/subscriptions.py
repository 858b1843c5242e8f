"""Who watches an address is told that it changed, and reads it again where that matters.

A watch is a task of its own that sends one notification, waits a little, and only then looks for the next change: a
peer that reads slowly is told less often, and nothing piles up for it.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, cast

import anyio
from mcp.server.subscriptions import SUBSCRIPTION_ID_META_KEY
from mcp_types import (
    EmptyResult,
    ResourceUpdatedNotification,
    ResourceUpdatedNotificationParams,
    SubscribeRequestParams,
    SubscriptionFilter,
    SubscriptionsAcknowledgedNotification,
    SubscriptionsAcknowledgedNotificationParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)

from astro_mcp.core.authority import Session
from astro_mcp.core.call import Call
from astro_mcp.core.dispatcher import Dispatcher
from astro_mcp.errors import AstroError, InvalidInput
from astro_mcp.faces.mcp.connection import Ctx
from astro_mcp.faces.mcp.failures import protocol_error
from astro_mcp.faces.mcp.published import READER
from astro_mcp.faces.mcp.tasks import Tasks
from astro_mcp.faces.mcp.traffic import Request

log = logging.getLogger(__name__)

PAUSE_SECONDS: Final = 0.25
"""From one notification about an address to the next: what changes meanwhile is one change."""

Changes = AsyncIterator[None]


class Subscriptions:
    """Answers the handshake era's resources/subscribe and resources/unsubscribe, and the modern subscriptions/listen.

    Who may watch an address is who may read it: it is read first, down the call path, and what can't be read (missing
    or foreign) can't be watched either.
    """

    def __init__(self, dispatcher: Dispatcher, tasks: Tasks) -> None:
        self._dispatcher = dispatcher
        self._tasks = tasks

    async def subscribe(self, ctx: Ctx, params: SubscribeRequestParams) -> EmptyResult:
        """Tell of `uri` until it is unsubscribed, nothing changes there any more, or the connection ends. A second
        subscription is nothing."""
        here, uri = ctx.lifespan_context, str(params.uri)
        try:
            changes = await self._changes(here.peer.session, uri)
            if uri not in here.watched:
                here.make_room(1)
                here.watched[uri] = anyio.CancelScope()
                here.tasks.start_soon(self._watch, ctx, uri, changes)
        except AstroError as error:
            raise protocol_error(error) from None
        return EmptyResult()

    async def _watch(self, ctx: Ctx, uri: str, changes: Changes) -> None:
        watched = ctx.lifespan_context.watched
        scope = watched.get(uri)
        if scope is None:  # unsubscribed before it began
            return
        with scope:
            await _tell(changes, lambda: ctx.session.send_resource_updated(uri))
        if watched.get(uri) is scope:
            del watched[uri]

    async def unsubscribe(self, ctx: Ctx, params: UnsubscribeRequestParams) -> EmptyResult:
        """Tell no more of `uri`; nothing where it is not watched."""
        scope = ctx.lifespan_context.watched.pop(str(params.uri), None)
        if scope is not None:
            scope.cancel()
        return EmptyResult()

    async def listen(self, ctx: Ctx, params: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
        """Acknowledge the addresses and tasks that can be watched, tell of them, and end with the last one's last
        change. Lists do not change while a connection lasts, and nobody is promised to hear that they did."""
        here = ctx.lifespan_context
        cast(Request, ctx.request).stand()
        wanted = tuple(dict.fromkeys(params.notifications.resource_subscriptions or ()))
        ids = self._tasks.followed(ctx, params.notifications)
        count = len(wanted) + len(ids)
        try:
            here.make_room(count)
        except AstroError as error:
            raise protocol_error(error) from None
        here.listened += count
        try:
            found = [(uri, changes) for uri in wanted if (changes := await self._known(here.peer.session, uri))]
            followed = [(one, changes) for one in ids if (changes := await self._tasks.changes(ctx, one))]
            meta = {SUBSCRIPTION_ID_META_KEY: ctx.request_id}
            tasks = {"taskIds": [one for one, _ in followed]} if ids else {}
            honored = SubscriptionFilter(resource_subscriptions=[uri for uri, _ in found] or None, **tasks)
            told = SubscriptionsAcknowledgedNotificationParams(notifications=honored, _meta=meta)
            await ctx.session.send_notification(SubscriptionsAcknowledgedNotification(params=told), ctx.request_id)
            async with anyio.create_task_group() as group:
                for uri, changes in found:
                    params_ = ResourceUpdatedNotificationParams(uri=uri, _meta=meta)
                    group.start_soon(_tell, changes, _sender(ctx, ResourceUpdatedNotification(params=params_)))
                for one, changes in followed:
                    group.start_soon(self._tasks.tell, ctx, one, changes, meta)
        finally:
            here.listened -= count
        return SubscriptionsListenResult(_meta=meta)

    async def _known(self, session: Session, uri: str) -> Changes | None:
        try:
            return await self._changes(session, uri)
        except AstroError:
            return None

    async def _changes(self, session: Session, uri: str) -> Changes:
        """The changes at `uri` from here on; raises what reading it raises."""
        (await self._dispatcher.call(Call(session, READER, {"uri": uri}))).unwrap()
        registry = self._dispatcher.registry
        resource, variables = registry.resource(uri, session.grant)
        if resource.watch is None:
            watched = ", ".join(item.uri for item in registry.resources(session.grant) if item.watch)
            hint = f"what can be watched: {watched or 'nothing'}"
            raise InvalidInput(f"nobody tells of changes at {uri[:200]!r}", hint)
        return await resource.watch(session, variables)


def _sender(ctx: Ctx, notification: ResourceUpdatedNotification) -> Callable[[], Awaitable[None]]:
    return lambda: ctx.session.send_notification(notification, ctx.request_id)


async def _tell(changes: Changes, send: Callable[[], Awaitable[None]]) -> None:
    try:
        async for _ in changes:
            await send()
            await anyio.sleep(PAUSE_SECONDS)
    except Exception:  # a watch that breaks ends alone
        log.exception("a watch broke")
