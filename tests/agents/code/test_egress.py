"""What leaves a call of `code_run` has the effect network, and without that effect nothing leaves."""

from __future__ import annotations

import ast
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from tests.agents.code.conftest import House, Open
from tests.net.web_site import Loopback, Names, Site, answer, serving
from tests.sources import nodes

from astro_mcp.agents.code.agent import CodeAgent
from astro_mcp.agents.code.model import CodeOutput
from astro_mcp.config import SandboxSettings
from astro_mcp.core.authority import ALL_EFFECTS, Effect, Label
from astro_mcp.core.deferred import Ready
from astro_mcp.core.tool import Tool
from astro_mcp.sandbox.egress import Egress
from astro_mcp.testing import workbench

SOURCES = Path(__file__).parents[3] / "src/astro_mcp"
GET = "import urllib.request\nurllib.request.urlopen('http://site.example:@PORT@/', timeout=20).read().decode()"
LOOK = "import os\n[name for name in os.environ if 'proxy' in name.lower()]"


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """Asked for before a house: what was opened last is closed first."""
    async with serving() as running:
        running.replies["/"] = answer(b"hello")
        yield running


def allowing(site: Site, **more: Any) -> dict[str, Any]:
    settings = SandboxSettings(memory_mb=256, egress=(f"site.example:{site.port}",))
    return {"settings": settings, "egress": Egress(settings, resolve=Names(), policy=Loopback()), **more}


async def effects(house: House) -> set[str]:
    """Of the call's intent and outcome, or its refusal, as they are in the audit trail."""
    return {str(row["effects"]) for row in await house.trail.last()}


async def test_a_call_that_may_reach_a_host_has_the_effect_network_and_tells_what_it_reached(
    site: Site, open_house: Open
) -> None:
    house = await open_house(**allowing(site))
    refused = "\nfor url in ('http://other.example/', 'http://169.254.169.254/'):\n  try: urllib.request.urlopen(url)\n"
    code = GET.replace("@PORT@", str(site.port)) + refused + "  except OSError as error: print(error)"
    result = await house.run(code=code)
    got = cast(CodeOutput, result.unwrap())
    assert got.exit_code == 0, got.stderr
    assert got.stdout.count("HTTP Error 403") == 2
    assert [(one.to, bool(one.refused)) for one in got.egress or ()] == [
        (f"site.example:{site.port}", False),
        ("other.example:80", True),
        ("169.254.169.254:80", True),
    ]
    assert f"egress: site.example:{site.port} · 1 connections · " in got.text()
    assert "egress: other.example:80 · 1 connections · refused: other.example:80 is not in" in got.text()
    assert result.labels == {Label.UNTRUSTED}
    assert await effects(house) == {"execute,network"}
    assert len(site.requests) == 1


async def test_a_session_that_may_not_reach_the_network_runs_nothing_where_code_could(
    site: Site, open_house: Open
) -> None:
    house = await open_house(**allowing(site))
    narrow = house.with_grant(effects=ALL_EFFECTS - {Effect.NETWORK})
    result = await house.run(by=narrow, code=GET.replace("@PORT@", str(site.port)))
    assert result.error is not None
    assert (result.error.code, "network" in result.error.message) == ("forbidden", True)
    assert await effects(house) == {"execute,network"}
    assert site.requests == []


async def test_a_call_without_the_effect_network_has_no_way_out_though_the_sandbox_knows_one(
    site: Site, open_house: Open
) -> None:
    house = await open_house(**allowing(site, told=False))
    result = await house.run(code=LOOK)
    got = cast(CodeOutput, result.unwrap())
    assert (got.result, got.egress, len(result.labels)) == ("[]", None, 0)
    assert await effects(house) == {"execute"}


async def test_the_app_gives_the_effect_to_every_call_of_code_and_to_no_other_tool_where_hosts_are_allowed(
    tmp_path: Path,
) -> None:
    def always(tools: dict[str, Tool]) -> set[str]:
        return {name for name, tool in tools.items() if tool.always}

    allowed = {"ASTRO_MCP_SANDBOX__EGRESS": '["api.example.org:443"]'}
    async with workbench(tmp_path / "open", environment=allowed) as bench:
        tools = dict(bench.app.registry.tools)
        code = tools["code_run"]
        assert always(tools) == {"code_run"}
        assert code.effects(code.parse({"code": "1"})) == {Effect.EXECUTE, Effect.NETWORK}
        assert not code.repeatable, "what reached somebody is not done twice"
    async with workbench(tmp_path / "closed") as bench:
        tools = dict(bench.app.registry.tools)
        code = tools["code_run"]
        assert always(tools) == set()
        assert code.effects(code.parse({"code": "1"})) == {Effect.EXECUTE}
        assert code.repeatable


def test_one_place_alone_gives_a_job_egress_and_it_does_so_by_the_calls_effect() -> None:
    found: dict[str, str] = {}
    for path in SOURCES.rglob("*.py"):
        if "egress=" not in (text := path.read_text()):
            continue
        for node in nodes(text):
            name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            if isinstance(node, ast.Call) and name in ("Job", "replace"):
                found |= {f"{path.stem} {name}": ast.unparse(one.value) for one in node.keywords if one.arg == "egress"}
    assert found == {"work Job": "reached.open"}, "which the call's effect and the policy of flow say"


def test_the_agent_declares_the_effect_that_it_adds() -> None:
    [tool] = CodeAgent(Ready(cast(Any, None)), egress=True).tools()
    assert tool.always <= tool.declaration.effects
