"""The tools as hosts see them: which there are, what each says of itself, and how much room the list takes."""

from __future__ import annotations

import inspect
import json
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from astro_mcp import testing
from astro_mcp.agents.artifacts.agent import _OUR_OWN
from astro_mcp.core.authority import HARMLESS, Effect
from astro_mcp.core.tool import Tool
from astro_mcp.errors import InvalidInput, NotFound
from astro_mcp.faces.mcp.instructions import MOST, TEXT, instructions
from astro_mcp.faces.mcp.listing import Listing, describe
from astro_mcp.faces.mcp.peer import FULL, PROFILES, Peer
from astro_mcp.faces.mcp.prompts import read_prompt
from astro_mcp.testing import workbench

# R read-only, D destructive, I idempotent, O open world; a tool without R writes, or runs code on a copy.
TOOLS = {
    "fs_read": "RI",
    "fs_list": "RI",
    "fs_search": "RI",
    "fs_write": "DI",
    "fs_edit": "D",
    "fs_move": "D",
    "fs_delete": "D",
    "fs_undo": "D",
    "git_status": "RI",
    "git_log": "RI",
    "git_diff": "RI",
    "git_show": "RI",
    "git_commit": "",
    "git_branch": "I",
    "git_merge_preview": "RI",
    "git_merge": "D",
    "git_undo": "D",
    "code_run": "O",
    "test_run": "IO",
    "lint_check": "IO",
    "lint_fix": "DO",
    "lint_audit": "RO",
    "kb_search": "RI",
    "kb_remember": "I",
    "kb_index": "IO",
    "kb_list": "RI",
    "kb_forget": "DI",
    "web_search": "RO",
    "web_fetch": "RO",
    "workflow_check": "RI",
    "workflow_run": "DO",
    "workflow_status": "RI",
    "workflow_answer": "",
    "workflow_control": "D",
    "astro_read": "RI",
    "artifact_save": "DI",
}
PROMPTS = [read_prompt(path) for path in Path(__file__).parents[2].glob("resources/prompts/*.md")]
COMPLETED = {
    "fix_failing_tests path": "astro://files/{+path}",
    "resume_run run_id": "astro://runs/{run_id}",
    "review_changes from": "refs",
    "remember tags": "tags",
    "run_template name": "astro://workflows/{name}",
}
HINTS = {"R": "readOnlyHint", "D": "destructiveHint", "I": "idempotentHint", "O": "openWorldHint"}
ON_A_COPY = {"code_run", "test_run", "lint_check"}
LONG = {"content", "code", "spec", "edits", "message", "text", "value"}
READS = {"list", "get", "show", "read", "status", "search", "diff", "log"}
KEYWORDS = {
    *("type", "properties", "required", "description", "items", "enum", "const", "default", "additionalProperties"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "pattern"),
    *("minItems", "maxItems"),
}


@dataclass(frozen=True)
class Seen:
    """The registry's tools, and what tools/list tells of them to each profile."""

    tools: dict[str, Tool]
    described: dict[str, dict[str, Any]]
    listed: dict[str, str]
    read_only: list[str]
    published: list[str]
    completed: dict[str, bool]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    async def look(folder: Path) -> Seen:
        async with workbench(folder) as bench:
            registry = bench.app.registry
            listing = Listing(registry)
            listed = {
                name: json.dumps(
                    {"tools": listing.tools(Peer(bench.session), profile)}, ensure_ascii=False, separators=(",", ":")
                )
                for name, profile in PROFILES.items()
            }
            tools = dict(registry.tools)
            described = {name: describe(tool, schemas=True) for name, tool in tools.items()}
            reader = replace(bench.session, grant=bench.session.grant.narrowed(effects=HARMLESS))
            read_only = [tool["name"] for tool in listing.tools(Peer(reader), FULL)]
            published = [resource.uri for resource in registry.resources(bench.session.grant)]
            completed = {name: registry.completer(name, bench.session.grant) is not None for name in COMPLETED.values()}
            return Seen(tools, described, listed, read_only, published, completed)

    return anyio.run(look, tmp_path_factory.mktemp("tools") / "data")


def test_a_read_only_session_is_shown_what_some_call_of_it_may_do(seen: Seen) -> None:
    for name in seen.read_only:
        assert seen.tools[name].declaration.least <= HARMLESS
    assert {"fs_edit", "fs_undo", "workflow_run"} <= set(seen.read_only), "a dry run, and a run of steps that read"
    assert not {"fs_write", "code_run", "lint_fix", "kb_index"} & set(seen.read_only)


def nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """The schema and every schema within it."""
    yield schema
    for child in schema.get("properties", {}).values():
        yield from nodes(child)
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield from nodes(schema[name])


def test_these_are_the_tools_and_no_others(seen: Seen) -> None:
    assert list(seen.tools) == list(TOOLS), "the order is part of the contract: hosts cache the list"


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_says_when_to_use_it_in_few_words(seen: Seen, name: str) -> None:
    told = seen.described[name]
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)+", name)
    assert len(name) < 40
    assert told["description"].startswith("Use ")
    assert len(told["description"]) < 400
    assert 3 <= len(told["title"]) <= 40
    assert told["icons"]


@pytest.mark.parametrize("name", TOOLS)
def test_arguments_are_flat_and_each_is_described(seen: Seen, name: str) -> None:
    schema = seen.described[name]["inputSchema"]
    assert schema["type"] == "object"
    for node in nodes(schema):
        assert set(node) <= KEYWORDS, node
        assert isinstance(node["type"], str), "one type, no union"
        assert node["type"] != "object" or node.get("properties"), "no free-form object"
        assert node["type"] != "array" or node["items"].get("type")
    for argument, node in schema["properties"].items():
        assert node.get("description"), argument
    nested = [node for node in nodes(schema) if node is not schema and node["type"] == "object"]
    assert not nested or name == "fs_edit", "fs_edit's list of edits alone has parts"


@pytest.mark.parametrize("name", TOOLS)
def test_an_argument_that_no_tool_has_is_refused_although_the_list_does_not_say_so(seen: Seen, name: str) -> None:
    assert "additionalProperties" not in json.dumps(seen.described[name]["inputSchema"])
    with pytest.raises(InvalidInput) as refused:
        seen.tools[name].parse({"no_such_argument": 1})
    assert ("no_such_argument", "unknown argument") in {(one.path, one.reason) for one in refused.value.problems}


@pytest.mark.parametrize("name", TOOLS)
def test_results_have_no_reference_and_no_union(seen: Seen, name: str) -> None:
    for node in nodes(seen.described[name]["outputSchema"]):
        assert not set(node) & {"$ref", "$defs", "anyOf", "oneOf", "allOf", "title"}


@pytest.mark.parametrize("name", TOOLS)
def test_long_strings_come_last_so_that_no_safety_parameter_can_be_dropped_behind_one(seen: Seen, name: str) -> None:
    arguments = list(seen.described[name]["inputSchema"]["properties"])
    first = next((at for at, argument in enumerate(arguments) if argument in LONG), len(arguments))
    assert set(arguments[first:]) <= LONG, arguments


@pytest.mark.parametrize("name", TOOLS)
def test_the_hints_are_those_of_the_effects(seen: Seen, name: str) -> None:
    declared, hints = seen.tools[name].declaration, seen.described[name]["annotations"]
    assert {HINTS[letter] for letter in TOOLS[name]} == {hint for hint, value in hints.items() if value is True}
    assert all(isinstance(hints[hint], bool) for hint in HINTS.values()), "all four, always"
    assert hints["readOnlyHint"] == (declared.effects <= {Effect.READ, Effect.NETWORK})
    assert hints["destructiveHint"] == (Effect.DESTROY in declared.effects)
    assert hints["openWorldHint"] == (Effect.NETWORK in declared.effects)


@pytest.mark.parametrize("name", TOOLS)
def test_reads_and_writes_are_never_in_one_tool(seen: Seen, name: str) -> None:
    declared = seen.tools[name].declaration
    choices = seen.described[name]["inputSchema"]["properties"].get("action", {}).get("enum", [])
    assert not set(choices) & READS
    if "R" in TOOLS[name]:
        assert not declared.effects & {Effect.WRITE, Effect.DESTROY, Effect.EXECUTE}
        assert declared.effects_of is None, "what only reads does so whatever its arguments"
    elif name in ON_A_COPY:
        assert declared.on_copy
        assert Effect.EXECUTE in declared.effects
        assert not declared.effects & {Effect.WRITE, Effect.DESTROY}
    else:
        assert declared.effects & {Effect.WRITE, Effect.DESTROY}


def test_the_list_of_tools_takes_no_more_room_than_a_host_can_afford(seen: Seen) -> None:
    assert len(seen.listed["full"]) <= 32_000
    assert len(seen.listed["coding"]) <= 16_000
    assert {"code_run", "kb_search", "workflow_run", "astro_read"} <= set(
        re.findall(r'"name":"(\w+)"', seen.listed["coding"])
    )


def test_the_servers_instructions_stay_short_whatever_they_have_to_tell() -> None:
    assert len(TEXT) < MOST == 2000
    assert len(instructions(["/a/very/long/root is no folder " * 40] * 10)) <= MOST
    assert instructions(["/x is refused"]).endswith("\n! /x is refused")


def test_tools_that_the_instructions_name_exist() -> None:
    named = set(re.findall(r"\b(?:fs|git|kb|workflow|astro|code|test|lint|web)_[a-z]+\b", TEXT)) - {"next_cursor"}
    assert named
    assert named <= set(TOOLS)


def test_tools_that_descriptions_name_exist(seen: Seen) -> None:
    pattern = re.compile(r"\b(?:fs|git|kb|workflow|code|test|lint|web|artifact)_[a-z]+\b")
    for name, tool in seen.tools.items():
        arguments = set(seen.described[name]["inputSchema"]["properties"])
        results = {key for node in nodes(seen.described[name]["outputSchema"]) for key in node.get("properties", {})}
        told = tool.declaration.description + tool.declaration.details
        of_an_example = {"test_a", "test_b"}
        assert set(pattern.findall(told)) <= set(TOOLS) | arguments | results | of_an_example, name


def test_kinds_of_uri_that_a_description_names_are_published(seen: Seen) -> None:
    kinds = {part for uri in seen.published for part in uri.removeprefix("astro://").split("/")}
    told = seen.tools["astro_read"].declaration.description
    enumerated = re.search(r"that a result names: (.*?),? and\s+astro://", told, re.DOTALL)
    assert enumerated, told
    named = set(re.findall(r"\w+", enumerated[1])) - {"and", "their"}
    assert {"artifacts", "runs", "steps"} <= named
    assert named <= kinds
    first = {uri.removeprefix("astro://").split("/")[0] for uri in seen.published}
    for name, tool in seen.tools.items():
        texts = [TEXT, json.dumps(seen.described[name]), tool.declaration.details]
        assert set(re.findall(r"astro://([a-z]+)", " ".join(texts))) <= first, name


def test_what_is_our_own_text_and_not_a_strangers_is_published(seen: Seen) -> None:
    for prefix in _OUR_OWN:
        assert any(uri.startswith(prefix) for uri in seen.published), prefix


async def test_the_example_of_the_testing_module_runs_as_it_stands(tmp_path: Path) -> None:
    example = textwrap.dedent("\n".join(re.findall(r"^    .*$", testing.__doc__ or "", re.MULTILINE)))
    assert "bench.value(" in example
    project = tmp_path / "project"
    project.mkdir()
    (project / "a.txt").write_text("hello\n")
    body = f"async def example():\n{textwrap.indent(example, '    ')}\n    return listing"
    names: dict[str, Any] = {"workbench": workbench, "tmp_path": tmp_path, "project": project}
    exec(body, names)
    listing = await names["example"]()
    assert [item.path for item in listing.items] == ["a.txt"]
    assert inspect.getdoc(testing.Workbench)


async def test_a_workbench_raises_a_tools_error_and_tells_sessions_apart(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.txt").write_text(name)
    async with workbench(tmp_path / "data", roots=[tmp_path / "a"]) as bench:
        other = bench.other(tmp_path / "b")
        assert (await bench.call("fs_read", path="a.txt")).error is None
        with pytest.raises(NotFound):
            await other.value("fs_read", path="a.txt")
        assert (await other.call("fs_read", path="b.txt")).error is None


def test_what_a_prompt_is_completed_by_is_there(seen: Seen) -> None:
    arguments = {f"{file.name} {name}": told for file in PROMPTS for name, told in file.head.arguments.items()}
    assert {name: told.complete for name, told in arguments.items() if told.complete} == COMPLETED
    assert all(seen.completed.values()), seen.completed
