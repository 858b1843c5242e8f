"""The token budget: what is cut, how it goes on, and who may go on with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mcp_types import CallToolResult

from astro_mcp.core.authority import Effect
from astro_mcp.core.model import Output
from astro_mcp.faces.mcp.budget import BYTES, NEAR
from astro_mcp.faces.mcp.peer import Peer, Profile
from astro_mcp.faces.mcp.shape import Shape

from .bench import House, open_bench
from .test_tools import PROMPTS, said

MOST = 32_000


def weight(result: CallToolResult) -> int:
    return len(result.model_dump_json(by_alias=True, exclude_none=True).encode())


async def pages(client: Any, tool: str, arguments: dict[str, Any]) -> list[CallToolResult]:
    found = [await client.call_tool(tool, arguments)]
    while cursor := (found[-1].structured_content or {}).get("next_cursor"):
        found.append(await client.call_tool(tool, {**arguments, "cursor": cursor}))
    return found


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_long_list_comes_in_pages_that_lose_nothing(tmp_path: Path, mode: str) -> None:
    async with open_bench(tmp_path, PROMPTS) as house, house.client(mode) as client:
        found = await pages(client, "bench_list", {"count": 3000})
        bodies = [page.structured_content or {} for page in found]
        assert len(found) > 3
        assert all(weight(page) <= MOST for page in found)
        assert weight(found[0]) > MOST * 0.8
        assert [item["number"] for body in bodies for item in body["items"]] == list(range(3000))
        assert [body["truncated"] for body in bodies] == [True] * (len(bodies) - 1) + [False]
        assert all(body["total"] == 3000 for body in bodies)


async def test_the_text_alone_is_as_complete_as_the_structure(tmp_path: Path) -> None:
    async with open_bench(tmp_path, PROMPTS) as house, house.client() as client:
        for page in await pages(client, "bench_list", {"count": 1500}):
            body = page.structured_content or {}
            numbers = [int(line.split()[0]) for line in said(page).splitlines() if line[0].isdigit()]
            assert numbers[: len(body["items"])] == [item["number"] for item in body["items"]]
            assert body.get("next_cursor", "") in said(page)


async def test_long_text_is_cut_at_the_end_of_a_line_and_loses_nothing(tmp_path: Path) -> None:
    async with open_bench(tmp_path, PROMPTS) as house, house.client() as client:
        arguments = {"count": 2000, "wide": 40}
        found = await pages(client, "bench_prose", arguments)
        bodies = [(page.structured_content or {})["body"] for page in found]
        assert all(body.endswith("\n") for body in bodies)
        assert "".join(bodies) == "".join(f"{number} {'ö' * 40}\n" for number in range(2000))


async def test_a_page_of_text_is_rendered_once_and_is_nearly_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered: list[Shape] = []

    def of(value: Output, profile: Profile) -> Shape:
        rendered.append(Shape.weighed(value.text() if profile.text else None, _structured(value, profile)))
        return rendered[-1]

    async with open_bench(tmp_path, PROMPTS) as house, house.client() as client:
        monkeypatch.setattr(Shape, "of", of)
        found = await pages(client, "bench_prose", {"count": 3000, "wide": 40})
        assert len(rendered) == len(found) > 10
        assert all(shape.size > BYTES - NEAR for shape in rendered[:-1])


def _structured(value: Output, profile: Profile) -> dict[str, Any] | None:
    return value.model_dump(mode="json", exclude_none=True) if profile.structured else None


async def test_the_rest_of_a_result_comes_without_running_the_tool_again(tmp_path: Path) -> None:
    async with open_bench(tmp_path, PROMPTS) as house, house.client() as client:
        await pages(client, "bench_list", {"count": 3000})
        assert house.bench.runs == 1


async def test_a_small_result_is_neither_cut_nor_stored(tmp_path: Path) -> None:
    async with open_bench(tmp_path, PROMPTS) as house, house.client() as client:
        result = await client.call_tool("bench_list", {"count": 200})
        assert (result.structured_content or {})["truncated"] is False
        assert result.meta is None or "astro/whole" not in result.meta
        assert not (tmp_path / "artifacts").exists()


async def test_a_single_item_over_the_budget_is_cut_and_says_so(tmp_path: Path) -> None:
    async with open_bench(tmp_path, PROMPTS) as house, house.client() as client:
        result = await client.call_tool("bench_list", {"count": 1, "wide": 60_000})
        assert weight(result) <= MOST
        assert "cut to fit" in said(result)
        assert "astro://artifacts/" in (result.structured_content or {})["cut"]


async def test_what_has_no_pages_keeps_head_and_tail_and_names_the_whole(tmp_path: Path) -> None:
    async with open_bench(tmp_path, PROMPTS) as house, house.client() as client:
        result = await client.call_tool("bench_large", {"count": 100_000})
        text, body = said(result), result.structured_content or {}
        assert weight(result) <= MOST
        assert text.startswith("first ")
        assert text.endswith(" last")
        assert body["said"].startswith("first ")
        assert body["said"].endswith(" last")
        uri = (result.meta or {})["astro/whole"]
        assert uri in text
        assert uri in body["cut"]
        whole = (await client.read_resource(uri)).contents[0]
        assert getattr(whole, "text", "") == "first " + "x" * 100_000 + " last"


async def test_a_host_that_reads_one_form_gets_all_of_the_budget_in_it(tmp_path: Path) -> None:
    async with open_bench(tmp_path, PROMPTS) as house:
        async with house.client() as client:
            both = len(((await client.call_tool("bench_list", {"count": 3000})).structured_content or {})["items"])
        async with house.client(peer=Peer(house.session(), profile="structured")) as client:
            one = len(((await client.call_tool("bench_list", {"count": 3000})).structured_content or {})["items"])
        assert one > both * 1.3


Spoil = Callable[[House, str], tuple[Peer, str, dict[str, Any]]]


def another_scope(house: House, cursor: str) -> tuple[Peer, str, dict[str, Any]]:
    return Peer(house.session("b")), "bench_list", {"count": 3000, "cursor": cursor}


def another_tool(house: House, cursor: str) -> tuple[Peer, str, dict[str, Any]]:
    return Peer(house.session()), "bench_prose", {"count": 3000, "cursor": cursor}


def other_arguments(house: House, cursor: str) -> tuple[Peer, str, dict[str, Any]]:
    return Peer(house.session()), "bench_list", {"count": 2999, "cursor": cursor}


def a_broken_cursor(house: House, cursor: str) -> tuple[Peer, str, dict[str, Any]]:
    return Peer(house.session()), "bench_list", {"count": 3000, "cursor": cursor[:-4] + "AAAA"}


def no_cursor_at_all(house: House, cursor: str) -> tuple[Peer, str, dict[str, Any]]:
    return Peer(house.session()), "bench_list", {"count": 3000, "cursor": "../../etc"}


@pytest.mark.parametrize("spoil", [another_scope, another_tool, other_arguments, a_broken_cursor, no_cursor_at_all])
async def test_a_cursor_answers_alike_wherever_it_does_not_belong(tmp_path: Path, spoil: Spoil) -> None:
    async with open_bench(tmp_path, PROMPTS) as house:
        async with house.client() as client:
            first = await client.call_tool("bench_list", {"count": 3000})
            cursor = (first.structured_content or {})["next_cursor"]
        peer, tool, arguments = spoil(house, cursor)
        async with house.client(peer=peer) as client:
            result = await client.call_tool(tool, arguments)
        assert result.is_error
        assert said(result).startswith("not_found: there is no such cursor for this call")
        assert json.dumps(result.structured_content).count("hint") == 1


async def test_a_cursor_with_the_same_arguments_written_otherwise_still_fits(tmp_path: Path) -> None:
    async with open_bench(tmp_path, PROMPTS) as house, house.client() as client:
        first = await client.call_tool("bench_list", {"count": 3000})
        cursor = (first.structured_content or {})["next_cursor"]
        again = await client.call_tool("bench_list", {"count": "3000", "wide": 10, "cursor": cursor})
        assert not again.is_error


async def test_a_cursor_is_no_way_around_the_toolsets(tmp_path: Path) -> None:
    async with open_bench(tmp_path, PROMPTS) as house:
        async with house.client() as client:
            first = await client.call_tool("bench_list", {"count": 3000})
            cursor = (first.structured_content or {})["next_cursor"]
        for narrow in ({"toolsets": {"artifacts"}}, {"effects": {Effect.WRITE}}):
            async with house.client(peer=Peer(house.session(**narrow))) as client:
                again = await client.call_tool("bench_list", {"count": 3000, "cursor": cursor})
            assert said(again).startswith("forbidden:")
