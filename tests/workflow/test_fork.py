"""A fork: a new run that keeps what another one has done, but for what is to be done again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.workflow.house import House, house, session, until_called
from tests.workflow.player import Player, plan_of

from astro_mcp.core.authority import Effect, Label
from astro_mcp.workflow.kernel import events as e
from astro_mcp.workflow.kernel.fork import kept
from astro_mcp.workflow.kernel.state import RunState, StepState

CHAIN: list[dict[str, Any]] = [
    {"id": "a", "tool": "toy_write", "with": {"text": "a"}},
    {"id": "b", "tool": "toy_write", "with": {"text": "b${{ steps.a.number }}"}},
    {"id": "c", "tool": "toy_write", "with": {"text": "c${{ steps.b.number }}"}},
    {"id": "side", "tool": "toy_write", "with": {"text": "side"}},
]
OUTPUTS = {"c": "${{ steps.c.text_ }}", "side": "${{ steps.side.text_ }}"}


def played(*steps: dict[str, Any], fails: str = "", answers: Any = True, **more: Any) -> Player:
    """A run to its end; every call gives its own path."""
    player = Player(plan_of(*steps, **more)).began()
    while not player.state.over:
        if player.flying:
            path = min(player.flying)
            player.finish(path, {"at": path, "items": [1, 2]}, "provider_failed" if path == fails else "")
        else:
            answered(player, answers)
    return player


def answered(player: Player, value: Any) -> None:
    for path, found in player.state.steps.items():
        if found.status == "waiting":
            digest = (found.request or {})["digest"]
            player.feed(e.Answered(now=0, path=path, value=value, by="model", digest=digest))
            return
    raise AssertionError("nothing goes on")


def left(player: Player, step: str) -> set[str]:
    return set(kept(player.plan, player.state, step))


def call(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "tool": "t", **more}


def test_what_comes_after_the_step_is_not_kept_at_any_level() -> None:
    body = [call("x"), call("y", needs="x"), call("z")]
    player = played(call("a"), {"id": "do", "needs": "a", "do": body}, call("end", needs="do"), call("free"))
    assert left(player, "do.x") == {"a", "do.z", "free"}
    assert left(player, "do") == {"a", "free"}
    assert left(player, "end") == {"a", "do.x", "do.y", "do.z", "free"}
    assert left(player, "free") == {"a", "do.x", "do.y", "do.z", "end"}


def test_other_items_are_kept_and_later_rounds_are_not() -> None:
    each = {"id": "each", "foreach": [1, 2, 3], "do": [call("x"), call("y", needs="x")]}
    player = played(each, call("end", needs="each"))
    assert left(player, "each.1.y") == {"each.0.x", "each.0.y", "each.1.x", "each.2.x", "each.2.y"}
    again = {"id": "again", "repeat": {"max": 3, "until": "!_failure"}, "do": [call("x"), call("y", needs="x")]}
    plan = plan_of(again, call("end", needs="again"))
    state = RunState("run_1", {}, 0.0, 4, steps={"": StepState(0), "again": StepState(1, "succeeded", opened=3)})
    paths = [f"again.{n}{name}" for n in range(3) for name in ("", ".x", ".y")]
    steps = {path: StepState(n, "succeeded") for n, path in enumerate([*paths, "end"], 2)}
    found = kept(plan, replace(state, steps={**state.steps, **steps}), "again.1.y")
    assert set(found) == {"again.0.x", "again.0.y", "again.1.x"}


def test_what_failed_runs_again_with_all_that_hangs_on_it() -> None:
    steps = (call("a"), call("b", needs="a", **{"continue-on-error": True}), call("c", needs="b"), call("d", needs="a"))
    assert left(played(*steps, fails="b"), "") == {"a", "d"}
    assert left(played(*steps, fails="b"), "d") == {"a"}


def test_a_gate_is_asked_again_where_something_behind_it_is_and_all_behind_it_runs_again() -> None:
    gate = {"id": "gate", "needs": "a", "approve": {"message": "go?"}}
    player = played(call("a"), gate, call("b", needs="gate"), call("c", needs="gate"), call("free"))
    assert left(player, "b") == {"a", "free"}
    assert left(player, "free") == {"a", "gate", "b", "c"}
    inside = {"id": "do", "do": [call("x"), gate | {"needs": "x"}]}
    player = played(inside, call("end", needs="do"), call("free"))
    assert left(player, "end") == {"do.x", "free"}


async def forked(at: House, run_id: str, step: str = "", who: Any = None) -> Any:
    begun = await at.call("workflow_control", who, run_id=run_id, action="fork", step=step)
    assert begun["run_id"] != run_id
    return await at.call("workflow_status", who, run_id=begun["run_id"], wait_seconds=20)


async def test_a_fork_runs_a_step_and_what_needs_it_again_and_nothing_else(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        first = await at.run({"steps": CHAIN, "outputs": OUTPUTS})
        at.toys.calls.clear()
        second = await forked(at, first["run_id"], "b")
        assert at.toys.calls == ["write b0", "write c0"]
        assert (second["status"], second["outputs"]) == ("succeeded", first["outputs"])
        steps = {line["id"]: line["attempts"] for line in second["steps"]}
        assert steps == {"a": 0, "b": 1, "c": 1, "side": 0}
        old = await at.call("workflow_status", run_id=first["run_id"])
        assert {line["id"]: line["attempts"] for line in old["steps"]} == dict.fromkeys("abc", 1) | {"side": 1}


async def test_a_fork_of_a_failed_run_goes_on_from_what_failed_also_after_a_restart(tmp_path: Path) -> None:
    steps = [
        CHAIN[0],
        {"id": "bad", "tool": "toy_flaky", "needs": "a"},
        {"id": "hold", "tool": "toy_hold", "needs": "bad"},
    ]
    async with house(tmp_path) as at:
        at.toys.fail_times = 1
        first = await at.run({"steps": steps})
        assert first["status"] == "failed"
        at.toys.calls.clear()
        begun = await at.call("workflow_control", run_id=first["run_id"], action="fork")
        await until_called(at.toys, "hold ")
        assert at.toys.calls == ["flaky ", "hold "]
    async with house(tmp_path) as at:
        at.toys.gate.set()
        done = await at.call("workflow_status", run_id=begun["run_id"], wait_seconds=20)
        assert done["status"] == "succeeded"
        assert at.toys.calls == ["hold "], "what the fork was given it still has"
        [kept_events] = await at.rows("SELECT body FROM workflow_event WHERE kind = 'forked'")
        assert json.loads(kept_events[0]) == {"slots": 0, "origin": first["run_id"], "step": ""}


async def test_a_large_output_is_handed_on_without_a_copy(tmp_path: Path) -> None:
    steps = [
        {"id": "big", "tool": "toy_list", "with": {"count": 40, "size": 20_000}},
        {"id": "say", "tool": "toy_say", "with": {"text": "n${{ size(steps.big.items) }}"}},
    ]
    async with house(tmp_path) as at:
        first = await at.run({"steps": steps, "outputs": {"n": "${{ steps.say.text_ }}"}})
        second = await forked(at, first["run_id"], "say")
        assert second["outputs"] == first["outputs"] == {"n": "n40"}
        found = await at.rows("SELECT output, output_ref FROM workflow_step WHERE path = 'big'")
        assert found[0] == found[1]
        assert found[0][0] is None


async def test_a_fork_keeps_labels_and_asks_a_gate_again(tmp_path: Path) -> None:
    steps = [
        {"id": "list", "tool": "toy_list", "with": {"count": 1}},
        {"id": "gate", "needs": "list", "approve": {"message": "write?"}},
        {"id": "w", "needs": "gate", "tool": "toy_write", "with": {"text": "x"}},
    ]
    async with house(tmp_path) as at:
        first = await at.run({"steps": steps})
        await at.call("workflow_answer", run_id=first["run_id"], step="gate", value=True)
        await at.call("workflow_status", run_id=first["run_id"], wait_seconds=10)
        assert at.toys.calls == ["list 1", "write x"]
        second = await forked(at, first["run_id"], "w")
        assert second["status"] == "waiting"
        assert at.toys.calls == ["list 1", "write x"], "one yes is for one time"
        [labels] = await at.rows("SELECT labels FROM workflow_run WHERE run_id = ?", second["run_id"])
        assert json.loads(labels[0]) == [Label.UNTRUSTED]


async def test_a_narrow_session_can_not_fork_what_a_broad_one_ran_and_a_foreign_one_sees_no_run(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        first = await at.run({"steps": CHAIN})
        narrow = session(tmp_path, effects=frozenset({Effect.READ, Effect.WRITE, Effect.DESTROY}))
        error = await at.fails("workflow_control", narrow, run_id=first["run_id"], action="fork", step="b")
        assert error.code == "forbidden"
        stranger = session(tmp_path, "stranger")
        found = await at.fails("workflow_control", stranger, run_id=first["run_id"], action="fork")
        missing = await at.fails("workflow_control", stranger, run_id="run_" + "0" * 32, action="fork")
        assert found.code == missing.code == "not_found"
        error = await at.fails("workflow_control", run_id=first["run_id"], action="fork", step="nothing")
        assert error.code == "not_found"
        assert len(at.toys.calls) == 4
        assert len((await at.call("workflow_status"))["steps"]) == 1


@pytest.mark.parametrize("step", ["", "c"])
async def test_a_fork_of_what_goes_on_begins_with_what_is_done_by_then(tmp_path: Path, step: str) -> None:
    steps = [CHAIN[0], {"id": "c", "tool": "toy_hold", "needs": "a"}]
    async with house(tmp_path) as at:
        first = await at.run({"steps": steps}, wait_seconds=0)
        await until_called(at.toys, "hold ")
        begun = await at.call("workflow_control", run_id=first["run_id"], action="fork", step=step)
        at.toys.gate.set()
        for run_id in (first["run_id"], begun["run_id"]):
            assert (await at.call("workflow_status", run_id=run_id, wait_seconds=10))["status"] == "succeeded"
        assert at.toys.calls == ["write a", "hold ", "hold "]
