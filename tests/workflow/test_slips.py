"""Slips of models: each comes back with a correction that is sound once it is put in, and all of them come at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.workflow.corrections import corrected
from tests.workflow.slips_in_steps import STEPS
from tests.workflow.test_document import TOOLS, told

from astro_mcp.core.authority import ALL_EFFECTS
from astro_mcp.errors import InvalidInput
from astro_mcp.workflow.document.checks import check
from astro_mcp.workflow.document.read import read
from astro_mcp.workflow.document.source import load
from astro_mcp.workflow.document.surroundings import Surroundings
from astro_mcp.workflow.expressions.evaluator import Evaluator

TEMPLATE = read(
    'version: "1"\ninputs: {text: {}}\nsteps: [{id: s, tool: toy_say, with: {text: x}}]\noutputs: {said: x}'
)


@pytest.fixture(scope="module")
def around() -> Iterator[Surroundings]:
    evaluator = Evaluator()
    yield Surroundings(TOOLS, ALL_EFFECTS, evaluator.check, {"part": TEMPLATE})
    evaluator.close()


def mended(text: str, around: Surroundings) -> Any:
    """The document after one round of corrections; fails where it is not sound then."""
    checked = check(text, around)
    assert checked.problems, "a slip is told"
    assert checked.plan is None
    after = corrected(text, checked.problems)
    again = check(after, around)
    assert not told(again), (told(checked), after, told(again))
    return json.loads(after)


@pytest.mark.parametrize("slip", STEPS)
def test_a_step_in_words_of_elsewhere_is_corrected(around: Surroundings, slip: str) -> None:
    step, right = STEPS[slip]
    before = "{id: z, tool: toy_say, with: {text: z}}, {id: list, tool: toy_list, with: {count: 1}}"
    found = mended(f"{{steps: [{before}, {step}]}}", around)["steps"][2]
    for word, value in right.items():
        if isinstance(value, dict):
            assert found[word].items() >= value.items(), found
        else:
            assert found[word] == value, found


EXPRESSIONS = {
    # as it was written → as it stands then, under a condition or in a text
    "{{ steps.z.number }}": "${{ steps.z.number }}",
    "${{ $steps.z.number }}": "${{ steps.z.number }}",
    "$steps.z.number": "${{ steps.z.number }}",
    "${steps.z.number}": "${{ steps.z.number }}",
    "steps.z.number": "${{ steps.z.number }}",
    "${{ z.output.number }}": "${{ steps.z.number }}",
    "${{ z.number }}": "${{ steps.z.number }}",
    "${{ steps.z.output.number }}": "${{ steps.z.number }}",
    "${{ steps.z.result.nmber }}": "${{ steps.z.number }}",
    "${{ steps.zz.number }}": "${{ steps.z.number }}",
    "${{ needs.z.outputs.number }}": "${{ steps.z.number }}",
    "${{ steps['z'].nmber }}": "${{ steps.z.number }}",
    "${{ env.PATH_NAME }}": "${{ inputs.path_name }}",
    "${{ path_name }}": "${{ inputs.path_name }}",
    "${{ inputs.pathname }}": "${{ inputs.path_name }}",
    "${{ github.event.inputs.path_name }}": "${{ inputs.path_name }}",
    "see {{ inputs.path_name }} and {{ steps.z.number }}": "see ${{ inputs.path_name }} and ${{ steps.z.number }}",
    "${{ steps.list.items.length }}": "${{ steps.list.items.size() }}",
    "${{ len(steps.list.items) }}": "${{ size(steps.list.items) }}",
    "${{ steps.list.items | length }}": "${{ size(steps.list.items) }}",
    "${{ steps.z.number | default(3) }}": "${{ default(steps.z.number, 3) }}",
    "${{ toJSON(steps.list.items) }}": "${{ json(steps.list.items) }}",
    "${{ steps.z.number == 1 and not False }}": "${{ steps.z.number == 1 && !false }}",
    "${{ steps.z.number === 1 or True }}": "${{ steps.z.number == 1 || true }}",
    "${{ steps.z.number = 1 }}": "${{ steps.z.number == 1 }}",
    "${{ steps.z.number !== 1 }}": "${{ steps.z.number != 1 }}",
    "${{ steps.z.number <> 1 }}": "${{ steps.z.number != 1 }}",
    "${{ steps.z.number is not None }}": "${{ steps.z.number != null }}",
    "${{ contains(inputs.path_name, 'x') }}": "${{ inputs.path_name.contains('x') }}",
    "${{ inputs.path_name.startswith('x') }}": "${{ inputs.path_name.startsWith('x') }}",
    "${{ unique(steps.list.items.map(i, i.file)) }}": "${{ distinct(steps.list.items.map(i, i.file)) }}",
    "${{ str(steps.z.nmber) + ' = ' + 'a and b' }}": "${{ string(steps.z.number) + ' = ' + 'a and b' }}",
    "${{ steps.z.number": "${{ steps.z.number }}",
    "${{ list.results[0].fiel }}": "${{ steps.list.items[0].fiel }}",
    "${{ steps.list.count > 0 and not False }}": "${{ steps.list.total > 0 && !false }}",
    "${{ z.nmber }} and {{ inputs.path_name }}": "${{ steps.z.number }} and ${{ inputs.path_name }}",
}


@pytest.mark.parametrize("written", EXPRESSIONS)
def test_an_expression_of_elsewhere_is_corrected_where_it_stands(around: Surroundings, written: str) -> None:
    steps = [
        {"id": "z", "tool": "toy_say"},
        {"id": "list", "tool": "toy_list", "with": {"count": 1}},
        {"id": "a", "tool": "toy_say", "with": {"text": written}},
        {"id": "b", "ask": "Why?", "with": {"of": {"deep": ["x", written]}}},
    ]
    document = {
        "inputs": {"path_name": {"default": "."}},
        "steps": steps,
        "outputs": {"o": written},
    }
    found = mended(json.dumps(document), around)
    assert found["steps"][2]["with"]["text"] == EXPRESSIONS[written]
    assert found["steps"][3]["with"]["of"]["deep"] == ["x", EXPRESSIONS[written]]
    assert found["outputs"]["o"] == EXPRESSIONS[written]


@pytest.mark.full
@pytest.mark.parametrize("written", [text for text in EXPRESSIONS if text.startswith("${{") and "=" in text])
def test_a_condition_of_elsewhere_is_corrected(around: Surroundings, written: str) -> None:
    steps = [{"id": "z", "tool": "toy_say"}, {"id": "a", "tool": "toy_say", "if": written.strip("${} ")}]
    if "inputs" not in written and "string" not in EXPRESSIONS[written]:
        assert mended(json.dumps({"steps": steps}), around)["steps"][1]["if"] == EXPRESSIONS[written].strip("${} ")


CONDITIONS = {
    # a condition that is no truth value → the comparison that is proposed
    "steps.gate": "steps.gate.approved",
    "${{ steps.gate.by }}": "steps.gate.by != ''",
    "steps.z.number": "steps.z.number > 0",
    "steps.list.items": "size(steps.list.items) > 0",
    "steps.list": "steps.list.total > 0",
    "steps.each": "size(steps.each) > 0",
    "steps.each[0].number": "steps.each[0].number > 0",
    "steps.why.reason": "steps.why.reason != ''",
    "steps.body": "size(steps.body) > 0",
    "inputs.name": "inputs.name != ''",
    "inputs.names[0]": "inputs.names[0] != ''",
}


@pytest.mark.parametrize("written", CONDITIONS)
def test_a_condition_that_is_no_truth_value_is_told_before_anything_runs(around: Surroundings, written: str) -> None:
    steps = [
        {"id": "gate", "approve": {"message": "Go on?", "level": "host"}},
        {"id": "z", "tool": "toy_say"},
        {"id": "list", "tool": "toy_list", "with": {"count": 1}},
        {"id": "each", "tool": "toy_say", "foreach": ["a"]},
        {"id": "why", "ask": "Why?", "answer": {"reason": "string"}},
        {"id": "body", "do": [{"id": "inner", "tool": "toy_say"}]},
        {"id": "a", "tool": "toy_say", "if": written},
    ]
    inputs = {"name": {"default": "x"}, "names": {"type": "array", "items": {"type": "string"}}}
    found = mended(json.dumps({"inputs": inputs, "steps": steps}), around)
    assert found["steps"][6]["if"] == CONDITIONS[written]


def test_a_foreach_over_what_is_no_list_is_told_before_anything_runs(around: Surroundings) -> None:
    steps = [
        {"id": "list", "tool": "toy_list", "with": {"count": 1}},
        {"id": "a", "tool": "toy_say", "foreach": "${{ steps.list }}"},
        {"id": "b", "tool": "toy_say", "foreach": "${{ inputs.name }}"},
        {"id": "c", "repeat": {"max": 2, "until": "steps.d.number"}, "do": [{"id": "d", "tool": "toy_say"}]},
    ]
    found = mended(json.dumps({"inputs": {"name": {"default": "x"}}, "steps": steps}), around)["steps"]
    assert [found[1]["foreach"], found[2]["foreach"]] == ["${{ steps.list.items }}", ["${{ inputs.name }}"]]
    assert found[3]["repeat"] == {"max": 2, "until": "steps.d.number > 0"}


def test_a_condition_whose_type_nobody_can_tell_is_left_to_the_run(around: Surroundings) -> None:
    steps = [
        {"id": "part", "workflow": "part", "with": {"text": "x"}},
        {"id": "why", "ask": "Why?"},
        {"id": "gate", "approve": {"message": "Go on?", "level": "host"}},
        {"id": "a", "tool": "toy_say", "if": "steps.part.said"},
        {"id": "b", "tool": "toy_say", "if": "steps.why.answer"},
        {"id": "d", "tool": "toy_say", "if": "steps.gate.approved"},
    ]
    assert not told(check(json.dumps({"steps": steps}), around))


def test_the_fields_of_a_tools_output_are_known_within_it(around: Surroundings) -> None:
    search = {"id": "find", "tool": "kb_search", "with": {"query": "x"}}
    each = {"id": "each", "foreach": ["a"], "tool": "fs_read", "with": {"path": "${{ item }}"}}
    written = "${{ find.results[0].content }} ${{ steps.each[0].content }}"
    document = {"steps": [search, each, {"id": "a", "ask": "Why?", "with": {"text": written}}]}
    found = mended(json.dumps(document), around)
    assert found["steps"][2]["with"]["text"] == "${{ steps.find.items[0].text }} ${{ steps.each[0].text }}"
    document["steps"][2]["with"] = {"text": "${{ steps.each.text }} ${{ steps.find.items.text }}"}
    lines = "\n".join(told(check(json.dumps(document), around)))
    assert "steps.each is a list, one for each item, and has no field text [ok(steps.each).map(i, i.text)]" in lines
    assert "steps.find.items is a list and has no field text" in lines


@pytest.mark.parametrize(
    "written", ["${{ nobody and steps.z.number > 1 }}", "${{ steps.z.qqqq or True }}", "${{ 1 + and }}"]
)
def test_a_correction_that_would_not_be_sound_itself_is_not_offered(around: Surroundings, written: str) -> None:
    steps = [{"id": "z", "tool": "toy_say"}, {"id": "a", "tool": "toy_say", "with": {"text": written}}]
    lines = told(check(json.dumps({"steps": steps}), around))
    assert lines
    assert not any("[text: " in line for line in lines), lines


def test_a_document_in_a_markdown_fence_is_read(around: Surroundings) -> None:
    assert check("```yaml\nsteps: [{id: a, tool: toy_say}]\n```\n", around).plan is not None
    assert told(check('```json\n{"steps": [{"id": "a",\n]}\n```', around))[0].startswith("spec: ")


def test_text_that_only_looks_like_an_expression_is_text(around: Surroundings) -> None:
    for text in ("{{ name }}", "a {{ steps.nobody.x }}", "${HOME}", "$(ls)", "items: {}", "steps to take", "$5"):
        step = {"id": "a", "tool": "toy_say", "with": {"text": text}}
        assert not told(check(json.dumps({"steps": [step]}), around)), text


ADD = "steps: [{id: a, tool: toy_add, with: {number: '${{ inputs.n }}'}}]"
READS = "- {id: b, tool: toy_add, needs: read-it, with: {number: '${{ steps.read-it.number }}'}}"
DOCUMENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "a file of a CI": (
        """
name: CI
on: [push]
permissions: read
env: {TEXT: hello}
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - name: Say it
        uses: toy_say
        with: {text: "${{ env.TEXT }}"}
      - run: echo hi
""",
        {"name": "CI", "inputs": {"TEXT": {"type": "string", "default": "hello"}}},
    ),
    "several jobs": (
        """
jobs:
  first-one: {runs-on: x, steps: [{id: a, uses: toy_say}]}
  second: {needs: first-one, steps: [{id: b, uses: toy_say}]}
""",
        {},
    ),
    "a list alone": ("- {id: a, tool: toy_say}\n", {}),
    "wrapped": ("workflow:\n  name: x\n  steps: [{id: a, tool: toy_say}]\n", {"name": "x"}),
    "tasks": ("title: x\ntasks: [{id: a, tool: toy_say}]\n", {"name": "x"}),
    "inputs as a list": (
        f"inputs: [path, {{name: n, type: int, default: 3}}]\n{ADD}",
        {"inputs": {"path": {"type": "string"}, "n": {"type": "integer", "default": 3}}},
    ),
    "inputs as values and types": (
        f"inputs: {{path: string, n: 3}}\n{ADD}",
        {"inputs": {"path": {"type": "string"}, "n": {"type": "integer", "default": 3}}},
    ),
    "an input that is required": (
        "inputs: {a: {type: str, required: true}, b: {required: false, desc: x}}\nsteps: [{id: a, tool: toy_say}]",
        {"inputs": {"a": {"type": "string"}, "b": {"default": None, "description": "x"}}},
    ),
    "outputs as text": (
        "steps: [{id: a, tool: toy_say}]\noutput: steps.a.number",
        {"outputs": {"result": "${{ steps.a.number }}"}},
    ),
    "outputs as a list": ("steps: [{id: a, tool: toy_say}]\noutputs: [a]", {"outputs": {"a": "${{ steps.a }}"}}),
    "a version with a letter": ("version: v1.2\nsteps: [{id: a, tool: toy_say}]", {"version": "1.2"}),
    "words of the call": ("allow: [read]\nsteps: [{id: a, tool: toy_say}]", {}),
    "bounds in other words": (
        "max_calls: 5\ntimeout-minutes: 3\nsteps: [{id: a, tool: toy_say}]",
        {"budget": {"calls": 5}, "timeout": "3m"},
    ),
    "catch": (
        "steps: [{id: a, tool: toy_say}]\ncatch: [{id: b, tool: toy_say}]",
        {"on_failure": [{"id": "b", "tool": "toy_say"}]},
    ),
    "an id and those who name it": (
        f"steps:\n- {{id: read-it, tool: toy_say}}\n{READS}",
        {},
    ),
}


@pytest.mark.parametrize("slip", DOCUMENTS)
def test_a_document_in_words_of_elsewhere_is_corrected(around: Surroundings, slip: str) -> None:
    text, right = DOCUMENTS[slip]
    found = mended(text, around)
    assert found.items() >= right.items(), found
    assert found["steps"]


BEFORE = "steps:\n- id: z\n  tool: toy_say\n- id: list\n  tool: toy_list\n  with: {count: 1}\n"
SAY = "- id: a\n  tool: toy_say\n  "
YAML = {
    "an expression in an object": SAY + "with: {text: ${{ steps.z.number }}}",
    "an expression in a list": "- id: b\n  tool: fs_read\n  with: {paths: [${{ steps.z.text_ }}, x]}",
    "braces alone": SAY + "with:\n    text: {{ steps.z.number }}",
    "quotes inside": SAY + """with: {text: ${{ default(steps.z.number, "it's") }}}""",
    "a negation": SAY + "if: !(steps.z.number > 1)",
    "a colon": "- id: a\n  ask: Explain this: why?",
    "a star": "- id: a\n  tool: fs_list\n  with:\n    glob: *.py",
    "two of them": SAY + "with: {text: {{ z }}}\n- id: b\n  ask: Explain: why?\n  with: {x: ${{ steps.z.number }}}",
}


@pytest.mark.parametrize("trap", YAML)
def test_what_yaml_takes_for_something_else_is_quoted(around: Surroundings, trap: str) -> None:
    text = BEFORE + YAML[trap]
    with pytest.raises(InvalidInput):
        load(text)
    mended(text, around)


@pytest.mark.parametrize(
    "text",
    ["{'steps': [{'id': 'a', 'tool': 'toy_say'},]}", '{"steps": [{"id": "a", "tool": "toy_say",}]}'],
)
def test_json_with_quotes_and_commas_of_elsewhere_is_read(around: Surroundings, text: str) -> None:
    assert check(text, around).plan is not None


def test_everything_that_is_wrong_is_told_at_once(around: Surroundings) -> None:
    text = """
jobs:
  build:
    steps:
      - name: First
        uses: toy_sya
        args: {txt: "{{ env.who }}"}
      - id: second-one
        prompt: {question: Why?, schema: [why]}
        depends_on: frist
      - id: third
        tool: toy_add
        if: steps.second-one.why == 'x' and True
        with: {number: "${{ steps.first.nmber }}"}
        retries: 2
env: {who: you}
"""
    found = mended(text, around)
    first, second, third = found["steps"]
    assert first == {"id": "first", "tool": "toy_say", "with": {"text": "${{ inputs.who }}"}}
    assert second == {"id": "second_one", "ask": "Why?", "answer": {"why": "string"}, "needs": ["first"]}
    assert third["if"] == "steps.second_one.why == 'x' && true"
    assert third["with"] == {"number": "${{ steps.first.number }}"}


def test_what_is_broken_beyond_words_hides_nothing_else(around: Surroundings) -> None:
    steps = [
        {"id": "a"},
        {"id": "b", "tool": "toy_say", "ask": "both?"},
        "c",
        {"id": "d", "tool": "toy_say", "needs": [5], "timeout": "soon"},
        {"id": "e", "approve": {"level": "model"}},
        {"id": "f", "tool": "toy_say", "with": {"txt": "${{ steps.g.number }}"}},
    ]
    lines = "\n".join(told(check(json.dumps({"steps": steps, "timeout": -1}), around)))
    for part in (
        "steps[0]: a step has exactly one of",
        "steps[1]: a step has exactly one of",
        "steps[2]: ",
        "steps[3].needs[0]: ",
        "steps[3].timeout: ",
        "steps[4].approve.message: ",
        "steps[5].with.txt: toy_say takes no txt",
        "steps[5].with.text: there is no step g here",
        "timeout: Input should be greater than 0",
    ):
        assert part in lines, lines


def test_a_long_value_is_not_repeated_in_its_correction(around: Surroundings) -> None:
    step = {"id": "a", "tool": "toy_say", "args": {"text": "x" * 5_000}}
    [line] = told(check(json.dumps({"steps": [step]}), around))
    assert "[with: <as it is>]" in line
