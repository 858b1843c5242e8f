"""Bad bytes on the wire: each is answered, and the connection goes on."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import UNIXSocketStream

from astro_mcp.faces.mcp import outbox
from astro_mcp.faces.mcp.lines import LineReader
from astro_mcp.faces.mcp.peer import Peer
from astro_mcp.faces.mcp.wire import LINE_MAX

from .bench import House, open_bench
from .test_tools import PROMPTS

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}},
}
MIB = 1024 * 1024


class Raw:
    """Lines of bytes, as a host's mistake would send them."""

    def __init__(self, link: UNIXSocketStream, house: House) -> None:
        self.link = link
        self.house = house
        self.ended = anyio.Event()
        self._lines = LineReader(lambda: link.receive(65536))

    async def send(self, data: bytes) -> None:
        await self.link.send(data)

    async def answer(self) -> Any:
        with anyio.fail_after(20):
            line = await self._lines.next(1 << 30)
        return None if line is None else json.loads(line.data)

    async def ask(self, message: dict[str, Any]) -> Any:
        await self.send(json.dumps(message).encode() + b"\n")
        return await self.answer()

    async def still_works(self) -> None:
        said = await self.ask(call("bench_echo", {"words": "on"}, 99))
        assert (said["id"], said["result"]["structuredContent"]) == (99, {"said": "on"})


def call(tool: str, arguments: dict[str, Any], request_id: int | str) -> dict[str, Any]:
    return {
        "jsonrpc": "2.0",
        "id": request_id,
        "method": "tools/call",
        "params": {"name": tool, "arguments": arguments},
    }


@asynccontextmanager
async def raw(folder: Path) -> AsyncIterator[Raw]:
    async with open_bench(folder, PROMPTS) as house:
        ours, theirs = [await UNIXSocketStream.from_socket(end) for end in socket.socketpair()]
        async with anyio.create_task_group() as group:
            client = Raw(ours, house)

            async def serve() -> None:
                await house.face.serve(Peer(house.session()), theirs, LineReader(lambda: theirs.receive(65536)))
                client.ended.set()

            group.start_soon(serve)
            await client.ask(INITIALIZE)
            await client.send(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
            yield client
            await ours.aclose()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"bench_echo","arguments":{"words":"',
            b'"}}}\n',
        ),
        (
            b'{"method":"tools/call","params":{"name":"bench_echo","arguments":{"words":"',
            b'"}},"id":7,"jsonrpc":"2.0"}\n',
        ),
    ],
    ids=["id first", "id last"],
)
async def test_an_argument_of_50_mb_is_answered_by_its_id_and_the_connection_goes_on(
    tmp_path: Path, before: bytes, after: bytes
) -> None:
    async with raw(tmp_path) as client:
        await client.send(before)
        for _ in range(50):
            await client.send(b"x" * MIB)
        await client.send(after)
        said = await client.answer()
        assert said["id"] == 7
        assert said["error"]["data"]["error"]["code"] == "too_large"
        await client.still_works()


async def test_an_id_inside_of_the_arguments_is_not_taken_for_the_requests(tmp_path: Path) -> None:
    async with raw(tmp_path) as client:
        await client.send(b'{"params":{"arguments":{"id":5,"words":"' + b"x" * (LINE_MAX + 1) + b'"}},"method":"x"}\n')
        assert (await client.answer())["id"] is None
        await client.still_works()


async def test_arguments_below_the_lines_bound_are_bounded_by_the_call_path(tmp_path: Path) -> None:
    async with raw(tmp_path) as client:
        said = await client.ask(call("bench_echo", {"words": "x" * 8_500_000}, 3))
        assert said["result"]["isError"] is True
        assert said["result"]["structuredContent"]["error"]["code"] == "too_large"


@pytest.mark.parametrize(
    ("line", "code", "request_id"),
    [
        (b"this is no JSON\n", -32700, None),
        (b'{"jsonrpc": "2.0", "id": 1\n', -32700, None),
        (b"\xff\xfe\xfd\n", -32700, None),
        (b"[" * 100_000 + b"\n", -32700, None),
        (b'{"jsonrpc": "1.0", "id": 4, "method": 5}\n', -32600, 4),
        (b'[{"jsonrpc": "2.0", "id": 4, "method": "ping"}]\n', -32600, None),
        (b"17\n", -32600, None),
        (b'{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":3}}\n', -32602, 5),
        (b'{"jsonrpc":"2.0","id":6,"method":"no/such"}\n', -32601, 6),
    ],
)
async def test_a_bad_line_is_answered_and_left_behind(
    tmp_path: Path, line: bytes, code: int, request_id: int | None
) -> None:
    async with raw(tmp_path) as client:
        await client.send(line)
        said = await client.answer()
        assert (said["error"]["code"], said["id"]) == (code, request_id)
        await client.still_works()


async def test_empty_lines_and_half_lines_are_no_matter(tmp_path: Path) -> None:
    async with raw(tmp_path) as client:
        await client.send(b"\n \n\r\n")
        message = json.dumps(call("bench_echo", {"words": "halves"}, "a")).encode()
        for half in (message[:20], message[20:] + b"\n"):
            await client.send(half)
            await anyio.wait_all_tasks_blocked()
        assert (await client.answer())["result"]["structuredContent"] == {"said": "halves"}


async def test_requests_before_the_end_of_input_are_still_answered(tmp_path: Path) -> None:
    async with raw(tmp_path) as client:
        for number in range(20):
            await client.send(json.dumps(call("bench_echo", {"words": "last"}, number)).encode() + b"\n")
        await client.link.send_eof()
        answers = [await client.answer() for _ in range(20)]
        assert sorted(answer["id"] for answer in answers) == list(range(20))
        assert await client.answer() is None


def line(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


def cancel(request_id: Any) -> bytes:
    return line({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": request_id}})


def reading(request_id: int) -> bytes:
    return line({"jsonrpc": "2.0", "id": request_id, "method": "resources/read", "params": {"uri": "astro://motto"}})


async def test_what_is_read_for_a_peer_that_does_not_take_it_is_little(tmp_path: Path) -> None:
    async with raw(tmp_path) as client:
        client.house.reader.motto = "x" * MIB
        await client.send(b"".join(reading(number) for number in range(40)))
        for _ in range(20):
            await client.house.database.write(lambda tx: None)
            await anyio.wait_all_tasks_blocked()
        assert client.house.reader.reads <= 4
        answers = [await client.answer() for _ in range(40)]
        assert all(len(answer["result"]["contents"][0]["text"]) == MIB for answer in answers)
        assert client.house.reader.reads == 40


async def test_a_cancelled_read_does_not_keep_its_turn(tmp_path: Path) -> None:
    async with raw(tmp_path) as client:
        client.house.reader.motto = "x" * MIB
        await client.send(b"".join(reading(number) + cancel(number) for number in range(40)))
        client.house.reader.motto = "short"
        await client.send(reading(50))
        while (answer := await client.answer())["id"] != 50:
            assert answer["result"]
        await client.still_works()


async def test_requests_beyond_the_cap_are_told_busy_and_cancellations_still_arrive(tmp_path: Path) -> None:
    async with raw(tmp_path) as client:
        await client.send(b"".join(line(call("bench_wait", {}, number)) for number in range(70)))
        refused = [await client.answer() for _ in range(6)]
        assert sorted(answer["id"] for answer in refused) == list(range(64, 70))
        assert {answer["error"]["data"]["error"]["code"] for answer in refused} == {"busy"}
        assert all(answer["error"]["data"]["error"]["retry_after_ms"] > 0 for answer in refused)
        await client.send(b"".join(cancel(number) for number in range(64)))
        await client.still_works()


async def test_few_large_requests_are_in_flight_at_once(tmp_path: Path) -> None:
    async with raw(tmp_path) as client:
        for number in range(4):
            await client.send(line(call("bench_wait", {"words": "x" * 6_000_000}, number)))
        refused = [await client.answer() for _ in range(2)]
        assert [(answer["id"], answer["error"]["data"]["error"]["code"]) for answer in refused] == [
            (2, "busy"),
            (3, "busy"),
        ]


async def test_a_peer_that_stops_reading_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "SEND_SECONDS", 0.2)
    async with raw(tmp_path) as client:
        client.house.reader.motto = "x" * MIB
        await client.send(reading(2))
        with anyio.fail_after(20):
            await client.ended.wait()


@pytest.mark.parametrize("request_id", [{"a": 1}, [1], None, True, 1.5])
async def test_a_cancellation_of_no_id_harms_nobody(tmp_path: Path, request_id: Any) -> None:
    async with raw(tmp_path) as client:
        await client.send(cancel(request_id))
        await client.still_works()


async def test_an_id_that_waits_for_its_answer_is_not_taken_twice(tmp_path: Path) -> None:
    async with raw(tmp_path) as client:
        await client.send(line(call("bench_wait", {}, 5)) + line(call("bench_echo", {}, "5")))
        said = await client.answer()
        assert said["error"]["data"]["error"]["code"] == "invalid_input"
        await client.send(cancel(5))
        await client.still_works()
        assert (await client.ask(call("bench_echo", {"words": "x"}, 5)))["result"]


async def test_a_cancellation_does_not_overtake_the_long_request_that_it_cancels(tmp_path: Path) -> None:
    async with raw(tmp_path) as client:
        await client.send(line(call("bench_wait", {"words": "x" * 3_000_000}, 5)) + cancel(5))
        await client.still_works()
        assert (await client.ask(call("bench_echo", {"words": "x"}, 5)))["result"]
