"""Calls in flight: who is carried out when, and by how many tasks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup

from astro_mcp.core.authority import Grant, Kind, Principal, Session
from astro_mcp.workflow.document.read import parse
from astro_mcp.workflow.drivers.sqlite.active import Active
from astro_mcp.workflow.flights import Flights
from astro_mcp.workflow.kernel.events import Start
from astro_mcp.workflow.kernel.state import RunState
from astro_mcp.workflow.shares import Shares

SPEC = "steps: [{id: a, ask: anything}]"


class Field:
    """Calls that wait where their tool's name is `wait`, and what was seen of them."""

    def __init__(self) -> None:
        self.shares = Shares(100)
        self.flights = Flights(self.carry_out, self.shares, self.landed)
        session = Session(Principal("me", Kind.STDIO), Grant())
        state = RunState("run_1", {}, 0.0, 100)
        self.run = Active("w", parse(SPEC), session, state, frozenset(), 0)
        self.shares.add(self.run)
        self.begun: list[tuple[str, int]] = []
        self.ended: list[str] = []
        self.landings = 0
        self.let_go = anyio.Event()

    async def carry_out(self, run: Active, command: Start, scope: anyio.CancelScope) -> None:
        self.begun.append((command.path, anyio.get_current_task().id))
        if command.tool == "wait":
            await self.let_go.wait()
        self.ended.append(command.path)

    def landed(self) -> None:
        self.landings += 1

    def begin(self, group: TaskGroup, *tools: str) -> None:
        for number, tool in enumerate(tools):
            self.flights.begin(group, self.run, Start(f"s{number}", 1, tool, {}))

    @asynccontextmanager
    async def flown(self, *tools: str) -> AsyncIterator[TaskGroup]:
        async with anyio.create_task_group() as group:
            self.begin(group, *tools)
            await anyio.wait_all_tasks_blocked()
            yield group


async def test_calls_that_wait_for_nothing_share_a_task() -> None:
    field = Field()
    async with field.flown(*["go"] * 50):
        assert len(field.ended) == field.landings == 50
    assert len({task for _, task in field.begun}) == 1
    assert (field.flights.count, field.run.calls, field.shares.room("local")) == (0, {}, 100)


async def test_a_call_that_waits_holds_up_no_other() -> None:
    field = Field()
    async with field.flown("wait", "go", "wait", "go"):
        assert [path for path, _ in field.begun] == ["s0", "s1", "s2", "s3"]
        assert (field.ended, field.flights.count) == (["s1", "s3"], 2)
        field.let_go.set()
    assert sorted(field.ended) == ["s0", "s1", "s2", "s3"]


async def test_a_call_that_is_stopped_ends_alone() -> None:
    field = Field()
    async with field.flown("wait", "wait"):
        first = field.run.calls["s0"]
        first.stop()
        await first.wait()
        assert list(field.run.calls) == ["s1"]
        assert field.landings == field.flights.count == 1
        field.let_go.set()
    assert field.ended == ["s1"]


async def test_a_call_that_is_stopped_before_it_began_never_begins() -> None:
    field = Field()
    async with anyio.create_task_group() as group:
        field.begin(group, "go", "go", "go")
        field.run.calls["s1"].stop()
    assert field.ended == ["s0", "s2"]
    assert (field.landings, field.flights.count, field.run.calls) == (3, 0, {})


async def test_a_call_that_is_stopped_takes_none_along_that_the_same_task_carries_out_after_it() -> None:
    field = Field()
    async with field.flown("wait") as group:
        stopped = field.run.calls["s0"]
        field.flights.begin(group, field.run, Start("next", 1, "wait", {}))
        await anyio.wait_all_tasks_blocked()
        field.let_go.set()  # it is woken, and goes through to its end, although it is stopped now
        stopped.stop()
        field.flights.begin(group, field.run, Start("last", 1, "wait", {}))
    assert sorted(field.ended) == ["last", "next", "s0"]


async def test_calls_that_were_not_begun_at_the_end_leave_nothing_behind() -> None:
    field = Field()
    async with anyio.create_task_group() as group:
        field.begin(group, "go", "go")
        group.cancel_scope.cancel()
        field.flights.clear()
    assert (field.ended, field.flights.count, field.run.calls, field.shares.room("local")) == ([], 0, {}, 100)
    async with field.flown("go"):
        assert field.ended == ["s0"]
