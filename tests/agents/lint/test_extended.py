"""Settings files that others extend, wherever they lie."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.agents.tests.bench import Bench, commit, write

EXTENDS = {"a/ruff.toml": 'extend = "../conf/base.toml"', "conf/base.toml": 'extend = "rules.toml"'}
EXTENDS |= {"conf/rules.toml": '[lint]\nselect = ["E711"]\n', "a/x.py": "import os\nos == None\n"}


@pytest.mark.parametrize(
    "top",
    [
        {},
        {"a/ruff.toml": "", "pyproject.toml": '[tool.ruff]\nextend = "conf/base.toml"\n'},
    ],
)
async def test_settings_that_others_extend_come_along_with_any_path(
    house: Bench, project: Path, top: dict[str, str]
) -> None:
    files = EXTENDS | top
    write(project, {path: text for path, text in files.items() if text})
    commit(project)
    write(project, {"a/x.py": EXTENDS["a/x.py"] + "os == None\n"})
    result = await house.check(paths=["a"], tools=["ruff"])
    assert result.failed_tools == []
    assert [(item.file, item.rule, item.line) for item in result.items] == [
        ("a/x.py", "E711", 2),
        ("a/x.py", "E711", 3),
    ]
    new = await house.check(paths=["a"], tools=["ruff"], since_ref="HEAD")
    assert ([item.line for item in new.items], new.known, new.failed_tools) == ([3], 1, [])
    write(project, {"conf/rules.toml": '[lint]\nselect = ["F401"]\n'})
    assert [item.rule for item in (await house.check(paths=["a"], tools=["ruff"])).items] == []


async def test_settings_that_extend_what_is_not_there_are_told_by_its_name(house: Bench, project: Path) -> None:
    (project / "out.toml").symlink_to("/etc/passwd")
    write(
        project,
        {"a/ruff.toml": 'extend = "../out.toml"', "b/ruff.toml": 'extend = "no.toml"', "a/x.py": "", "b/x.py": ""},
    )
    for path, name in (("a", "out.toml"), ("b", "no.toml")):
        [failed] = (await house.check(paths=[path], tools=["ruff"])).failed_tools
        assert name in failed.message
