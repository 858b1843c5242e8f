"""Reports of every format become findings, and what is no report is a failure. A report is hostile."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from typing import Any

import jmespath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astro_mcp.agents.lint.models import Finding
from astro_mcp.agents.lint.reports import _names, findings
from astro_mcp.errors import ProviderFailed
from astro_mcp.packs import Linter

MANIFEST = {
    "schema": 1,
    "kind": "linter",
    "name": "toy",
    "install_hint": "get it",
    "detect": ["*"],
    "argv": ["toy", "{paths}"],
    "image": {"pip": ["toy==1"]},
}
FIELDS = {"rule": "r", "file": "f", "line": "l", "column": "c", "severity": "s", "message": "m"}


def read(report: dict[str, Any], text: str, files: Iterable[str] = (), **more: Any) -> list[Finding]:
    linter = Linter.model_validate({**MANIFEST, "report": report, **more})
    return list(findings(linter, text.encode(), frozenset(files)))


def sarif(*results: Any, rules: Any = ()) -> str:
    return json.dumps({"runs": [{"tool": {"driver": {"rules": list(rules)}}, "results": list(results)}]})


def result(uri: str = "src/a%20b.py", line: int = 3, **more: Any) -> dict[str, Any]:
    place = {"artifactLocation": {"uri": uri}, "region": {"startLine": line, "startColumn": 5}}
    return {"ruleId": "R1", "message": {"text": "odd"}, "locations": [{"physicalLocation": place}], **more}


def test_sarif_gives_file_line_column_rule_and_message() -> None:
    [found] = read({"format": "sarif"}, sarif(result(level="error", fixes=[{}])))
    assert (found.file, found.line, found.column, found.rule) == ("src/a b.py", 3, 5, "R1")
    assert (found.severity, found.message, found.fixable) == ("error", "odd", True)


@pytest.mark.parametrize("said", ["a.py", "./a.py", "././a.py", "/workspace/a.py", "/workspace/./a.py"])
def test_a_file_has_one_name_however_a_tool_says_it(said: str) -> None:
    text = json.dumps([{"f": said, "l": 1, "m": "odd"}])
    assert [item.file for item in read({"format": "json", "fields": FIELDS}, text, ["a.py"])] == ["a.py"]


def test_a_file_of_sarif_may_be_an_address_in_the_workspace() -> None:
    assert [item.file for item in read({"format": "sarif"}, sarif(result("file:///workspace/a.py")))] == ["a.py"]


@pytest.mark.parametrize("lead", ["", "./", "/workspace/", "file:///workspace/"])
@pytest.mark.parametrize(
    ("files", "told"),
    [
        (["a%20b.py", "a b.py"], "a%20b.py"),
        (["a%20b.py"], "a%20b.py"),
        (["a b.py"], "a b.py"),
        (["a.py"], "a b.py"),
    ],
)
def test_a_file_of_sarif_is_the_one_that_has_that_very_name_and_else_what_it_reads_decoded(
    lead: str, files: list[str], told: str
) -> None:
    assert [item.file for item in read({"format": "sarif"}, sarif(result(f"{lead}a%20b.py")), files)] == [told]


def test_a_level_of_sarif_is_the_rules_where_the_finding_has_none_and_else_a_warning() -> None:
    rules = [{"id": "R1", "defaultConfiguration": {"level": "note"}}, {"id": "R2"}]
    found = read({"format": "sarif"}, sarif(result(), result(ruleId="R2"), result(level="error"), rules=rules))
    assert [item.severity for item in found] == ["info", "warning", "error"]


def test_what_the_source_suppresses_or_what_passes_is_no_finding() -> None:
    passes = result(kind="pass")
    assert read({"format": "sarif"}, sarif(result(suppressions=[{"kind": "inSource"}]), passes)) == []


@pytest.mark.parametrize("name", ["a  b.py", "c\u3000d.py", "e\u202ff.py", " g .py"])
def test_blanks_in_the_name_of_a_file_stay_what_they_are(name: str) -> None:
    [found] = read({"format": "json", "fields": FIELDS}, json.dumps([{"f": f"/workspace/{name}", "l": 1, "m": "x"}]))
    assert found.file == name


def test_no_name_of_a_file_begins_a_line_or_is_without_end() -> None:
    text = json.dumps([{"f": f, "l": 1, "m": "x"} for f in ("a.py\nb.py:1:1 error", "\ud800\x1b[2J", "c" * 9_000)])
    first, second, third = (item.file for item in read({"format": "json", "fields": FIELDS}, text))
    assert (first, second, len(third)) == ("a.py b.py:1:1 error", "? [2J", 4_000)


def test_json_lines_are_documents_of_their_own() -> None:
    text = '{"f": "a", "l": 1, "m": "x"}\n\n{"f": "b", "l": 2, "m": "y"}\n'
    found = read({"format": "json", "lines": True, "fields": FIELDS}, text)
    assert [(item.file, item.line) for item in found] == [("a", 1), ("b", 2)]
    with pytest.raises(ProviderFailed):
        read({"format": "json", "lines": True, "fields": FIELDS}, text + "Traceback: it broke\n")
    odd = read({"format": "json", "lines": True, "fields": FIELDS}, '{"f": "a\u2028b", "l": 1, "m": "x"}\n')
    assert [item.file for item in odd] == ["a\u2028b"]


COLONS = r"^(?P<file>.+?):(?P<line>\d+): (?P<message>.+)$"


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("a.py", ["a.py"]),
        ("10:30.py", ["10:30.py"]),
        ("a.py:7: b.py", ["a.py", "a.py:7: b.py"]),
        ("a:b.py:7: c.py", ["a:b.py", "a:b.py:7: c.py"]),
        ("a\u2028./b.py:1: x", ["b.py", "a\u2028./b.py:1: x"]),
        ("a\x85b.py", ["b.py", "a\x85b.py"]),
        ("gone.py", ["a:b.py"]),
    ],
)
@pytest.mark.parametrize("lead", ["", "./", "/workspace/"])
def test_a_line_is_a_finding_of_the_longest_file_that_it_begins_with(name: str, files: list[str], lead: str) -> None:
    found = read({"format": "regex", "pattern": COLONS}, f"{lead}{name}:3: odd\nno finding\n", files)
    assert [(item.file, item.line, item.message) for item in found] == [(name, 3, "odd")]


def test_a_line_of_nothing_but_colons_costs_what_any_line_does() -> None:
    lines = "\n".join([":" * 20_000] * 100)
    assert read({"format": "regex", "pattern": COLONS}, lines, ["a:b.py"]) == []


def test_findings_a_level_below_know_what_they_are_in() -> None:
    fields = {"file": "outer.path", "line": "inner.l", "message": "inner.m"}
    text = json.dumps([{"path": "a", "all": [{"l": 1, "m": "x"}, {"l": 2, "m": "y"}]}, {"path": "b", "all": None}])
    found = read({"format": "json", "within": "all", "fields": fields}, text)
    assert [(item.file, item.line, item.message) for item in found] == [("a", 1, "x"), ("a", 2, "y")]


def test_what_a_tool_counts_from_zero_counts_from_one_here_and_what_it_leaves_out_stays_zero() -> None:
    text = json.dumps([{"f": "a", "l": 7, "c": 0, "m": "x"}, {"f": "a", "l": 8, "m": "y"}])
    found = read({"format": "json", "zero_based": ["column"], "fields": FIELDS}, text)
    assert [(item.line, item.column) for item in found] == [(7, 1), (8, 0)]


def test_the_manifest_says_what_a_tools_words_mean_and_which_rule_one_without_is() -> None:
    text = json.dumps([{"f": "a", "l": 1, "m": "x", "s": 2}, {"f": "a", "l": 1, "m": "x", "s": "odd"}])
    more = {"severities": {"2": "error"}, "severity": "info", "rule": "complexity"}
    found = read({"format": "json", "fields": FIELDS}, text, **more)
    assert [(item.severity, item.rule) for item in found] == [("error", "complexity"), ("info", "complexity")]


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", '{"runs": 1}', '{"runs": []}', "[" * 5_000])
def test_what_is_no_sarif_is_a_failure_and_not_clean(text: str) -> None:
    with pytest.raises(ProviderFailed):
        read({"format": "sarif"}, text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["runs", "results", "locations", "physicalLocation", "region", "message", "tool", "all"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=80, deadline=None)
@given(JSON)
def test_no_report_breaks_the_reader(document: Any) -> None:
    nested = {"format": "json", "items": "results", "within": "all", "zero_based": ["line"]}
    fields = {"file": "outer.message", "line": "inner", "message": "inner.region"}
    for text in (json.dumps(document), json.dumps({"runs": [document]}), json.dumps({"results": document})):
        for report in ({"format": "sarif"}, {**nested, "fields": fields}):
            with contextlib.suppress(ProviderFailed):
                assert all(item.model_dump_json() for item in read(report, text))


VALUES = st.recursive(
    st.none() | st.integers(0, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(".".join), VALUES)
def test_names_with_dots_are_read_as_jmespath_reads_them(source: str, value: Any) -> None:
    fast = _names(source)
    assert fast is not None
    assert fast(value) == jmespath.search(source, value)


@pytest.mark.parametrize("source", ["@", "a[0]", "a || b", "'a'", "`1`", "a.", "a.b-c", "a.b\n", "", "length(a)"])
def test_what_is_more_than_names_is_left_to_jmespath(source: str) -> None:
    assert _names(source) is None
