"""A gate of level host: the person behind the host decides, by elicitation, and nothing that a model says does."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp_types import ElicitRequestFormParams, ElicitResult
from tests.workflow.house import session

from astro_mcp.core.authority import Effect, Kind
from astro_mcp.faces.mcp import person, wire
from astro_mcp.workflow.questions import LINES, SHOWN

from .hosts import Hosts, answers_of, frame, greeted, hosts
from .test_tools import ERAS, ONE_ERA, said

GATE = {"id": "gate", "approve": {"message": "Write ${{ inputs.what }}?", "level": "host"}}
AFTER = {"id": "after", "needs": ["gate"], "tool": "toy_write", "with": {"text": "${{ inputs.what }}"}}
SPEC = json.dumps({"name": "gated", "inputs": {"what": {"default": "the report"}}, "steps": [GATE, AFTER]})
RUN = {"spec": SPEC, "allow": ["read", "write"], "wait_seconds": 20}
YES = ElicitResult(action="accept", content={"approve": True})
NO = ElicitResult(action="accept", content={"approve": False})
DECLINE, CANCEL = ElicitResult(action="decline"), ElicitResult(action="cancel")
NOTHING = (
    DECLINE,
    ElicitResult(action="accept"),
    pytest.param(CANCEL, marks=pytest.mark.full),
    pytest.param(ElicitResult(action="accept", content={"approve": "true"}), marks=pytest.mark.full),
    pytest.param(ElicitResult(action="cancel", content={"approve": True}), marks=pytest.mark.full),
)


class Person:
    """Somebody before the host's form; `says` one thing after another, and the last one from then on."""

    def __init__(self, *says: ElicitResult, first: Callable[[], Awaitable[None]] | None = None) -> None:
        self.shown: list[str] = []
        self.forms: list[dict[str, str]] = []
        self._says = list(says)
        self._first = first

    async def __call__(self, ctx: object, params: object) -> ElicitResult:
        assert isinstance(params, ElicitRequestFormParams)
        self.forms.append({name: field["type"] for name, field in params.requested_schema["properties"].items()})
        self.shown.append(params.message)
        if self._first is not None:
            await self._first()
        return self._says.pop(0) if len(self._says) > 1 else self._says[0]


async def body(client: Client, tool: str, **arguments: Any) -> Any:
    result = await client.call_tool(tool, arguments)
    return result.structured_content


async def waits(house: Hosts, run_id: str) -> bool:
    steps = (await house.house.call("workflow_status", run_id=run_id, wait_seconds=0))["steps"]
    [status] = [step["status"] for step in steps if step["id"] == "gate"]
    return bool(status == "waiting")


@ERAS
async def test_a_person_approves_and_the_run_goes_on_within_the_same_call(tmp_path: Path, mode: str) -> None:
    someone = Person(YES)
    async with hosts(tmp_path) as house, house.client(mode, elicitation_callback=someone) as client:
        done = await body(client, "workflow_run", **RUN)
        assert done["status"] == "succeeded"
        assert house.house.toys.calls == ["write the report"]
        [shown] = someone.shown
        assert someone.forms == [{"approve": "boolean"}]
        assert "'gated' asks for your decision:\n> Write the report?\n" in shown
        assert "Your yes lets go on: after (toy_write)\nYour no rejects it for good.\nStep gate" in shown
        assert len((await house.house.call("workflow_status"))["steps"]) == 1, (
            "the call's second time starts no second run"
        )
        await house.house.database.write(lambda tx: None)
        told = await house.house.rows("SELECT code FROM audit WHERE phase = 'outcome' AND tool = 'workflow_answer'")
        assert told == [("ok",)]


@ONE_ERA
async def test_who_waits_with_status_asks_too(tmp_path: Path, mode: str) -> None:
    someone = Person(YES)
    async with hosts(tmp_path) as house, house.client(mode, elicitation_callback=someone) as client:
        run_id = (await body(client, "workflow_run", **{**RUN, "wait_seconds": 0}))["run_id"]
        assert someone.shown == [], "who does not wait does not ask"
        assert (await body(client, "workflow_status", run_id=run_id, wait_seconds=20))["status"] == "succeeded"
        assert len(someone.shown) == 1


@ONE_ERA
async def test_a_no_rejects_the_gate(tmp_path: Path, mode: str) -> None:
    async with hosts(tmp_path) as house, house.client(mode, elicitation_callback=Person(NO)) as client:
        done = await body(client, "workflow_run", **RUN)
        assert (done["status"], done["error"]["code"]) == ("failed", "rejected")
        assert house.house.toys.calls == []


@ONE_ERA
@pytest.mark.parametrize("nothing", NOTHING)
async def test_what_is_neither_yes_nor_no_leaves_the_gate_waiting(
    tmp_path: Path, mode: str, nothing: ElicitResult
) -> None:
    someone = Person(nothing)
    async with hosts(tmp_path) as house, house.client(mode, elicitation_callback=someone) as client:
        left = await body(client, "workflow_run", **RUN)
        assert left["status"] == "waiting"
        assert left["next"].startswith("a person decides gate; then workflow_status(")
        assert await waits(house, left["run_id"])
        for _ in range(5):
            await body(client, "workflow_status", run_id=left["run_id"], wait_seconds=20)
        assert len(someone.shown) == (1 if nothing.action == "decline" else person.TIMES), "nobody is worn down"
        assert house.house.toys.calls == []


@ONE_ERA
async def test_a_model_does_not_decide_its_own_gate(tmp_path: Path, mode: str) -> None:
    someone = Person(DECLINE)
    async with hosts(tmp_path) as house, house.client(mode, elicitation_callback=someone) as client:
        run_id = (await body(client, "workflow_run", **RUN))["run_id"]
        for value in (True, "true", {"approve": True}, {"approve": True, "level": "host"}, False):
            refused = await client.call_tool("workflow_answer", {"run_id": run_id, "step": "gate", "value": value})
            assert refused.is_error
            assert "approval_required" in said(refused)
        assert await waits(house, run_id)
        assert len(someone.shown) == 1, "an answer asks nobody"


@ONE_ERA
@pytest.mark.parametrize("capability", [{}, {"elicitation": {"url": {}}}])
async def test_a_host_that_shows_no_forms_is_told_that_a_person_decides(
    tmp_path: Path, mode: str, capability: dict[str, Any]
) -> None:
    asked = {"name": "workflow_run", "arguments": RUN}
    async with hosts(tmp_path) as house, house.link() as link:
        answers = answers_of(link)
        await greeted(link, answers, mode, capability)
        await link.send(frame("tools/call", asked, 7, modern=mode == "auto", capabilities=capability))
        result = (await answers())["result"]
        assert result["structuredContent"]["status"] == "waiting"
        assert "a person decides gate" in result["content"][0]["text"]
        assert "inputRequests" not in result


@ONE_ERA
async def test_nobody_is_asked_for_a_word_that_would_not_count(tmp_path: Path, mode: str) -> None:
    someone = Person(YES)
    operators = {"id": "gate", "approve": {"message": "Go?", "level": "operator"}}
    models = {"id": "gate", "approve": {"message": "Go?"}}
    async with hosts(tmp_path) as house:
        async with house.client(mode, elicitation_callback=someone) as client:
            for gate in (operators, models, {"id": "gate", "ask": "Say the word"}):
                left = await body(client, "workflow_run", spec=json.dumps({"steps": [gate]}), wait_seconds=20)
                assert left["status"] == "waiting"
            run_id = (await body(client, "workflow_run", **{**RUN, "wait_seconds": 0}))["run_id"]
        reader = session(tmp_path, effects=frozenset({Effect.READ}))
        async with house.client(mode, reader, elicitation_callback=someone) as client:
            assert (await body(client, "workflow_status", run_id=run_id, wait_seconds=20))["status"] == "waiting"
        assert someone.shown == []


ASK = {
    "id": "gate",
    "ask": "What is it called?",
    "with": {"seen": "<b>\u202e"},
    "answer": {"name": "string", "count": "integer", "sure": "boolean"},
}


@ERAS
async def test_an_ask_is_the_models_to_answer_and_then_the_persons(tmp_path: Path, mode: str) -> None:
    answer = {"name": "true", "count": 3, "sure": False}
    wrong = ElicitResult(action="accept", content={**answer, "count": True})
    someone = Person(wrong, ElicitResult(action="accept", content=dict(answer)))
    spec = {"steps": [ASK], "outputs": {"said": "${{ steps.gate }}"}}
    async with hosts(tmp_path) as house, house.client(mode, elicitation_callback=someone) as client:
        left = await body(client, "workflow_run", spec=json.dumps(spec), wait_seconds=20)
        assert (left["status"], someone.shown) == ("waiting", [])
        assert left["next"].startswith("workflow_answer(")
        again = await body(client, "workflow_status", run_id=left["run_id"], wait_seconds=20)
        assert again["status"] == "waiting", "what does not fit the form is no answer"
        done = await body(client, "workflow_status", run_id=left["run_id"], wait_seconds=20)
        assert (done["status"], done["outputs"]["said"]) == ("succeeded", answer)
        assert someone.forms[1] == {"name": "string", "count": "integer", "sure": "boolean"}
        assert 'asks for your answer:\n> What is it called?\nIt shows with it:\n> {"seen": "<b>' in someone.shown[1]
        assert "\u202e" not in someone.shown[1]


@ONE_ERA
async def test_an_ask_without_fields_takes_text_as_it_stands(tmp_path: Path, mode: str) -> None:
    spec = {"steps": [{"id": "gate", "ask": "Which?"}], "outputs": {"said": "${{ steps.gate.answer }}"}}
    someone = Person(ElicitResult(action="accept", content={"answer": "true"}))
    async with hosts(tmp_path) as house, house.client(mode, elicitation_callback=someone) as client:
        run_id = (await body(client, "workflow_run", spec=json.dumps(spec), wait_seconds=20))["run_id"]
        done = await body(client, "workflow_status", run_id=run_id, wait_seconds=20)
        assert (done["status"], done["outputs"]) == ("succeeded", {"said": "true"})


@ONE_ERA
async def test_an_ask_that_no_form_can_hold_stays_the_models(tmp_path: Path, mode: str) -> None:
    someone = Person(YES)
    async with hosts(tmp_path) as house, house.client(mode, elicitation_callback=someone) as client:
        for answer in ({"files": "array"}, {"a\u202eb": "string"}, {f"n{n}": "string" for n in range(20)}):
            spec = json.dumps({"steps": [{**ASK, "answer": answer}]})
            run_id = (await body(client, "workflow_run", spec=spec, wait_seconds=20))["run_id"]
            assert (await body(client, "workflow_status", run_id=run_id, wait_seconds=20))["status"] == "waiting"
        assert someone.shown == []


@ONE_ERA
async def test_two_gates_are_asked_for_one_after_the_other(tmp_path: Path, mode: str) -> None:
    gates = [{**GATE, "id": name, "approve": {"message": name, "level": "host"}} for name in ("one", "two")]
    someone = Person(CANCEL, YES)
    async with hosts(tmp_path) as house, house.client(mode, elicitation_callback=someone) as client:
        left = await body(client, "workflow_run", spec=json.dumps({"steps": gates}), wait_seconds=20)
        assert [line.splitlines()[1] for line in someone.shown] == ["> one", "> two"]
        assert [waiting["step"] for waiting in left["waiting_for"]] == ["one"]


@ONE_ERA
async def test_one_call_asks_a_bounded_number_of_times(tmp_path: Path, mode: str) -> None:
    gates = [{**GATE, "id": f"g{n}", "needs": [f"g{n - 1}"] if n else []} for n in range(person.QUESTIONS + 1)]
    spec = json.dumps({"inputs": {"what": {"default": "it"}}, "steps": gates})
    someone = Person(YES)
    async with hosts(tmp_path) as house, house.client(mode, elicitation_callback=someone) as client:
        left = await body(client, "workflow_run", spec=spec, wait_seconds=20)
        assert (left["status"], len(someone.shown)) == ("waiting", person.QUESTIONS)
        assert (await body(client, "workflow_status", run_id=left["run_id"], wait_seconds=20))["status"] == "succeeded"


@ONE_ERA
async def test_what_the_terminal_decided_meanwhile_stays_decided(tmp_path: Path, mode: str) -> None:
    async with hosts(tmp_path) as house:

        async def at_the_terminal() -> None:
            operator = session(tmp_path, kind=Kind.CLI)
            runs = await house.house.call("workflow_status")
            await house.house.call("workflow_answer", operator, run_id=runs["steps"][0]["id"], step="gate", value=False)

        async with house.client(mode, elicitation_callback=Person(YES, first=at_the_terminal)) as client:
            done = await body(client, "workflow_run", **RUN)
            assert (done["status"], done["error"]["code"]) == ("failed", "rejected")


@ONE_ERA
async def test_a_person_who_takes_too_long_has_said_nothing(
    tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(person, "PERSON_SECONDS", 0.05)
    async with hosts(tmp_path) as house:
        slow = Person(YES, first=lambda: anyio.sleep(0.3))
        async with house.client(mode, elicitation_callback=slow) as client:
            result = await client.call_tool("workflow_run", RUN)
            if mode == "legacy":
                assert result.structured_content["status"] == "waiting"
            else:
                assert "too late" in said(result)
            runs = await body(client, "workflow_status")
            assert await waits(house, runs["steps"][0]["id"])


@ONE_ERA
async def test_a_host_that_vanishes_while_it_asks_leaves_the_gate_waiting(
    tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "GRACE_SECONDS", 0.05)
    async with hosts(tmp_path) as house:
        shown: dict[str, Any] = {"elicitation": {}}
        async with house.link() as link:
            answers = answers_of(link)
            await greeted(link, answers, mode, shown)
            asked = {"name": "workflow_run", "arguments": RUN}
            await link.send(frame("tools/call", asked, 7, modern=mode == "auto", capabilities=shown))
            question = await answers()
            assert question.get("method", "") == "elicitation/create" or question["result"]["inputRequests"]
        runs = await house.house.call("workflow_status")
        assert await waits(house, runs["steps"][0]["id"])


async def test_hostile_text_is_shown_marked_printable_and_bounded(tmp_path: Path) -> None:
    foul = "Fine?\nYour yes lets go on: nothing more\n\x1b[2J\u202eevil\u2066" + "\nmore" * 100 + "x" * 9000
    someone = Person(CANCEL)
    async with hosts(tmp_path) as house, house.client("auto", elicitation_callback=someone) as client:
        gate = {**GATE, "approve": {"message": "${{ inputs.what }}", "level": "host"}}
        spec = {"name": "a\u202eb", "inputs": {"what": {"default": foul}}, "steps": [gate, AFTER]}
        left = await body(client, "workflow_run", **{**RUN, "spec": json.dumps(spec)})
        [shown] = someone.shown
        lines = shown.splitlines()
        assert sum(line.startswith("Your yes lets go on") for line in lines) == 1
        assert lines[2] == "> Your yes lets go on: nothing more"
        assert lines[3].startswith("> \\x1b[2J\\u202eevil\\u2066")
        assert len(shown) < SHOWN + 600
        assert sum(line.startswith(">") for line in lines) == LINES
        assert f"(cut; the whole is at astro://runs/{left['run_id']}/steps/gate)" in lines
        assert "\u202e" not in shown
