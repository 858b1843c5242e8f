"""What leaves is declared by every tool that may send something, and the guide says what the code holds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.contracts.test_tools import Seen, seen

from astro_mcp.agents.code.reach import UPLOAD
from astro_mcp.agents.git_remote.agent import GitRemoteAgent
from astro_mcp.agents.model.agent import ModelAgent
from astro_mcp.core import flow
from astro_mcp.core.authority import Effect
from astro_mcp.core.call import Context
from astro_mcp.core.flow import BOUNDS, Sort
from astro_mcp.core.model import Input, Output
from astro_mcp.core.tool import later, nothing, tool

__all__ = ["seen"]

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "resources/guides/flow.md").read_text()
TOLD_WITHIN = {
    "code_run": "agents/code/reach.py agents/code/work.py",
    "test_run": "agents/tests/images.py",
    "lint_check": "agents/lint/images.py agents/lint/advised.py",
    "lint_fix": "agents/lint/images.py agents/lint/advised.py",
    "lint_audit": "agents/lint/audit/work.py",
    "model_answer": "agents/model/agent.py",
    **dict.fromkeys(("git_fetch", "git_push", "git_clone"), "agents/git_remote/work.py"),
}
"""Tools that say within the call what leaves, and where they do."""
SENDS_NOTHING = {"workflow_run"}


def test_every_tool_with_the_effect_network_says_what_leaves(seen: Seen) -> None:
    others = [*ModelAgent.__new__(ModelAgent).tools(), *GitRemoteAgent.__new__(GitRemoteAgent).tools()]
    tools = [*seen.tools.values(), *others]
    sends = {one.name: one.declaration.leaves for one in tools if Effect.NETWORK in one.declaration.effects}
    assert None not in sends.values()
    assert {name for name, leaves in sends.items() if leaves is later} == set(TOLD_WITHIN)
    assert {name for name, leaves in sends.items() if leaves is nothing} == SENDS_NOTHING


@pytest.mark.parametrize("places", TOLD_WITHIN.values(), ids=TOLD_WITHIN)
def test_who_says_it_within_the_call_says_it_there(places: str) -> None:
    for place in places.split():
        assert "ctx.let_out(" in (ROOT / "src/astro_mcp" / place).read_text()


def test_nothing_asks_for_an_image_with_packages_without_saying_so() -> None:
    """A call without `before` is one whose packages the pack names."""
    calls = []
    for path in (ROOT / "src/astro_mcp/agents").rglob("*.py"):
        calls += [
            (path.name, "let_out" in one)
            for one in re.findall(r"\.package_image\((.*?)\n\s*\)?\n", path.read_text(), re.DOTALL)
        ]
    assert sorted(calls) == [
        ("images.py", False),  # a linter's own
        ("images.py", True),
        ("images.py", True),
        ("images.py", True),
        ("work.py", True),
    ]


class Words(Input):
    words: str = ""


class Heard(Output):
    def text(self) -> str:
        return ""


@pytest.mark.parametrize(("effects", "leaves"), [({Effect.NETWORK}, None), ({Effect.READ}, nothing)])
def test_a_tool_can_not_be_declared_otherwise(effects: set[Effect], leaves: object) -> None:
    async def bad_tool(self: object, args: Words, ctx: Context) -> Heard:
        """Use never."""
        return Heard()

    with pytest.raises(TypeError, match="says what leaves"):
        tool(title="Bad", effects=effects, leaves=leaves)(bad_tool)  # type: ignore[arg-type]  # what is none


def test_the_guide_tells_the_bounds_that_are_held() -> None:
    page, query, data = BOUNDS[Sort.PAGE], BOUNDS[Sort.QUERY], BOUNDS[Sort.DATA]
    name, listed = BOUNDS[Sort.NAME], BOUNDS[Sort.LISTED]
    for told in (
        f"{flow.A_RECIPIENT} an hour to one origin, {flow.APPROVED} in all",
        f"for {flow.APPROVED} requests an hour",
        f"| {page.number}, of them {page.each} to one origin | {page.length} characters |",
        f"| {query.number} | {query.length} characters with the domains, no word over {query.word} |",
        f"| {name.number} | {name.length} characters each |",
        f"| {listed.number:,} | {listed.length} characters each |",
        f"| {BOUNDS[Sort.STREAM].number} | {UPLOAD:,} bytes sent by each |",
        f"| {data.number} | {data.length:,} characters |",
        f"hosts of `git.remote` | {BOUNDS[Sort.PUSH].number} |",
    ):
        assert told in GUIDE
    assert (flow.ASKED, flow.ASKED_IN_ALL) == (3, 20)
    assert "three times at most, and twenty times in all" in GUIDE
