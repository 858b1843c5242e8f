"""Tools over MCP: lists, calls, errors, progress and cancellation, in both protocol eras."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import ImageContent, TextContent

from astro_mcp.core.authority import Effect
from astro_mcp.faces.mcp.peer import Peer

from .bench import PICTURE, OtherAgent, open_bench

ERAS = pytest.mark.parametrize("mode", ["auto", "legacy"])
ONE_ERA = pytest.mark.parametrize("mode", ["auto", pytest.param("legacy", marks=pytest.mark.full)])
"""For what the eras share."""
PROMPTS = Path(__file__).parents[2] / "resources" / "prompts"


def said(result: object) -> str:
    content = getattr(result, "content")  # noqa: B009 - the client's result type differs by era
    return "".join(part.text for part in content if isinstance(part, TextContent))


@ERAS
async def test_a_client_of_each_era_lists_and_calls(tmp_path: Path, mode: str) -> None:
    async with open_bench(tmp_path, PROMPTS) as house, house.client(mode) as client:
        tools = (await client.list_tools()).tools
        assert [tool.name for tool in tools] == list(house.registry.tools)
        result = await client.call_tool("bench_echo", {"words": "hello"})
        assert not result.is_error
        assert said(result) == "hello"
        assert result.structured_content == {"said": "hello"}
        eras = {"auto": "2026-07-28", "legacy": "2025-11-25"}
        assert client.protocol_version == eras[mode]


async def test_every_tool_carries_a_title_all_four_hints_and_an_icon(tmp_path: Path) -> None:
    async with open_bench(tmp_path, PROMPTS) as house, house.client() as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        for tool in tools.values():
            hints = tool.annotations
            assert tool.title
            assert hints is not None
            assert None not in (hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint)
            assert hints.open_world_hint is not None
            assert tool.icons
            assert tool.icons[0].src.startswith("data:image/svg+xml,")
        echo, large, fail = (tools[name].annotations for name in ("bench_echo", "bench_large", "bench_fail"))
        assert echo is not None
        assert (echo.read_only_hint, echo.idempotent_hint, echo.open_world_hint) == (True, True, False)
        assert large is not None
        assert (large.read_only_hint, large.destructive_hint) == (False, False)
        assert fail is not None
        assert (fail.read_only_hint, fail.destructive_hint, fail.open_world_hint) == (False, True, True)


async def test_only_tools_that_come_in_pages_take_a_cursor(tmp_path: Path) -> None:
    async with open_bench(tmp_path, PROMPTS) as house, house.client() as client:
        tools = {tool.name: tool.input_schema for tool in (await client.list_tools()).tools}
        assert "cursor" in tools["bench_list"]["properties"]
        assert "cursor" not in tools["bench_echo"]["properties"]


async def test_a_schema_holds_no_reference_and_no_union(tmp_path: Path) -> None:
    async with open_bench(tmp_path, PROMPTS) as house:
        peer = Peer(house.session(), profile="structured")
        async with house.client(peer=peer) as client:
            tools = await client.list_tools()
            assert all(tool.output_schema for tool in tools.tools)
        listed = tools.model_dump_json(by_alias=True, exclude_none=True)
        assert not any(word in listed for word in ("$ref", "anyOf", "oneOf", "$defs"))


@ERAS
async def test_a_tools_failure_is_a_result_that_says_code_and_hint(tmp_path: Path, mode: str) -> None:
    async with open_bench(tmp_path, PROMPTS) as house, house.client(mode) as client:
        result = await client.call_tool("bench_fail", {})
        assert result.is_error
        assert said(result) == "conflict: the file changed\nhint: read it again"
        assert result.structured_content is not None
        assert result.structured_content["error"]["code"] == "conflict"


@ERAS
async def test_wrong_arguments_are_a_result_that_names_the_right_ones(tmp_path: Path, mode: str) -> None:
    async with open_bench(tmp_path, PROMPTS) as house, house.client(mode) as client:
        result = await client.call_tool("bench_echo", {"wrods": "hello"})
        assert result.is_error
        assert "invalid_input: wrods: unknown argument" in said(result)
        assert "use: words" in said(result)


@ERAS
async def test_an_unknown_tool_is_an_error_of_the_protocol_and_in_the_audit(tmp_path: Path, mode: str) -> None:
    async with open_bench(tmp_path, PROMPTS) as house, house.client(mode) as client:
        with pytest.raises(MCPError, match="did you mean bench_echo") as caught:
            await client.call_tool("bench_ecko", {})
        assert caught.value.code == -32602
        assert await house.audited(1) == [("bench_ecko", "refusal", "not_found")]


@ERAS
async def test_progress_reaches_a_client_that_asked_for_it(tmp_path: Path, mode: str) -> None:
    heard: list[tuple[float, float | None, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total, message))

    async with open_bench(tmp_path, PROMPTS) as house, house.client(mode) as client:
        await client.call_tool("bench_steps", {}, progress_callback=hear)
        assert heard == [(1, 2, "half"), (2, 2, "whole")]


@ERAS
async def test_cancelling_a_call_cancels_the_tool(tmp_path: Path, mode: str) -> None:
    async with open_bench(tmp_path, PROMPTS) as house, house.client(mode) as client:
        async with anyio.create_task_group() as group:
            group.start_soon(client.call_tool, "bench_wait", {})
            await house.bench.started.wait()
            group.cancel_scope.cancel()
        with anyio.fail_after(20):
            await house.bench.cancelled.wait()
        assert said(await client.call_tool("bench_echo", {"words": "still here"})) == "still here"


async def test_a_client_that_goes_away_cancels_its_calls(tmp_path: Path) -> None:
    async with open_bench(tmp_path, PROMPTS) as house:
        with anyio.CancelScope() as scope:
            async with house.client("legacy") as client, anyio.create_task_group() as group:
                group.start_soon(client.call_tool, "bench_wait", {})
                await house.bench.started.wait()
                scope.cancel()
        with anyio.fail_after(20):
            await house.bench.cancelled.wait()


async def test_a_picture_travels_beside_the_text(tmp_path: Path) -> None:
    async with open_bench(tmp_path, PROMPTS) as house, house.client() as client:
        result = await client.call_tool("bench_picture", {})
        images = [part for part in result.content if isinstance(part, ImageContent)]
        assert [image.mime_type for image in images] == ["image/png"]
        assert len(PICTURE) == 72


async def test_a_lone_surrogate_does_not_break_the_answer(tmp_path: Path) -> None:
    async with open_bench(tmp_path, PROMPTS) as house, house.client() as client:
        result = await client.call_tool("bench_strange", {})
        assert said(result) == "caf\\udce9"
        assert result.structured_content == {"said": "caf\\udce9"}


@pytest.mark.parametrize("name", ["claude-code", "Cursor", "Visual Studio Code", "codex-mcp-client", "gemini-cli"])
async def test_a_coding_host_sees_its_toolsets_and_reads_text_alone(tmp_path: Path, name: str) -> None:
    async with open_bench(tmp_path, PROMPTS) as house:
        await house.registry.register(OtherAgent())
        async with house.client("legacy", name=name) as client:
            tools = (await client.list_tools()).tools
            assert not any(tool.name.startswith("other_") for tool in tools)
            assert all(tool.output_schema is None for tool in tools)
            result = await client.call_tool("bench_echo", {"words": "hi"})
            assert result.structured_content is None
            assert said(result) == "hi"
        async with house.client("auto", name=name) as client:
            assert not any(tool.name.startswith("other_") for tool in (await client.list_tools()).tools)


async def test_a_named_profile_goes_before_the_clients_name(tmp_path: Path) -> None:
    async with open_bench(tmp_path, PROMPTS) as house:
        await house.registry.register(OtherAgent())
        peer = Peer(house.session(), profile="structured")
        async with house.client(name="claude-code", peer=peer) as client:
            assert any(tool.name == "other_echo" for tool in (await client.list_tools()).tools)
            result = await client.call_tool("bench_echo", {"words": "hi"})
            assert result.content == []
            assert result.structured_content == {"said": "hi"}


async def test_a_read_only_session_neither_sees_nor_may_call_what_writes(tmp_path: Path) -> None:
    async with open_bench(tmp_path, PROMPTS) as house:
        peer = Peer(house.session(effects={Effect.READ, Effect.NETWORK}))
        async with house.client(peer=peer) as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            assert "bench_echo" in names
            assert "bench_fail" not in names
            assert said(await client.call_tool("bench_fail", {})).startswith("forbidden:")


async def test_what_is_registered_later_is_listed(tmp_path: Path) -> None:
    async with open_bench(tmp_path, PROMPTS) as house, house.client("legacy") as client:
        assert "other_echo" not in [tool.name for tool in (await client.list_tools()).tools]
        await house.registry.register(OtherAgent())
        assert "other_echo" in [tool.name for tool in (await client.list_tools()).tools]


async def test_notices_stand_in_the_instructions_of_their_own_connection(tmp_path: Path) -> None:
    async with open_bench(tmp_path, PROMPTS) as house:
        for mode in ("auto", "legacy"):
            async with house.client(mode, peer=Peer(house.session(), notices=("/etc is refused",))) as client:
                assert client.instructions is not None
                assert client.instructions.endswith("! /etc is refused")
                assert len(client.instructions) < 2000
            async with house.client(mode) as client:
                assert "/etc" not in (client.instructions or "")


async def test_a_long_error_keeps_to_the_budget_in_both_forms_and_says_that_it_was_cut(tmp_path: Path) -> None:
    async with open_bench(tmp_path, PROMPTS) as house, house.client() as client:
        for count, wide in ((5000, 100), (1, 500_000)):
            result = await client.call_tool("bench_complain", {"count": count, "wide": wide})
            assert result.is_error
            assert len(result.model_dump_json(by_alias=True, exclude_none=True).encode()) <= 32_000
            assert said(result).startswith("invalid_input: caf\\udce9")
            assert "cut to fit" in said(result)
            assert "cut" in (result.structured_content or {})


async def test_a_lone_surrogate_does_not_break_an_error(tmp_path: Path) -> None:
    async with open_bench(tmp_path, PROMPTS) as house, house.client() as client:
        result = await client.call_tool("bench_complain", {})
        problem = (result.structured_content or {})["error"]["problems"][0]
        assert problem["path"] == "p\\udce9"
