"""The writing half of a connection: whole messages in their order, however slowly the peer reads."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import pytest
from anyio.abc import UNIXSocketStream
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCResponse

from astro_mcp.faces.mcp.outbox import Outbox
from astro_mcp.faces.mcp.traffic import Traffic


@dataclass
class Line:
    """An outbox, the peer's end of its link, its traffic, and how often it was told broken."""

    outbox: Outbox
    peer: socket.socket
    traffic: Traffic
    broken: list[bool]

    def answers(self) -> list[int]:
        """The ids of what the peer was sent and did not take yet; fails the test where a line is no message."""
        data = b""
        while not data.endswith(b"\n"):
            data += self.peer.recv(1 << 20)
        return [json.loads(line)["id"] for line in data.splitlines()]


def answer(number: int, size: int = 10) -> SessionMessage:
    return SessionMessage(JSONRPCResponse(jsonrpc="2.0", id=number, result={"text": "x" * size}))


@asynccontextmanager
async def opened() -> AsyncIterator[Line]:
    ours, peer = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    ours.setblocking(False)
    traffic, broken = Traffic(), list[bool]()
    with peer:
        async with await UNIXSocketStream.from_socket(ours) as link, anyio.create_task_group() as group:
            outbox = Outbox(link, traffic, lambda: broken.append(True))
            group.start_soon(outbox.write_all)
            await anyio.wait_all_tasks_blocked()
            async with outbox:
                yield Line(outbox, peer, traffic, broken)
            peer.close()


async def taken(line: Line, count: int) -> list[int]:
    """The ids of the next `count` messages."""
    line.peer.setblocking(False)
    data = b""
    with anyio.fail_after(20):
        while data.count(b"\n") < count:
            try:
                data += line.peer.recv(65_536)
            except BlockingIOError:
                await anyio.sleep(0.001)
    assert data.endswith(b"\n")
    return [json.loads(row)["id"] for row in data.splitlines()]


async def test_an_answer_is_sent_before_its_sender_goes_on(never_waits: Callable[[Awaitable[None]], None]) -> None:
    async with opened() as line:
        never_waits(line.outbox.send(answer(1)))
        never_waits(line.outbox.send(answer(2)))
        assert line.answers() == [1, 2]


@pytest.fixture
def never_waits() -> Callable[[Awaitable[None]], None]:
    def run(work: Awaitable[None]) -> None:
        with pytest.raises(StopIteration):
            work.__await__().__next__()

    return run


async def test_a_cancelled_sender_leaves_no_half_message_behind() -> None:
    async with opened() as line:
        with anyio.move_on_after(0.05):
            await line.outbox.send(answer(1, 1_000_000))
        async with anyio.create_task_group() as group:
            group.start_soon(line.outbox.send, answer(2))
            assert await taken(line, 2) == [1, 2]


async def test_messages_keep_their_order_past_a_peer_that_reads_slowly() -> None:
    async with opened() as line, anyio.create_task_group() as group:
        for number in range(30):
            group.start_soon(line.outbox.send, answer(number, 50_000 if number % 3 == 0 else 5))
        assert await taken(line, 30) == list(range(30))
        await anyio.wait_all_tasks_blocked()
        await line.outbox.send(answer(30))
        assert line.answers() == [30]


async def test_what_was_begun_is_written_to_its_end_though_the_connection_closes() -> None:
    async with opened() as line:
        await line.outbox.send(answer(1, 300_000))
        await line.outbox.aclose()
        with pytest.raises(anyio.ClosedResourceError):
            await line.outbox.send(answer(2))
        assert await taken(line, 1) == [1]


async def test_nothing_is_sent_after_the_end() -> None:
    async with opened() as line:
        await line.outbox.aclose()
        with pytest.raises(anyio.ClosedResourceError):
            await line.outbox.send(answer(1))
        line.peer.setblocking(False)
        with pytest.raises(BlockingIOError):
            line.peer.recv(1)


async def test_traffic_is_not_quiet_while_an_answer_is_written() -> None:
    async with opened() as line:
        line.traffic.open(1, 10)
        await line.outbox.send(answer(1, 300_000))
        await anyio.wait_all_tasks_blocked()
        with anyio.move_on_after(0.02) as waited:
            await line.traffic.quiet()
        assert waited.cancelled_caught
        assert await taken(line, 1) == [1]
        with anyio.fail_after(5):
            await line.traffic.quiet()


async def test_a_peer_that_is_gone_is_told_once_and_refuses_the_sender() -> None:
    async with opened() as line:
        line.peer.close()
        with pytest.raises(anyio.BrokenResourceError):
            await line.outbox.send(answer(1))
        assert line.broken == [True]
