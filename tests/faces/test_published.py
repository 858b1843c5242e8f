"""Resources, prompts and completions."""

from __future__ import annotations

import base64
from pathlib import Path

import anyio
import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import BlobResourceContents, PromptReference, ResourceTemplateReference, TextResourceContents

from astro_mcp.errors import InvalidInput
from astro_mcp.faces.mcp import published
from astro_mcp.faces.mcp.peer import Peer
from astro_mcp.faces.mcp.prompts import read_prompt

from .bench import PICTURE, OtherAgent, open_bench
from .test_tools import ERAS, PROMPTS, said

PROMPT = """+++
title = "Greet"
description = "Say hello."
tools = ["bench_echo"]
[arguments.name]
description = "Whom."
complete = "astro://artifacts/{sha256}"
[arguments.how]
description = "How."
default = "warmly"
+++
Greet {{name}} {{how}}, and leave {{braces}} alone.
"""


def prompts(folder: Path) -> Path:
    made = folder / "prompts"
    made.mkdir()
    (made / "greet.md").write_text(PROMPT)
    (made / "fly.md").write_text(PROMPT.replace("bench_echo", "bench_fly"))
    return made


@ERAS
async def test_resources_and_templates_are_listed_and_read(tmp_path: Path, mode: str) -> None:
    async with open_bench(tmp_path, PROMPTS) as house, house.client(mode) as client:
        assert [item.uri for item in (await client.list_resources()).resources] == ["astro://motto"]
        templates = (await client.list_resource_templates()).resource_templates
        assert [item.uri_template for item in templates] == ["astro://artifacts/{sha256}"]
        content = (await client.read_resource("astro://motto")).contents[0]
        assert isinstance(content, TextResourceContents)
        assert (content.text, content.mime_type) == ("per aspera", "text/plain")


async def test_bytes_are_read_as_a_blob(tmp_path: Path) -> None:
    async with open_bench(tmp_path, PROMPTS) as house, house.client() as client:
        sha256 = await house.artifacts.put(house.session().scope, PICTURE, "image/png")
        content = (await client.read_resource(f"astro://artifacts/{sha256}")).contents[0]
        assert isinstance(content, BlobResourceContents)
        assert base64.b64decode(content.blob) == PICTURE


@ERAS
async def test_anothers_artifact_reads_like_a_missing_one(tmp_path: Path, mode: str) -> None:
    async with open_bench(tmp_path, PROMPTS) as house:
        sha256 = await house.artifacts.put(house.session("a").scope, b"mine", "text/plain")
        said = []
        async with house.client(mode, peer=Peer(house.session("b"))) as client:
            for address in (sha256, "0" * 64):
                with pytest.raises(MCPError) as caught:
                    await client.read_resource(f"astro://artifacts/{address}")
                said.append((caught.value.code, caught.value.message))
        assert said[0] == said[1]


async def test_reading_a_resource_is_audited_like_any_call(tmp_path: Path) -> None:
    async with open_bench(tmp_path, PROMPTS) as house, house.client() as client:
        await client.read_resource("astro://motto")
        with pytest.raises(MCPError):
            await client.read_resource("astro://nowhere")
        told = [one for one in await house.audited(4) if one[1] == "outcome"]
        assert told == [("astro_read", "outcome", "ok"), ("astro_read", "outcome", "not_found")]


@ERAS
async def test_a_prompt_is_listed_where_its_tools_are_and_takes_its_arguments(tmp_path: Path, mode: str) -> None:
    async with open_bench(tmp_path, prompts(tmp_path)) as house, house.client(mode) as client:
        listed = (await client.list_prompts()).prompts
        assert [prompt.name for prompt in listed] == ["greet"]
        assert [(item.name, item.required) for item in listed[0].arguments or []] == [("name", True), ("how", False)]
        message = (await client.get_prompt("greet", {"name": "{{how}}"})).messages[0]
        assert getattr(message.content, "text", "") == "Greet {{how}} warmly, and leave {{braces}} alone."


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("greet", {}, "missing argument name"),
        ("greet", {"name": "x", "who": "y"}, "unknown argument who"),
        ("gret", {"name": "x"}, "did you mean greet"),
        ("fly", {"name": "x"}, "no prompt is named 'fly'"),
    ],
)
async def test_a_wrong_prompt_is_an_error_that_says_what_is_right(
    tmp_path: Path, name: str, arguments: dict[str, str], reason: str
) -> None:
    async with open_bench(tmp_path, prompts(tmp_path)) as house, house.client() as client:
        with pytest.raises(MCPError, match=reason):
            await client.get_prompt(name, arguments)


@ERAS
async def test_templates_and_prompts_complete_by_the_same_values(tmp_path: Path, mode: str) -> None:
    async with open_bench(tmp_path, prompts(tmp_path)) as house, house.client(mode) as client:
        template = ResourceTemplateReference(uri="astro://artifacts/{sha256}")
        found = await client.complete(template, {"name": "sha256", "value": "ab"})
        assert found.completion.values == ["abc", "abd"]
        found = await client.complete(PromptReference(name="greet"), {"name": "name", "value": "abd"})
        assert found.completion.values == ["abd"]
        found = await client.complete(PromptReference(name="fly"), {"name": "name", "value": ""})
        assert found.completion.values == []


def test_every_prompt_that_is_shipped_reads_and_names_its_arguments() -> None:
    files = [read_prompt(path) for path in sorted(PROMPTS.glob("*.md"))]
    assert [file.name for file in files] == [
        "fix_failing_tests",
        "plan_workflow",
        "remember",
        "research_topic",
        "resume_run",
        "review_changes",
        "run_template",
    ]
    for file in files:
        rendered = file.render({name: f"<{name}>" for name in file.head.arguments})
        assert "{{" not in rendered
        assert all(f"<{name}>" in rendered for name in file.head.arguments)


def test_a_prompt_file_without_front_matter_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "bad.md").write_text("Hello")
    with pytest.raises(InvalidInput, match=r"bad\.md: a prompt starts with TOML"):
        read_prompt(tmp_path / "bad.md")


OTHER = ResourceTemplateReference(uri="astro://other/{name}")


@ERAS
async def test_a_toolset_that_is_left_out_publishes_nothing(tmp_path: Path, mode: str) -> None:
    async with open_bench(tmp_path, PROMPTS) as house:
        await house.registry.register(OtherAgent())
        async with house.client(mode) as client:
            templates = (await client.list_resource_templates()).resource_templates
            assert OTHER.uri in [item.uri_template for item in templates]
            assert (await client.read_resource("astro://other/x")).contents
            assert (await client.complete(OTHER, {"name": "name", "value": ""})).completion.values == ["them"]
        narrow = Peer(house.session(toolsets={"code", "artifacts"}))
        async with house.client(mode, peer=narrow) as client:
            templates = (await client.list_resource_templates()).resource_templates
            assert OTHER.uri not in [item.uri_template for item in templates]
            with pytest.raises(MCPError, match="belongs to the toolset other") as caught:
                await client.read_resource("astro://other/x")
            assert caught.value.code == -32003
            with pytest.raises(MCPError, match="belongs to the toolset other") as caught:
                await client.complete(OTHER, {"name": "name", "value": ""})
            assert caught.value.code == -32003
            assert said(await client.call_tool("astro_read", {"uri": "astro://other/x"})).startswith("forbidden:")
            assert (await client.read_resource("astro://motto")).contents


@pytest.mark.parametrize(("prefix", "code"), [("slow", -32006), ("missing", -32602), ("broken", -32603)])
@ERAS
async def test_a_completion_that_fails_says_so_by_the_table_of_codes(
    tmp_path: Path, mode: str, prefix: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "COMPLETE_SECONDS", 0.2 if prefix == "slow" else 60)
    async with open_bench(tmp_path, PROMPTS) as house, house.client(mode) as client:
        await house.registry.register(OtherAgent())
        with pytest.raises(MCPError) as caught, anyio.fail_after(20):
            await client.complete(OTHER, {"name": "name", "value": prefix})
        assert caught.value.code == code


async def test_a_resource_is_read_once_and_audited_once(tmp_path: Path) -> None:
    async with open_bench(tmp_path, PROMPTS) as house, house.client() as client:
        await client.read_resource("astro://motto")
        assert house.reader.reads == 1
        assert [one for one in await house.audited(4) if one[1] == "outcome"] == [("astro_read", "outcome", "ok")]
