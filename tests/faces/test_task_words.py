"""What a task asks for: which calls become tasks, and whose word moves one on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.workflow.house import session

from astro_mcp.core.authority import Effect, Kind
from astro_mcp.faces.mcp import person

from .hosts import Hosts, hosts
from .task_hosts import FORMS, NO, TASKS, YES, task_host

GATE: dict[str, Any] = {"id": "gate", "approve": {"message": "Write it?", "level": "host"}}
AFTER = {"id": "after", "needs": ["gate"], "tool": "toy_write", "with": {"text": "it"}}
ASK = {"id": "word", "ask": "Say the word", "answer": {"word": "string"}}
GATED = (GATE, AFTER)
DISMISSED = {"action": "cancel"}


def gate(level: str) -> dict[str, Any]:
    return {"id": "gate", "approve": {"message": "Go?", "level": level}}


async def test_a_gate_is_asked_for_by_polling_and_answered_by_the_person(tmp_path: Path) -> None:
    async with hosts(tmp_path) as house, task_host(house) as host:
        task = (await host.run(GATED, wait_seconds=20))["taskId"]
        asked = await host.until(task, "input_required")
        assert not {"result", "error"} & asked.keys()
        [(key, request)] = asked["inputRequests"].items()
        assert request["method"] == "elicitation/create"
        assert request["params"]["mode"] == "form"
        assert "> Write it?\nYour yes lets go on: after (toy_write)" in request["params"]["message"]
        assert request["params"]["requestedSchema"]["properties"] == {
            "approve": {"type": "boolean", "title": "approve"}
        }
        assert (await host.get(task))["inputRequests"].keys() == {key}, "the same question has the same key"
        await host.update(task, **{key: YES})
        done = await host.until(task, "completed")
        assert done["result"]["structuredContent"]["status"] == "succeeded"
        await host.update(task, **{key: YES})
        assert house.house.toys.calls == ["write it"]
        await house.house.database.write(lambda tx: None)
        told = await house.house.rows("SELECT code FROM audit WHERE phase = 'outcome' AND tool = 'workflow_answer'")
        assert told == [("ok",)], "handed on once, down the call path"


async def test_a_no_ends_the_task_by_the_result_that_says_so(tmp_path: Path) -> None:
    async with hosts(tmp_path) as house, task_host(house) as host:
        task = (await host.run(GATED, wait_seconds=20))["taskId"]
        [key] = (await host.until(task, "input_required"))["inputRequests"]
        await host.update(task, **{key: NO})
        done = await host.until(task, "completed")
        assert done["result"]["structuredContent"]["error"]["code"] == "rejected"
        assert house.house.toys.calls == []


async def test_what_is_no_word_leaves_the_gate_waiting_and_is_asked_anew_by_another_key(tmp_path: Path) -> None:
    async with hosts(tmp_path) as house, task_host(house) as host:
        task = (await host.run(GATED, wait_seconds=20))["taskId"]
        keys = []
        for nothing in (DISMISSED, {"action": "accept"}, {"action": "accept", "content": {"approve": "true"}}):
            [key] = (await host.until(task, "input_required"))["inputRequests"]
            keys.append(key)
            await host.update(task, **{key: nothing})
            await host.update(task, **{key: YES})  # it was answered, and is over
        assert len({*keys}) == person.TIMES
        left = await host.get(task)
        assert left["status"] == "working", "nobody is worn down"
        assert "next: a person decides gate" in left["statusMessage"]
        assert house.house.toys.calls == []
        await answered_at_the_terminal(house, tmp_path, task)
        assert (await host.until(task, "completed"))["result"]["structuredContent"]["status"] == "succeeded"


async def test_a_question_that_was_declined_is_not_asked_again_on_the_connection(tmp_path: Path) -> None:
    async with hosts(tmp_path) as house:
        async with task_host(house) as host:
            task = (await host.run(GATED, wait_seconds=20))["taskId"]
            [key] = (await host.until(task, "input_required"))["inputRequests"]
            await host.update(task, **{key: {"action": "decline"}})
            assert (await host.get(task))["status"] == "working"
        async with task_host(house) as host:
            await host.update(task, **{key: YES})  # a key of another connection
            [new] = (await host.until(task, "input_required"))["inputRequests"]
            assert new != key
            await host.update(task, **{new: YES})
            await host.until(task, "completed")


async def test_nothing_but_the_key_of_this_task_takes_an_answer(tmp_path: Path) -> None:
    async with hosts(tmp_path) as house, task_host(house) as host:
        task, other = [(await host.run(GATED, wait_seconds=20))["taskId"] for _ in range(2)]
        early = await digest(house, task)
        await host.update(task, **{"": YES, early: YES, "gate": YES, person.KEY: YES})
        [key] = (await host.until(task, "input_required"))["inputRequests"]
        [foreign] = (await host.until(other, "input_required"))["inputRequests"]
        for wrong in ("", early, "gate", person.KEY, foreign, key + "x"):
            await host.update(task, **{wrong: YES})
        refused = await host.ask(
            "tools/call", name="workflow_answer", arguments={"run_id": task, "step": "gate", "value": True}
        )
        assert "approval_required" in refused["content"][0]["text"], "a model does not decide its own gate"
        assert (await host.get(task))["inputRequests"].keys() == {key}
        assert house.house.toys.calls == []


async def test_a_host_that_shows_no_forms_brings_nobodys_word(tmp_path: Path) -> None:
    async with hosts(tmp_path) as house, task_host(house) as host:
        task = (await host.run(GATED, wait_seconds=20))["taskId"]
        [key] = (await host.until(task, "input_required"))["inputRequests"]
        await host.ask("tasks/update", TASKS, taskId=task, inputResponses={key: YES})
        assert (await host.ask("tasks/get", TASKS, taskId=task))["status"] == "working"
        reader = session(tmp_path, effects=frozenset({Effect.READ}))
        async with task_host(house, who=reader) as host_:
            seen = await host_.get(task)
            assert seen["status"] == "working", "an answer could not be handed on"
        assert house.house.toys.calls == []


async def test_a_word_that_the_session_may_not_hand_on_is_refused_and_decides_nothing(tmp_path: Path) -> None:
    narrow = session(tmp_path, effects=frozenset({Effect.READ, Effect.WRITE}))
    async with hosts(tmp_path) as house, task_host(house, who=narrow) as host:
        task = await house.started(GATED, wait=20)  # by a session that may do more, and so the run may too
        [key] = (await host.get(task))["inputRequests"]
        refused = await host.refused("tasks/update", taskId=task, inputResponses={key: YES})
        assert refused["data"]["error"]["code"] == "forbidden"
        assert (await host.get(task))["status"] == "input_required"
        assert house.house.toys.calls == []


WANTS_MORE: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    (ASK, FORMS),
    (gate("model"), FORMS),
    (gate("operator"), FORMS),
    (gate("host"), TASKS),
    ({"id": "each", "foreach": [1], "do": [ASK]}, FORMS),
    ({"id": "say", "tool": "toy_flaky", "on_failure": [ASK]}, FORMS),
    ({"id": "never", "if": "false", "foreach": [1], "do": [gate("model")]}, FORMS),
    ({"id": "other", "workflow": "asks"}, FORMS),
)


async def test_a_call_whose_run_wants_more_than_the_host_can_bring_is_answered_as_ever(tmp_path: Path) -> None:
    async with hosts(tmp_path) as house, task_host(house) as host:
        for step, capabilities in WANTS_MORE:
            spec = {"steps": [step], "workflows": {"asks": {"steps": [ASK]}}}
            call = {"spec": json.dumps(spec), "wait_seconds": 20}
            answer = await host.ask("tools/call", capabilities, name="workflow_run", arguments=call)
            assert (answer["resultType"], answer["isError"]) == ("complete", False), answer
            assert answer["structuredContent"]["status"] in ("waiting", "succeeded")
        assert len((await house.house.call("workflow_status"))["steps"]) == len(WANTS_MORE), "each began one run"


async def test_an_ask_is_the_models_and_a_host_that_polls_the_run_may_ask_its_person(tmp_path: Path) -> None:
    spec = {"steps": [ASK], "outputs": {"said": "${{ steps.word.word }}"}}
    async with hosts(tmp_path) as house, task_host(house) as host:
        call = {"spec": json.dumps(spec), "wait_seconds": 20}
        left = await host.ask("tools/call", name="workflow_run", arguments=call)
        assert left["structuredContent"]["next"].startswith("workflow_answer(")
        task = left["structuredContent"]["run_id"]
        [(key, request)] = (await host.get(task))["inputRequests"].items()
        assert "> Say the word" in request["params"]["message"]
        await host.update(task, **{key: {"action": "accept", "content": {"word": "please"}}})
        done = await host.until(task, "completed")
        assert done["result"]["structuredContent"]["outputs"] == {"said": "please"}


@pytest.mark.full
async def test_many_gates_are_asked_for_a_few_at_a_time_and_each_answer_counts_by_itself(tmp_path: Path) -> None:
    many = person.QUESTIONS + 2
    gates = [{**GATE, "id": f"g{n}", "approve": {"message": f"{n}?", "level": "host"}} for n in range(many)]
    async with hosts(tmp_path) as house, task_host(house) as host:
        task = (await host.run(gates, wait_seconds=20))["taskId"]
        asked = (await host.until(task, "input_required"))["inputRequests"]
        assert len(asked) == person.QUESTIONS
        first, second = list(asked)[:2]
        await host.update(task, **{first: YES, "none": YES})
        seen = (await host.get(task))["inputRequests"]
        assert first not in seen
        assert second in seen
        while (seen := await host.get(task))["status"] == "input_required":
            await host.update(task, **dict.fromkeys(seen["inputRequests"], YES))
        assert (await host.until(task, "completed"))["result"]["structuredContent"]["status"] == "succeeded"


@pytest.mark.full
async def test_two_answers_at_once_are_one(tmp_path: Path) -> None:
    async with hosts(tmp_path) as house, task_host(house) as host:
        task = (await host.run(GATED, wait_seconds=20))["taskId"]
        [key] = (await host.until(task, "input_required"))["inputRequests"]
        sent = [
            await host.send("tasks/update", {"taskId": task, "inputResponses": {key: said}}) for said in (YES, NO, YES)
        ]
        heard = [await host.hear() for _ in sent]
        assert sorted(answer["id"] for answer in heard) == sent
        assert all("result" in answer for answer in heard)
        done = await host.until(task, "completed")
        assert done["result"]["structuredContent"]["status"] == "succeeded"
        assert house.house.toys.calls == ["write it"]


async def test_what_was_decided_elsewhere_meanwhile_stays_decided(tmp_path: Path) -> None:
    async with hosts(tmp_path) as house, task_host(house) as host:
        task = (await host.run(GATED, wait_seconds=20))["taskId"]
        [key] = (await host.until(task, "input_required"))["inputRequests"]
        await answered_at_the_terminal(house, tmp_path, task)
        await host.update(task, **{key: NO})
        assert (await host.until(task, "completed"))["result"]["structuredContent"]["status"] == "succeeded"


async def answered_at_the_terminal(house: Hosts, folder: Path, task: str) -> None:
    operator = session(folder, kind=Kind.CLI)
    await house.house.call("workflow_answer", operator, run_id=task, step="gate", value=True)


async def digest(house: Hosts, run_id: str) -> str:
    await house.house.call("workflow_status", run_id=run_id, wait_seconds=20)
    return str(json.loads(await house.house.read(f"astro://runs/{run_id}/steps/gate"))["request"]["digest"])
