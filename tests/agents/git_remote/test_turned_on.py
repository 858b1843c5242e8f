"""The toolset is there where the operator named hosts, and workflows need their leave for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.agents.git_remote.conftest import Bench

from astro_mcp.config import load
from astro_mcp.errors import InvalidInput
from astro_mcp.testing import workbench

TOOLS = {"git_fetch", "git_push", "git_clone"}


async def test_without_hosts_the_tools_are_not_there_and_a_call_is_told_the_line_that_adds_them(
    tmp_path: Path,
) -> None:
    async with workbench(tmp_path / "data", roots=[tmp_path]) as bench:
        assert not TOOLS & set(bench.app.registry.tools)
        assert "git_remote" not in bench.app.registry.agents
        result = await bench.call("git_fetch")
        assert result.error is not None
        assert (result.error.code, result.error.hint) == (
            "not_found",
            'the operator names hosts in config.toml: [git.remote] hosts = ["github.com"]',
        )


async def test_with_hosts_they_are_listed_as_what_reaches_the_network(bench: Bench) -> None:
    listed = {tool.name: tool for tool in (await bench.client.list_tools()).tools}
    assert set(listed) >= TOOLS
    for name in TOOLS:
        hints = listed[name].annotations
        assert hints is not None
        assert (hints.read_only_hint, hints.open_world_hint, hints.destructive_hint) == (False, True, False)


async def test_a_workflow_needs_network_and_write_in_its_allow(bench: Bench) -> None:
    step = '{"id": "get", "tool": "git_fetch", "with": {"repo": "project"}}'
    spec = f'{{"name": "get", "steps": [{step}]}}'
    given: dict[str, Any] = {"spec": spec, "allow": ["read", "write"]}
    refused = await bench.client.call_tool("workflow_run", given)
    assert "network" in str(refused.content)
    assert bench.server.asked == []
    given = {"spec": spec, "allow": ["read", "write", "network"], "wait_seconds": 20}
    allowed = await bench.client.call_tool("workflow_run", given)
    assert "succeeded" in str(allowed.content)
    assert bench.server.asked


def test_the_settings_take_exact_hosts_and_names_of_variables_alone(tmp_path: Path) -> None:
    def loaded(text: str) -> object:
        (tmp_path / "config.toml").write_text(f"[git.remote]\n{text}\n")
        return load(tmp_path, {"ASTRO_MCP_TOKEN_X": "word"}).git.remote

    fine = 'hosts = ["github.com", "git.example.org:8443"]\ntokens = { "github.com" = "ASTRO_MCP_TOKEN_X" }'
    assert "word" not in repr(loaded(fine))
    for wrong in (
        'hosts = ["*.github.com"]',
        'hosts = ["https://github.com"]',
        'hosts = ["GitHub.com"]',
        'hosts = ["10.0.0.1"]',
        'hosts = ["localhost"]',
        'hosts = ["github.com"]\ntokens = { "github.com" = "HOME" }',
        'hosts = ["github.com"]\ntokens = { "github.com" = "ghp_word" }',
        'hosts = ["github.com"]\ntokens = { "gitlab.com" = "ASTRO_MCP_TOKEN_X" }',
    ):
        with pytest.raises(InvalidInput):
            loaded(wrong)
