"""Names of files that a tool writes in a way of its own, or as something else: each finding is told of its own file."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.agents.tests.bench import Bench, write

WORKFLOW = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n"
RULE = "rules: [{id: r, pattern: eval(...), message: m, severity: ERROR, languages: [python]}]\n"
FOLDER = ".github/workflows"


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("tool", "files", "found"),
    [
        ("semgrep", {".semgrep.yml": RULE, "a%20b.py": "eval(x)\n", "a b.py": "\n"}, "a%20b.py"),
        ("biome", {"biome.json": "{}", "a%20b.js": "debugger;\n", "a b.js": "\n"}, "a%20b.js"),
        ("zizmor", {f"{FOLDER}/a%41.yml": WORKFLOW}, f"{FOLDER}/a%41.yml"),
    ],
)
async def test_a_file_whose_name_reads_like_an_encoded_one_is_told_by_its_own(
    house: Bench, project: Path, tool: str, files: dict[str, str], found: str
) -> None:
    write(project, files)
    result = await house.check(tools=[tool])
    assert result.tools_run == [tool], result.text()
    assert {item.file for item in result.items} == {found}
