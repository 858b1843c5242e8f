"""Runs that hosts watch: who is told, how often, and until when; in both protocol eras."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import ByteReceiveStream
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import ResourceUpdated
from mcp_types import ResourceUpdatedNotification
from tests.workflow.house import session, until_called

from astro_mcp.core.authority import Effect, Session
from astro_mcp.faces.mcp import connection, subscriptions, wire
from astro_mcp.faces.mcp.lines import LineReader

from .hosts import Hosts, frame, hosts
from .test_tools import ERAS, ONE_ERA
from .test_wire import INITIALIZE

pytestmark = pytest.mark.filterwarnings("ignore:resources/(un)?subscribe is removed")  # it is the other era's
HELD = ({"id": "one", "tool": "toy_hold"}, {"id": "two", "needs": ["one"], "tool": "toy_say"})
ASKING = ({"id": "word", "ask": "Say the word"}, {"id": "last", "needs": ["word"], "tool": "toy_say"})


class Watch:
    """What one client was told of one address."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.ended = anyio.Event()
        self._more = anyio.Event()

    def hear(self, uri: str) -> None:
        self.told.append(uri)
        self._more.set()
        self._more = anyio.Event()

    async def until(self, done: Callable[[], bool]) -> None:
        with anyio.fail_after(10):
            while not done():
                await self._more.wait()


@asynccontextmanager
async def watching(
    house: Hosts, mode: str, uri: str, *, who: Session | None = None, **options: Any
) -> AsyncIterator[tuple[Client, Watch]]:
    """A client that watches `uri`, in the words of its era."""
    watch = Watch()

    async def heard(message: object) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            watch.hear(str(message.params.uri))

    async def listen(client: Client, *, task_status: Any) -> None:
        async with client.listen(resource_subscriptions=[uri]) as stream:
            task_status.started()
            async for event in stream:
                assert isinstance(event, ResourceUpdated)
                watch.hear(event.uri)
        watch.ended.set()

    if mode == "legacy":
        options["message_handler"] = heard
    async with house.client(mode, who, **options) as client, anyio.create_task_group() as group:
        if mode == "legacy":
            await client.subscribe_resource(uri)
        else:
            await group.start(listen, client)
        yield client, watch
        group.cancel_scope.cancel()


async def run_json(client: Client, uri: str) -> Any:
    return json.loads(getattr((await client.read_resource(uri)).contents[0], "text"))  # noqa: B009 - text or blob


@ERAS
async def test_who_watches_a_run_is_told_of_its_changes_and_its_end(tmp_path: Path, mode: str) -> None:
    async with hosts(tmp_path) as house:
        uri = f"astro://runs/{await house.started(HELD)}"
        await until_called(house.house.toys, "hold ")
        async with watching(house, mode, uri) as (client, watch):
            house.house.toys.gate.set()
            while (await run_json(client, uri))["status"] != "succeeded":
                seen = len(watch.told)
                await watch.until(lambda seen=seen: len(watch.told) > seen)  # type: ignore[misc]
            assert set(watch.told) == {uri}
            if mode == "auto":  # the modern era's stream ends with the run, and says so
                with anyio.fail_after(10):
                    await watch.ended.wait()


@ERAS
async def test_who_watches_a_history_reads_every_event_up_to_the_last(tmp_path: Path, mode: str) -> None:
    async with hosts(tmp_path) as house:
        run = await house.started([{"id": "said", "tool": "toy_say"}, *ASKING], wait=20)
        uri = f"astro://runs/{run}/history"
        nothing = {"action": "cancel", "step": "said"}  # it has ended
        async with watching(house, mode, uri) as (client, watch):
            read: list[str] = []
            for action, kind in (
                ({"action": "pause"}, "paused"),
                ({"action": "resume"}, "resumed"),
                (nothing, "cancelled"),
            ):
                seen = len(watch.told)
                await client.call_tool("workflow_control", {"run_id": run, **action})
                await watch.until(lambda seen=seen: len(watch.told) > seen)  # type: ignore[misc]
                read = await kinds(client, uri)
                assert read[-1] == kind
            await client.call_tool("workflow_answer", {"run_id": run, "step": "word", "value": "please"})
            while read[-1] != "finished":
                seen = len(watch.told)
                await watch.until(lambda seen=seen: len(watch.told) > seen)  # type: ignore[misc]
                read = await kinds(client, uri)
            assert set(watch.told) == {uri}
            if mode == "auto":
                with anyio.fail_after(10):
                    await watch.ended.wait()


async def kinds(client: Client, uri: str) -> list[str]:
    text = getattr((await client.read_resource(uri)).contents[0], "text")  # noqa: B009 - text or blob
    return [json.loads(line)["kind"] for line in text.splitlines()]


@ONE_ERA
async def test_a_step_is_watched_by_itself(tmp_path: Path, mode: str) -> None:
    async with hosts(tmp_path) as house:
        run = await house.started([{"id": "other", "tool": "toy_hold"}, *ASKING])
        await until_called(house.house.toys, "hold ")
        uri = f"astro://runs/{run}/steps/word"
        async with watching(house, mode, uri) as (client, watch):
            house.house.toys.gate.set()
            status = await client.call_tool("workflow_status", {"run_id": run, "wait_seconds": 5})
            assert status.structured_content["progress"].startswith("1/3 steps, waiting")
            assert watch.told == []
            await client.call_tool("workflow_answer", {"run_id": run, "step": "word", "value": "please"})
            await watch.until(lambda: bool(watch.told))
            assert watch.told == [uri]


@ONE_ERA
async def test_many_changes_at_once_are_few_notifications_and_the_last_is_told(tmp_path: Path, mode: str) -> None:
    async with hosts(tmp_path) as house:
        many = {"id": "many", "foreach": list(range(30)), "max_parallel": 1, "tool": "toy_say"}
        run = await house.started([HELD[0], {**many, "needs": ["one"]}])
        uri = f"astro://runs/{run}"
        async with watching(house, mode, uri) as (client, watch):
            began = time.monotonic()
            house.house.toys.gate.set()
            await client.call_tool("workflow_status", {"run_id": run, "wait_seconds": 20})
            await watch.until(lambda: bool(watch.told))
            await anyio.sleep(2 * subscriptions.PAUSE_SECONDS)
            took = time.monotonic() - began
            assert 1 <= len(watch.told) <= took / subscriptions.PAUSE_SECONDS + 1
            assert (await run_json(client, uri))["status"] == "succeeded"


async def test_after_unsubscribing_nothing_more_is_told(tmp_path: Path) -> None:
    async with hosts(tmp_path) as house:
        run = await house.started(ASKING, wait=20)
        uri = f"astro://runs/{run}"
        async with watching(house, "legacy", uri) as (client, watch):
            await client.unsubscribe_resource(uri)
            await client.unsubscribe_resource(uri)
            await client.call_tool("workflow_answer", {"run_id": run, "step": "word", "value": "please"})
            await client.call_tool("workflow_status", {"run_id": run, "wait_seconds": 5})
            assert (await run_json(client, uri))["status"] == "succeeded"
            assert watch.told == []
            await client.subscribe_resource(uri)  # one that has ended may be watched, and is told of never


async def test_anothers_run_is_watched_no_more_than_a_missing_one(tmp_path: Path) -> None:
    async with hosts(tmp_path) as house:
        run = await house.started(ASKING, wait=20)
        foreign, missing = f"astro://runs/{run}", f"astro://runs/{run[:-1]}{'0' if run[-1] != '0' else '1'}"
        strange = session(tmp_path, "somebody else")
        async with house.client("legacy", strange) as client:
            said = []
            for uri in (foreign, missing):
                with pytest.raises(MCPError) as caught:
                    await client.subscribe_resource(uri)
                said.append((caught.value.code, caught.value.message.replace(uri.rpartition("/")[2], "ID")))
            assert said[0] == said[1]
        async with house.client("auto", strange) as client:
            for uri in (foreign, missing):
                async with client.listen(resource_subscriptions=[uri]) as stream:
                    assert not stream.honored.resource_subscriptions
                    assert [event async for event in stream] == []


@ONE_ERA
async def test_only_the_owner_of_a_run_is_told(tmp_path: Path, mode: str) -> None:
    async with hosts(tmp_path) as house:
        other = session(tmp_path, "somebody else")
        theirs = json.dumps({"steps": [HELD[0]]})
        run = (await house.house.call("workflow_run", who=other, spec=theirs, wait_seconds=0))["run_id"]
        mine = await house.started(ASKING, wait=20)
        async with watching(house, mode, f"astro://runs/{mine}") as (client, watch):
            house.house.toys.gate.set()
            done = await house.house.call("workflow_status", who=other, run_id=run, wait_seconds=10)
            assert done["status"] == "succeeded"
            await client.call_tool("workflow_answer", {"run_id": mine, "step": "word", "value": "please"})
            await watch.until(lambda: bool(watch.told))
            assert set(watch.told) == {f"astro://runs/{mine}"}


@ONE_ERA
async def test_what_tells_of_no_changes_is_refused(tmp_path: Path, mode: str) -> None:
    async with hosts(tmp_path) as house, house.client(mode) as client:
        if mode == "legacy":
            with pytest.raises(MCPError, match="nobody tells of changes"):
                await client.subscribe_resource("astro://workflows")
        else:
            async with client.listen(resource_subscriptions=["astro://workflows"], tools_list_changed=True) as stream:
                assert not stream.honored.resource_subscriptions
                assert not stream.honored.tools_list_changed


@ERAS
async def test_capabilities_promise_what_is_kept(tmp_path: Path, mode: str) -> None:
    async with hosts(tmp_path) as house:
        for toolsets, watched in (((), True), (("toys", "artifacts"), False)):
            narrow = session(tmp_path)
            object.__setattr__(narrow, "grant", narrow.grant.narrowed(toolsets=toolsets))
            async with house.client(mode, narrow) as client:
                told = client.server_capabilities
                assert told.resources is not None
                assert bool(told.resources.subscribe) is watched
                lists = (told.tools, told.prompts, told.resources)
                assert not any(kind.list_changed for kind in lists if kind is not None)


async def test_a_session_that_may_not_read_may_not_watch(tmp_path: Path) -> None:
    async with hosts(tmp_path) as house:
        uri = f"astro://runs/{await house.started(ASKING, wait=20)}"
        blind = session(tmp_path, effects=frozenset({Effect.WRITE}))
        async with house.client("legacy", blind) as client:
            with pytest.raises(MCPError, match="needs read"):
                await client.subscribe_resource(uri)


@ERAS
async def test_a_connection_watches_a_bounded_number_of_addresses(
    tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "WATCHED", 4)
    async with hosts(tmp_path) as house:
        run = await house.started([{"id": f"s{n}", "ask": "x"} for n in range(5)], wait=20)
        uris = [f"astro://runs/{run}/steps/s{n}" for n in range(5)]
        async with house.client(mode) as client:
            if mode == "legacy":
                for uri in uris[:-1]:
                    await client.subscribe_resource(uri)
                await client.subscribe_resource(uris[0])  # a second time is nothing
                with pytest.raises(MCPError, match="at most 4"):
                    await client.subscribe_resource(uris[-1])
                await client.unsubscribe_resource(uris[0])
                await client.subscribe_resource(uris[-1])
            else:
                with pytest.raises(MCPError, match="at most 4"):
                    async with client.listen(resource_subscriptions=uris):
                        pass
                for _ in range(3):  # what a stream held is free after it
                    async with client.listen(resource_subscriptions=uris[:-1]) as stream:
                        assert len(stream.honored.resource_subscriptions or ()) == 4
                    await client.list_tools()


def opening(mode: str, uri: str) -> bytes:
    """What a client without a library sends to watch `uri`."""
    if mode == "auto":
        return frame("subscriptions/listen", {"notifications": {"resourceSubscriptions": [uri]}}, 2, modern=True)
    greeting = json.dumps(INITIALIZE).encode() + b"\n" + frame("notifications/initialized", {})
    return greeting + frame("resources/subscribe", {"uri": uri}, 2)


async def until_watched(link: ByteReceiveStream) -> None:
    lines = LineReader(lambda: link.receive(1024))
    with anyio.fail_after(10):
        while (line := await lines.next(1 << 20)) is not None:
            if b'"id":2' in line.data or b"acknowledged" in line.data:
                return


@ERAS
async def test_a_host_that_vanishes_or_says_goodbye_leaves_no_watch(
    tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "GRACE_SECONDS", 60.0)  # an open stream is no answer that the end would wait for
    async with hosts(tmp_path) as house:
        uri = f"astro://runs/{await house.started(ASKING, wait=20)}"
        async with house.link() as link:
            await link.send(opening(mode, uri))
            await until_watched(link)
        async with house.link() as link:
            await link.send(opening(mode, uri))
            await until_watched(link)
            await link.send_eof()
            with anyio.fail_after(20):
                while await LineReader(lambda: link.receive(1024)).next(1 << 20) is not None:
                    pass


@ONE_ERA
async def test_a_host_that_does_not_read_holds_nobody_up_and_nothing_piles_up_for_it(
    tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "PAUSE_SECONDS", 0.0)
    async with hosts(tmp_path) as house:
        many = {"id": "many", "foreach": list(range(40)), "max_parallel": 1, "tool": "toy_say"}
        run = await house.started([HELD[0], {**many, "needs": ["one"]}])
        async with house.link(narrow=True) as link:
            await link.send(opening(mode, f"astro://runs/{run}"))
            await until_watched(link)
            house.house.toys.gate.set()
            done = await house.house.call("workflow_status", run_id=run, wait_seconds=20)
            assert done["status"] == "succeeded"
            told = 0
            lines = LineReader(lambda: link.receive(1024))
            with anyio.move_on_after(0.3):
                while (line := await lines.next(1 << 20)) is not None:
                    told += b"resources/updated" in line.data
            assert 1 <= told <= 25  # of more than 80 changes
