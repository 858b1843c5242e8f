"""A notebook is a file of JSON, and linters count the lines of each cell: none of these is a line of the file."""

from __future__ import annotations

import json
from pathlib import Path

from tests.agents.tests.bench import Bench, commit, write


def notebook(*cells: str) -> str:
    """Each is of code; a text of words stands before the last one."""
    code: list[dict[str, object]] = [
        {"cell_type": "code", "id": f"c{at}", "source": text, "metadata": {}, "outputs": [], "execution_count": None}
        for at, text in enumerate(cells)
    ]
    words = {"cell_type": "markdown", "id": "words", "source": "words", "metadata": {}}
    return json.dumps(
        {"cells": [*code[:-1], words, code[-1]], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1
    )


async def test_a_finding_in_a_notebook_names_cell_and_line_and_no_line_of_the_file(house: Bench, project: Path) -> None:
    write(project, {"ruff.toml": "lint.select = ['F401']\n", "a.ipynb": notebook("x = 1\n", "y = 2\nimport os\n")})
    result = await house.check(tools=["ruff"])
    assert [(item.file, item.line, item.column) for item in result.items] == [("a.ipynb", 0, 0)]
    assert result.items[0].message == "cell 3, line 2: `os` imported but unused"
    data, _ = await house.artifacts.get(house.session.scope, result.sarif_uri.rpartition("/")[2])
    [place] = json.loads(data)["runs"][0]["results"][0]["locations"]
    assert place["physicalLocation"] == {"artifactLocation": {"uri": "a.ipynb", "uriBaseId": "SRCROOT"}}


async def test_what_was_in_a_notebook_is_not_new_where_its_cells_moved(house: Bench, project: Path) -> None:
    settings = {"ruff.toml": "lint.select = ['F401']\n"}
    write(project, {**settings, "a.ipynb": notebook("x = 1\n", "import os\n")})
    commit(project)
    write(project, {"a.ipynb": notebook("x = 1\n", "y = 3\n", "z = 1\nimport os\nimport re\n")})
    result = await house.check(tools=["ruff"], since_ref="HEAD")
    assert [item.message for item in result.items] == ["cell 4, line 3: `re` imported but unused"]
    assert result.known == 1
