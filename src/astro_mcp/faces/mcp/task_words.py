"""What the tasks extension says: its names, what its requests hold, and how a task is written.

The extension is io.modelcontextprotocol/tasks (SEP-2663) at protocol 2026-07-28.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from mcp.shared.exceptions import MCPError
from mcp_types import (
    METHOD_NOT_FOUND,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    CallToolResult,
    ElicitRequest,
    InputResponses,
    Notification,
    RequestParams,
)
from pydantic import Field

from astro_mcp.core.durable import Durable
from astro_mcp.faces.mcp import person
from astro_mcp.faces.mcp.connection import WATCHED, Ctx

EXTENSION: Final = "io.modelcontextprotocol/tasks"
POLL_LEAST: Final = 250
POLL_MOST: Final = 5_000
"""Milliseconds between two looks at a task: a tenth of its age, within these."""

TaskId = Annotated[str, Field(min_length=1, max_length=200)]


class OneTask(RequestParams):
    """Of tasks/get and tasks/cancel."""

    task_id: TaskId


class Update(OneTask):
    """Of tasks/update."""

    input_responses: InputResponses


class Filter(RequestParams):
    """What subscriptions/listen holds of tasks."""

    task_ids: Annotated[list[TaskId], Field(max_length=WATCHED)]


class TaskChanged(Notification[dict[str, Any], Literal["notifications/tasks"]]):
    """A task, whole, as it is now."""

    method: Literal["notifications/tasks"] = "notifications/tasks"


def declared(ctx: Ctx) -> bool:
    """Whether this very request says that the host knows tasks; the handshake's era has none."""
    capabilities = ctx.session.client_capabilities if person.is_modern(ctx) else None
    return capabilities is not None and EXTENSION in (capabilities.extensions or {})


def admit(ctx: Ctx) -> None:
    """Raises what the extension answers to a request of whoever did not declare it."""
    if not person.is_modern(ctx):
        raise MCPError(METHOD_NOT_FOUND, "Method not found", ctx.method)
    if not declared(ctx):
        required: dict[str, Any] = {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}
        raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, "Missing required client capability", required)


def created(work: Durable) -> dict[str, Any]:
    """CreateTaskResult."""
    return {"resultType": "task", **_task(work, "working")}


def working(work: Durable) -> dict[str, Any]:
    """DetailedTask, like the three below."""
    return _task(work, "working")


def cancelled(work: Durable) -> dict[str, Any]:
    return _task(work, "cancelled")


def completed(work: Durable, result: CallToolResult) -> dict[str, Any]:
    return {**_task(work, "completed"), "result": _dumped(result)}


def input_required(work: Durable, requests: Mapping[str, ElicitRequest]) -> dict[str, Any]:
    return {**_task(work, "input_required"), "inputRequests": {key: _dumped(one) for key, one in requests.items()}}


def _task(work: Durable, status: str) -> dict[str, Any]:
    kept = None if work.kept_until is None else round((work.kept_until - work.created) * 1000)
    body: dict[str, Any] = {
        "taskId": work.id,
        "status": status,
        "statusMessage": work.text,
        "createdAt": _moment(work.created),
        "lastUpdatedAt": _moment(work.updated),
        "ttlMs": kept,
    }
    if not work.over:
        tenth = (time.time() - work.created) * 100
        body["pollIntervalMs"] = round(min(max(tenth, POLL_LEAST), POLL_MOST))
    return body


def _dumped(part: CallToolResult | ElicitRequest) -> dict[str, Any]:
    return part.model_dump(by_alias=True, mode="json", exclude_none=True)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
