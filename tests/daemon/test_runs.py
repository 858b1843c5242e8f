"""A workflow belongs to its owner and not to a connection: it goes on when its host closes, and survives the daemon."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Collection
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from .home import Home, alive, until
from .test_daemon import ask

HELD = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\n1"
"""What goes on when the test lets it: `release` makes the file in its container."""
SLOW = {
    "name": "slow",
    "steps": [
        {"id": "first", "tool": "fs_list"},
        {"id": "held", "needs": ["first"], "tool": "code_run", "with": {"language": "python", "code": HELD}},
        {
            "id": "second",
            "needs": ["held"],
            "tool": "code_run",
            "with": {"language": "python", "code": "'${{ steps.held.result }}' + '1'"},
        },
    ],
    "outputs": {"result": "${{ steps.second.result }}"},
}
ASKING = {
    "name": "asking",
    "steps": [
        {"id": "first", "tool": "fs_list"},
        {"id": "word", "needs": ["first"], "ask": "Say the word", "answer": {"word": "string"}},
        {"id": "last", "needs": ["word"], "tool": "fs_list"},
    ],
    "outputs": {"word": "${{ steps.word.word }}"},
}


@pytest.fixture
def at(at: Home, known_engine: Callable[[Path], None]) -> Home:
    """A folder that knows its engine: each container in it is a step's, and none a canary's."""
    known_engine(at.folder / "images")
    return at


def call(at: Home, tool: str, **arguments: Any) -> dict[str, Any]:
    """One call by a host of its own, which is gone afterwards."""
    host = at.host()
    host.begin()
    result = host.call(tool, arguments)
    host.end()
    assert not result["isError"], result["content"]
    structured: dict[str, Any] = result["structuredContent"]
    return structured


def started(at: Home) -> str:
    return str(call(at, "workflow_run", spec=json.dumps(SLOW), wait_seconds=0)["run_id"])


def status(at: Home, run: str, wait: float = 0.0) -> dict[str, Any]:
    return call(at, "workflow_status", run_id=run, wait_seconds=wait)


def steps(status: dict[str, Any]) -> dict[str, tuple[str, int]]:
    return {step["id"]: (step["status"], step.get("attempts", 0)) for step in status["steps"]}


def held(at: Home, other_than: Collection[str] = ()) -> str:
    """The container of the step that waits to be released, once it is up."""
    until(lambda: set(at.containers()) - set(other_than))
    [container] = set(at.containers()) - set(other_than)
    return container


def begun(at: Home, tool: str) -> list[tuple[str, str]]:
    """The steps that the audit trail saw begin, as often as it saw it."""
    calls = {row["call_id"]: (row["run_id"], row["step"]) for row in at.calls(tool) if row["phase"] != "refusal"}
    return sorted(calls.values())


def release(container: str) -> None:
    command = ["docker", "exec", "-w", "/workspace", container, "touch", "go"]
    until(lambda: subprocess.run(command, capture_output=True, check=False).returncode == 0)


def test_a_workflow_goes_on_after_its_host_closed(shared: Home) -> None:
    run = started(shared)
    container = held(shared)
    until(lambda: (ask(shared, {"control": "status"}) or {}).get("connections") == 0)
    assert steps(status(shared, run))["held"] == ("running", 1)
    release(container)
    ended = status(shared, run, wait=60)
    assert ended["status"] == "succeeded"
    assert ended["outputs"] == {"result": '"11"'}


@pytest.mark.full
def test_a_daemon_that_is_idle_but_for_a_run_stays_until_the_run_has_ended(at: Home) -> None:
    at.environment["ASTRO_MCP_DAEMON__IDLE_SECONDS"] = "1"
    started(at)
    pid, container = at.pid, held(at)
    deadline = time.monotonic() + 1.8
    until(lambda: time.monotonic() > deadline)
    release(container)
    until(lambda: not alive(pid))
    outcomes = [row["code"] for row in at.calls("code_run") if row["phase"] != "intent"]
    assert outcomes == ["ok", "ok"], "nothing was cut short, and nobody asked for a daemon that goes on with it"


def test_runs_go_on_when_the_daemon_is_killed_and_no_step_that_ended_begins_again(at: Home) -> None:
    waiting = str(call(at, "workflow_run", spec=json.dumps(ASKING), wait_seconds=30)["run_id"])
    run = started(at)
    first = held(at)
    before = status(at, run)
    assert steps(before) == {"first": ("succeeded", 1), "held": ("running", 1), "second": ("pending", 0)}
    assert status(at, waiting)["status"] == "waiting"
    os.kill(at.pid, signal.SIGKILL)

    assert status(at, waiting)["status"] == "waiting"
    release(held(at, other_than=[first]))
    ended = status(at, run, wait=60)
    assert ended["status"] == "succeeded"
    assert steps(ended) == dict.fromkeys(("first", "held", "second"), ("succeeded", 1)), (
        "begun again is the same attempt"
    )
    call(at, "workflow_answer", run_id=waiting, step="word", value={"word": "go"})
    answered = status(at, waiting, wait=60)
    assert (answered["status"], answered["outputs"]) == ("succeeded", {"word": "go"})
    assert begun(at, "fs_list") == sorted([(run, "first"), (waiting, "first"), (waiting, "last")])
    assert begun(at, "code_run") == [(run, "held"), (run, "held"), (run, "second")], "what was in flight began again"


@pytest.mark.full
def test_a_run_that_a_kill_left_goes_on_at_the_next_start_though_no_call_comes(at: Home) -> None:
    at.environment["ASTRO_MCP_DAEMON__IDLE_SECONDS"] = "1"  # no longer than the wait for what is loaded after the start
    run = started(at)
    first = held(at)
    assert stored(at, run) == "running"
    os.kill(at.pid, signal.SIGKILL)
    host = at.host()
    host.begin()
    pid = at.pid
    host.end()
    release(held(at, other_than=[first]))
    until(lambda: not alive(pid))
    assert stored(at, run) == "succeeded", "it ended before its run did"


def stored(at: Home, run: str) -> str:
    """The run's status on disk, without asking a daemon."""
    with closing(sqlite3.connect(at.folder / "astro.db")) as database:
        return str(database.execute("SELECT status FROM workflow_run WHERE run_id = ?", [run]).fetchone()[0])
