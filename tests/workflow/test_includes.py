"""Workflows that run workflows: checked before anything runs, frozen with the run, and run as one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.workflow.house import House, house, until_called

PART = """
name: part
version: "2"
inputs: {text: {type: string}, times: {type: integer, default: 1}}
steps:
  - id: say
    tool: toy_say
    with: {text: "${{ inputs.text }}"}
  - id: add
    tool: toy_add
    with: {number: "${{ steps.say.number + inputs.times }}"}
outputs: {number: "${{ steps.add.number }}"}
"""
RING = "name: {0}\nversion: '1'\nsteps: [{{id: go, workflow: {1}}}]\n"


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "part.yaml").write_text(PART)
    (folder / "write.yaml").write_text("version: 1\nsteps: [{id: w, tool: toy_write, with: {text: x}}]\n")
    (folder / "ring-a.yaml").write_text(RING.format("ring-a", "ring-b"))
    (folder / "ring-b.yaml").write_text(RING.format("ring-b", "ring-a"))
    return folder


def spec(*steps: dict[str, Any], **more: Any) -> str:
    return json.dumps({"steps": list(steps), **more})


async def problems(at: House, text: str) -> list[str]:
    checked = await at.call("workflow_check", spec=text)
    assert checked["valid"] is not bool(checked["problems"])
    return [f"{p['path']}: {p['reason']} [{p['corrected']}]" for p in checked["problems"]]


async def test_a_template_runs_as_a_step_with_its_inputs_and_gives_its_outputs(tmp_path: Path, templates: Path) -> None:
    text = spec(
        {"id": "one", "workflow": "part", "with": {"text": "abc"}},
        {"id": "two", "workflow": "part@2", "with": {"text": "de", "times": "${{ steps.one.number }}"}},
        outputs={"n": "${{ steps.two.number }}"},
    )
    async with house(tmp_path, templates=templates) as at:
        done = await at.run(text)
        assert (done["status"], done["outputs"]) == ("succeeded", {"n": 8})
        assert at.toys.calls == ["say abc", "add 4", "say de", "add 7"]
        found = await at.call("workflow_status", run_id=done["run_id"])
        lines = {line["id"]: (line["tool"], line["status"]) for line in found["steps"]}
        assert lines["one"] == ("part", "succeeded")
        assert lines["one.say"] == ("toy_say", "succeeded")
        body = json.loads(await at.read(f"astro://runs/{done['run_id']}/steps/one"))
        assert body["output"] == {"number": 5}
        listed = json.loads(await at.read("astro://workflows"))
        assert ("part", "2") in {(item["name"], item["version"]) for item in listed["items"]}


async def test_what_is_wrong_with_the_use_of_a_workflow_is_told_with_a_correction(
    tmp_path: Path, templates: Path
) -> None:
    async with house(tmp_path, templates=templates) as at:
        found = await problems(
            at,
            spec(
                {"id": "a", "workflow": "prat", "with": {}},
                {"id": "b", "workflow": "part@1", "with": {"text": "x"}},
                {"id": "c", "workflow": "part", "with": {"txt": "x", "times": "many"}},
                {"id": "d", "tool": "toy_say", "with": {"text": "${{ steps.b.numbr }}"}},
                {"id": "e", "workflow": "part"},
            ),
        )
        told = "\n".join(found)
        for part in (
            "steps[0].workflow: there is no workflow prat; there are: part, ring-a, ring-b, write [workflow: part]",
            "steps[1].workflow: part is there in version 2 [workflow: part@2]",
            "steps[2].with.txt: part takes no txt; it takes: text, times [text: x]",
            "steps[2].with.times: integer is wanted; this is text [times: <integer>]",
            "steps[4].with.text: is missing: part needs it",
            'gives no numbr; it gives: number [text: "${{ steps.b.number }}"]',
        ):
            assert part in told, told


async def test_a_ring_of_workflows_is_named(tmp_path: Path, templates: Path) -> None:
    async with house(tmp_path, templates=templates) as at:
        [told] = await problems(at, spec({"id": "a", "workflow": "ring-a"}))
        assert "a workflow runs itself: ring-a → ring-b → ring-a" in told
        own = spec({"id": "a", "workflow": "me"}, workflows={"me": {"steps": [{"id": "b", "workflow": "me"}]}})
        [told] = await problems(at, own)
        assert "me → me" in told


async def test_the_effects_of_a_workflow_are_those_of_who_runs_it(tmp_path: Path, templates: Path) -> None:
    async with house(tmp_path, templates=templates) as at:
        error = await at.fails("workflow_run", spec=spec({"id": "a", "workflow": "write"}), allow=["read"])
        assert error.code == "invalid_input"
        assert "workflows.write.steps[0].tool: toy_write needs write" in error.message
        assert at.toys.calls == []


async def test_a_workflow_may_bring_workflows_of_its_own_and_they_go_before_templates(
    tmp_path: Path, templates: Path
) -> None:
    mine = {"steps": [{"id": "say", "tool": "toy_say", "with": {"text": "mine"}}], "outputs": {"number": 1}}
    text = spec(
        {"id": "each", "foreach": [1, 2], "workflow": "part"},
        workflows={"part": mine},
        outputs={"o": "${{ steps.each }}"},
    )
    async with house(tmp_path, templates=templates) as at:
        done = await at.run(text)
        assert done["outputs"] == {"o": [{"number": 1}, {"number": 1}]}
        assert at.toys.calls == ["say mine", "say mine"]


@pytest.mark.parametrize("shape", ["wide", "deep"])
async def test_workflows_that_would_be_endless_are_refused_quickly(tmp_path: Path, templates: Path, shape: str) -> None:
    uses = 40 if shape == "wide" else 1
    last = {"steps": [{"id": "say", "tool": "toy_say"}]}
    several = {f"w{n}": {"steps": [{"id": f"s{i}", "workflow": f"w{n + 1}"} for i in range(uses)]} for n in range(30)}
    async with house(tmp_path, templates=templates) as at:
        with anyio.fail_after(5):
            found = await problems(at, spec({"id": "a", "workflow": "w0"}, workflows={**several, "w30": last}))
        assert any("deep" in line for line in found)
        assert shape == "deep" or any("at most 500 steps" in line for line in found)


async def test_a_run_keeps_the_workflows_that_it_was_started_with(tmp_path: Path, templates: Path) -> None:
    text = spec(
        {"id": "hold", "tool": "toy_hold"},
        {"id": "one", "needs": "hold", "workflow": "part", "with": {"text": "abc"}},
        outputs={"n": "${{ steps.one.number }}"},
    )
    async with house(tmp_path, templates=templates) as at:
        begun = await at.run(text, wait_seconds=0)
        await until_called(at.toys, "hold ")
    (templates / "part.yaml").write_text(PART.replace("toy_add", "toy_write").replace("number:", "text:"))
    async with house(tmp_path, templates=templates) as at:
        at.toys.gate.set()
        done = await at.call("workflow_status", run_id=begun["run_id"], wait_seconds=20)
        assert (done["status"], done["outputs"]) == ("succeeded", {"n": 5})


async def test_a_run_goes_on_within_a_workflow_after_the_process_died(tmp_path: Path, templates: Path) -> None:
    part = {
        "inputs": {"of": {"type": "object"}},
        "steps": [
            {"id": "say", "tool": "toy_say", "with": {"text": "${{ inputs.of.name }}"}},
            {"id": "hold", "needs": "say", "tool": "toy_hold", "with": {"text": "${{ inputs.of.name }}"}},
        ],
        "outputs": {"name": "${{ steps.hold.text_ }}"},
    }
    text = spec(
        {"id": "each", "foreach": [{"name": "x"}, {"name": "y"}], "workflow": "own", "with": {"of": "${{ item }}"}},
        workflows={"own": part},
        outputs={"o": "${{ steps.each }}"},
    )
    async with house(tmp_path, templates=templates) as at:
        begun = await at.run(text, wait_seconds=0)
        await until_called(at.toys, "hold x")
        await until_called(at.toys, "hold y")
    async with house(tmp_path, templates=templates) as at:
        at.toys.gate.set()
        done = await at.call("workflow_status", run_id=begun["run_id"], wait_seconds=20)
        assert (done["status"], done["outputs"]) == ("succeeded", {"o": [{"name": "x"}, {"name": "y"}]})
        assert sorted(at.toys.calls) == ["hold x", "hold y"], "what had been said was not said again"


async def test_what_failed_is_made_good_by_on_failure(tmp_path: Path, templates: Path) -> None:
    text = spec(
        {"id": "made", "tool": "toy_write", "with": {"text": "made"}},
        {"id": "bad", "needs": "made", "tool": "toy_flaky"},
        on_failure=[{"id": "undo", "tool": "toy_say", "with": {"text": "undo ${{ steps.made.text_ }}"}}],
    )
    async with house(tmp_path, templates=templates) as at:
        at.toys.fail_times = 5
        done = await at.run(text)
        assert done["status"] == "failed"
        assert done["error"]["message"].startswith("bad: ")
        assert at.toys.calls == ["write made", "flaky ", "say undo made"]


async def test_a_template_without_a_version_is_no_template(tmp_path: Path, templates: Path) -> None:
    (templates / "part.yaml").write_text(PART.replace('version: "2"', ""))
    async with house(tmp_path, templates=templates) as at:
        error = await at.fails("workflow_run", template="part")
        assert "a template has a version" in error.message
