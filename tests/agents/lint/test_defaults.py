"""A linter that reads another program's settings looks at a project that has these as the other would."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.agents.tests.bench import bench, write

from astro_mcp.agents.lint.defaults import files_for
from astro_mcp.agents.lint.sources import Sources
from astro_mcp.packs import Pack
from astro_mcp.sandbox.job import SandboxFile
from astro_mcp.workspace.place import Place

LINTER = next(linter for linter in Pack.find().manifests("linter") if linter.name == "basedpyright")
PYRIGHT = "[tool.pyright]\npythonVersion = '3.12'\n"
STANDARD = {"extends": "./pyproject.toml", "typeCheckingMode": "standard"}
CODE = "import json\n\ndef f(x):\n    return json.loads(x).foo\n\ndef g() -> int:\n    return 'a'\n"


@pytest.mark.parametrize(
    ("files", "settings"),
    [
        ({"pyproject.toml": PYRIGHT}, STANDARD),
        ({"pyproject.toml": PYRIGHT + "typeCheckingMode = 'strict'\n"}, None),
        ({"pyproject.toml": PYRIGHT, "requirements-dev.txt": "basedpyright\n"}, None),
        ({"pyproject.toml": PYRIGHT + "[tool.basedpyright]\n"}, None),
        ({"pyproject.toml": "[tool.ruff]\n"}, None),
        ({"sub/pyproject.toml": PYRIGHT}, None),
    ],
)
def test_the_settings_of_another_program_leave_its_defaults_where_nothing_is_the_linters_own(
    files: dict[str, str], settings: dict[str, str] | None
) -> None:
    copy = tuple(SandboxFile(path, text.encode()) for path, text in files.items())
    sources = Sources((Place(Path("/"), ""),), copy, (), frozenset(LINTER.sections))
    given = {file.path: file.data for file in files_for(LINTER, sources)}
    assert given.pop("pyrightconfig.json", b"null") == json.dumps(settings).encode()
    assert given == {file.path: file.data for file in copy}


@pytest.mark.full
async def test_a_project_of_pyright_has_the_findings_of_pyrights_own_mode(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    project, images = tmp_path / "project", tmp_path_factory.getbasetemp() / "images"
    write(project, {"a.py": CODE, "b.py": CODE, "pyrightconfig.json": '{ // here\n "include": ["a.py"],\n}\n'})
    async with bench(tmp_path / "data", (project,), images) as house:
        result = await house.check(tools=["basedpyright"])
    assert [(item.file, item.rule) for item in result.items if item.tool == "basedpyright"] == [
        ("a.py", "reportReturnType")
    ]
    assert (project / "pyrightconfig.json").read_text().startswith("{ // here")
