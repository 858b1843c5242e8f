"""A linter that follows imports gets the whole root and the packages that the project names, or says what it lacks."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.agents.lint.test_lint_check import toy_pack
from tests.agents.tests.bench import bench, write

TOY = """
schema = 1
kind = "linter"
name = "toy"
install_hint = "write toy yourself"
detect = ["*.py"]
imports = "pypi"
argv = ["python3", "look.py", "{paths}"]
[image]
pip = ["pytest>=7"]
[report]
format = "json"
[report.fields]
file = "f"
line = "l"
message = "m"
"""
LOOK = """import importlib.util, json, os
m = f"beside={os.path.exists('pkg/b.py')} six={importlib.util.find_spec('six') is not None}"
print(json.dumps([{"f": f"pkg/{name}.py", "l": 1, "m": m} for name in "ab"]))
"""


@pytest.mark.full
@pytest.mark.parametrize(
    ("needed", "message", "told"),
    [("six==0.0.0.0.1", "beside=True six=False", True), ("six", "beside=True six=True", False)],
)
async def test_what_is_imported_is_there_and_what_was_not_asked_for_is_not_told(
    needed: str, message: str, told: bool, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    files = {"look.py": LOOK, "pkg/a.py": "", "pkg/b.py": "", "requirements.txt": f"{needed}\n"}
    write(tmp_path / "project", files)
    images = tmp_path_factory.getbasetemp() / "images"
    async with bench(tmp_path / "data", (tmp_path / "project",), images, toy_pack(tmp_path / "pack", TOY)) as house:
        result = await house.check(paths=["pkg/a.py"])
    assert [(item.file, item.message) for item in result.items] == [("pkg/a.py", message)]
    assert result.tools_run == ["toy"]
    assert any("packages that the project names" in line for line in result.left_out) is told
