"""What is given out as a person's word, and is not: forged and used up states, approvals of something else."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from astro_mcp.core.authority import Approval, Level
from astro_mcp.core.call import Call
from astro_mcp.faces.mcp import person

from .hosts import Hosts, answers_of, frame, hosts
from .test_person import RUN, SPEC, waits


class Modern:
    """A modern host without a library, that plays foul."""

    def __init__(self, link: Any) -> None:
        self._link = link
        self._answers = answers_of(link)
        self._last = 0

    async def call(self, tool: str, arguments: dict[str, Any], **more: Any) -> Any:
        self._last += 1
        params = {"name": tool, "arguments": arguments, **more}
        shown: dict[str, Any] = {"elicitation": {}}
        await self._link.send(frame("tools/call", params, self._last, modern=True, capabilities=shown))
        return (await self._answers())["result"]


def with_yes(state: str) -> dict[str, Any]:
    accepted = {"action": "accept", "content": {"approve": True}}
    return {"requestState": state, "inputResponses": {person.KEY: accepted}}


async def test_a_state_is_good_once_for_its_own_call_on_its_own_connection(tmp_path: Path) -> None:
    async with hosts(tmp_path) as house, house.link() as link, house.link() as other_link:
        host, other = Modern(link), Modern(other_link)
        state = (await host.call("workflow_run", RUN))["requestState"]
        for foul in (
            await other.call("workflow_run", RUN, **with_yes(state)),
            await host.call("workflow_run", RUN, **with_yes(state + "x")),
            await host.call("workflow_run", RUN, **with_yes("")),
        ):
            assert foul["isError"]
            assert "nothing waits for this answer" in foul["content"][0]["text"]
        run_id = (await house.house.call("workflow_status"))["steps"][0]["id"]
        assert await waits(house, run_id)
        changed = await host.call("workflow_run", {**RUN, "inputs": '{"what": "your keys"}'}, **with_yes(state))
        assert changed["isError"], "the inputs changed after the question"
        assert (await host.call("workflow_run", RUN, **with_yes(state)))["isError"], "and that used it up"
        state = (await host.call("workflow_status", {"run_id": run_id}))["requestState"]
        yes = await host.call("workflow_status", {"run_id": run_id}, **with_yes(state))
        assert yes["structuredContent"]["status"] == "succeeded"
        assert (await host.call("workflow_status", {"run_id": run_id}, **with_yes(state)))["isError"], "a replay"
        assert house.house.toys.calls == ["write the report"]


async def test_answers_to_no_question_are_nothing(tmp_path: Path) -> None:
    async with hosts(tmp_path) as house, house.link() as link:
        host = Modern(link)
        accepted = with_yes("")["inputResponses"]
        asked = await host.call("workflow_run", RUN, inputResponses=accepted)
        assert asked["resultType"] == "input_required"
        unanswered = await host.call("workflow_run", RUN, requestState=asked["requestState"])
        assert unanswered["structuredContent"]["status"] == "waiting"
        assert len((await house.house.call("workflow_status"))["steps"]) == 1
        assert house.house.toys.calls == []


async def test_an_approval_counts_for_what_was_shown_and_while_it_lasts(tmp_path: Path) -> None:
    async with hosts(tmp_path) as house:
        runs = [(await house.house.run(SPEC, inputs=json.dumps({"what": what})))["run_id"] for what in ("a", "b")]
        digests = [await digest(house, run_id) for run_id in runs]
        assert digests[0] != digests[1]
        soon = time.time() + 60
        for wrong, code in (
            (Approval(Level.HOST, digests[0], soon), "conflict"),
            (Approval(Level.HOST, "", soon), "conflict"),
            (Approval(Level.HOST, digests[1], time.time() - 1), "conflict"),
            (Approval(Level.MODEL, digests[1], soon), "approval_required"),
        ):
            assert await decided(house, runs[1], wrong) == code
            assert await waits(house, runs[1])
        assert await decided(house, runs[1], Approval(Level.HOST, digests[1], soon)) == ""
        assert await decided(house, runs[1], Approval(Level.HOST, digests[1], soon)) == "", "twice is nothing more"
        done = await house.house.call("workflow_status", run_id=runs[1], wait_seconds=20)
        assert done["status"] == "succeeded"
        assert await waits(house, runs[0])
        assert house.house.toys.calls == ["write b"]


async def test_a_hosts_person_does_not_decide_for_the_operator(tmp_path: Path) -> None:
    gate = {"id": "gate", "approve": {"message": "Go?", "level": "operator"}}
    async with hosts(tmp_path) as house:
        run_id = (await house.house.run(json.dumps({"steps": [gate]})))["run_id"]
        approval = Approval(Level.HOST, await digest(house, run_id), time.time() + 60)
        assert await decided(house, run_id, approval) == "approval_required"
        assert await waits(house, run_id)


async def digest(house: Hosts, run_id: str) -> str:
    return str(json.loads(await house.house.read(f"astro://runs/{run_id}/steps/gate"))["request"]["digest"])


async def decided(house: Hosts, run_id: str, approval: Approval) -> str:
    """The code of the refusal, if it is one."""
    arguments = {"run_id": run_id, "step": "gate", "value": True}
    result = await house.house.dispatcher.call(Call(house.house.me, "workflow_answer", arguments, approval=approval))
    return result.error.code if result.error else ""
