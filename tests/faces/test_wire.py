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

from astro_mcp.faces.mcp.lines import LineReader
from astro_mcp.faces.mcp.peer import Peer
from astro_mcp.faces.mcp.wire import LINE_MAX

from .bench import open_bench
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

    def __init__(self, link: UNIXSocketStream) -> None:
        self.link = link
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
            group.start_soon(house.face.serve, Peer(house.session()), theirs, LineReader(lambda: theirs.receive(65536)))
            client = Raw(ours)
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
        said = await client.ask(call("bench_echo", {"words": "x" * (9 * MIB)}, 3))
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
