"""What is checked before anything runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field
from tests.workflow.house import TEMPLATES, Toys

from astro_mcp.agents.code.agent import CodeAgent
from astro_mcp.agents.files.agent import FilesAgent
from astro_mcp.agents.git.agent import GitAgent
from astro_mcp.agents.knowledge.agent import KnowledgeAgent
from astro_mcp.agents.lint.agent import LintAgent
from astro_mcp.agents.search.agent import SearchAgent
from astro_mcp.agents.tests.agent import TestsAgent
from astro_mcp.core.agent import Agent
from astro_mcp.core.authority import ALL_EFFECTS, Effect
from astro_mcp.core.call import Context
from astro_mcp.core.model import Input, Output, Strings
from astro_mcp.core.tool import Tool, tool
from astro_mcp.errors import InvalidInput, TooLarge
from astro_mcp.workflow.document.checks import Checked, check
from astro_mcp.workflow.document.inputs import parse, settled
from astro_mcp.workflow.document.source import load
from astro_mcp.workflow.document.surroundings import Surroundings
from astro_mcp.workflow.expressions.evaluator import Evaluator


class FixInput(Input):
    paths: Strings = Field(default=[])
    apply: bool = False


class Fixed(Output):
    undo_id: str


class Planned(Agent):
    """Tools of the design's long example that the house does not have yet, by their planned shape."""

    name = "planned"
    title = "Planned"

    @tool(title="Fix", effects={Effect.DESTROY})
    async def lint_fix(self, args: FixInput, ctx: Context) -> Fixed:
        """Fix lint."""
        return Fixed(undo_id="")


REAL: list[type[Agent]] = [
    *(FilesAgent, GitAgent, CodeAgent, KnowledgeAgent, SearchAgent, LintAgent, TestsAgent),
    *(Planned, Toys),
]
TOOLS: dict[str, Tool] = {t.name: t for cls in REAL for t in cls.__new__(cls).tools()}

LONG_EXAMPLE = """
name: fix-lint-file-by-file
inputs:
  paths: {type: array, items: {type: string}, default: ["."]}
steps:
  - id: lint
    tool: lint_check
    with: {paths: "${{ inputs.paths }}"}
  - id: files
    foreach: "${{ distinct(steps.lint.items.map(i, i.file)) }}"
    max_parallel: 1
    do:                                             # a body; its ids are local
      - id: fix
        tool: lint_fix
        with: {paths: ["${{ item }}"], apply: true}
      - id: test
        tool: test_run
        with: {select: all}
        needs: fix
        retry: {max_attempts: 3, initial_interval: 1s, backoff: 2, max_interval: 30s}
        timeout: 10m
      - id: commit
        if: steps.test.counts.failed == 0
        tool: git_commit
        with: {paths: ["${{ item }}"], message: "Fix lint in ${{ item }}"}
      - id: revert
        if: steps.test.counts.failed > 0
        tool: fs_undo
        with: {undo_id: "${{ steps.fix.undo_id }}"}
  - id: story
    repeat: {max: 3, until: "${{ steps.proof.exit_code == 0 }}"}
    do:
      - id: draft
        ask: Explain what was fixed, with a runnable example       # the host's model answers: workflow_answer
        with: {files: "${{ steps.files }}", error: "${{ default(last.proof.stderr, '') }}"}
        answer: {markdown: string, code: string}
      - id: proof
        tool: code_run
        with: {language: python, code: "${{ steps.draft.code }}"}
  - id: gate
    approve: {message: "Write the report?", level: host}           # model | host | operator
  - id: report
    needs: [gate]
    tool: fs_write
    with:
      path: REPORT.md
      content: |
        ${{ steps.story.draft.markdown }}
outputs: {sha256: "${{ steps.report.sha256 }}"}
timeout: 1h
budget: {calls: 500}
"""


@pytest.fixture(scope="module")
def around() -> Iterator[Surroundings]:
    evaluator = Evaluator()
    yield Surroundings(TOOLS, ALL_EFFECTS, evaluator.check)
    evaluator.close()


def steps(*found: dict[str, Any], **more: Any) -> str:
    return json.dumps({"steps": list(found), **more})


def told(checked: Checked) -> list[str]:
    return [f"{p.path}: {p.reason} [{p.suggestion}]" for p in checked.problems]


def test_the_long_example_is_sound(around: Surroundings) -> None:
    checked = check(LONG_EXAMPLE, around)
    assert not told(checked)
    assert checked.plan is not None
    assert checked.plan.body.nodes["story"].needs == ("files",)
    assert checked.plan.node("files.3.commit").needs == ("test",)
    assert checked.effects == ALL_EFFECTS


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_template_is_sound_against_the_real_tools(around: Surroundings, path: Path) -> None:
    assert not told(check(path.read_text(), around))


def test_every_example_of_the_kernel_s_page_is_sound(around: Surroundings) -> None:
    page = (TEMPLATES.parents[1] / "docs" / "kernel.md").read_text()
    examples = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert examples
    for example in examples:
        assert not told(check(example, around))


def test_there_are_templates() -> None:
    assert len(list(TEMPLATES.glob("*.yaml"))) >= 3


def test_all_problems_come_at_once_each_with_a_path_and_a_correction(around: Surroundings) -> None:
    spec = steps(
        {"id": "a", "tool": "toy_sya", "with": {}},
        {"id": "b", "tool": "toy_say", "with": {"txt": "x", "text": {}}},
        {"id": "b", "tool": "toy_add"},
        {"id": "c", "tool": "toy_say", "with": {"text": "${{ steps.bb.number }} ${{ inputs.pth }}"}},
        {"id": "d", "tool": "toy_say", "if": "steps.c.nmber > 1", "with": {"text": "${{ 1 + }} ${{ item }}"}},
        inputs={"path": {"default": "."}},
    )
    found = "\n".join(told(check(spec, around)))
    for part in (
        "steps[0].tool: there is no tool toy_sya [tool: toy_say]",
        "steps[1].with.txt: toy_say takes no txt; it takes: text",
        "steps[1].with.text",
        "steps[2].id: the id b is taken [b_2]",
        "steps[2].with.number: is missing",
        "there is no step bb here",
        "steps[3].with.text",
        """there is no input pth [text: "${{ steps.b.number }} ${{ inputs.path }}"]""",
        "steps[4].if: steps.c.nmber: toy_say gives no nmber",
        "steps[4].with.text: Syntax error",
        "`item` is there only inside of a foreach",
    ):
        assert part in found, found


def test_a_cycle_is_named(around: Surroundings) -> None:
    spec = steps(
        {"id": "a", "tool": "toy_say", "with": {"text": "${{ steps.c.text_ }}"}},
        {"id": "b", "tool": "toy_say", "needs": ["a"]},
        {"id": "c", "tool": "toy_say", "if": "steps.b.number > 1"},
    )
    assert any("a → c → b → a" in line for line in told(check(spec, around)))
    loop = steps({"id": "a", "tool": "toy_say", "needs": ["a"]})
    assert any("a → a" in line for line in told(check(loop, around)))


def test_effects_beyond_what_is_allowed_are_told_with_the_allow_that_covers_them(around: Surroundings) -> None:
    narrow = Surroundings(TOOLS, frozenset({Effect.READ}), around.compile_expression)
    [line] = told(check(steps({"id": "a", "tool": "toy_write", "with": {"text": "x"}}), narrow))
    assert "toy_write needs write" in line
    assert 'allow: ["read", "write"]' in line


def test_the_allow_that_is_told_covers_every_step(around: Surroundings) -> None:
    calls = [("a", "toy_write", {"text": "x"}), ("b", "fs_undo", {"undo_id": "undo_1"})]
    document = steps(*({"id": name, "tool": tool, "with": given} for name, tool, given in calls))
    told = check(document, Surroundings(TOOLS, frozenset({Effect.READ}), around.compile_expression)).problems
    assert len({one.reason for one in told}) == 2
    assert {one.suggestion for one in told} == {'allow: ["destroy", "read", "write"]'}


def test_effects_are_those_of_the_very_arguments_where_they_are_literal(around: Surroundings) -> None:
    dry = steps({"id": "a", "tool": "fs_undo", "with": {"undo_id": "undo_1", "dry_run": True}})
    assert check(dry, around).effects == {Effect.READ}


@pytest.mark.parametrize(
    ("given", "network"),
    [
        ({"paths": "${{ inputs.names }}"}, False),
        ({"urls": "${{ inputs.names }}"}, True),
        ({"paths": "${{ inputs.names }}", "urls": []}, True),
        ({"paths": ["docs"], "urls": []}, False),
    ],
)
def test_what_a_step_leaves_out_tells_its_effects_and_what_an_expression_gives_does_not(
    around: Surroundings, given: dict[str, Any], network: bool
) -> None:
    inputs = {"names": {"type": "array", "items": {"type": "string"}}}
    found = check(steps({"id": "a", "tool": "kb_index", "with": given}, inputs=inputs), around)
    assert found.effects == {Effect.READ, Effect.WRITE} | ({Effect.NETWORK} if network else set())


def test_a_step_can_not_start_workflows(around: Surroundings) -> None:
    @tool(title="Run", effects={Effect.READ})
    async def workflow_run(self: Agent, args: FixInput, ctx: Context) -> Fixed:
        """Run."""
        return Fixed(undo_id="")

    mine = {"workflow_run": Tool("workflow", workflow_run.__tool__, workflow_run)}  # type: ignore[attr-defined] # what @tool hangs on
    found = told(check(steps({"id": "a", "tool": "workflow_run"}), Surroundings(mine, ALL_EFFECTS, str)))
    assert "can't start or steer workflows" in found[0]


@pytest.mark.parametrize(
    ("step", "part"),
    [
        ({"id": "A"}, "[id: a]"),
        ({"id": "in", "tool": "toy_say"}, "[id: in_step]"),
        ({"id": "on_failure", "tool": "toy_say"}, "[id: on_failure_step]"),
        ({"id": "a", "tool": "toy_say", "foreach": [1], "on_failure": [{"id": "b", "tool": "toy_say"}]}, "its items"),
        ({"id": "a"}, "exactly one of tool, do, ask, approve, workflow"),
        ({"id": "a", "tool": "toy_say", "ask": "x"}, "exactly one"),
        ({"id": "a", "tool": "toy_say", "tiemout": 3}, "unknown word"),
        ({"id": "a", "ask": "x", "retry": {}}, "belongs to a step with `tool`"),
        ({"id": "a", "tool": "toy_say", "repeat": {"max": 1, "until": "true"}}, "belongs to a step with `do`"),
        ({"id": "a", "tool": "toy_say", "timeout": "soon"}, "timeout"),
        ({"id": "a", "tool": "toy_say", "foreach": 5}, "steps[0].foreach: Input should be a valid list"),
        ({"id": "a", "ask": "x", "answer": {"str": 5}, "needs": 5}, "steps[0].needs: Input should be a valid list"),
        ({"id": "a", "tool": "toy_say", "if": "failure()"}, "it needs none"),
        ({"id": "a", "tool": "toy_say", "needs": ["b"]}, "there is no step b beside this one"),
        ({"id": "a", "tool": "toy_say", "with": {"text": "${{ steps.a.number }}"}}, "refers to itself"),
        ({"id": "a", "tool": "toy_say", "with": {"text": "${{ last.x }}"}}, "only inside of a repeat"),
    ],
)
def test_a_broken_step_is_told(around: Surroundings, step: dict[str, Any], part: str) -> None:
    found = told(check(steps(step), around))
    assert any(part in line for line in found), found


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: &x [1]\nb: *x", "aliases"),
        ("a: 1\na: 2", "twice"),
        ('{"a": 1, "a": 2}', "twice"),
        ("[" * 5000, "deep"),
        ("[" * 40 + "]" * 40, "deeper"),
        ("a:\n" + "".join(" " * n + "- \n" for n in range(1, 60)), "deeper"),
        ("!!python/object/apply:os.system ['true']", ""),
        ("a: !!binary aGk=", ""),
        ("a: .nan", "finite"),
        ("a: [1", "line"),
        ('{"a": [1}', "line 1"),
        ("? [a]\n: 1", "plain text"),
        ("\x00", ""),
    ],
)
def test_a_hostile_or_broken_text_is_refused_quickly(text: str, part: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        load(text)
    assert part in raised.value.message


def test_a_large_text_is_refused() -> None:
    with pytest.raises(TooLarge):
        load("a: " + "x" * 200_000)


def test_a_date_stays_text_and_yes_stays_true() -> None:
    assert load("a: 2026-01-31\nb: yes\nc: 1.5") == {"a": "2026-01-31", "b": True, "c": 1.5}


def test_inputs_are_checked_against_their_types(around: Surroundings) -> None:
    plan = check(
        steps(
            {"id": "a", "tool": "toy_say"},
            inputs={"n": {"type": "integer"}, "l": {"type": "array", "items": {"type": "string"}, "default": []}},
        ),
        around,
    ).plan
    assert plan is not None
    declared = plan.document.inputs
    assert settled(declared, parse("n: 3")) == ({"n": 3, "l": []}, [])
    problems = settled(declared, {"n": True, "l": [1], "m": 1})[1]
    assert [(p.path, p.suggestion) for p in problems] == [("inputs.m", "n"), ("inputs.n", ""), ("inputs.l", "")] or len(
        problems
    ) == 3
    assert "missing" in settled(declared, {})[1][0].reason


def test_steps_may_be_written_as_an_object_of_ids(around: Surroundings) -> None:
    assert check(json.dumps({"steps": {"a": {"tool": "toy_say"}}}), around).plan is not None
