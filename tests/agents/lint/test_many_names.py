"""A linter is named its files in one command line, which has an end."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.agents.tests.bench import Bench, write

from astro_mcp.agents.lint import run


async def test_as_many_paths_as_a_call_takes_are_checked_however_long_they_are(house: Bench, project: Path) -> None:
    folder = "/".join(["d" * 150] * 2)
    paths = [f"{folder}/{at:03}{'m' * 60}.py" for at in range(500)]
    write(project, {**dict.fromkeys(paths, "x = 1\n"), paths[7]: "import os\n"})
    result = await house.check(tools=["ruff"], paths=paths)
    assert ([item.file for item in result.items], result.failed_tools) == ([paths[7]], [])


async def test_that_more_files_than_can_be_named_are_told_and_not_clean(
    house: Bench, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "ARGUMENTS", 20)
    write(project, {"a.sh": "#!/bin/sh\ntrue\n", "b.sh": "#!/bin/sh\ntrue\n"})
    result = await house.check(tools=["shellcheck"])
    assert result.tools_run == []
    assert "FAILED shellcheck (exit 126): 2 paths are more than it can be given; name fewer" in result.text()
