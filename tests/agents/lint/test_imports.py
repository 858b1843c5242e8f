"""A linter that follows imports gets the whole root and the packages that the project names, or says what it lacks."""

from __future__ import annotations

from pathlib import Path

import anyio.to_thread
import pytest
from tests.agents.lint.test_lint_check import toy_pack
from tests.agents.tests.bench import bench, write

from astro_mcp.agents.lint.sources import surveyed
from astro_mcp.workspace.fingerprint import fingerprint
from astro_mcp.workspace.place import Place

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


GENERATED = """import json, os
there = [path for path in ("pkg/a.py", "pkg/_version.py") if os.path.exists(path)]
print(json.dumps([{"f": path, "l": 1, "m": f"{len(there)} files"} for path in there]))
"""


async def test_generated_code_that_gitignore_hides_is_there_for_who_follows_imports_alone_and_nobody_tells_of_it(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    project, images = tmp_path / "project", tmp_path_factory.getbasetemp() / "images"
    write(project, {"look.py": GENERATED, ".gitignore": "_version.py\n", "pkg/a.py": "", "pkg/_version.py": "V = 1"})
    told = []
    for name, manifest in (("alone", TOY.replace('imports = "pypi"\n', "")), ("imports", TOY)):
        (tmp_path / name).mkdir()
        pack = toy_pack(tmp_path / name / "pack", manifest)
        async with bench(tmp_path / name / "data", (project,), images, pack) as house:
            results = [await house.check(paths=paths) for paths in ([], ["pkg"][: name == "imports"])]
        told += [(item.file, item.message) for result in results for item in result.items]
    assert told == [("pkg/a.py", "1 files")] * 2 + [("pkg/a.py", "2 files")] * 2


async def test_what_generated_code_says_now_is_asked_of_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("astro_mcp.workspace.fingerprint.MARGIN_SECONDS", -60.0)
    write(tmp_path, {".gitignore": "_version.py\n*.log\n", "_version.py": "V = 1\n", "a.log": ""})
    seen = []
    for name in ("", "a.log", "_version.py"):
        if name:
            (tmp_path / name).write_text("VERSION = 22\n")
        seen.append(await anyio.to_thread.run_sync(lambda: fingerprint([Place(tmp_path, "")], surveyed())))
    assert seen[0] == seen[1] != seen[2]


SCOPED = """import json, sys
print(json.dumps([{"f": "a.py", "l": 1, "m": f"{sys.argv[1:]}"}]))
"""


async def test_a_linter_whose_settings_say_what_it_looks_at_is_given_no_paths_for_the_whole_root(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    project, images = tmp_path / "project", tmp_path_factory.getbasetemp() / "images"
    write(project, {"look.py": SCOPED, "a.py": "", "pyproject.toml": "[tool.toy]\nonly = ['a.py']\n"})
    manifest = TOY.replace("argv =", 'scopes = {"pyproject.toml" = ["tool.toy.only"]}\nargv =')
    async with bench(tmp_path / "data", (project,), images, toy_pack(tmp_path / "pack", manifest)) as house:
        results = [await house.check(paths=paths) for paths in ([], ["a.py", "look.py"])]
    assert [item.message for result in results for item in result.items] == ["[]", "['./a.py', './look.py']"]
