"""Expressions: what they give, how they stand in text, and that no hostile one gets far."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.workflow.hostile import HOSTILE, QUARTER_SECOND, TEXTS

from astro_mcp.errors import AstroError, ExpressionLimit, InvalidInput
from astro_mcp.workflow.expressions.bind import Missing, walk
from astro_mcp.workflow.expressions.evaluator import Evaluator
from astro_mcp.workflow.expressions.prepare import prepare
from astro_mcp.workflow.expressions.template import render

DATA: dict[str, Any] = {
    "steps": {
        "lint": {
            "total": 3,
            "items": [{"file": "b", "n": 2}, {"file": "a|", "n": 1}, {"file": "b", "n": 0}],
            "rate": 1.5,
            "none": None,
            "names": ["x", "y"],
        }
    },
    "inputs": {"path": "src", "flag": True},
    "item": "one",
    "index": 0,
}


@pytest.fixture(scope="module")
def evaluator() -> Iterator[Evaluator]:
    found = Evaluator()
    yield found
    found.close()


def lookup(path: Any) -> Any:
    return walk(DATA[path[0]], path[1:], str(path[0]))


PASSAGE = "{'id': '2.10', 'page': '2', 'start': 10, 'text': 'Der Größe nach: sorted by size.'}"


@pytest.mark.parametrize(
    ("claim", "place"),
    [
        ("{'claim': 'x', 'passage': '2.10', 'quote': 'sorted by size'}", [26, 40, "2"]),
        ("{'claim': 'x', 'passage': '2.10', 'quote': 'sorted  by size'}", None),
        ("{'claim': 'x', 'passage': '2.11', 'quote': 'sorted by size'}", None),
        ("{'claim': 'x', 'passage': '2.10', 'quote': 'size'}", None),
        ("{'claim': 'x', 'passage': '2.10', 'quote': ''}", None),
        ("{'claim': 'x', 'passage': '2.10', 'quote': 7}", None),
        ("{'claim': '', 'passage': '2.10', 'quote': 'sorted by size'}", None),
        ("{'passage': ['2.10']}", None),
        ("'sorted by size'", None),
    ],
)
def test_a_claim_stands_where_its_quote_does_and_nowhere_else(evaluator: Evaluator, claim: str, place: Any) -> None:
    [found] = render(f"${{{{ cited([{claim}], [{PASSAGE}]) }}}}", lookup, evaluator.evaluate)
    assert found["stands"] is (place is not None)
    assert place is None or [found["start"], found["end"], found["page"]] == place


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${{ steps.lint.total }}", 3),
        ("${{ steps.lint.items[1].file }}", "a|"),
        ("${{ steps['lint'].total }}", 3),
        ("n=${{ steps.lint.total }} r=${{ steps.lint.rate }} f=${{ inputs.flag }}", "n=3 r=1.5 f=true"),
        ("<${{ steps.lint.names }}>", "<x\ny>"),
        ("${{ steps.lint.none }}!", "!"),
        ("${{ steps.lint.items.map(i, i.n) }}", [2, 1, 0]),
        ("${{ steps.lint.items.filter(i, i.n > 0).size() }}", 2),
        ("${{ distinct(steps.lint.items.map(i, i.file)) }}", ["b", "a|"]),
        ("${{ sort_by(steps.lint.items, 'n').map(i, i.n) }}", [0, 1, 2]),
        ("${{ group_by(steps.lint.items, 'file').b.size() }}", 2),
        ("${{ fuse([[{'u': 'a'}, {'u': 'b'}], [{'u': 'b', 'n': 2}, {'u': 'c'}]], 'u').map(i, i.u) }}", ["b", "a", "c"]),
        ("${{ fuse([[{'u': 'a', 'n': 1}, {'u': 'a', 'n': 2}]], 'u') }}", [{"u": "a", "n": 1}]),
        ("${{ size(steps.lint.items) + 1 }}", 4),
        ("${{ slice(steps.lint.items, 0, 1) }}", [{"file": "b", "n": 2}]),
        ("${{ slice(steps.lint.names, 1, 9) }}", ["y"]),
        ("${{ join(steps.lint.names, '-') }}", "x-y"),
        ("${{ steps.lint.names.join(', ') }}", "x, y"),
        ("${{ split('a,b', ',') }}", ["a", "b"]),
        ("${{ replace('aXb', 'X', '-') }}", "a-b"),
        ("${{ join(steps.lint.names,\n'\n') }}", "x\ny"),
        ("${{ \"a\n\" + '''c\n''' }}", "a\nc\n"),
        ("${{ format('{1}{0}', ['a', 'b']) }}", "ba"),
        ("${{ format('{0.__class__}', ['a']) }}", "{0.__class__}"),
        ("${{ flatten([[1], [2, 3]]) }}", [1, 2, 3]),
        ("${{ zip([1, 2], ['a', 'b']) }}", [[1, "a"], [2, "b"]]),
        ("${{ ok([{'error': {'code': 'x'}}, 1]) }}", [1]),
        ("${{ default(steps.lint.gone, 7) }}", 7),
        ("${{ steps.lint.items.map(i, default(i.gone, i.n)) }}", [2, 1, 0]),
        ("${{ steps.lint.items.map(i, default(i.gone.deeper, default(i.n, 7))) }}", [2, 1, 0]),
        ("${{ [[{'a': {'b': 1}}], [{'a': {}}], [{}]].map(i, default(i[0].a.b, 7)) }}", [1, 7, 7]),
        ("${{ default(steps.lint.total, 7) }}", 3),
        ("${{ has(steps.lint.gone) }}", False),
        ("${{ json({'a': [1]}) }}", '{"a": [1]}'),
        ("${{ {'a': {'b': '}}'}} }}", {"a": {"b": "}}"}}),
        ("${{ table([{'a': 'x|y'}], ['a']) }}", "| a |\n| --- |\n| x\\|y |"),
        ("${{ item + inputs.path }}", "onesrc"),
        ("no expression: $ { } {{ }}", "no expression: $ { } {{ }}"),
    ],
)
def test_an_expression_gives_its_value(evaluator: Evaluator, text: str, value: Any) -> None:
    assert render(text, lookup, evaluator.evaluate) == value


def test_text_that_comes_out_of_a_step_is_never_evaluated_again(evaluator: Evaluator) -> None:
    hostile = {"text": "${{ inputs.path }}"}
    assert render("<${{ item.text }}>", lambda path: walk(hostile, path[1:], "item"), evaluator.evaluate) == (
        "<${{ inputs.path }}>"
    )


@pytest.mark.parametrize(
    ("text", "error", "part"),
    [
        ("${{ steps.lint.itmes }}", Missing, "no itmes"),
        ("${{ steps.lint.itmes.map(i, i) }}", Missing, "no itmes"),
        ("${{ require(1 > 2, 'no test ran') }}", InvalidInput, "no test ran"),
        ("${{ 1 + }}", InvalidInput, "Syntax error"),
        ("${{ bogus(1) }}", InvalidInput, "bogus"),
        ("${{ open('/etc/passwd') }}", InvalidInput, "open"),
        ("${{ 'a'.__class__ }}", InvalidInput, ""),
        ("${{ b'x' }}", InvalidInput, "JSON"),
        ("${{ steps.lint.total", InvalidInput, "not closed"),
        ("${{ 1/0 }}", InvalidInput, "divide by zero"),
    ],
)
def test_a_wrong_expression_is_told_with_its_reason(
    evaluator: Evaluator, text: str, error: type[AstroError], part: str
) -> None:
    with pytest.raises(error) as raised:
        render(text, lookup, evaluator.evaluate)
    assert part in str(raised.value)


def test_the_nearest_right_field_is_named() -> None:
    with pytest.raises(Missing) as raised:
        walk({"items": []}, ("itmes",), "steps.lint")
    assert "steps.lint.items" in raised.value.hint


def test_what_is_referred_to_is_found_and_nothing_else() -> None:
    prepared = prepare("steps.a.b.map(item, item.x) + [inputs.c['d'].e] + ['steps.no.string']")
    assert prepared.paths == (("steps", "a", "b"), ("inputs", "c", "d", "e"))


def test_a_size_alone_is_told_without_cel_whatever_is_counted() -> None:
    def never(source: str, data: Mapping[str, Any]) -> Any:
        raise AssertionError(f"{source} was evaluated")

    found = {"list": [None] * 100_000, "text": "äöü", "object": {"a": 1, "b": 2}, "number": 5}

    def find(path: tuple[str | int, ...]) -> Any:
        return found[str(path[-1])]

    told = [render(f"${{{{ size(item.{name}) }}}}", find, never) for name in ("list", "text", "object")]
    assert told == [100_000, 3, 2]
    assert render("${{size(item.text)}} of them", find, never) == "3 of them"
    with pytest.raises(InvalidInput, match=r"size\(item\.number\): item\.number is a number"):
        render("${{ size(item.number) }}", find, never)


def test_data_over_the_bound_is_refused_and_a_slice_of_it_is_not(evaluator: Evaluator) -> None:
    large = {"items": [{"text": "x" * 1000}] * 600}

    def find(path: Any) -> Any:
        return walk(large, path[1:], "item")

    with pytest.raises(ExpressionLimit):
        render("${{ item.items.filter(i, true) }}", find, evaluator.evaluate)
    assert render("${{ slice(item.items, 0, 2).size() + size(item.items) }}", find, evaluator.evaluate) == 602
    assert render("${{ item.items }}", find, evaluator.evaluate) == large["items"]


def test_a_list_over_a_thousand_is_refused_under_a_macro(evaluator: Evaluator) -> None:
    with pytest.raises(ExpressionLimit, match="too long"):
        render("${{ item.map(i, i) }}", lambda path: [1] * 1001, evaluator.evaluate)


def test_deep_data_is_refused(evaluator: Evaluator) -> None:
    deep: Any = 1
    for _ in range(80):
        deep = [deep]
    with pytest.raises(ExpressionLimit, match="deeper"):
        render("${{ item == 1 }}", lambda path: deep, evaluator.evaluate)


def test_no_hostile_expression_takes_a_quarter_second_or_brings_its_process_down() -> None:
    script = Path(__file__).with_name("hostile.py")

    def half(part: int) -> list[dict[str, Any]]:
        command = [sys.executable, str(script), str(part), "2"]
        done = subprocess.run(command, capture_output=True, timeout=100, check=False)
        assert done.returncode == 0, done.stderr.decode()[-2000:]
        return [json.loads(line) for line in done.stdout.splitlines()]

    with ThreadPoolExecutor() as threads:
        lines = [line for told in threads.map(half, range(2)) for line in told]
    assert len(lines) == len(HOSTILE) + len(TEXTS)
    slow = [line for line in lines if line["alone"] > QUARTER_SECOND]
    assert not slow
    assert all(line["outcome"] in ("ok", "expression_limit", "invalid_input") for line in lines)
    assert sum(line["outcome"] == "expression_limit" for line in lines) > 15
