"""The call path, as a tutorial: an agent, a tool, a session, a call, and what each policy does to it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from pydantic import Field
from tests.quickest import within

from astro_mcp.core.agent import Agent
from astro_mcp.core.authority import Effect, Grant, Kind, Label, Principal, Session
from astro_mcp.core.call import Call, Context
from astro_mcp.core.dispatcher import Dispatcher, Policy
from astro_mcp.core.model import Input, Output, Strings
from astro_mcp.core.policies.audit import Audit
from astro_mcp.core.policies.authorize import Authorize
from astro_mcp.core.policies.deadline import Deadline
from astro_mcp.core.policies.limit import Limit, Limits
from astro_mcp.core.ports import SystemClock
from astro_mcp.core.registry import Registry
from astro_mcp.core.tool import nothing, tool
from astro_mcp.errors import Busy, Conflict, Forbidden, InvalidInput, NoRoot, NotFound, TimedOut, TooLarge
from astro_mcp.store.audit import AuditTrail, audit_key
from astro_mcp.store.database import Database


class EchoInput(Input):
    text: str
    times: int = 1


class NamesInput(Input):
    names: Strings = Field(default_factory=list)
    text: str = ""
    times: int = 1


class EchoOutput(Output):
    echoed: str

    def text(self) -> str:
        return self.echoed


class EchoAgent(Agent):
    name = "echo"
    title = "Echo"

    def __init__(self) -> None:
        self.running = 0
        self.most = 0
        self.written: list[str] = []
        self.opened = False
        self.gate = anyio.Event()
        self.on_write: Callable[[], Awaitable[object]] = anyio.lowlevel.checkpoint

    async def open(self) -> None:
        self.opened = True

    async def close(self) -> None:
        self.opened = False

    @tool(title="Echo", effects={Effect.READ}, labels={Label.UNTRUSTED})
    async def echo_text(self, args: EchoInput, ctx: Context) -> EchoOutput:
        """Use to hear a text again."""
        return EchoOutput(echoed=args.text * args.times)

    @tool(title="Out", effects={Effect.READ, Effect.NETWORK}, leaves=nothing)
    async def echo_out(self, args: EchoInput, ctx: Context) -> EchoOutput:
        """Use to hear a text from afar."""
        return EchoOutput(echoed=args.text)

    @tool(title="Names", effects={Effect.READ})
    async def echo_names(self, args: NamesInput, ctx: Context) -> EchoOutput:
        """Use to hear names."""
        return EchoOutput(echoed=",".join(args.names))

    @tool(title="Write", effects={Effect.WRITE}, needs_root=True)
    async def echo_write(self, args: EchoInput, ctx: Context) -> EchoOutput:
        """Use to write."""
        await self.on_write()
        self.written.append(args.text)
        return EchoOutput(echoed=args.text)

    @tool(title="Wait", effects={Effect.READ}, timeout=30)
    async def echo_wait(self, args: EchoInput, ctx: Context) -> EchoOutput:
        """Use to wait until the gate opens."""
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.gate.wait()
        finally:
            self.running -= 1
        return EchoOutput(echoed=args.text)

    @tool(title="Stop", effects={Effect.READ}, frees=lambda args: args.text == "stop")
    async def echo_stop(self, args: EchoInput, ctx: Context) -> EchoOutput:
        """Use to end what waits."""
        self.gate.set()
        return EchoOutput(echoed=args.text)

    @tool(title="Break", effects={Effect.READ})
    async def echo_break(self, args: EchoInput, ctx: Context) -> EchoOutput:
        """Use to see a defect."""
        raise RuntimeError("a secret path: /root/.ssh")


class Stand:
    """The path with a real store below it."""

    def __init__(self, registry: Registry, dispatcher: Dispatcher, trail: AuditTrail, agent: EchoAgent) -> None:
        self.registry, self.dispatcher, self.trail, self.agent = registry, dispatcher, trail, agent

    async def call(self, name: str, session: Session, timeout: float | None = None, **arguments: Any) -> Any:
        return await self.dispatcher.call(Call(session, name, arguments, timeout=timeout))

    async def records(self) -> list[tuple[str, str, str]]:
        """Phase, tool and code of every record, oldest first, once all that was posted is written."""
        await self.trail._database.write(lambda tx: None)
        return [(row["phase"], row["tool"], row["code"]) for row in reversed(await self.trail.last())]


@asynccontextmanager
async def stand(folder: Path, limits: Limits | None = None) -> AsyncIterator[Stand]:
    async with Database.open(folder / "astro.db") as database:
        registry, agent = Registry(), EchoAgent()
        await registry.register(agent)
        trail = AuditTrail(database, audit_key(folder))
        audit = Audit(trail, SystemClock())
        policies: list[Policy] = [audit, Authorize(), Limit(limits or Limits()), Deadline(), audit.intent()]
        yield Stand(registry, Dispatcher(registry, policies, audit), trail, agent)


def host(root: Path | None = None, **grant: Any) -> Session:
    return Session(Principal("user", Kind.STDIO), Grant(roots=(root,) if root else (), **grant))


async def test_a_call_gives_a_value_with_the_labels_of_its_origin(tmp_path: Path) -> None:
    async with stand(tmp_path) as path:
        result = await path.call("echo_text", host(), text="ab", times="2")
        assert result.unwrap().text() == "abab"
        assert result.labels == {Label.UNTRUSTED}


async def test_an_unknown_tool_is_not_found_and_the_near_name_is_told(tmp_path: Path) -> None:
    async with stand(tmp_path) as path:
        result = await path.call("echo_txt", host())
        assert isinstance(result.error, NotFound)
        assert "echo_text" in result.error.hint
        assert await path.records() == [("refusal", "echo_txt", "not_found")]


async def test_wrong_arguments_are_told_all_at_once_without_their_values(tmp_path: Path) -> None:
    async with stand(tmp_path) as path:
        result = await path.call("echo_text", host(), txt="hunter2", times="many")
        assert isinstance(result.error, InvalidInput)
        assert {problem.path for problem in result.error.problems} == {"text", "times", "txt"}
        assert next(p.suggestion for p in result.error.problems if p.path == "txt") == "text"
        assert "hunter2" not in result.error.text()


async def test_effects_beyond_the_grant_are_refused_and_nothing_happens(tmp_path: Path) -> None:
    async with stand(tmp_path) as path:
        result = await path.call("echo_write", host(tmp_path, effects=frozenset({Effect.READ})), text="x")
        assert isinstance(result.error, Forbidden)
        assert path.agent.written == []
        assert await path.records() == [("refusal", "echo_write", "forbidden")]


async def test_a_tool_that_needs_a_root_says_which_line_adds_one(tmp_path: Path) -> None:
    async with stand(tmp_path) as path:
        result = await path.call("echo_write", host(), text="x")
        assert isinstance(result.error, NoRoot)
        assert "--root" in result.error.hint


async def test_a_toolset_that_was_left_out_cannot_be_called(tmp_path: Path) -> None:
    async with stand(tmp_path) as path:
        result = await path.call("echo_text", host(toolsets=frozenset({"files"})), text="x")
        assert isinstance(result.error, Forbidden)


async def test_a_defect_reaches_the_caller_as_internal_and_without_its_details(tmp_path: Path) -> None:
    async with stand(tmp_path) as path:
        result = await path.call("echo_break", host(), text="x")
        assert result.error is not None
        assert result.error.code == "internal"
        assert "secret" not in result.error.text()
        assert (await path.records())[-1] == ("outcome", "echo_break", "internal")


async def test_a_deadline_ends_the_call(tmp_path: Path) -> None:
    async with stand(tmp_path) as path:
        result = await path.call("echo_wait", host(), timeout=0.05, text="x")
        assert isinstance(result.error, TimedOut)
        assert result.error.retryable
        assert path.agent.running == 0


async def test_cancelling_the_caller_ends_the_tool_and_is_on_record(tmp_path: Path) -> None:
    async with stand(tmp_path) as path:
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: path.call("echo_wait", host(), text="x"))
            while not path.agent.running:
                await anyio.sleep(0)
            group.cancel_scope.cancel()
        assert path.agent.running == 0
        assert (await path.records())[-1] == ("outcome", "echo_wait", "cancelled")


async def test_calls_run_in_parallel_up_to_the_limit_and_not_beyond(tmp_path: Path) -> None:
    async with stand(tmp_path, Limits(by_agent=4)) as path, anyio.create_task_group() as group:
        for number in range(10):
            root = tmp_path if number % 2 else None
            group.start_soon(partial(path.call, "echo_wait", host(root), text="x"))
        while path.agent.running < 4:
            await anyio.sleep(0)
        await anyio.sleep(0.02)
        path.agent.gate.set()
    assert path.agent.most == 4


async def test_a_call_that_gets_no_place_in_time_is_told_busy(tmp_path: Path) -> None:
    async with stand(tmp_path, Limits(by_scope=1, wait=0.05)) as path, anyio.create_task_group() as group:
        group.start_soon(lambda: path.call("echo_wait", host(), text="x"))
        while not path.agent.running:
            await anyio.sleep(0)
        result = await path.call("echo_text", host(), text="x")
        elsewhere = await path.call("echo_text", host(tmp_path), text="x")
        path.agent.gate.set()
    assert isinstance(result.error, Busy)
    assert result.error.retry_after_ms
    assert elsewhere.error is None, "another scope has places of its own"


async def test_a_call_that_only_ends_others_waits_for_no_place(tmp_path: Path) -> None:
    async with stand(tmp_path, Limits(by_scope=1, wait=0.05)) as path, anyio.create_task_group() as group:
        group.start_soon(lambda: path.call("echo_wait", host(), text="x"))
        while not path.agent.running:
            await anyio.sleep(0)
        other = await path.call("echo_stop", host(), text="go on")
        assert isinstance(other.error, Busy)
        assert (await path.call("echo_stop", host(), text="stop")).error is None


async def test_arguments_over_the_bound_are_too_large(tmp_path: Path) -> None:
    async with stand(tmp_path) as path:
        result = await path.call("echo_text", host(), text="x" * 50_000_000)
        assert isinstance(result.error, TooLarge)


async def test_equal_arguments_have_equal_digests_and_the_key_is_the_folders_own(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    digests = []
    for folder in ("a", "a", "b"):
        async with stand(tmp_path / folder) as path:
            await path.call("echo_text", host(), text="x")
            await path.records()
            digests.append((await path.trail.last(1))[0]["digest"])
    assert digests[0] == digests[1] != digests[2]
    assert (tmp_path / "a" / "audit.key").stat().st_mode & 0o777 == 0o600


async def test_agents_come_and_go_while_the_server_runs(tmp_path: Path) -> None:
    async with stand(tmp_path) as path, anyio.create_task_group() as group:
        changes: list[int] = []
        path.registry.on_change(lambda: changes.append(1))
        results: list[Any] = []

        async def in_flight() -> None:
            results.append(await path.call("echo_wait", host(), text="still here"))

        group.start_soon(in_flight)
        while not path.agent.running:
            await anyio.sleep(0)
        await path.registry.unregister("echo")
        assert not path.agent.opened
        assert isinstance((await path.call("echo_text", host(), text="x")).error, NotFound)
        await path.registry.register(EchoAgent())
        assert (await path.call("echo_text", host(), text="x")).error is None
        path.agent.gate.set()
    assert results[0].unwrap().text() == "still here"
    assert len(changes) == 2


async def test_a_second_agent_of_the_same_name_is_a_conflict_and_changes_nothing(tmp_path: Path) -> None:
    async with stand(tmp_path) as path:
        with pytest.raises(Conflict):
            await path.registry.register(EchoAgent())
        assert path.registry.agents["echo"] is path.agent


async def test_a_scope_that_asks_for_everything_leaves_places_for_the_others(tmp_path: Path) -> None:
    async with stand(tmp_path, Limits(by_agent=4, wait=60)) as path, anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(lambda: path.call("echo_wait", host(), text="greedy"))
        while path.agent.running < 3:
            await anyio.sleep(0)
        with anyio.fail_after(20):
            assert (await path.call("echo_text", host(tmp_path), text="modest")).error is None
        assert path.agent.running == 3, "three quarters of the agent's places"
        path.agent.gate.set()


async def test_a_call_that_waited_while_its_scopes_other_call_ended_keeps_its_result(tmp_path: Path) -> None:
    async with stand(tmp_path, Limits(by_agent=2, wait=60)) as path, anyio.create_task_group() as group:
        results: list[Any] = []

        async def waiting() -> None:
            results.append(await path.call("echo_wait", host(tmp_path), text="mine"))

        for _ in range(3):
            group.start_soon(waiting)
        while not path.agent.running:
            await anyio.sleep(0)
        with anyio.move_on_after(0.05):
            await path.call("echo_text", host(tmp_path), text="gives up while it waits")
        path.agent.gate.set()
    assert [result.error for result in results] == [None, None, None]


@pytest.mark.parametrize(
    "arguments",
    [
        {"text": ["x"] * 60_000},
        {f"unknown{number}": 1 for number in range(30_000)},
        {"text": "\ud800", "times": "\ud800"},
        {"\ud800": 1},
        {"names": [0] * 40_000},
        {"names": "[" * 20_000},
        {"names": "x" * 9_000_000},
    ],
)
@pytest.mark.alone
async def test_hostile_arguments_end_their_own_call_quickly_and_are_on_record(
    tmp_path: Path, arguments: dict[str, Any]
) -> None:
    async with stand(tmp_path) as path:
        result = await within(0.5, lambda: path.call("echo_names", host(), **arguments))
        assert isinstance(result.error, InvalidInput)
        assert len(json.dumps(result.error.as_dict())) < 20_000
        assert set(await path.records()) == {("refusal", "echo_names", result.error.code)}


async def test_arguments_nested_without_end_are_too_large(tmp_path: Path) -> None:
    deep: Any = "x"
    for _ in range(50_000):
        deep = [deep]
    async with stand(tmp_path) as path:
        assert isinstance((await path.call("echo_text", host(), text=deep)).error, TooLarge)
        while isinstance(deep, list):  # taken apart by hand: its own end would recurse
            deep = deep.pop()


@pytest.mark.parametrize(("levels", "refused"), [(62, False), (63, True)])
async def test_arguments_may_be_nested_as_deep_as_is_said_and_no_deeper(
    tmp_path: Path, levels: int, refused: bool
) -> None:
    deep: Any = 1
    for _ in range(levels):
        deep = [deep]
    async with stand(tmp_path) as path:
        error = (await path.call("echo_text", host(), text=deep)).error
    assert isinstance(error, TooLarge) is refused
    assert isinstance(error, InvalidInput | TooLarge)
