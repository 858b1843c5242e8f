"""What one run of a linter left becomes findings or a failure: the linter may have run the project's own settings, so
that exit code and report are a stranger's word."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.agents.lint.test_reports import FIELDS, MANIFEST

from astro_mcp.agents.lint import report as module
from astro_mcp.agents.lint.report import Report, report
from astro_mcp.agents.lint.sources import FILE
from astro_mcp.packs import Linter
from astro_mcp.sandbox.job import Outcome, SandboxFile

ONE = {"f": "a.py", "l": 1, "c": 1, "r": "R", "m": "odd"}


def ended(document: Any, code: int = 0, **more: Any) -> Report:
    """Of a linter that ends with 0 where it is clean and with 1 where it found something."""
    shape = {"format": "json", "items": "@", "fields": FIELDS}
    linter = Linter.model_validate({**MANIFEST, "report": shape, "exit_codes": [0, 1], "clean_codes": [0], **more})
    data = json.dumps(document).encode()
    return report(linter, Outcome(code, b"", b"said", (SandboxFile(FILE, data),), (), 0.0, 0.0), frozenset())


def test_what_was_found_is_told_and_nothing_found_is_clean() -> None:
    assert [(item.file, item.message) for item in ended([ONE], 1).findings] == [("a.py", "odd")]
    assert (ended([]).ran, ended([]).failed) == (True, None)


def test_nothing_found_is_no_clean_run_where_the_linter_says_otherwise() -> None:
    made = ended([], 1)
    assert not made.ran
    assert made.failed is not None
    assert "found nothing, and did not end well" in made.failed.message


@pytest.mark.parametrize("code", [2, 137, -9])
def test_an_exit_code_that_is_none_of_its_own_is_a_failure_whatever_was_found(code: int) -> None:
    assert ended([ONE], code).failed is not None


@pytest.mark.parametrize("document", [{}, None, "text", 7, {"f": "a.py"}])
def test_a_report_without_a_list_is_a_failure_and_not_clean(document: Any) -> None:
    made = ended(document)
    assert not made.ran
    assert made.failed is not None


def test_of_more_findings_than_are_kept_the_rest_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    made = ended([ONE] * 5, 1)
    assert (len(made.findings), made.beyond) == (3, 2)


def test_a_report_that_is_too_large_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REPORT_BYTES", 100)
    assert ended([ONE], 1).ran
    made = ended([ONE] * 5, 1)
    assert made.failed is not None
    assert "name fewer paths" in made.failed.message


def test_what_no_answer_can_hold_does_not_come_into_one() -> None:
    [found] = ended([{**ONE, "f": "\ud800.py", "m": "\ud800" + "z" * 5_000, "l": 10**30, "c": "x"}], 1).findings
    found.model_dump_json().encode()
    assert (found.line, found.column, len(found.message)) == (1_000_000_000, 0, 1_000)
