"""The kernel alone: random graphs against a naive model, schedules in any order, and each rule by itself."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.workflow.player import Player, evaluate, plan_of

from astro_mcp.workflow.document.model import Retry
from astro_mcp.workflow.kernel import events as e
from astro_mcp.workflow.kernel.draft import Draft
from astro_mcp.workflow.kernel.machine import take
from astro_mcp.workflow.kernel.retry import pause
from astro_mcp.workflow.kernel.scope import value_of
from astro_mcp.workflow.kernel.state import RunState


@st.composite
def graphs(draw: Any) -> list[dict[str, Any]]:
    found = []
    for number in range(draw(st.integers(1, 12))):
        needs = draw(st.lists(st.integers(0, number - 1), max_size=3, unique=True)) if number else []
        spec: dict[str, Any] = {"id": f"s{number}", "tool": "t", "needs": [f"s{n}" for n in needs]}
        if condition := draw(st.sampled_from(["", "", "", "always()", "failure()", "success()", "false"])):
            spec["if"] = condition
        if draw(st.integers(0, 5)) == 0:
            spec["continue-on-error"] = True
        found.append(spec)
    order = draw(st.permutations(found))
    return list(order)


def naive(steps: list[dict[str, Any]], failing: set[str]) -> dict[str, str]:
    """The outcome of every step, straight from the rules' words, in topological order."""
    by_id = {spec["id"]: spec for spec in steps}
    status: dict[str, str] = {}
    blamed: dict[str, bool] = {}
    for name in sorted(by_id, key=lambda n: int(n[1:])):
        spec = by_id[name]
        forgiven = {n for n in spec["needs"] if status[n] == "failed" and by_id[n].get("continue-on-error")}
        stopped = any(status[n] != "succeeded" for n in spec["needs"] if n not in forgiven)
        blame = any(blamed[n] for n in spec["needs"] if n not in forgiven)
        condition = spec.get("if")
        runs = {None: not stopped, "false": False, "always()": True, "success()": not stopped, "failure()": blame}[
            condition
        ]
        status[name] = ("failed" if name in failing else "succeeded") if runs else "skipped"
        blamed[name] = blame or status[name] == "failed"
    return status


@settings(max_examples=150, deadline=None)
@given(graphs(), st.sets(st.integers(0, 11)), st.integers(0, 2**32), st.integers(1, 4))
def test_any_graph_in_any_order_ends_as_the_naive_model_says(
    steps: list[dict[str, Any]], failing: set[int], seed: int, parallel: int
) -> None:
    bad = {f"s{n}" for n in failing}
    chance = random.Random(seed)
    player = Player(plan_of(*steps), parallel=parallel).began()
    while player.flying:
        path = chance.choice(sorted(player.flying))
        player.finish(path, {"by": path}, "provider_failed" if path in bad else "")
        if chance.random() < 0.2:
            player.feed(e.Tick(now=0))
        if chance.random() < 0.1:
            player.feed(e.Paused(now=0))
            player.feed(e.Resumed(now=0))
    expected = naive(steps, bad)
    assert {path: s.status for path, s in player.state.steps.items() if path} == expected
    forgiven = {spec["id"] for spec in steps if spec.get("continue-on-error")}
    fails = any(status == "failed" and name not in forgiven for name, status in expected.items())
    assert player.state.status == ("failed" if fails else "succeeded")
    assert len(player.started) == len(set(player.started)), "no step starts twice"


def signalled(steps: list[dict[str, Any]], chance: random.Random) -> Player:
    """A run that was sent whatever there is, in any order."""
    player = Player(plan_of(*steps), parallel=2).began()
    for _ in range(60):
        name = chance.choice([*player.state.steps, "", "nonsense"])
        event = chance.choice(
            [
                e.Paused(now=0),
                e.Resumed(now=0),
                e.Began(now=0),
                e.Retried(now=0, path=name),
                e.Finished(now=0, path=name, attempt=7),
                e.Answered(now=0, path=name, value=True, by="model"),
                e.Tick(now=0),
            ]
        )
        if chance.random() < 0.05 and name in player.plan.body.nodes:
            player.feed(e.Cancelled(now=0, path=name))
        player.feed(event)
        if player.flying and chance.random() < 0.5:
            player.finish(chance.choice(sorted(player.flying)), {"items": [1, 2, 3], "v": 0})
    return player


@settings(max_examples=60, deadline=None)
@given(graphs(), st.integers(0, 2**32))
def test_signals_in_any_order_keep_what_holds(steps: list[dict[str, Any]], seed: int) -> None:
    player = signalled(steps, random.Random(seed))
    player.feed(e.Cancelled(now=0))
    assert player.state.over
    assert not player.flying
    after = player.feed(e.Resumed(now=0))
    assert not after.commands
    assert not after.changed


@settings(max_examples=60, deadline=None)
@given(graphs(), st.integers(0, 2**32))
def test_many_events_in_one_draft_give_what_as_many_steps_do_and_leave_older_states_alone(
    steps: list[dict[str, Any]], seed: int
) -> None:
    chance = random.Random(seed)
    player = signalled([*steps, *FAN], chance)
    state, log = RunState("run_1", {}, 0.0, 2), player.log
    while log:
        size = chance.randint(1, 9)
        batch, log = log[:size], log[size:]
        before, draft = repr(state), Draft(player.plan, state, evaluate)
        for event, _ in batch:
            take(draft, event)
        advance = draft.advance()
        assert advance.commands == tuple(command for _, one in batch for command in one.commands)
        assert advance.changed == frozenset().union(*(one.changed for _, one in batch))
        assert repr(state) == before
        state = advance.state
        assert state == batch[-1][1].state


BODY = [
    {"id": "a", "tool": "t", "with": {"x": "${{ item }}"}},
    {"id": "b", "tool": "t", "with": {"y": "${{ steps.a.v }}", "i": "${{ index }}"}},
]
FAN: tuple[dict[str, Any], ...] = (
    {"id": "list", "tool": "t"},
    {"id": "each", "foreach": "${{ steps.list.items }}", "do": BODY},
    {"id": "end", "tool": "t", "with": {"all": "${{ steps.each }}"}},
)


def test_hundreds_of_schedules_give_the_same_result() -> None:
    seen = set()
    for seed in range(300):
        chance = random.Random(seed)
        player = Player(plan_of(*FAN), parallel=chance.randint(1, 5)).began()
        player.finish("list", {"items": [1, 2, 3]})
        while player.flying:
            path = chance.choice(sorted(player.flying))
            given = player.flying[path].arguments
            player.finish(path, {"v": [path, given]}, "provider_failed" if given.get("x") == 2 else "")
        assert player.state.status == "succeeded"
        seen.add(json.dumps(value_of(player.plan, player.state.steps, "end"), sort_keys=True))
    assert len(seen) == 1
    assert '"error"' in seen.pop()


def test_a_state_survives_json() -> None:
    player = Player(plan_of(*FAN)).began()
    player.finish("list", {"items": [1, 2]})
    for found in player.state.steps.values():
        json.dumps([found.output, found.error, found.request, found.items])


def test_retries_wait_longer_each_time_and_end_at_the_limit() -> None:
    retry = {"max_attempts": 3, "initial_interval": "1s", "backoff": 2, "max_interval": "30s"}
    player = Player(plan_of({"id": "a", "tool": "t", "retry": retry})).began()
    for attempt in (1, 2):
        player.finish("a", code="provider_failed")
        assert player.status("a") == "ready"
        wake = player.state.wake
        assert wake is not None
        assert 2 ** (attempt - 1) / 2 <= wake - player.now <= 2 ** (attempt - 1)
        player.feed(e.Tick(now=0))
        assert not player.flying, "not before its time"
        player.now = wake
        player.feed(e.Tick(now=0))
        assert player.flying["a"].attempt == attempt + 1
    player.finish("a", code="provider_failed")
    assert player.state.status == "failed"


def test_the_jitter_is_a_hash_and_no_chance() -> None:
    retry = Retry()
    assert pause(retry, "r", "s", 1, {}) == pause(retry, "r", "s", 1, {})
    assert pause(retry, "r", "s", 1, {}) != pause(retry, "r", "s2", 1, {})
    assert pause(retry, "r", "s", 1, {"retry_after_ms": 90_000}) == 90
    assert pause(retry, "r", "s", 20, {}) <= 60


@pytest.mark.parametrize("code", ["invalid_input", "forbidden", "rejected"])
def test_what_would_fail_again_is_not_retried(code: str) -> None:
    player = Player(plan_of({"id": "a", "tool": "t", "retry": {"max_attempts": 5}})).began()
    player.finish("a", code=code)
    assert player.state.status == "failed"


def test_a_refused_call_is_put_in_line_again_and_counts_as_no_attempt() -> None:
    player = Player(plan_of({"id": "a", "tool": "t"})).began()
    player.finish("a", code="busy")
    assert player.state.status == "running"
    player.now = 2
    player.feed(e.Tick(now=0))
    assert player.flying["a"].attempt == 1
    player.finish("a", {})
    assert player.state.status == "succeeded"


def test_a_call_in_flight_when_the_process_died_is_lost_or_runs_again() -> None:
    plan = plan_of(
        {"id": "safe", "tool": "reads"},
        {"id": "unsafe", "tool": "writes"},
        {"id": "after", "tool": "reads", "needs": ["unsafe"]},
    )
    player = Player(plan).began()
    player.flying.clear()
    player.feed(e.Recovered(now=0, repeatable=frozenset({"reads"})))
    assert player.status("safe") == "running"
    assert player.status("unsafe") == "lost"
    assert list(player.flying) == ["safe"]
    assert player.flying["safe"].attempt == 1, "the idempotency key stays what it was"
    player.finish("safe", {})
    assert player.state.status == "waiting"
    player.feed(e.Retried(now=0, path="unsafe"))
    assert player.flying["unsafe"].attempt == 2
    player.finish("unsafe", {})
    player.finish("after", {})
    assert player.state.status == "succeeded"


def test_a_lost_step_can_be_cancelled_or_told() -> None:
    for event, status in (
        (e.Cancelled(now=0, path="a"), "failed"),
        (e.Answered(now=0, path="a", value={"v": 1}, by="model"), "succeeded"),
    ):
        player = Player(plan_of({"id": "a", "tool": "writes"})).began()
        player.flying.clear()
        player.feed(e.Recovered(now=0))
        player.feed(event)
        assert player.state.status == status


def test_recovery_may_be_repeated() -> None:
    player = Player(plan_of({"id": "a", "tool": "reads"})).began()
    for _ in range(3):
        player.flying.clear()
        player.feed(e.Recovered(now=0, repeatable=frozenset({"reads"})))
    assert player.flying["a"].attempt == 1


def test_a_step_that_is_cancelled_while_it_waits_for_a_place_leaves_the_line() -> None:
    player = Player(plan_of({"id": "q", "ask": "x"}, {"id": "a", "tool": "t"}), slots=0).began()
    assert (player.state.ready, player.state.status) == (("a",), "running")
    player.feed(e.Cancelled(now=0, path="a"))
    assert (player.state.ready, player.state.status) == ((), "waiting")


def test_an_end_that_names_a_body_is_nothing() -> None:
    player = Player(plan_of({"id": "all", "do": [{"id": "a", "tool": "t"}]})).began()
    for path in ("", "all"):
        player.feed(e.Finished(now=0, path=path, attempt=0, output={}))
    assert player.state.status == "running"
    assert player.status("all") == "running"


def test_what_is_due_at_once_happens_in_the_order_of_its_times_and_not_of_its_storage() -> None:
    steps = [{"id": "b", "ask": "x", "timeout": "5s"}, {"id": "a", "do": [{"id": "q", "ask": "x"}], "timeout": "5s"}]
    for turned in (False, True):
        player = Player(plan_of({"id": "all", "do": steps, "timeout": "5s"})).began()
        wakes = player.state.wakes
        player.state = replace(player.state, wakes=dict(sorted(wakes.items(), reverse=turned)))
        player.now = 5.0
        player.feed(e.Tick(now=0))
        assert {path: s.status for path, s in player.state.steps.items() if path.startswith("all.")} == {
            "all.b": "cancelled",
            "all.a": "failed",
            "all.a.q": "cancelled",
        }


def test_a_paused_run_starts_nothing_and_goes_on_where_it_was() -> None:
    player = Player(plan_of({"id": "a", "tool": "t"}, {"id": "b", "tool": "t", "needs": "a"})).began()
    player.feed(e.Paused(now=0))
    player.finish("a", {})
    assert not player.flying
    assert player.state.status == "paused"
    player.feed(e.Resumed(now=0))
    assert list(player.flying) == ["b"]


def test_the_budget_of_calls_ends_a_run() -> None:
    player = Player(
        plan_of({"id": "a", "tool": "t"}, {"id": "b", "tool": "t", "needs": "a"}, budget={"calls": 1})
    ).began()
    player.finish("a", {})
    assert player.state.status == "failed"
    assert (player.state.error or {})["code"] == "limit_hit"


def test_a_run_ends_at_its_timeout_and_stops_what_runs() -> None:
    player = Player(plan_of({"id": "a", "tool": "t"}, timeout="10m")).began()
    assert player.state.wake == 600
    player.now = 600
    advance = player.feed(e.Tick(now=0))
    assert advance.commands == (e.Stop("a"),)
    assert (player.state.status, (player.state.error or {})["code"]) == ("failed", "timeout")


def test_no_more_items_are_open_than_max_parallel() -> None:
    spec = {"id": "each", "foreach": list(range(10)), "max_parallel": 2, "tool": "t"}
    player = Player(plan_of(spec), parallel=8).began()
    while player.flying:
        assert len(player.flying) <= 2
        player.finish(min(player.flying), {})
    assert player.state.status == "succeeded"
    assert len(player.started) == 10


def test_a_foreach_over_a_million_items_fails_and_opens_none() -> None:
    spec = {"id": "each", "foreach": "${{ steps.list.items }}", "tool": "t"}
    player = Player(plan_of({"id": "list", "tool": "t"}, spec)).began()
    player.finish("list", {"items": list(range(1_000_000))})
    assert (player.state.status, (player.state.error or {})["code"]) == ("failed", "limit_hit")
    assert player.started == ["list"]
    assert player.state.steps.keys() == {"", "list", "each"}


def test_an_empty_foreach_succeeds_with_an_empty_list() -> None:
    player = Player(plan_of({"id": "each", "foreach": [], "tool": "t"}, outputs={"all": "${{ steps.each }}"})).began()
    assert player.state.outputs == {"all": []}


def test_a_repeat_sees_its_last_round_and_ends_where_until_holds() -> None:
    body = [{"id": "a", "tool": "t", "with": {"last": "${{ last }}"}}]
    player = Player(plan_of({"id": "r", "repeat": {"max": 3, "until": "steps.a.done"}, "do": body})).began()
    assert player.flying["r.0.a"].arguments == {"last": {}}
    player.finish("r.0.a", {"done": False})
    assert player.flying["r.1.a"].arguments == {"last": {"a": {"done": False}}}
    player.finish("r.1.a", {"done": True})
    assert player.state.status == "succeeded"
    assert value_of(player.plan, player.state.steps, "r") == {"a": {"done": True}}


def test_a_repeat_that_never_holds_fails() -> None:
    body = [{"id": "a", "tool": "t"}]
    player = Player(plan_of({"id": "r", "repeat": {"max": 2, "until": "steps.a.done"}, "do": body})).began()
    player.finish("r.0.a", {"done": False})
    player.finish("r.1.a", {"done": False})
    assert (player.state.error or {})["code"] == "limit_hit"


def test_a_gate_is_decided_once_and_only_for_what_was_shown() -> None:
    plan = plan_of({"id": "g", "approve": {"message": "sure?"}}, {"id": "w", "tool": "t", "needs": "g"})
    player = Player(plan).began()
    digest = (player.state.steps["g"].request or {})["digest"]
    player.feed(e.Answered(now=0, path="g", value=True, by="model", digest="another"))
    assert player.status("g") == "waiting"
    player.feed(e.Answered(now=0, path="g", value=True, by="model", digest=digest))
    player.feed(e.Answered(now=0, path="g", value=False, by="model", digest=digest))
    assert player.status("g") == "succeeded"
    assert player.started == ["w"]


def test_a_rejected_gate_fails_with_rejected_and_what_follows_is_skipped() -> None:
    plan = plan_of({"id": "g", "approve": {"message": "sure?"}}, {"id": "w", "tool": "t", "needs": "g"})
    player = Player(plan).began()
    digest = (player.state.steps["g"].request or {})["digest"]
    player.feed(e.Answered(now=0, path="g", value=False, by="model", digest=digest))
    assert (player.status("g"), player.status("w")) == ("failed", "skipped")
    assert (player.state.error or {})["code"] == "rejected"


def test_an_ask_that_nobody_answers_ends_at_its_timeout() -> None:
    player = Player(plan_of({"id": "q", "ask": "well?", "timeout": "5s"})).began()
    assert player.state.status == "waiting"
    player.now = 5
    player.feed(e.Tick(now=0))
    assert (player.state.error or {})["code"] == "timeout"


def test_a_long_chain_is_skipped_without_recursion() -> None:
    chain: list[dict[str, Any]] = [{"id": "s0", "tool": "t"}]
    chain += [{"id": f"s{n}", "tool": "t", "needs": [f"s{n - 1}"]} for n in range(1, 200)]
    player = Player(plan_of(*chain)).began()
    player.finish("s0", code="provider_failed")
    assert player.state.status == "failed"
    assert player.status("s199") == "skipped"
