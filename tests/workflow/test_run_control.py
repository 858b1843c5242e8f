"""Runs that wait, are answered, paused, cancelled or out of time, through the dispatcher, with the real store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.workflow.house import house, session, until_called

from astro_mcp.core.authority import Kind
from astro_mcp.core.call import Call
from astro_mcp.run_settings import WorkflowSettings


async def test_an_ask_is_answered_with_the_fields_that_it_names(tmp_path: Path) -> None:
    spec = {
        "steps": [
            {"id": "list", "tool": "toy_list", "with": {"count": 2}},
            {
                "id": "story",
                "ask": "Tell of ${{ steps.list.total }} things",
                "with": {"things": "${{ steps.list.items.map(i, i.file) }}"},
                "answer": {"markdown": "string", "score": "integer"},
            },
            {"id": "say", "tool": "toy_say", "with": {"text": "${{ steps.story.markdown }}"}},
        ],
        "outputs": {"text": "${{ steps.say.text_ }}"},
    }
    async with house(tmp_path) as h:
        result = await h.run(spec)
        assert result["status"] == "waiting"
        [waiting] = result["waiting_for"]
        assert waiting["text"] == "Tell of 2 things"
        assert json.loads(waiting["shown"]) == {"things": ["f0", "f1"]}
        assert "workflow_answer" in result["next"]
        run = {"run_id": result["run_id"], "step": "story"}
        error = await h.fails("workflow_answer", **run, value={"markdown": 3})
        assert {p.path for p in error.problems} == {"value.markdown", "value.score"}
        await h.call("workflow_answer", **run, value={"markdown": "${{ inputs }}", "score": 1})
        await h.call("workflow_answer", **run, value={"markdown": "second", "score": 2})
        done = await h.call("workflow_status", run_id=result["run_id"], wait_seconds=10)
        assert done["outputs"] == {"text": "${{ inputs }}"}


@pytest.mark.parametrize("value", [True, "yes"])
async def test_a_gate_of_the_model_s_level_opens(tmp_path: Path, value: Any) -> None:
    spec = {"steps": [{"id": "g", "approve": {"message": "go?"}}, {"id": "w", "tool": "toy_write", "needs": ["g"]}]}
    async with house(tmp_path) as h:
        result = await h.run(spec)
        assert result["waiting_for"][0]["text"] == "go? (then: w)"
        assert not h.toys.calls
        await h.call("workflow_answer", run_id=result["run_id"], step="g", value=value)
        done = await h.call("workflow_status", run_id=result["run_id"], wait_seconds=10)
        assert done["status"] == "succeeded"


@pytest.mark.parametrize(
    ("level", "kind", "opens"),
    [
        ("host", Kind.STDIO, False),
        ("operator", Kind.STDIO, False),
        ("operator", Kind.HTTP, False),
        ("operator", Kind.A2A, False),
        ("host", Kind.CLI, True),
        ("operator", Kind.CLI, True),
    ],
)
async def test_a_higher_gate_takes_no_model_s_word(tmp_path: Path, level: str, kind: Kind, opens: bool) -> None:
    spec = {
        "steps": [
            {"id": "g", "approve": {"message": "go?", "level": level}},
            {"id": "w", "tool": "toy_write", "needs": "g"},
        ]
    }
    async with house(tmp_path) as h:
        result = await h.run(spec)
        answer = {"who": session(tmp_path, kind=kind), "run_id": result["run_id"], "step": "g", "value": True}
        if opens:
            await h.call("workflow_answer", **answer)
            await h.call("workflow_status", run_id=result["run_id"], wait_seconds=10)
            assert h.toys.calls == ["write "]
        else:
            assert (await h.fails("workflow_answer", **answer)).code == "approval_required"
            assert not h.toys.calls


async def test_pause_and_resume_hold_and_go_on(tmp_path: Path) -> None:
    spec = {"steps": [{"id": "a", "tool": "toy_hold"}, {"id": "b", "tool": "toy_say", "needs": "a"}]}
    async with house(tmp_path) as h:
        run = {"run_id": (await h.run(spec, wait_seconds=0))["run_id"]}
        await until_called(h.toys, "hold ")
        paused = await h.call("workflow_control", **run, action="pause")
        assert paused["status"] == "paused"
        assert "resume" in paused["next"]
        h.toys.gate.set()
        with anyio.fail_after(5):
            while not (await h.call("workflow_status", **run))["steps"][0]["result_uri"]:
                await anyio.sleep(0.01)
        assert h.toys.calls == ["hold "]
        await h.call("workflow_control", **run, action="resume")
        assert (await h.call("workflow_status", **run, wait_seconds=10))["status"] == "succeeded"


async def test_cancelling_a_run_stops_what_is_in_flight(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        run = {"run_id": (await h.run({"steps": [{"id": "a", "tool": "toy_hold"}]}, wait_seconds=0))["run_id"]}
        await until_called(h.toys, "hold ")
        assert (await h.call("workflow_control", **run, action="cancel"))["status"] == "cancelled"
        with anyio.fail_after(5):
            while h.toys.at_once:
                await anyio.sleep(0.005)
        assert (await h.fails("workflow_control", **run, action="resume")).code == "conflict"
        assert not h.scheduler.active()


EACH: dict[str, Any] = {
    "id": "each",
    "foreach": ["x", "y", "z"],
    "max_parallel": 2,
    "continue-on-error": True,
    "do": [
        {"id": "hold", "tool": "toy_hold", "with": {"text": "${{ item }}"}},
        {"id": "w", "needs": "hold", "tool": "toy_write"},
    ],
}


async def test_cancelling_a_step_with_steps_inside_stops_these_and_the_run_goes_on(tmp_path: Path) -> None:
    after = {"id": "after", "needs": "each", "tool": "toy_say", "with": {"text": "after"}}
    async with house(tmp_path) as h:
        run = {"run_id": (await h.run({"steps": [EACH, after]}, wait_seconds=0))["run_id"]}
        await until_called(h.toys, "hold y")
        await h.call("workflow_control", **run, action="cancel", step="each")
        done = await h.call("workflow_status", **run, wait_seconds=5)
        assert done["status"] == "succeeded"
        assert h.toys.calls == ["hold x", "hold y", "say after"]
        assert h.toys.at_once == 0
        steps = {line["id"]: line["status"] for line in done["steps"]}
        assert (steps["each"], steps["each.0.hold"], steps["each.1.w"]) == ("failed", "cancelled", "cancelled")
        assert "each.2" not in steps


async def test_cancelling_a_step_before_its_turn_keeps_it_from_beginning(tmp_path: Path) -> None:
    steps = [
        {"id": "hold", "tool": "toy_hold"},
        {"id": "w", "needs": "hold", "tool": "toy_write"},
        {"id": "many", "needs": "hold", "foreach": ["x"], "tool": "toy_write"},
        {"id": "after", "if": "always()", "needs": ["w", "many"], "tool": "toy_say"},
    ]
    async with house(tmp_path) as h:
        run = {"run_id": (await h.run({"steps": steps}, wait_seconds=0))["run_id"]}
        await until_called(h.toys, "hold ")
        for step in ("w", "many"):
            await h.call("workflow_control", **run, action="cancel", step=step)
        h.toys.gate.set()
        done = await h.call("workflow_status", **run, wait_seconds=5)
        assert (done["status"], done["error"]["code"]) == ("failed", "cancelled")
        assert h.toys.calls == ["hold ", "say "]


async def test_cancelling_the_call_only_detaches_from_the_run(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        with anyio.move_on_after(5) as scope:
            async with anyio.create_task_group() as group:

                async def call() -> None:
                    await h.run({"steps": [{"id": "a", "tool": "toy_hold"}]}, wait_seconds=200)

                group.start_soon(call)
                await until_called(h.toys, "hold ")
                scope.cancel()
        h.toys.gate.set()
        [run] = (await h.call("workflow_status"))["steps"]
        assert (await h.call("workflow_status", run_id=run["id"], wait_seconds=10))["status"] == "succeeded"


async def test_past_the_queue_s_bound_a_caller_is_told_busy(tmp_path: Path) -> None:
    ask = {"steps": [{"id": "q", "ask": "well?"}]}
    async with house(tmp_path, settings=WorkflowSettings(queue=2)) as h:
        first = (await h.run(ask))["run_id"]
        await h.run(ask)
        error = await h.fails("workflow_run", spec=ask)
        assert (error.code, error.retryable) == ("busy", True)
        assert error.retry_after_ms
        await h.call("workflow_control", run_id=first, action="cancel")
        assert (await h.run(ask))["status"] == "waiting"


async def test_hosts_that_start_runs_at_once_get_no_more_than_the_queue_takes(tmp_path: Path) -> None:
    ask = {"steps": [{"id": "q", "ask": "well?"}]}
    async with house(tmp_path, settings=WorkflowSettings(queue=3)) as h:
        codes: list[str] = []

        async def one() -> None:
            call = Call(h.me, "workflow_run", {"spec": json.dumps(ask), "wait_seconds": 0})
            error = (await h.dispatcher.call(call)).error
            codes.append(error.code if error else "")

        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(one)
        assert sorted(codes) == [""] * 3 + ["busy"] * 5
        assert await h.rows("SELECT count(*) FROM workflow_run") == [(3,)]


async def test_a_run_that_waits_does_not_keep_the_daemon_awake(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.run({"steps": [{"id": "q", "ask": "well?"}]})
        assert not h.scheduler.active()
        await h.run({"steps": [{"id": "a", "tool": "toy_hold"}]}, wait_seconds=0)
        assert h.scheduler.active()


async def test_timeouts_end_steps_and_runs(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        step = await h.run({"steps": [{"id": "a", "tool": "toy_hold", "timeout": "50ms"}]})
        assert step["error"]["code"] == "timeout"
        run = await h.run({"steps": [{"id": "a", "tool": "toy_hold"}], "timeout": "100ms"})
        assert (run["status"], run["error"]["code"]) == ("failed", "timeout")
