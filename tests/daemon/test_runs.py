"""A workflow belongs to its owner and not to a connection: it goes on when its host closes, and survives the daemon."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from contextlib import closing
from typing import Any

from .home import Home, alive, until

SLOW = {
    "name": "slow",
    "steps": [
        {"id": "first", "tool": "code_run", "with": {"language": "python", "code": "import time; time.sleep(1.5); 1"}},
        {
            "id": "second",
            "needs": ["first"],
            "tool": "code_run",
            "with": {"language": "python", "code": "'${{ steps.first.result }}' + '1'"},
        },
    ],
    "outputs": {"result": "${{ steps.second.result }}"},
}


def status(at: Home, run: str, wait: float = 0.0) -> dict[str, Any]:
    host = at.host()
    host.begin()
    result: dict[str, Any] = host.call("workflow_status", {"run_id": run, "wait_seconds": wait})["structuredContent"]
    host.end()
    return result


def started(at: Home) -> str:
    host = at.host()
    host.begin()
    run = host.call("workflow_run", {"spec": json.dumps(SLOW), "wait_seconds": 0})["structuredContent"]["run_id"]
    host.end()
    return str(run)


def test_a_workflow_goes_on_after_its_host_closed(shared: Home) -> None:
    run = started(shared)
    ended = status(shared, run, wait=60)
    assert ended["status"] == "succeeded"
    assert ended["outputs"] == {"result": '"11"'}


def test_a_daemon_that_is_idle_but_for_a_run_stays_until_the_run_has_ended(at: Home) -> None:
    at.environment["ASTRO_MCP_DAEMON__IDLE_SECONDS"] = "1"
    run = started(at)
    pid = at.pid
    until(lambda: not alive(pid))
    assert status(at, run)["status"] == "succeeded", "it ended before its run did"


def test_a_run_goes_on_when_the_daemon_is_killed_and_no_step_that_ended_begins_again(at: Home) -> None:
    run = started(at)
    until(lambda: status(at, run)["steps"][0]["status"] == "succeeded")
    os.kill(at.pid, signal.SIGKILL)
    ended = status(at, run, wait=60)
    assert ended["status"] == "succeeded"
    host = at.host()
    host.begin()
    first = host.call("astro_read", {"uri": f"astro://runs/{run}/steps/first"})["structuredContent"]
    assert json.loads(first["text"])["attempts"] == 1


def test_a_run_that_a_kill_left_goes_on_at_the_next_start_though_no_call_comes(at: Home) -> None:
    at.environment["ASTRO_MCP_DAEMON__IDLE_SECONDS"] = "1"  # no longer than the wait for what is loaded after the start
    run = started(at)
    until(lambda: stored(at, run) == "running")
    os.kill(at.pid, signal.SIGKILL)
    host = at.host()
    host.begin()
    pid = at.pid
    host.end()
    until(lambda: not alive(pid))
    assert stored(at, run) == "succeeded", "it ended before its run did"


def stored(at: Home, run: str) -> str:
    """The run's status on disk, without asking a daemon."""
    with closing(sqlite3.connect(at.folder / "astro.db")) as database:
        return str(database.execute("SELECT status FROM workflow_run WHERE run_id = ?", [run]).fetchone()[0])
