"""The kernel's bodies: workflows that steps run, `on_failure`, and time that is over."""

from __future__ import annotations

from typing import Any

import pytest
from tests.workflow.player import Player, plan_of

from astro_mcp.workflow.kernel import events as e
from astro_mcp.workflow.kernel.scope import value_of

CALL = {"id": "a", "tool": "t"}
SUB = {
    "inputs": {"x": {"type": "integer"}, "y": {"default": "why"}},
    "steps": [
        {"id": "one", "tool": "t", "with": {"x": "${{ inputs.x }}", "y": "${{ inputs.y }}"}},
        {"id": "two", "tool": "t", "with": {"v": "${{ steps.one.v }}"}},
    ],
    "outputs": {"sum": "${{ steps.two.v }}"},
}


def begun(*steps: dict[str, Any], sub: dict[str, Any] | None = None, **more: Any) -> Player:
    return Player(plan_of(*steps, workflows={"sub": sub or SUB}, **more)).began()


def error(player: Player, path: str) -> str:
    return str((player.state.steps[path].error or {})["code"])


def test_a_workflow_sees_its_own_inputs_and_steps_and_gives_its_outputs() -> None:
    run = {"id": "run", "workflow": "sub", "with": {"x": "${{ steps.a.n }}"}}
    player = begun(CALL, run, {"id": "end", "tool": "t", "with": {"got": "${{ steps.run.sum }}"}})
    player.finish("a", {"n": 3})
    assert player.flying["run.one"].arguments == {"x": 3, "y": "why"}
    player.finish("run.one", {"v": 4})
    assert player.flying["run.two"].arguments == {"v": 4}
    player.finish("run.two", {"v": 5})
    assert value_of(player.plan, player.state.steps, "run") == {"sum": 5}
    assert player.flying["end"].arguments == {"got": 5}
    player.finish("end")
    assert player.state.status == "succeeded"


@pytest.mark.parametrize("reference", ["steps.a.n", "inputs.mine", "item"])
def test_a_workflow_sees_nothing_around_it(reference: str) -> None:
    sub = {"steps": [{"id": "one", "tool": "t", "with": {"x": "${{ " + reference + " }}"}}]}
    each = {"id": "each", "needs": "a", "foreach": [1], "do": [{"id": "run", "workflow": "sub"}]}
    player = begun(CALL, each, sub=sub, inputs={"mine": {"default": "secret"}})
    player.finish("a", {"n": 3})
    assert error(player, "each.0.run.one") == "invalid_input"
    assert error(player, "each.0.run") == "invalid_input"


def test_a_workflow_runs_once_for_each_item_with_its_own_inputs() -> None:
    player = begun(
        {"id": "each", "foreach": [1, 2], "workflow": "sub", "with": {"x": "${{ item }}", "y": "${{ index }}"}}
    )
    assert player.state.steps["each.1"].inputs is None, "an index is no text, and the second input wants some"
    assert error(player, "each.0") == "invalid_input"
    player = begun({"id": "each", "foreach": [1, 2], "workflow": "sub", "with": {"x": "${{ item }}"}})
    assert player.flying["each.1.one"].arguments == {"x": 2, "y": "why"}
    for n in (1, 0):
        player.finish(f"each.{n}.one", {"v": n})
        player.finish(f"each.{n}.two", {"v": n * 10})
    assert value_of(player.plan, player.state.steps, "each") == [{"sum": 0}, {"sum": 10}]
    assert player.state.status == "succeeded"


def test_workflows_run_workflows_and_each_sees_its_own() -> None:
    outer = {
        "inputs": {"x": {"type": "integer"}},
        "steps": [
            {"id": "inner", "workflow": "sub", "with": {"x": "${{ inputs.x }}"}},
            {"id": "one", "tool": "t", "with": {"x": "${{ inputs.x }}", "of": "${{ steps.inner.sum }}"}},
        ],
    }
    plan = plan_of(
        {"id": "run", "workflow": "outer", "with": {"x": 7}},
        {"id": "too", "workflow": "sub", "with": {"x": 8}},
        workflows={"sub": SUB, "outer": outer},
    )
    player = Player(plan).began()
    assert player.flying["run.inner.one"].arguments["x"] == 7
    assert player.flying["too.one"].arguments["x"] == 8
    player.finish("run.inner.one", {"v": 1})
    player.finish("run.inner.two", {"v": 2})
    assert player.flying["run.one"].arguments == {"x": 7, "of": 2}
    assert plan.node("run.inner.two").body is None
    assert plan.inside("run.inner") is plan.inside("too"), "one body, however often it runs"


def test_a_workflow_whose_outputs_are_broken_fails_its_step() -> None:
    player = begun({"id": "run", "workflow": "sub", "with": {"x": 1}})
    player.finish("run.one", {"v": 1})
    player.finish("run.two", {"nothing": 1})
    assert error(player, "run") == "invalid_input"
    assert player.state.status == "failed"


def test_a_workflows_budget_counts_its_own_calls_alone() -> None:
    player = begun(CALL, {"id": "run", "workflow": "sub", "with": {"x": 1}}, sub={**SUB, "budget": {"calls": 1}})
    player.finish("a")
    player.finish("run.one", {"v": 1})
    assert error(player, "run.two") == "limit_hit"
    assert "the workflow's budget of 1 calls" in str(player.state.error)
    assert player.state.calls == 2


@pytest.mark.parametrize("where", ["step", "workflow"])
def test_a_workflow_whose_time_is_over_is_stopped_and_failed(where: str) -> None:
    run = {"id": "run", "workflow": "sub", "with": {"x": 1}} | ({"timeout": 5} if where == "step" else {})
    player = begun(run, CALL, sub=SUB | ({"timeout": "5s"} if where == "workflow" else {}))
    assert player.state.wake == 5.0
    player.now = 5.0
    advance = player.feed(e.Tick(now=0))
    assert [command.path for command in advance.commands] == ["run.one"]
    assert player.status("run.one") == "cancelled"
    assert player.status("run.two") == "skipped" or player.status("run.two") == "cancelled"
    assert error(player, "run") == "timeout"
    player.finish("a")
    assert player.state.status == "failed"
    assert player.state.wake is None


def test_the_time_of_a_foreach_is_each_items_and_that_of_a_repeat_is_all_rounds() -> None:
    body = [{"id": "inner", "tool": "t"}]
    player = begun({"id": "each", "foreach": [1, 2], "max_parallel": 1, "do": body, "timeout": 5})
    player.now = 4.0
    player.finish("each.0.inner")
    player.now = 8.0
    player.feed(e.Tick(now=0))
    assert player.status("each.1.inner") == "running"
    player.now = 9.0
    player.feed(e.Tick(now=0))
    assert error(player, "each.1") == "timeout"
    assert player.state.status == "succeeded", "an item that failed is an item"
    player = begun({"id": "again", "repeat": {"max": 9, "until": "false"}, "do": body, "timeout": 5})
    player.now = 4.0
    player.plan.node("again")
    assert player.state.steps["again"].wake == 5.0
    player.now = 5.0
    player.feed(e.Tick(now=0))
    assert error(player, "again") == "timeout"
    assert player.state.status == "failed"


RESCUE = [{"id": "undo", "tool": "t", "with": {"id": "${{ steps.a.id }}"}}]


def test_on_failure_of_a_document_runs_after_all_else_and_the_first_error_stays() -> None:
    player = begun(CALL, {"id": "b", "tool": "t", "needs": "a"}, {"id": "c", "tool": "t"}, on_failure=RESCUE)
    player.finish("a", {"id": 7})
    player.finish("b", code="provider_failed")
    assert player.status("on_failure") == "pending", "c goes on, and what is undone could be what it needs"
    player.finish("c")
    assert player.flying["on_failure.undo"].arguments == {"id": 7}
    player.finish("on_failure.undo", code="invalid_input")
    assert player.state.status == "failed"
    assert player.state.error is not None
    assert player.state.error["code"] == "provider_failed"


def test_on_failure_is_skipped_where_nothing_failed_and_where_a_failure_is_forgiven() -> None:
    player = begun(CALL, {"id": "b", "tool": "t", "continue-on-error": True}, on_failure=RESCUE)
    player.finish("a")
    player.finish("b", code="provider_failed")
    assert player.status("on_failure") == "skipped"
    assert player.state.status == "succeeded"


def test_on_failure_of_a_step_runs_for_that_step_alone_and_sees_its_error() -> None:
    cure = [{"id": "cure", "tool": "t", "with": {"why": "${{ steps.b.error.code }}"}}]
    steps = (CALL, {"id": "b", "tool": "t", "needs": "a", "on_failure": cure})
    player = begun(*steps)
    player.finish("a", code="provider_failed")
    assert player.status("b_on_failure") == "skipped", "b did nothing that could be undone"
    player = begun(*steps)
    player.finish("a")
    player.finish("b", code="provider_failed")
    assert player.flying["b_on_failure.cure"].arguments == {"why": "provider_failed"}
    player.finish("b_on_failure.cure")
    assert player.state.status == "failed"


def test_on_failure_of_a_forgiven_step_runs_and_the_run_succeeds() -> None:
    cure = [{"id": "cure", "tool": "t"}]
    player = begun({"id": "b", "tool": "t", "continue-on-error": True, "on_failure": cure})
    player.finish("b", code="provider_failed")
    player.finish("b_on_failure.cure")
    assert player.state.status == "succeeded"


def test_on_failure_of_a_body_runs_in_each_item_that_failed() -> None:
    undo = [{"id": "undo", "tool": "t", "with": {"of": "${{ item }}", "id": "${{ steps.inner.id }}"}}]
    body = [{"id": "inner", "tool": "t"}, {"id": "out", "tool": "t", "needs": "inner"}]
    player = begun({"id": "each", "foreach": ["x", "y"], "do": body, "on_failure": undo})
    for n in (0, 1):
        player.finish(f"each.{n}.inner", {"id": n})
    player.finish("each.0.out")
    player.finish("each.1.out", code="provider_failed")
    assert player.status("each.0.on_failure") == "skipped"
    assert player.flying["each.1.on_failure.undo"].arguments == {"of": "y", "id": 1}
    player.finish("each.1.on_failure.undo")
    assert player.status("each.1") == "failed"
    assert player.state.status == "succeeded"


def test_on_failure_runs_after_a_bodys_time_is_over_and_is_not_cut_short_by_it() -> None:
    body = [{"id": "inner", "tool": "t"}, {"id": "out", "tool": "t", "needs": "inner"}]
    player = begun({"id": "all", "do": body, "timeout": 5, "on_failure": [{"id": "undo", "tool": "t"}]})
    player.now = 5.0
    player.feed(e.Tick(now=0))
    assert list(player.flying) == ["all.on_failure.undo"]
    player.now = 50.0
    player.feed(e.Tick(now=0))
    player.finish("all.on_failure.undo")
    assert error(player, "all") == "timeout"


def test_a_bodys_end_waits_for_the_on_failure_of_one_inside_whose_time_it_ends() -> None:
    """Else the run could end before it, with a call in flight that nobody waits for."""
    inner = [{"id": "hold", "tool": "t"}]
    each = {
        "id": "each",
        "foreach": [1, 2],
        "max_parallel": 1,
        "do": inner,
        "on_failure": [{"id": "undo", "tool": "t"}],
    }
    player = begun({"id": "all", "do": [each], "timeout": 5})
    player.now = 5.0
    player.feed(e.Tick(now=0))
    assert list(player.flying) == ["all.each.0.on_failure.undo"]
    assert player.state.status == "running"
    player.finish("all.each.0.on_failure.undo")
    assert (player.state.status, error(player, "all"), error(player, "all.each")) == ("failed", "timeout", "timeout")
    assert "all.each.1" not in player.state.steps, "what is late begins no other item"


def test_a_body_whose_time_is_over_fails_though_what_it_waited_for_is_forgiven() -> None:
    player = begun({"id": "all", "do": [{"id": "hold", "tool": "t", "continue-on-error": True}], "timeout": 5})
    player.now = 5.0
    player.feed(e.Tick(now=0))
    assert (player.state.status, error(player, "all")) == ("failed", "timeout")


def test_a_run_that_is_cancelled_or_whose_time_is_over_starts_no_on_failure() -> None:
    player = begun(CALL, on_failure=RESCUE, timeout=5)
    player.feed(e.Cancelled(now=0))
    assert not player.flying
    player = begun(CALL, on_failure=RESCUE, timeout=5)
    player.now = 5.0
    player.feed(e.Tick(now=0))
    assert not player.flying
    assert player.state.status == "failed"
