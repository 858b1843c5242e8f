"""Runs on a Temporal server: by scope, once, steered, with large outputs, and over many histories."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from temporalio.client import Client
from temporalio.converter import DataConverter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner
from tests.workflow.house import House, Toys, house, session, until_called
from tests.workflow.temporal_server import Server, serving
from tests.workflow.test_driver import Later, status

from astro_mcp.core.authority import Effect, Label
from astro_mcp.core.call import Call
from astro_mcp.core.durable import Durable
from astro_mcp.errors import NotFound
from astro_mcp.workflow.drivers.temporal.claims import BOUND, Claims
from astro_mcp.workflow.drivers.temporal.connection import connect
from astro_mcp.workflow.drivers.temporal.driver import TemporalDriver
from astro_mcp.workflow.drivers.temporal.naming import tenant_key, workflow_id
from astro_mcp.workflow.drivers.temporal.run import PRIORITIES, Run

ROOT = Path(__file__).parents[2]
SAY: dict[str, Any] = {"name": "say", "steps": [{"id": "a", "tool": "toy_say", "with": {"text": "hello"}}]}


@pytest.fixture
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that knows of no other runs."""
    with serving(tmp_path_factory.mktemp("alone")) as server:
        yield server


def chain(tool: str, count: int) -> dict[str, Any]:
    steps = [
        {"id": f"s{n}", "tool": tool, "with": {"text": str(n)}, **({"needs": f"s{n - 1}"} if n else {})}
        for n in range(count)
    ]
    return {"name": "chain", "steps": steps}


async def executions(at: House, server: Server, run_id: str, folder: Path, prefix: str) -> int:
    """How many workflows of the server the run was."""
    client = await connect(server.settings(prefix).temporal, Claims(folder / "claims"))
    name = workflow_id(prefix, at.me.scope, run_id)
    with anyio.fail_after(10):  # lists come a moment late
        while True:
            found = [one.status async for one in client.list_workflows(f"WorkflowId = '{name}'")]
            if found and all(status is not None and status.name != "RUNNING" for status in found):
                return len(found)
            await anyio.sleep(0.05)


async def test_a_run_is_started_once_seen_by_its_scope_alone_and_shows_the_server_no_root(
    tmp_path: Path, temporal: Server
) -> None:
    (tmp_path / "other").mkdir()
    settings = temporal.settings("t-scopes")
    async with house(tmp_path, settings=settings) as at:
        ids = {await at.scheduler.start(at.me, json.dumps(SAY), {}, list(Effect), run_id="run_1") for _ in range(2)}
        done = await at.call("workflow_status", run_id="run_1", wait_seconds=20)
        assert (ids, done["status"], at.toys.calls) == ({"run_1"}, "succeeded", ["say hello"])
        stranger = session(tmp_path / "other")
        foreign = await at.fails("workflow_status", who=stranger, run_id="run_1")
        missing = await at.fails("workflow_status", who=stranger, run_id="run_2")
        assert foreign.as_dict() == {**missing.as_dict(), "message": missing.message.replace("run_2", "run_1")}
        for verb in ("cancel", "fork"):
            assert isinstance(await at.fails("workflow_control", who=stranger, run_id="run_1", action=verb), NotFound)
        assert (await at.call("workflow_status", who=stranger))["steps"] == []
        assert await at.fails("workflow_status", run_id="x' OR WorkflowId STARTS_WITH 't") is not None
        with anyio.fail_after(10):
            while not (listed := (await at.call("workflow_status"))["steps"]) or listed[0]["status"] != "succeeded":
                await anyio.sleep(0.05)
        client = await Client.connect(temporal.address)
        [shown] = [one async for one in client.list_workflows("WorkflowId STARTS_WITH 't-scopes'")]
        seen = f"{shown.id} {await shown.memo()} {shown.search_attributes} {shown.task_queue}"
        assert str(tmp_path) not in seen
        assert "hello" not in seen
        events = [one async for one in client.get_workflow_handle(shown.id).fetch_history_events()]
        begun = [one.activity_task_scheduled_event_attributes for one in events]
        [call] = [one for one in begun if one.activity_id]
        assert call.task_queue.name == "t-scopes-agent-toys", "each agent has a queue of its own"
        share = (call.priority.priority_key, call.priority.fairness_key)
        assert share == (PRIORITIES["normal"], tenant_key(at.me.scope.tenant))
        assert PRIORITIES["high"] < PRIORITIES["normal"] < PRIORITIES["low"], "the server takes the least first"


@pytest.mark.full
async def test_a_run_that_is_come_back_for_is_there_once_its_id_is_told(tmp_path: Path, temporal: Server) -> None:
    async with house(tmp_path, settings=temporal.settings("t-tasks")) as at:

        async def told(tool: str, **arguments: Any) -> Durable:
            result = await at.dispatcher.call(Call(at.me, tool, arguments, comes_back=frozenset()))
            assert result.durable is not None, result.error
            return result.durable

        made = await told("workflow_run", spec=json.dumps(chain("toy_hold", 1)), wait_seconds=20)
        assert (await told("workflow_status", run_id=made.id, wait_seconds=0)).over is False
        at.toys.gate.set()
        done = await told("workflow_status", run_id=made.id, wait_seconds=20)
        assert (done.over, done.cancelled, done.created) == (True, False, made.created)
        assert done.kept_until is None, "the namespace's retention is not ours to tell"


@pytest.mark.full
async def test_a_large_output_is_a_file_by_its_sha256_and_comes_back_equal(tmp_path: Path, temporal: Server) -> None:
    spec = {
        "name": "large",
        "steps": [
            {"id": "a", "tool": "toy_list", "with": {"count": 3, "size": BOUND}},
            {"id": "b", "tool": "toy_add", "with": {"number": "${{ size(steps.a.items) }}"}},
        ],
        "outputs": {"n": "${{ steps.b.number }}", "text": "${{ steps.a.items[2].text }}"},
    }
    async with house(tmp_path, settings=temporal.settings()) as at:
        done = await at.run(spec)
        assert done["status"] == "succeeded", done
        view = await at.scheduler.view(at.me.scope, done["run_id"])
        assert view.state.outputs == {"n": 4, "text": "x" * BOUND}
        assert view.labels == {Label.UNTRUSTED}, "what it has seen stays with it"
        files = [file for file in (tmp_path / "claims").rglob("*") if file.is_file()]
        assert files
        files[0].write_bytes(b"something else")
        for file in files:
            file.write_bytes(b"something else")
        error = await at.fails("workflow_status", run_id=done["run_id"], wait_seconds=0)
        assert error.code in ("internal", "unavailable")


@pytest.mark.full
async def test_a_sweep_leaves_what_a_run_that_goes_on_needs_and_takes_it_once_the_run_was_long_ago(
    tmp_path: Path, alone: Server
) -> None:
    spec = {
        "name": "large",
        "steps": [
            {"id": "a", "tool": "toy_list", "with": {"count": 3, "size": BOUND}},
            {"id": "q", "ask": "go on?", "needs": "a"},
            {"id": "b", "needs": "q", "tool": "toy_add", "with": {"number": "${{ size(steps.a.items) }}"}},
        ],
    }
    clock, claims, settings = Later(), tmp_path / "claims", alone.settings()
    async with house(tmp_path, settings=settings, clock=clock) as at:
        run_id = (await at.run(spec))["run_id"]
        driver = at.scheduler._driver
        assert isinstance(driver, TemporalDriver)
        client = await connect(settings.temporal, Claims(claims))
        clock.ahead = 2 * settings.keep_days * 86_400.0
        for file in claims.rglob("*"):
            os.utime(file, (0, time.time() - 1_800))  # half an hour before the server says that the run began
        assert await driver.sweep(client) == 0
        await at.call("workflow_answer", run_id=run_id, step="q", value="yes")
        assert await status(at, run_id) == "succeeded"
        with anyio.fail_after(10):  # lists come a moment late
            while not await driver.sweep(client):
                await anyio.sleep(0.05)
        assert not [file for file in claims.rglob("*") if file.is_file()]
        assert (await at.fails("workflow_status", run_id=run_id, wait_seconds=0)).code == "unavailable"


@pytest.mark.full
@pytest.mark.parametrize("most", [50, 10_000])
async def test_a_run_goes_on_as_a_new_workflow_and_its_journal_is_the_same(
    tmp_path: Path, temporal: Server, most: int
) -> None:
    spec = chain("toy_say", 25)
    spec["steps"].append({"id": "q", "ask": "go on?", "needs": "s24"})
    spec["steps"].append({"id": "end", "tool": "toy_write", "with": {"text": "${{ steps.q.answer }}"}})
    prefix = f"t-history-{most}"
    async with house(tmp_path, settings=temporal.settings(prefix, history_events=most)) as at:
        run = await at.run(spec)
        assert run["status"] == "waiting", run
        await at.call("workflow_answer", run_id=run["run_id"], step="q", value="yes")
        done = await at.call("workflow_status", run_id=run["run_id"], wait_seconds=20)
        assert done["status"] == "succeeded"
        assert at.toys.calls == [*(f"say {n}" for n in range(25)), "write yes"]
        happened = await at.scheduler.happened(at.me.scope, run["run_id"])
        assert [one.seq for one in happened] == list(range(1, len(happened) + 1))
        kinds = [one.kind for one in happened if one.kind != "tick"]
        assert kinds == ["began", *["finished"] * 25, "answered", "finished"]
        count = await executions(at, temporal, run["run_id"], tmp_path, prefix)
        assert (count > 2) is (most == 50)


@pytest.mark.full
async def test_a_worker_that_has_not_the_runs_root_carries_nothing_out(tmp_path: Path, temporal: Server) -> None:
    async with house(tmp_path, settings=temporal.settings()) as at:
        for root in (tmp_path / "nowhere", Path("/")):
            done = await at.run(SAY, who=session(root))
            assert done["status"] == "failed"
            assert done["error"]["code"] == "path_denied"
        assert at.toys.calls == []


@pytest.mark.full
async def test_a_run_is_accepted_and_seen_before_there_is_a_worker(tmp_path: Path, temporal: Server) -> None:
    prefix, claims = "t-later", tmp_path / "claims"
    for name in ("client", "worker"):
        (tmp_path / name).mkdir()
    async with house(tmp_path / "client", settings=temporal.settings(prefix, worker=False, claims=claims)) as at:
        run = await at.run(SAY, wait_seconds=1)
        assert run["status"] == "queued"
        assert await at.scheduler.happened(at.me.scope, run["run_id"]) == []
        async with house(tmp_path / "worker", settings=temporal.settings(prefix, claims=claims)) as other:
            done = await at.call("workflow_status", run_id=run["run_id"], wait_seconds=20)
            assert (done["status"], other.toys.calls, at.toys.calls) == ("succeeded", ["say hello"], [])


@pytest.mark.full
async def test_runs_are_paused_answered_once_forked_and_their_steps_cancelled_in_flight(
    tmp_path: Path, temporal: Server
) -> None:
    spec = {
        "name": "steered",
        "steps": [
            {"id": "a", "tool": "toy_write", "with": {"text": "a"}},
            {"id": "hold", "tool": "toy_hold", "needs": "a", "with": {"text": "h"}},
            {"id": "b", "tool": "toy_write", "needs": "hold", "with": {"text": "b"}},
            {"id": "q", "ask": "well?"},
        ],
    }
    async with house(tmp_path, settings=temporal.settings()) as at:
        run = {"run_id": (await at.run(spec, wait_seconds=0))["run_id"]}
        await until_called(at.toys, "hold h")
        assert (await at.call("workflow_control", **run, action="pause"))["status"] == "paused"
        at.toys.gate.set()
        with anyio.fail_after(10):
            while (await at.call("workflow_status", **run, wait_seconds=0))["steps"][1]["status"] == "running":
                await anyio.sleep(0.02)
        assert at.toys.calls == ["write a", "hold h"], "nothing starts while it is paused"
        at.toys.gate = anyio.Event()
        await at.call("workflow_control", **run, action="resume")
        for value in ("first", "second"):
            await at.call("workflow_answer", **run, step="q", value=value)
        done = await at.call("workflow_status", **run, wait_seconds=20)
        assert done["status"] == "succeeded"
        state = (await at.scheduler.view(at.me.scope, run["run_id"])).state
        assert state.steps["q"].output == {"answer": "first"}
        assert (await at.fails("workflow_control", **run, action="pause")).code == "conflict"

        fork = {"run_id": (await at.call("workflow_control", **run, action="fork", step="hold"))["run_id"]}
        await holding(at, 1)
        assert at.toys.calls == ["write a", "hold h", "write b", "hold h"], "what came before is kept"
        await at.call("workflow_control", **fork, action="cancel")
        await holding(at, 0)
        assert (await at.call("workflow_status", **fork))["status"] == "cancelled"

        other = {"run_id": (await at.run(spec, wait_seconds=0))["run_id"]}
        await holding(at, 1)
        await at.call("workflow_control", **other, action="cancel", step="hold")
        await holding(at, 0)
        assert (await at.call("workflow_status", **other, wait_seconds=0))["status"] == "waiting", "the run goes on"


async def holding(at: House, count: int) -> None:
    """Return when so many calls of `toy_hold` are in flight."""
    with anyio.fail_after(5):
        while at.toys.at_once != count:
            await anyio.sleep(0.01)


@pytest.mark.full
async def test_histories_replay_in_interpreters_with_other_hashes(tmp_path: Path, temporal: Server) -> None:
    prefix = "t-replay"
    spec = {
        "name": "replayed",
        "steps": [
            {"id": "list", "tool": "toy_list", "with": {"count": 6}},
            {
                "id": "each",
                "foreach": "${{ steps.list.items }}",
                "do": [
                    {"id": "say", "tool": "toy_say", "with": {"text": "${{ item.file + '!' }}"}},
                    {"id": "add", "if": "steps.say.number > 2 && success()", "tool": "toy_add", "with": {"number": 1}},
                ],
            },
        ],
    }
    async with house(tmp_path, settings=temporal.settings(prefix)) as at:
        done = await at.run(spec)
        assert done["status"] == "succeeded", done
        client = await connect(temporal.settings(prefix).temporal, Claims(tmp_path / "claims"))
        handle = client.get_workflow_handle(workflow_id(prefix, at.me.scope, done["run_id"]))
        (tmp_path / "history.json").write_text((await handle.fetch_history()).to_json())
    for seed in ("1", "2"):
        child = subprocess.run(  # noqa: PLW1510 - what it says is shown
            [sys.executable, "-c", REPLAY, str(tmp_path / "history.json"), str(tmp_path / "claims"), handle.id],
            env={"PYTHONHASHSEED": seed, "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert child.returncode == 0, child.stderr[-2000:]


@pytest.mark.full
async def test_a_history_replays_whatever_time_a_worker_believes_it_is(tmp_path: Path, temporal: Server) -> None:
    """One that answers a query may take a timer's event before the task that brings it, at an earlier time."""
    retry = {"max_attempts": 5, "initial_interval": "50ms"}
    spec = {
        "name": "waits",
        "steps": [
            {"id": "a", "tool": "toy_flaky", "retry": retry},
            {"id": "b", "needs": "a", "tool": "toy_flaky", "with": {"text": "b"}, "retry": retry, "timeout": "30s"},
        ],
    }
    settings, toys = temporal.settings(), Toys()
    toys.fail_times = 3
    async with house(tmp_path, settings=settings, toys=toys) as at:
        done = await at.run(spec)
        assert done["status"] == "succeeded", done
        claims = Claims(tmp_path / "claims")
        client = await connect(settings.temporal, claims)
        name = workflow_id(settings.temporal.task_queue, at.me.scope, done["run_id"])
        history = await client.get_workflow_handle(name).fetch_history()
    replayer = Replayer(
        workflows=[Run], workflow_runner=UnsandboxedWorkflowRunner(), data_converter=DataConverter(payload_codec=claims)
    )
    await replayer.replay_workflow(history)
    for event in history.events:
        event.event_time.CopyFrom(history.events[0].event_time)
    await replayer.replay_workflow(history)


REPLAY = """
import asyncio, sys
from pathlib import Path
from temporalio.client import WorkflowHistory
from temporalio.converter import DataConverter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner
from astro_mcp.workflow.drivers.temporal.claims import Claims
from astro_mcp.workflow.drivers.temporal.run import PRIORITIES, Run

history = WorkflowHistory.from_json(sys.argv[3], Path(sys.argv[1]).read_text())
converter = DataConverter(payload_codec=Claims(Path(sys.argv[2])))
replayer = Replayer(workflows=[Run], workflow_runner=UnsandboxedWorkflowRunner(), data_converter=converter)
asyncio.run(replayer.replay_workflow(history))
"""
