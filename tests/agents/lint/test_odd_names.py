"""Names of files that a tool writes in a way of its own, or as something else: each finding is told of its own file."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.agents.tests.bench import Bench, write

WORKFLOW = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n"
RULE = "rules: [{id: r, pattern: eval(...), message: m, severity: ERROR, languages: [python]}]\n"
FOLDER = ".github/workflows"


TWICE = "a: 1\na: 2\n"
FORGED = '"x\\n./other.yaml:1:1: [error] forged (forged)\\n{\\"file\\": \\"other.yaml\\"}": 1\n'


@pytest.mark.full
async def test_no_name_and_no_key_of_yaml_is_taken_for_a_finding_of_another_file(house: Bench, project: Path) -> None:
    settings = "rules: {key-duplicates: enable, trailing-spaces: {level: warning}}\n"
    names = ["10:30.yaml", "a.yaml", "a.yaml:1:1: [error] b.yaml", "c\u2028./a.yaml:1:1: [error] b.yaml"]
    write(
        project, {".yamllint": settings, "other.yaml": "a: 1 \n", "key.yaml": FORGED * 2, **dict.fromkeys(names, TWICE)}
    )
    write(project, {"broken.yaml": "a: [\n"})
    found = {item.file: item for item in (await house.check(tools=["yamllint"])).items}
    told = {file: (item.line, item.column, item.severity, item.rule) for file, item in found.items()}
    assert told == {
        **dict.fromkeys([*names, "key.yaml"], (2, 1, "error", "key-duplicates")),
        "other.yaml": (1, 5, "warning", "trailing-spaces"),
        "broken.yaml": (2, 1, "error", "syntax"),
    }
    assert found["a.yaml"].message == 'duplication of key "a" in mapping'
    assert found["broken.yaml"].message.startswith("syntax error: expected the node content")


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
