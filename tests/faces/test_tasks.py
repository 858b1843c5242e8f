"""Runs as tasks: how one is begun, looked at and ended by a host that declares the extension."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import METHOD_NOT_FOUND, MISSING_REQUIRED_CLIENT_CAPABILITY
from tests.workflow.house import session, until_called

from astro_mcp.core.authority import Effect
from astro_mcp.faces.mcp import tasks
from astro_mcp.faces.mcp.task_words import EXTENSION

from .hosts import answers_of, frame, greeted, hosts
from .task_hosts import FORMS, TASKS, Answered, GetTask, Task, TasksInClient, task_host

SAY = {"id": "say", "tool": "toy_say", "with": {"text": "hello"}}
HELD = {"id": "held", "tool": "toy_hold"}
FAILING = {"id": "say", "tool": "toy_flaky"}
METHODS = ("tasks/get", "tasks/update", "tasks/cancel")


def without_ids(body: Any) -> Any:
    return json.loads(re.sub(r"run_[0-9a-f]{32}", "RUN", json.dumps(body)))


async def test_a_client_with_the_extension_gets_the_result_that_waiting_gives(tmp_path: Path) -> None:
    spec = {"steps": [SAY], "outputs": {"said": "${{ steps.say.text_ }}"}}
    arguments = {"spec": json.dumps(spec), "wait_seconds": 20}
    extension = TasksInClient()
    async with hosts(tmp_path) as house:
        async with house.client("auto") as plain:
            waited = await plain.call_tool("workflow_run", arguments)
        async with house.client("auto", extensions=[extension]) as client:
            polled = await client.call_tool("workflow_run", arguments)
            assert polled.structured_content is not None
            assert extension.created == [polled.structured_content["run_id"]], "the task's id is the run's"
            said = await client.call_tool("toy_say", {"text": "no run, no task"})
        assert polled.structured_content["outputs"] == {"said": "hello"}
        waited.meta = polled.meta = None
        assert without_ids(polled.model_dump(mode="json")) == without_ids(waited.model_dump(mode="json"))
        assert (said.is_error, len(extension.created)) == (False, 1)


async def test_a_task_is_what_the_extension_says(tmp_path: Path) -> None:
    async with hosts(tmp_path) as house, task_host(house, TASKS) as host:
        assert (await host.ask("server/discover"))["capabilities"]["extensions"] == {EXTENSION: {}}
        made = await host.run([HELD], wait_seconds=20)
        assert (made["resultType"], made["status"], made["ttlMs"]) == ("task", "working", None)
        await until_called(house.house.toys, "hold ")
        seen = await host.until_it(made["taskId"], lambda seen: "held" in seen["statusMessage"])
        assert seen.keys() == {*made.keys()}, "no result, no error, no request"
        assert (seen["resultType"], seen["status"], seen["ttlMs"]) == ("complete", "working", None)
        assert seen["statusMessage"] == "0/1 steps, running: held"
        assert 250 <= seen["pollIntervalMs"] <= 5000
        assert made["createdAt"] == seen["createdAt"] <= seen["lastUpdatedAt"]
        assert datetime.fromisoformat(seen["createdAt"]).tzinfo is not None
        house.house.toys.gate.set()
        done = await host.until(made["taskId"], "completed")
        assert "pollIntervalMs" not in done
        assert done["ttlMs"] >= 90 * 86_400_000, "workflow.keep_days, from the run's end on"
        assert done["result"]["structuredContent"]["status"] == "succeeded"
        assert not {"error", "inputRequests"} & done.keys()
        assert await host.get(made["taskId"]) == done, "an end is final"
        call = {"spec": json.dumps({"steps": [HELD]}), "wait_seconds": 20}
        plain = await host.ask("tools/call", {}, name="workflow_run", arguments=call)
        assert without_ids(done["result"]) == without_ids(plain), "to the letter"


async def test_a_run_that_failed_is_completed_by_the_result_that_says_so(tmp_path: Path) -> None:
    async with hosts(tmp_path) as house, task_host(house) as host:
        house.house.toys.fail_times = 9
        made = await host.run([{**FAILING, "retry": {"max_attempts": 1}}], wait_seconds=20)
        done = await host.until(made["taskId"], "completed", "failed", "cancelled")
        assert done["status"] == "completed", "failed is for errors of the protocol"
        assert "error" not in done
        assert done["result"]["structuredContent"]["error"]["code"] == "provider_failed"
        assert done["statusMessage"] == "1/1 steps, failed; provider_failed: say: not yet"


async def test_a_call_that_is_refused_makes_no_task(tmp_path: Path) -> None:
    async with hosts(tmp_path) as house, task_host(house) as host:
        refused = await host.run([{"id": "x", "tool": "no_tool"}], wait_seconds=20)
        assert (refused["resultType"], refused["isError"]) == ("complete", True)
        assert (await house.house.call("workflow_status"))["steps"] == []


async def test_a_caller_that_does_not_want_to_wait_gets_the_id_and_may_use_it(tmp_path: Path) -> None:
    async with hosts(tmp_path) as house, task_host(house) as host:
        left = await host.run([HELD], wait_seconds=0)
        assert left["resultType"] == "complete"
        run_id = left["structuredContent"]["run_id"]
        assert (await host.get(run_id))["status"] == "working", "a run is a task however it was begun"
        other = await house.started([SAY], wait=20)
        assert (await host.get(other))["status"] == "completed"


async def test_cancelling_a_task_ends_the_run(tmp_path: Path) -> None:
    async with hosts(tmp_path) as house, task_host(house) as host:
        task = (await host.run([HELD], wait_seconds=20))["taskId"]
        await until_called(house.house.toys, "hold ")
        assert await host.ask("tasks/cancel", taskId=task) == {"resultType": "complete"}
        ended = await host.get(task)
        assert ended["status"] == "cancelled"
        assert not {"result", "error", "inputRequests", "pollIntervalMs"} & ended.keys()
        assert (await house.house.call("workflow_status", run_id=task))["status"] == "cancelled"
        assert house.house.toys.at_once == 0, "its call has ended too"
        assert await host.ask("tasks/cancel", taskId=task) == {"resultType": "complete"}, "a second time is nothing"


async def test_a_task_outlives_its_daemon_and_its_connection(tmp_path: Path) -> None:
    async with hosts(tmp_path) as house, task_host(house) as host:
        task = (await host.run([HELD, {**SAY, "needs": ["held"]}], wait_seconds=20))["taskId"]
        await until_called(house.house.toys, "hold ")
    async with hosts(tmp_path) as house, task_host(house) as host:
        assert (await host.until(task, "working"))["taskId"] == task
        house.house.toys.gate.set()
        assert (await host.until(task, "completed"))["result"]["structuredContent"]["run_id"] == task
    async with hosts(tmp_path) as house, task_host(house) as host:
        assert (await host.get(task))["status"] == "completed"


@pytest.mark.full
async def test_a_lost_step_is_told_and_who_moves_it_on(tmp_path: Path) -> None:
    async with hosts(tmp_path) as house, task_host(house) as host:
        task = (await host.run([{"id": "w", "tool": "toy_hold_write"}], wait_seconds=20))["taskId"]
        await until_called(house.house.toys, "hold_write ")
    async with hosts(tmp_path) as house, task_host(house) as host:
        lost = await host.until_it(task, lambda seen: "lost" in seen["statusMessage"])
        assert lost["status"] == "working", "nothing that a form could ask for"
        assert 'next: workflow_control(run_id="' in lost["statusMessage"]


async def test_without_the_declaration_nothing_is_new(tmp_path: Path) -> None:
    run = {"name": "workflow_run", "arguments": {"spec": json.dumps({"steps": [SAY]}), "wait_seconds": 20}}
    async with hosts(tmp_path) as house, task_host(house) as host:
        undeclared: tuple[dict[str, Any], ...] = ({}, {"extensions": {}}, {"extensions": {"org.example/tasks": {}}})
        for other in undeclared:
            plain = await host.ask("tools/call", other, **run)
            assert plain["structuredContent"]["status"] == "succeeded"
            task = plain["structuredContent"]["run_id"]
            for method in METHODS:
                error = await host.refused(method, other, taskId=task, inputResponses={})
                assert error["code"] == MISSING_REQUIRED_CLIENT_CAPABILITY
                assert error["data"] == {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}
            error = await host.refused("subscriptions/listen", other, notifications={"taskIds": [task]})
            assert error["code"] == MISSING_REQUIRED_CLIENT_CAPABILITY
        lists = [json.dumps(await host.ask("tools/list", declared)) for declared in ({}, FORMS)]
        assert lists[0] == lists[1]
        assert "task" not in lists[0].lower()


async def test_what_the_extension_has_not_is_not_there(tmp_path: Path) -> None:
    async with hosts(tmp_path) as house, task_host(house) as host:
        for method in ("tasks/list", "tasks/result"):
            assert (await host.refused(method, taskId="x"))["code"] == METHOD_NOT_FOUND


async def test_the_handshakes_era_has_none_of_it(tmp_path: Path) -> None:
    run = {"spec": json.dumps({"steps": [SAY]}), "wait_seconds": 20}
    async with hosts(tmp_path) as house:
        extension = TasksInClient()
        async with house.client("legacy", extensions=[extension]) as client:
            assert client.server_capabilities.extensions is None
            done = await client.call_tool("workflow_run", run)
            assert done.structured_content is not None
            assert (done.structured_content["status"], extension.created) == ("succeeded", [])
            task = Task(task_id=done.structured_content["run_id"])
            with pytest.raises(MCPError) as caught:
                await client.session.send_request(GetTask(params=task), Answered)
            assert caught.value.code == METHOD_NOT_FOUND
        async with house.link() as link:
            answers = answers_of(link)
            await greeted(link, answers, "legacy", FORMS)
            for number, method in enumerate(METHODS, 2):
                await link.send(frame(method, {"taskId": 7}, number))
                assert (await answers())["error"]["code"] == METHOD_NOT_FOUND
            called = {"name": "workflow_run", "arguments": run, "task": {"ttl": 60_000}}
            await link.send(frame("tools/call", called, 9))
            assert (await answers())["result"]["structuredContent"]["status"] == "succeeded"


async def test_anothers_task_is_as_one_that_there_is_not(tmp_path: Path) -> None:
    async with hosts(tmp_path) as house:
        task = await house.started([HELD])
        missing = task[:-1] + ("0" if task[-1] != "0" else "1")
        async with task_host(house, who=session(tmp_path, "somebody else")) as host:
            for method in METHODS:
                said = []
                for one in (task, missing):
                    error = await host.refused(method, taskId=one, inputResponses={})
                    said.append(json.dumps(error).replace(one, "ID"))
                    assert error["code"] == -32602
                assert said[0] == said[1]
        assert (await house.house.call("workflow_status", run_id=task, wait_seconds=0))["status"] == "running"


MALFORMED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("tasks/get", {}),
    ("tasks/get", {"taskId": 7}),
    ("tasks/get", {"taskId": ""}),
    ("tasks/get", {"task_id": "RUN"}),
    ("tasks/get", {"taskId": "x" * 300}),
    ("tasks/cancel", {"taskId": None}),
    ("tasks/cancel", {"taskId": ["RUN"]}),
    ("tasks/update", {"taskId": "RUN"}),
    ("tasks/update", {"taskId": "RUN", "inputResponses": []}),
    ("tasks/update", {"taskId": "RUN", "inputResponses": {"a": "yes"}}),
    ("tasks/update", {"taskId": "RUN", "inputResponses": {"a": {"action": "maybe"}}}),
    ("subscriptions/listen", {"notifications": {"taskIds": "RUN"}}),
    ("subscriptions/listen", {"notifications": {"taskIds": [7]}}),
    ("subscriptions/listen", {"notifications": {"taskIds": ["x"] * 65}}),
)


async def test_malformed_requests_are_refused_and_change_nothing(tmp_path: Path) -> None:
    async with hosts(tmp_path) as house, task_host(house) as host:
        run = await house.started([HELD])
        for method, params in MALFORMED:
            given = json.loads(json.dumps(params).replace("RUN", run))
            assert (await host.refused(method, **given))["code"] == -32602, (method, params)
        assert (await host.get(run))["status"] == "working"


async def test_what_a_session_may_not_do_by_tools_it_may_not_do_by_tasks(tmp_path: Path) -> None:
    reader = session(tmp_path, effects=frozenset({Effect.READ}))
    narrow = session(tmp_path)
    object.__setattr__(narrow, "grant", narrow.grant.narrowed(toolsets=("toys", "artifacts")))
    async with hosts(tmp_path) as house:
        task = await house.started([HELD])
        async with task_host(house, who=reader) as host:
            assert (await host.get(task))["status"] == "working"
            assert (await host.refused("tasks/cancel", taskId=task))["data"]["error"]["code"] == "forbidden"
        async with task_host(house, who=narrow) as host:
            assert "extensions" not in (await host.ask("server/discover"))["capabilities"]
            for method in METHODS:
                refused = await host.refused(method, taskId=task, inputResponses={})
                assert refused["data"]["error"]["code"] == "forbidden"
        async with task_host(house, who=session(tmp_path, effects=frozenset({Effect.WRITE}))) as host:
            await host.send("subscriptions/listen", {"notifications": {"taskIds": [task]}})
            assert (await host.hear())["params"]["notifications"] == {"taskIds": []}
        assert (await house.house.call("workflow_status", run_id=task, wait_seconds=0))["status"] == "running"
        await house.house.database.write(lambda tx: None)
        told = await house.house.rows("SELECT tool, phase, code FROM audit WHERE code = 'forbidden' ORDER BY rowid")
        assert told == [
            (tool, "refusal", "forbidden") for tool in (tasks.STEER, tasks.LOOK, tasks.LOOK, tasks.STEER, tasks.LOOK)
        ]


async def test_who_listens_is_sent_the_task_as_it_changes_and_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "PAUSE_SECONDS", 0.02)
    async with hosts(tmp_path) as house, task_host(house) as host:
        task = (await host.run([HELD], wait_seconds=20))["taskId"]
        foreign = await house.started([HELD], who=session(tmp_path, "somebody else"))
        await until_called(house.house.toys, "hold ")
        number = await host.send("subscriptions/listen", {"notifications": {"taskIds": [task, foreign, "none"]}})
        acknowledged = await host.hear()
        assert acknowledged["params"]["notifications"] == {"taskIds": [task]}
        first = await host.hear()
        assert first["method"] == "notifications/tasks"
        assert first["params"]["_meta"] == {"io.modelcontextprotocol/subscriptionId": number}
        assert (first["params"]["status"], first["params"]["ttlMs"]) == ("working", None)
        house.house.toys.gate.set()
        heard = [await host.hear()]
        while "result" not in heard[-1]:
            heard.append(await host.hear())
        last = heard[-2]["params"]
        assert {one["params"]["taskId"] for one in heard[:-1]} == {task}
        assert heard[-1]["id"] == number, "the stream ends with its tasks"
        del last["_meta"]
        assert last == {key: value for key, value in (await host.get(task)).items() if key != "resultType"}
        assert last["status"] == "completed"
