"""A task through the shim and the daemon: once its id is told, a killed daemon takes nothing of it along."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

import pytest

from .home import PATIENCE, Home, Host, alive, until
from .test_person import GATED

CAPABILITIES: dict[str, Any] = {"extensions": {"io.modelcontextprotocol/tasks": {}}, "elicitation": {}}
META: dict[str, Any] = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": CAPABILITIES,
}


def ask(host: Host, method: str, **params: Any) -> Any:
    return host.ask(method, {**params, "_meta": META})["result"]


def task(host: Host, task_id: str, status: str) -> Any:
    """The task, once it has that status."""
    patience = time.monotonic() + PATIENCE
    while (seen := ask(host, "tasks/get", taskId=task_id))["status"] != status:
        assert time.monotonic() < patience, seen
        time.sleep(0.01)
    return seen


@pytest.mark.full
def test_a_task_that_was_handed_out_outlives_a_killed_daemon(at: Home) -> None:
    arguments = {"spec": json.dumps(GATED), "wait_seconds": 30}
    made = ask(at.host(), "tools/call", name="workflow_run", arguments=arguments)
    assert made["resultType"] == "task"
    os.kill(pid := at.pid, signal.SIGKILL)
    until(lambda: not alive(pid))
    at.end_hosts()
    host = at.host()
    asked = task(host, made["taskId"], "input_required")
    assert asked["createdAt"] == made["createdAt"]
    [key] = asked["inputRequests"]
    yes = {"action": "accept", "content": {"approve": True}}
    ask(host, "tasks/update", taskId=made["taskId"], inputResponses={key: yes})
    done = task(host, made["taskId"], "completed")
    assert done["result"]["structuredContent"]["status"] == "succeeded"
    host.end()
