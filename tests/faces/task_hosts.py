"""Hosts that know tasks: one without a library, which says what it likes, and the SDK's client with an extension."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

import anyio
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp_types import CallToolResult, Request, RequestParams, Result
from pydantic import ConfigDict

from astro_mcp.core.authority import Session
from astro_mcp.faces.mcp.task_words import EXTENSION

from .hosts import Hosts, answers_of, frame

FORMS: dict[str, Any] = {"extensions": {EXTENSION: {}}, "elicitation": {}}
"""The capabilities of a host that knows tasks, and shows forms."""
TASKS: dict[str, Any] = {"extensions": {EXTENSION: {}}}
YES = {"action": "accept", "content": {"approve": True}}
NO = {"action": "accept", "content": {"approve": False}}


class TaskHost:
    """A modern host without a library."""

    def __init__(self, link: Any, capabilities: dict[str, Any]) -> None:
        self._link = link
        self._capabilities = capabilities
        self._last = 0
        self.hear = answers_of(link)

    async def send(self, method: str, params: dict[str, Any], capabilities: dict[str, Any] | None = None) -> int:
        """Returns the request's id."""
        self._last += 1
        shown = self._capabilities if capabilities is None else capabilities
        await self._link.send(frame(method, params, self._last, modern=True, capabilities=shown))
        return self._last

    async def ask(self, method: str, capabilities: dict[str, Any] | None = None, **params: Any) -> Any:
        """The result, without what stands in `_meta`."""
        answer = await self._answer(method, params, capabilities)
        assert "result" in answer, answer
        answer["result"].pop("_meta", None)
        return answer["result"]

    async def refused(self, method: str, capabilities: dict[str, Any] | None = None, **params: Any) -> Any:
        """The error of the protocol."""
        answer = await self._answer(method, params, capabilities)
        assert "error" in answer, answer
        return answer["error"]

    async def _answer(self, method: str, params: dict[str, Any], capabilities: dict[str, Any] | None) -> Any:
        await self.send(method, params, capabilities)
        return await self.hear()

    async def run(self, steps: Sequence[Any], **arguments: Any) -> Any:
        """What the call of workflow_run is answered."""
        given = {"spec": json.dumps({"steps": list(steps)}), "allow": ["read", "write"], **arguments}
        return await self.ask("tools/call", name="workflow_run", arguments=given)

    async def get(self, task: str) -> Any:
        return await self.ask("tasks/get", taskId=task)

    async def until(self, task: str, *statuses: str) -> Any:
        """The task, once it has one of these."""
        return await self.until_it(task, lambda seen: seen["status"] in statuses)

    async def until_it(self, task: str, done: Callable[[Any], bool]) -> Any:
        with anyio.fail_after(10):
            while not done(seen := await self.get(task)):
                await anyio.sleep(0.01)
        return seen

    async def update(self, task: str, **responses: Any) -> None:
        answer = await self.ask("tasks/update", taskId=task, inputResponses=responses)
        assert answer == {"resultType": "complete"}


@asynccontextmanager
async def task_host(
    house: Hosts, capabilities: dict[str, Any] = FORMS, who: Session | None = None
) -> AsyncIterator[TaskHost]:
    async with house.link(who) as link:
        yield TaskHost(link, capabilities)


class Task(RequestParams):
    task_id: str


class GetTask(Request[Task, Literal["tasks/get"]]):
    method: Literal["tasks/get"] = "tasks/get"
    name_param = "taskId"


class Answered(Result):
    """A task, of which only its fields count here."""

    model_config = ConfigDict(extra="allow")
    status: str = ""


class CreatedTask(Result):
    result_type: Literal["task"]
    task_id: str


class TasksInClient(ClientExtension):
    """The extension, as a user of the SDK's client writes it: a call that becomes a task is polled to its end."""

    identifier = EXTENSION

    def __init__(self) -> None:
        self.created: list[str] = []

    def claims(self) -> Sequence[ResultClaim[Any]]:
        return (ResultClaim(result_type="task", model=CreatedTask, resolve=self._resolve),)

    async def _resolve(self, task: CreatedTask, ctx: ClaimContext) -> CallToolResult:
        self.created.append(task.task_id)
        with anyio.fail_after(10):
            while True:
                seen = await ctx.session.send_request(GetTask(params=Task(task_id=task.task_id)), Answered)
                if seen.status == "completed":
                    return CallToolResult.model_validate((seen.model_extra or {})["result"])
                await anyio.sleep(0.01)
