"""What is new is told by content: properties over random texts, against counting by hand."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.quickest import computed

from astro_mcp.agents.lint.comparison import are_new, numbered, standings
from astro_mcp.agents.lint.models import FailedTool, Finding, MissingTool
from astro_mcp.agents.lint.report import Report
from astro_mcp.agents.lint.sources import Sources
from astro_mcp.agents.lint.work import compared
from astro_mcp.sandbox.job import SandboxFile

LINES = st.sampled_from(["import os", "x = 1", "", "    x = 1", "try:", "except:", "y == None"])
BODIES = st.lists(LINES, max_size=12)
Tree = dict[str, list[str]]


def lint(tree: Tree) -> list[Finding]:
    """A linter that finds every line that holds something, and says its number."""
    return [
        Finding(
            tool="toy",
            rule="T1",
            file=file,
            line=at,
            column=1,
            severity="warning",
            message=f"line {at} holds {line.split()[0]}",
            fixable=False,
        )
        for file, lines in tree.items()
        for at, line in enumerate(lines, 1)
        if line.strip()
    ]


def new(now: Tree, before: Tree, ends: str = "\n") -> list[Finding]:
    """Findings of `now` that are new."""
    sides = []
    for tree in (now, before):
        files = {file: ends.join(lines).encode() for file, lines in tree.items()}
        sides.append(standings(lint(tree), files))
    return [item for item, flag in zip(lint(now), are_new(*sides), strict=True) if flag]


@settings(max_examples=50)
@given(BODIES, BODIES)
def test_as_many_are_new_as_there_are_more_of_the_same(now: list[str], before: list[str]) -> None:
    words, old = Counter(" ".join(line.split()) for line in now), Counter(" ".join(line.split()) for line in before)
    del words[""]
    expected = sum(max(0, count - old[word]) for word, count in words.items())
    assert len(new({"a.py": now}, {"a.py": before})) == expected


@settings(max_examples=50)
@given(BODIES, st.data(), st.sampled_from(["\n", "\r\n", "\r"]))
def test_code_that_moved_is_not_new(lines: list[str], data: st.DataObject, ends: str) -> None:
    moved = data.draw(st.permutations(lines))
    cut = data.draw(st.integers(0, len(lines)))
    renamed = {"other/b.py": ["", "", *moved[:cut]], "c.py": [f"\t{line}" for line in moved[cut:]]}
    assert new(renamed, {"a.py": lines}, ends) == []


@settings(max_examples=50)
@given(BODIES, st.data())
def test_what_is_put_in_is_what_is_new(lines: list[str], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(lines)))
    grown = [*lines[:at], "assert fresh", *lines[at:]]
    assert [item.line for item in new({"a.py": grown}, {"a.py": lines})] == [at + 1]


@settings(max_examples=50)
@given(BODIES)
def test_nothing_is_new_in_what_was_there(lines: list[str]) -> None:
    assert new({"a.py": lines}, {"a.py": lines}) == []
    assert len(new({"a.py": lines}, {})) == len(lint({"a.py": lines}))


def test_a_copy_of_an_old_finding_is_new_once_and_it_is_the_one_with_other_lines_around() -> None:
    before = ["try:", "    run()", "except:", "    pass"]
    now = ["try:", "    walk()", "except:", "    raise", *before]
    found = new({"a.py": now}, {"a.py": before})
    assert [item.line for item in found if now[item.line - 1] == "except:"] == [3]


def test_another_rule_or_another_message_on_the_same_line_is_new_and_another_number_in_it_is_not() -> None:
    def one(rule: str, message: str) -> Finding:
        return Finding(tool="t", rule=rule, file="a", line=1, column=0, severity="info", message=message, fixable=False)

    old = standings([one("A", "too complex (11 > 10)")], {"a": b"def f():"})
    for rule, message, fresh in (
        ("A", "too complex (12 > 10)", False),
        ("B", "too complex (11 > 10)", True),
        ("A", "too long", True),
    ):
        assert are_new(standings([one(rule, message)], {"a": b"def f():"}), old) == [fresh]


@pytest.mark.parametrize("text", [b"x" * 4_000_000, b"\n" * 4_000_000])
def test_a_file_of_one_line_or_of_none_that_holds_something_costs_no_more_than_another(text: bytes) -> None:
    found = [
        Finding(tool="t", rule="r", file="a", line=1, column=at, severity="info", message="m", fixable=False)
        for at in range(20_000)
    ]
    assert len(computed(5, lambda: standings(found, {"a": text}))) == len(found)


@settings(max_examples=50)
@given(BODIES)
def test_numbers_tell_equal_findings_apart(lines: list[str]) -> None:
    files = {"a.py": "\n".join(lines).encode()}
    told = numbered(standings(lint({"a.py": lines}), files))
    assert len(set(told)) == len(told)


def report(**fields: Any) -> Report:
    found = [Finding(tool="t", rule="r", file="a", line=1, column=1, severity="info", message="m", fixable=False)]
    return Report("t", **{"ran": True, "findings": found, **fields})


@pytest.mark.parametrize(
    ("before", "new", "told"),
    [
        (report(), False, ""),
        (report(beyond=3), False, "it found 3 more than are compared"),
        (report(ran=False, findings=[], failed=FailedTool(tool="t", exit_code=2, message="broken")), True, "broken"),
        (
            report(ran=False, findings=[], missing=MissingTool(tool="t", reason="no index", install_hint="x")),
            True,
            "no index",
        ),
    ],
)
def test_what_can_not_be_compared_is_new_and_is_told(before: Report, new: bool, told: str) -> None:
    sources = Sources((), (SandboxFile("a", b"x"),), ())
    made = compared(report(), before, sources, sources)
    assert [item.new for item in made.findings] == [new]
    assert (made.failed is not None) == bool(told)
    assert made.failed is None or made.failed.message.endswith(told)
