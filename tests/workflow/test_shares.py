"""Whose turn it is: no tenant and no run takes what is another's, and nobody starves."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import anyio
from tests.workflow.house import house, session

from astro_mcp.core.authority import Kind, Principal, Scope
from astro_mcp.run_settings import WorkflowSettings
from astro_mcp.workflow.kernel.state import RunState
from astro_mcp.workflow.shares import Shares


@dataclass
class One:
    """A run."""

    state: RunState
    scope: Scope


def one(name: str, tenant: str = "a", priority: str = "normal") -> One:
    return One(RunState(name, {}, 0.0, 4, priority), Scope(tenant, "s"))


def served(shares: Shares, runs: list[One], turns: int) -> list[One]:
    """Who got each of so many calls, where every run always wants one."""
    found = []
    for _ in range(turns):
        run = shares.turn({run.state.run_id: run for run in runs})
        shares.began(run)
        shares.ended(run)
        found.append(run)
    return found


def added(*runs: One) -> Shares:
    shares = Shares(8)
    for run in runs:
        shares.add(run)
    return shares


def test_a_tenant_with_fifty_runs_gets_no_more_than_one_with_one() -> None:
    many, lone = [one(f"m{n}") for n in range(50)], one("lone", "b")
    found = Counter(run.scope.tenant for run in served(added(*many, lone), [*many, lone], 100))
    assert found == {"a": 50, "b": 50}


def test_runs_get_calls_by_their_priority_and_the_lowest_gets_some() -> None:
    runs = [one("low", priority="low"), one("normal"), one("high", priority="high")]
    found = Counter(run.state.run_id for run in served(added(*runs), runs, 210))
    assert abs(found["low"] - 10) <= 1
    assert abs(found["normal"] - 40) <= 2
    assert abs(found["high"] - 160) <= 2


def test_who_comes_later_begins_where_the_others_are_and_takes_nothing_that_they_waited_for() -> None:
    old, new = one("old"), one("new", "b")
    shares = added(old)
    served(shares, [old], 1000)
    shares.add(new)
    found = Counter(run.state.run_id for run in served(shares, [old, new], 10))
    assert found == {"old": 5, "new": 5}


def test_a_copy_is_tried_out_and_the_own_stays_as_it_is() -> None:
    runs = [one("x"), one("y", "b")]
    shares = added(*runs)
    copy = shares.copy()
    for _ in range(8):
        copy.began(runs[0])
    assert copy.room("a") == 0
    assert shares.room("a") == 8
    assert copy.turn({r.state.run_id: r for r in runs}) is runs[1]
    assert shares.turn({r.state.run_id: r for r in runs}) is runs[0]


def test_what_ended_leaves_nothing_behind() -> None:
    runs = [one("x"), one("y", "b")]
    shares = added(*runs)
    for run in runs:
        shares.began(run)
        shares.drop(run)
        shares.ended(run)
    assert not any((shares._tenants, shares._runs, shares._in_flight))


async def test_a_tenant_has_no_more_calls_at_once_than_it_may_and_another_is_served_meanwhile(tmp_path: Path) -> None:
    settings = WorkflowSettings(parallel=6, parallel_per_run=4, parallel_per_tenant=3)
    spec = json.dumps({"steps": [{"id": f"s{n}", "tool": "toy_hold", "with": {"text": "$"}} for n in range(4)]})
    async with house(tmp_path, settings=settings) as at:
        other = session(tmp_path, "you")
        other = type(other)(Principal("you", Kind.STDIO, "elsewhere"), other.grant)
        for _ in range(3):
            await at.run(spec.replace("$", "mine"), wait_seconds=0)
        await at.run(spec.replace("$", "theirs"), who=other, wait_seconds=0)
        with anyio.fail_after(10):
            while at.toys.at_once < 6:
                await anyio.sleep(0.01)
        await anyio.sleep(0.1)
        assert Counter(at.toys.calls) == {"hold mine": 3, "hold theirs": 3}
        at.toys.gate.set()
        with anyio.fail_after(10):
            while len(at.toys.calls) < 16:
                await anyio.sleep(0.01)
        assert at.toys.most_at_once == 6


async def test_a_run_of_high_priority_is_served_before_those_that_came_earlier(tmp_path: Path) -> None:
    settings = WorkflowSettings(parallel=1, parallel_per_run=1)
    spec = json.dumps({"steps": [{"id": f"s{n}", "tool": "toy_say", "with": {"text": "$"}} for n in range(20)]})
    async with house(tmp_path, settings=settings) as at:
        hold = await at.run({"steps": [{"id": "a", "tool": "toy_hold"}]}, wait_seconds=0)
        low = await at.run(spec.replace("$", "low"), priority="low", wait_seconds=0)
        high = await at.run(spec.replace("$", "high"), priority="high", wait_seconds=0)
        at.toys.gate.set()
        for begun in (hold, low, high):
            await at.call("workflow_status", run_id=begun["run_id"], wait_seconds=20)
        assert at.toys.calls[1:24].count("say high") == 20
        assert 1 <= at.toys.calls[1:24].count("say low") <= 3
