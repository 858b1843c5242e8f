"""A file that a linter could not read is told, beside others that it could: silence is never taken for clean."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.agents.tests.bench import Bench, write

from astro_mcp.agents.lint.reports import findings
from astro_mcp.errors import ProviderFailed
from astro_mcp.packs import Pack

LINTERS = {linter.name: linter for linter in Pack.find().manifests("linter")}
WORKFLOW = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n"
FOLDER = ".github/workflows"


def test_bandits_word_on_a_file_that_it_skipped_is_an_error_in_that_file() -> None:
    issue = {"filename": "./b.py", "test_id": "B404", "line_number": 1, "col_offset": 0, "issue_severity": "LOW"}
    skipped = {"filename": "./a.py", "reason": "syntax error while parsing AST from file"}
    report = {"errors": [skipped], "results": [{**issue, "issue_text": "odd"}]}
    found = findings(LINTERS["bandit"], json.dumps(report).encode(), frozenset())
    assert sorted((item.file, item.line, item.column, item.rule, item.severity, item.message) for item in found) == [
        ("a.py", 0, 0, "not-scanned", "error", "bandit skipped this file: syntax error while parsing AST from file"),
        ("b.py", 1, 1, "B404", "info", "odd"),
    ]


@pytest.mark.parametrize("report", [{}, {"results": []}, {"errors": []}, {"results": None, "errors": []}])
def test_a_report_of_bandits_that_lacks_either_list_is_none(report: dict[str, object]) -> None:
    with pytest.raises(ProviderFailed):
        list(findings(LINTERS["bandit"], json.dumps(report).encode(), frozenset()))


@pytest.mark.full
async def test_a_file_that_bandit_can_not_parse_is_not_clean(house: Bench, project: Path) -> None:
    write(project, {"a.py": "import subprocess\nprint 'python 2'\n", "b.py": "import subprocess\n", "c.py": "x = 1\n"})
    result = await house.check(tools=["bandit"])
    assert [(item.file, item.rule) for item in result.items] == [("a.py", "not-scanned"), ("b.py", "B404")]
    alone = await house.check(tools=["bandit"], paths=["a.py"])
    assert [(item.file, item.rule) for item in alone.items] == [("a.py", "not-scanned")]


@pytest.mark.full
@pytest.mark.parametrize("broken", [WORKFLOW + "  odd: [\n", WORKFLOW.replace("steps", "stages")])
async def test_a_workflow_that_zizmor_can_not_read_is_told_beside_one_that_it_can(
    house: Bench, project: Path, broken: str
) -> None:
    write(project, {f"{FOLDER}/a.yml": WORKFLOW})
    assert (await house.check(tools=["zizmor"])).failed_tools == []
    write(project, {f"{FOLDER}/b.yml": broken})
    [failed] = (await house.check(tools=["zizmor"])).failed_tools
    assert f"{FOLDER}/b.yml" in failed.message
