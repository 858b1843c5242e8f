"""Runs as tasks, for hosts that declare the tasks extension: a task is a run, its id is the run's, and nothing is kept
of it beside the run. Every request goes down the call path, as the tool that does the same.

Of a task's five states `failed` never comes: it is for a call that ended in an error of the protocol, and a run is only
taken by one that did not. A run that failed is completed, with the result that says so.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any, Final, cast

import anyio
from mcp.shared.exceptions import MCPError
from mcp_types import ServerNotification, SubscriptionFilter

from astro_mcp.core.authority import Level
from astro_mcp.core.call import Call, Result
from astro_mcp.core.dispatcher import Dispatcher
from astro_mcp.core.durable import Durable
from astro_mcp.errors import AstroError, Conflict, Internal
from astro_mcp.faces.mcp import person
from astro_mcp.faces.mcp import task_words as words
from astro_mcp.faces.mcp.calling import Calling, client_name
from astro_mcp.faces.mcp.connection import Ctx
from astro_mcp.faces.mcp.failures import protocol_error
from astro_mcp.faces.mcp.peer import FULL, Peer

log = logging.getLogger(__name__)

PAUSE_SECONDS: Final = 1.0
"""From one notification of a task to the next: each is a look, with its record."""
RUN: Final = "workflow_run"
LOOK: Final = "workflow_status"
STEER: Final = "workflow_control"


class Tasks:
    """Answers tasks/get, tasks/update and tasks/cancel, and says which calls become tasks."""

    def __init__(self, dispatcher: Dispatcher, calling: Calling) -> None:
        self._dispatcher = dispatcher
        self._calling = calling

    def offered(self, peer: Peer) -> bool:
        """Whether this session has calls that can become tasks."""
        tool = self._dispatcher.registry.tools.get(RUN)
        return tool is not None and peer.sees(tool, FULL)

    def comes_back(self, ctx: Ctx, tool: str) -> frozenset[Level] | None:
        """What a call of `tool` says of it: whose words this host can bring later; None where it can't be a task."""
        return _words(ctx) if tool == RUN and words.declared(ctx) else None

    async def get(self, ctx: Ctx, params: object) -> dict[str, Any]:
        """The task as it is."""
        words.admit(ctx)
        return await self.detailed(ctx, words.OneTask.model_validate(ctx.params, by_name=False).task_id)

    async def update(self, ctx: Ctx, params: object) -> dict[str, Any]:
        """Hand on what the person said. Answers to what is not asked, or no more, are nothing; one that is refused does
        not hold back the others."""
        words.admit(ctx)
        update = words.Update.model_validate(ctx.params, by_name=False)
        here, refused = ctx.lifespan_context, None
        for question in person.open_questions(ctx, (await self._look(ctx, update.task_id))[0]):
            key = here.keys.get(question.digest)
            if key not in update.input_responses:
                continue
            del here.keys[question.digest]
            said = person.word(ctx, question, update.input_responses[key])
            if said is None:
                here.count(question.digest)
                continue
            answered = await self._dispatcher.call(person.handing_on(Call(here.peer.session, LOOK, {}), question, said))
            refused = refused or answered.error
        if refused is not None:
            raise protocol_error(refused)
        return {}

    async def cancel(self, ctx: Ctx, params: object) -> dict[str, Any]:
        """End the run; nothing where it has ended."""
        words.admit(ctx)
        task = words.OneTask.model_validate(ctx.params, by_name=False)
        arguments = {"run_id": task.task_id, "action": "cancel"}
        result = await self._dispatcher.call(Call(ctx.lifespan_context.peer.session, STEER, arguments))
        if result.error is not None and not isinstance(result.error, Conflict):
            raise protocol_error(result.error)
        return {}

    async def detailed(self, ctx: Ctx, task_id: str) -> dict[str, Any]:
        """The task, with its result or what it asks for; raises an error of the protocol."""
        here = ctx.lifespan_context
        result, work = await self._look(ctx, task_id)
        if work.cancelled:
            return words.cancelled(work)
        if work.over:
            tool, profile = self._dispatcher.registry.tools[RUN], here.peer.shown(client_name(ctx))
            shown = Result(work.value, labels=result.labels)
            return words.completed(work, await self._calling.answer(here.peer, tool, {}, shown, profile))
        asked = person.open_questions(ctx, result)[: person.QUESTIONS]
        if not asked:
            return words.working(work)
        return words.input_required(work, {here.key(one.digest): person.request(one) for one in asked})

    def followed(self, ctx: Ctx, wanted: SubscriptionFilter) -> tuple[str, ...]:
        """The ids that subscriptions/listen names; raises an error of the protocol."""
        if "taskIds" not in (wanted.model_extra or {}):
            return ()
        words.admit(ctx)
        return tuple(dict.fromkeys(words.Filter.model_validate(wanted.model_extra, by_name=False).task_ids))

    async def changes(self, ctx: Ctx, task_id: str) -> AsyncIterator[None] | None:
        """The changes of the task from here on; None where this host is told of no such task."""
        session = ctx.lifespan_context.peer.session
        try:
            await self._look(ctx, task_id)
            resource, variables = self._dispatcher.registry.resource(f"astro://runs/{task_id}", session.grant)
            return await resource.watch(session, variables) if resource.watch is not None else None
        except (AstroError, MCPError):
            return None

    async def tell(self, ctx: Ctx, task_id: str, changes: AsyncIterator[None], meta: dict[str, Any]) -> None:
        """Send the task as it is, and again as it changes, to its end."""
        last: dict[str, Any] = {}

        async def send() -> None:
            nonlocal last
            task = await self.detailed(ctx, task_id)
            if {**task, "pollIntervalMs": 0} != {**last, "pollIntervalMs": 0}:
                last = task
                told = cast(ServerNotification, words.TaskChanged(params={**task, "_meta": meta}))
                await ctx.session.send_notification(told, ctx.request_id)

        try:
            await send()
            async for _ in changes:
                await send()
                await anyio.sleep(PAUSE_SECONDS)
        except Exception:  # a watch that breaks ends alone
            log.exception("the watch of a task broke")

    async def _look(self, ctx: Ctx, task_id: str) -> tuple[Result, Durable]:
        """What the tool that looks at runs says; raises an error of the protocol, the same for a foreign run as for a
        missing one."""
        arguments = {"run_id": task_id, "wait_seconds": 0}
        call = Call(ctx.lifespan_context.peer.session, LOOK, arguments, comes_back=_words(ctx))
        result = await self._dispatcher.call(call)
        if result.error is not None or result.durable is None:
            raise protocol_error(result.error or Internal())
        return result, result.durable


def _words(ctx: Ctx) -> frozenset[Level]:
    return frozenset({Level.HOST}) if person.can_be_asked(ctx) else frozenset()
