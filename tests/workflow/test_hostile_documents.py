"""Documents that are made to cost: each is refused, or found sound, within a second and within bounds of memory."""

from __future__ import annotations

import json
import random
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from tests.quickest import within_blocking
from tests.workflow.test_document import TOOLS

from astro_mcp.core.authority import ALL_EFFECTS
from astro_mcp.workflow.document import slips
from astro_mcp.workflow.document.bounds import MOST
from astro_mcp.workflow.document.checks import Checked, check
from astro_mcp.workflow.document.model import Document, StepSpec
from astro_mcp.workflow.document.surroundings import Surroundings
from astro_mcp.workflow.expressions.evaluator import Evaluator

MEMORY = 64 * 1024**2
TOLD = 256 * 1024
"""Characters of all problems together."""


def steps(*found: Any, **more: Any) -> str:
    return json.dumps({"steps": list(found), **more})


def say(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"s{number}", "tool": "toy_say", **more}


def ask(value: Any) -> dict[str, Any]:
    return {"id": "q", "ask": "x", "with": {"text": value}}


def nested(levels: int) -> list[Any]:
    return [{"id": f"d{levels}", "do": nested(levels - 1)}] if levels else [say(0)]


def ring(count: int) -> dict[str, Any]:
    return {f"w{n}": {"steps": [{"id": "a", "workflow": f"w{(n + 1) % count}"}]} for n in range(count)}


LIST = {"id": "b", "tool": "toy_list", "with": {"count": 1}}
REFUSED = {
    # the document, and a part of what is said of it
    "10,000 steps": (
        steps(*[{"id": f"s{n}", "ask": "x"} for n in range(4_000)]),
        "steps: List should have at most 200",
    ),
    "10,000 steps in yaml": ("steps:\n" + "- {id: a, ask: x}\n" * 7_000, "more than 20,000 values"),
    "a megabyte of expression": (steps(ask("${{ " + "1+" * 500_000 + "1 }}")), "131,072 are allowed"),
    "a long expression": (steps(ask("${{ " + "1+" * 60_000 + "1 }}")), "is not closed"),
    "a long condition": (steps(say(0, **{"if": "a|b" * 40_000})), "at most 1024 bytes"),
    "a condition of pipes": (steps(say(0, **{"if": "a " + "| x" * 330})), "steps[0].if"),
    "a condition of brackets": (steps(say(0, **{"if": "(" * 1_000})), "steps[0].if"),
    "many expressions": (steps(ask("${{ 1 }}" * 12_000)), "at most 2,000 expressions"),
    "different expressions": (steps(ask([f"${{{{ {n} }}}}" for n in range(1_900)])), "at most 400 different"),
    "broken expressions": (steps(ask([f"${{{{ x{n} }}}}" for n in range(1_900)])), f"more problems than these {MOST}"),
    "steps that are not there": (
        steps(ask([f"${{{{ steps.x{n}.y }}}}" for n in range(1_900)]), *[say(n) for n in range(190)]),
        "there is no step x0",
    ),
    "bodies in bodies": (json.dumps({"steps": nested(12)}), "nested deeper than 5"),
    "brackets": ('{"steps":' + "[" * 60_000, "deep"),
    "brackets in yaml": ("- " * 60_000, "deeper than 32"),
    "itself": (steps({"id": "a", "workflow": "w0"}, workflows=ring(1)), "w0 → w0"),
    "itself by fifty others": (steps({"id": "a", "workflow": "w0"}, workflows=ring(50)), "runs itself"),
    "workflows that are not there": (
        steps(
            say(0),
            workflows={
                f"w{n}": {"steps": [{"id": f"a{i}", "workflow": f"z{i}"} for i in range(40)]} for n in range(50)
            },
        ),
        "there is no workflow",
    ),
    "10,000 inputs": (
        steps(say(0), inputs={f"i{n}": {} for n in range(7_000)}),
        "inputs: Dictionary should have",
    ),
    "10,000 wrong inputs": (steps(say(0), inputs={f"i{n}": {"x": 1} for n in range(5_000)}), "inputs.i0.x"),
    "10,000 outputs": (steps(say(0), outputs={f"o{n}": n for n in range(7_000)}), "outputs: Dictionary should have"),
    "long needs": (steps(say(0, needs=["s1"] * 20_000), say(1)), "steps[0].needs: List should have at most 200"),
    "needs of all others": (
        steps(*[say(n, needs=[f"s{i}" for i in range(199) if i != n][:80]) for n in range(199)]),
        "a cycle",
    ),
    "a long foreach": (steps(say(0, foreach=[1] * 40_000)), "steps[0].foreach: List should have at most 10000"),
    "unknown words": (steps({**say(0), **{f"w{n}": n for n in range(7_000)}}), "unknown word"),
    "unknown arguments": (steps(say(0, **{"with": {f"w{n}": n for n in range(7_000)}})), "toy_say takes no w0"),
    "one name for all": (steps(*[{"tool": "toy_say"} for _ in range(200)]), "steps[0].id"),
    "slips in each step": (
        steps(*[{"id": f"A{n}", "uses": "toy_say", "args": {"text": "x"}, "retries": 3} for n in range(200)]),
        "this is written `tool`",
    ),
    "jobs": (json.dumps({"jobs": {f"j{n}": {"steps": [{"run": "x"}]} for n in range(2_000)}}), "there are no jobs"),
    "long names of tools": (steps(*[{"id": f"a{n}", "tool": "x" * 500} for n in range(200)]), "there is no tool xxx"),
    "a prefix without an end": (steps({"id": "a", "tool": "a." * 50_000}), "there is no tool a."),
    "a long time": (steps(say(0, timeout="1" * 120_000)), "steps[0].timeout"),
    "a number of yaml": ("a: " + "1:" * 60_000 + "1", "a number of over 64 bits"),
    "lines that want quotes": ("steps:\n" + "- {id: a, ask: {{ x }}}\n" * 500, "a key is plain text"),
    "yaml that is broken at its end": ("steps:\n" + " - {id: a, ask: x}\n" * 700 + " - x: y: z\n", "line 702"),
    "yaml that says it is json": ("[" + "a: b, " * 21_000 + "]", "no JSON"),
}
SOUND = {
    "texts that nearly mark an expression": steps(ask("{{ steps.a.b " * 9_000)),
    "texts that nearly are one": steps(ask("$steps.a" * 14_000)),
    "openings": steps(ask("{{" * 20_000), {**ask("${" * 20_000), "id": "r"}, {**ask("$(" * 15_000), "id": "t"}),
    "many texts": steps(ask(["steps.a"] * 10_000)),
    "many paths": steps(ask([f"${{{{ steps.b.items[{n}].x }}}}" for n in range(1_900)]), LIST),
    "a chain with many references": steps(
        *[
            say(n, **{"with": {"text": "".join(f"${{{{ steps.s{i}.number }}}}" for i in range(n)[-9:])}})
            for n in range(200)
        ]
    ),
}
QUICK = {"10,000 steps in yaml", "a long condition", "bodies in bodies", "brackets", "itself", "itself by fifty others"}
QUICK |= {"10,000 inputs", "long needs", "a long foreach", "a number of yaml", "one name for all", "brackets in yaml"}


@pytest.fixture(scope="module")
def around() -> Iterator[Surroundings]:
    evaluator = Evaluator()
    evaluator.check("1")
    yield Surroundings(TOOLS, ALL_EFFECTS, evaluator.check)
    evaluator.close()


def checked(text: str, around: Surroundings) -> Checked:
    """What is found within a second, in three attempts."""
    return within_blocking(1.0, lambda: check(text, around))


@pytest.mark.parametrize("what", [w if w in QUICK else pytest.param(w, marks=pytest.mark.full) for w in REFUSED])
def test_a_hostile_document_is_refused_within_a_second(around: Surroundings, what: str) -> None:
    text, part = REFUSED[what]
    found = checked(text, around)
    assert found.plan is None
    lines = [f"{problem.path}: {problem.reason}" for problem in found.problems]
    assert any(part in line for line in lines), lines[:3]
    assert len(lines) <= MOST + 1
    assert sum(len(p.path) + len(p.reason) + len(p.suggestion) for p in found.problems) < TOLD


@pytest.mark.full
@pytest.mark.parametrize("what", SOUND)
def test_a_costly_document_that_is_sound_is_so_within_a_second(around: Surroundings, what: str) -> None:
    found = checked(SOUND[what], around)
    assert found.plan is not None, found.problems[:3]


@pytest.mark.full
@pytest.mark.parametrize("what", [*REFUSED, *SOUND])
def test_a_hostile_document_takes_no_more_memory_than_its_bounds_allow(around: Surroundings, what: str) -> None:
    text = REFUSED[what][0] if what in REFUSED else SOUND[what]
    tracemalloc.start()
    try:
        check(text, around)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MEMORY, f"{peak / 1024**2:.1f} MiB"


ODD: list[Any] = [None, True, 0, -1, 1.5, "", "x", "str", [], ["x"], [{}], {}, {"a": 1}, {"str": 5}, {"steps": []}]
ODD += [[[1]], {"a": {"b": [1]}}, "{{ x }}", "${{", "${{ }}", "a" * 300]


@pytest.mark.full
def test_any_value_at_any_word_is_sound_or_told() -> None:
    around = Surroundings(TOOLS, ALL_EFFECTS, lambda source: "dyn")
    in_steps = sorted({*slips.STEP, *(spec.alias or name for name, spec in StepSpec.model_fields.items())})
    in_all = sorted({*slips.DOCUMENT, *Document.model_fields})
    documents: list[Any] = [{"steps": [{"id": "a", "tool": "toy_say", w: v}]} for w in in_steps for v in ODD]
    documents += [{"steps": [{"id": "a", "tool": "toy_say"}], w: v} for w in in_all for v in ODD]
    documents += [{"inputs": {"x": {w: v}}, "steps": [say(0)]} for w in slips.INPUT for v in ODD]
    documents += [
        {"steps": [say(0, **{word: {inner: value}})]}
        for word, table in slips.INSIDE.items()
        for inner in table
        for value in ODD
    ]
    chance = random.Random(1)
    documents += [
        {
            chance.choice(in_all): chance.choice(ODD),
            "steps": [{chance.choice(in_steps): chance.choice(ODD) for _ in "1234"}],
        }
        for _ in range(2_000)
    ]
    for document in documents:
        found = check(json.dumps(document), around)
        assert (found.plan is None) is bool(found.problems), document
