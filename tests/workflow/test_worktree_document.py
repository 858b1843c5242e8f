"""What a document says of its workspace: slips, where there can be no worktree, and what the plan tells of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.workflow.corrections import corrected
from tests.workflow.desk import Desk
from tests.workflow.grove import NOBODY, lives, spec
from tests.workflow.house import House, session

from astro_mcp.core.authority import Grant, Session
from astro_mcp.errors import InvalidInput, Problem

LOOK = {"id": "look", "tool": "toy_say", "with": {"text": "x"}}
SLIPS: list[dict[str, Any]] = [
    {"workspace": "work-tree"},
    {"workspace": "worktre"},
    {"workspace": True},
    {"workspace": {"type": "worktree"}},
    {"worktree": True},
    {"isolation": "worktree"},
    {"work_space": "worktree"},
    {"workspaces": "worktree"},
]


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[House]:
    async with lives(tmp_path) as found:
        yield found


async def problems(at: House, text: str) -> list[Problem]:
    checked = await at.call("workflow_check", spec=text)
    return [Problem(p["path"], p["reason"], p["corrected"]) for p in checked["problems"]]


async def test_a_slip_comes_back_with_what_is_meant(at: House) -> None:
    for written in SLIPS:
        text = json.dumps({"steps": [LOOK], **written})
        mended = corrected(text, await problems(at, text))
        assert json.loads(mended)["workspace"] == "worktree", written
        assert await problems(at, mended) == []


async def test_a_value_that_means_nothing_is_told(at: House) -> None:
    told = await problems(at, json.dumps({"workspace": "elsewhere", "steps": [LOOK]}))
    assert told == [Problem("workspace", "Input should be 'in_place' or 'worktree'")]


async def test_the_plan_says_where_the_run_begins_and_what_is_not_in_it(at: House, tmp_path: Path) -> None:
    desk = Desk(NOBODY, tmp_path)
    (tmp_path / ".gitignore").write_text("*\n!dirty.txt\n")
    checked = await at.call("workflow_check", spec=spec(LOOK))
    assert checked["worktree"] == f"{desk.git('rev-parse', 'HEAD')[:12]} of main"
    assert checked["effects"] == ["read", "write"], "the worktree itself is written"
    desk.write(dirty__txt="x")
    checked = await at.call("workflow_check", spec=spec(LOOK))
    assert checked["worktree"].endswith(" of main; 1 changed paths are not committed, and not in it")
    assert (await at.call("workflow_check", spec=json.dumps({"steps": [LOOK]})))["worktree"] == ""


async def test_a_workflow_inside_gets_no_worktree_in_an_in_place_run(at: House) -> None:
    inner = {"name": "inner", "workspace": "worktree", "steps": [LOOK]}
    outer: dict[str, Any] = {"steps": [{"id": "part", "workflow": "inner"}], "workflows": {"inner": inner}}
    text = json.dumps(outer)
    (told,) = await problems(at, text)
    assert (told.path, told.suggestion) == ("workspace", "workspace: worktree")
    assert "inner is to run in a worktree" in told.reason
    assert await problems(at, corrected(text, [told])) == []
    unused = {"steps": [LOOK], "workflows": {"inner": inner}}
    assert await problems(at, json.dumps(unused)) == []


async def test_where_there_can_be_no_worktree_the_run_is_refused(at: House, tmp_path: Path) -> None:
    none, empty = tmp_path / "none", tmp_path / "empty"
    for folder in (none, empty):
        folder.mkdir()
    Desk(NOBODY, empty).git("init", "-q")
    for who in (session(none), session(empty), Session(at.me.principal, Grant((tmp_path, none))), session(none / "x")):
        checked = await at.call("workflow_check", who, spec=spec(LOOK))
        assert [(p["path"], p["corrected"]) for p in checked["problems"]] == [("workspace", "workspace: in_place")]
        started = await at.fails("workflow_run", who, spec=spec(LOOK), allow=["read", "write"])
        assert isinstance(started, InvalidInput)
        assert started.message.startswith("workspace: ")
    assert not (none / ".astro-mcp").exists()


async def test_a_run_that_may_not_write_gets_none(at: House) -> None:
    refused = await at.fails("workflow_run", spec=spec(LOOK), allow=["read"])
    assert refused.problems[0].suggestion == 'allow: ["read", "write"]'
