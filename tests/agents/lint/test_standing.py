"""A linter that only reads is asked in a container that stays up; what it finds is what a fresh one finds."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest
from tests.agents.tests.bench import Bench, bench, commit, write

from astro_mcp.agents.lint.models import CheckOutput
from astro_mcp.errors import InvalidInput
from astro_mcp.packs import Linter, Pack, read_manifest
from astro_mcp.sandbox.standing import Key

LINTERS = {linter.name: linter for linter in Pack.find().manifests("linter")}
TEXTS = (
    "import os\n",
    "import pkg\nimport sys\nimport other\n\nprint(sys, pkg, other)\n",
    "def f(:\n",
    "x = 1\n",
    "#!/usr/bin/env python3\nassert None == 1\n",
    "from __future__ import annotations\n\nimport b\nimport json\n\nprint(b, json)\n",
)
SETTINGS = (
    '[tool.ruff.lint]\nselect = ["ALL"]\n',
    '[tool.ruff.lint]\nselect = ["I", "INP", "EXE", "F"]\n[tool.ruff]\nextend-exclude = ["pkg/inner"]\n',
    '[tool.ruff]\nextend = "shared.txt"\n',
    '[project]\nrequires-python = ">=3.9"\n',
)
NAMES = ("a.py", "b.py", "pkg/__init__.py", "pkg/a.py", "pkg/inner/c.py", "other/d.py", "ü x.py", "e.pyi", "f.ipynb")


@pytest.fixture
async def house(tmp_path: Path, images: Path) -> AsyncIterator[Bench]:
    (tmp_path / "project").mkdir()
    async with bench(tmp_path / "data", (tmp_path / "project",), images) as made, made.sandbox.warm():
        yield made


def key(house: Bench, linter: str = "ruff") -> Key:
    return Key(house.session.scope, house.session.grant.roots[0], linter)


async def fresh(house: Bench, **arguments: object) -> CheckOutput:
    """What containers of a single run find."""
    standing, house.sandbox._standing = house.sandbox._standing, None
    try:
        return await house.check(**arguments)
    finally:
        house.sandbox._standing = standing


class Edits:
    """Each changes something that a linter may see."""

    def __init__(self, project: Path, chance: Random) -> None:
        self.project, self.chance = project, chance

    def any(self) -> None:
        changes = [self.text] * 6
        changes += [
            self.rename,
            self.link,
            self.remove,
            self.mode,
            self.configure,
            self.share,
            self.ignore,
            self.folder,
        ]
        self.chance.choice(changes)()

    def text(self) -> None:
        self._put(self.chance.choice(NAMES), self.chance.choice(TEXTS))

    def rename(self) -> None:
        path, other = self._two()
        if path.is_file() and not other.exists() and other.parent.is_dir():
            path.rename(other)

    def link(self) -> None:
        path, other = self._two()
        if path.is_file() and other.is_file() and path != other:
            path.unlink()
            path.symlink_to(other)

    def remove(self) -> None:
        path, _ = self._two()
        if not path.is_dir():
            path.unlink(missing_ok=True)

    def mode(self) -> None:
        path, _ = self._two()
        if path.is_file():
            path.chmod(self.chance.choice([0o644, 0o755]))

    def configure(self) -> None:
        self._put(self.chance.choice(["pyproject.toml", "pkg/pyproject.toml"]), self.chance.choice(SETTINGS))

    def share(self) -> None:
        self._put("shared.txt", f'[lint]\nselect = ["{self.chance.choice(["F", "E", "D"])}"]\n')

    def ignore(self) -> None:
        name = self.chance.choice([".ignore", ".gitignore", ".rgignore"])
        self._put(name, self.chance.choice(["a.py\n", "pkg/\n", ""]))

    def folder(self) -> None:
        self._put("b.py/inner.py", self.chance.choice(TEXTS))

    def _two(self) -> tuple[Path, Path]:
        return self.project / self.chance.choice(NAMES), self.project / self.chance.choice(NAMES)

    def _put(self, name: str, text: str) -> None:
        place = self.project / name
        for part in (place, *place.parents):
            if part.is_symlink() or part.is_file():
                part.unlink()
        if place.is_dir():
            shutil.rmtree(place)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


@pytest.mark.parametrize("rounds", [2, pytest.param(60, marks=[pytest.mark.full, pytest.mark.timeout(900)])])
async def test_after_any_change_ruff_finds_what_it_finds_in_a_fresh_container(
    house: Bench, tmp_path: Path, rounds: int
) -> None:
    project, chance = tmp_path / "project", Random(rounds)
    edits, stood = Edits(project, chance), 0
    write(project, {name: chance.choice(TEXTS) for name in NAMES[:6]})
    for _ in range(rounds):
        for _ in range(chance.choice([1, 1, 2])):
            edits.any()
        paths = chance.choice([[], [], ["pkg", "."]])
        ours, expected = await house.check(paths=paths, tools=["ruff"]), await fresh(house, paths=paths, tools=["ruff"])
        assert ours == expected
        stood += house.sandbox.standing(key(house)) is not None
    assert stood >= rounds / 2


@pytest.mark.full
@pytest.mark.parametrize("name", [name for name, linter in LINTERS.items() if linter.reads_only])
async def test_a_linter_that_only_reads_writes_nothing_and_loads_no_module_of_the_project(
    house: Bench, tmp_path: Path, name: str
) -> None:
    evil = "open('/workspace/evil', 'w').close(); raise SystemExit(99)\n"
    modules = ("sitecustomize", "usercustomize", "json", "re", "yaml", "lizard", "lizard_ext", "yamllint", "vulture")
    write(tmp_path / "project", {f"{module}.py": evil for module in (*modules, "conftest", "setup", "ruff")})
    files = {"lizard_ext/lizardx.py": evil, "yamllint/__init__.py": evil, "evil.pth": "import evil\n", "evil.py": evil}
    files |= {"a.py": "import os\n", "a.sh": "#!/bin/bash -x\n. ./b.sh\necho $1\n", "b.sh": "touch /workspace/evil\n"}
    files |= {"Dockerfile": "FROM x\nRUN touch /workspace/evil\n", "a.yaml": "a: !!python/object/apply:os.system [x]\n"}
    files |= {".github/workflows/ci.yml": "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: $X\n"}
    files |= {".yamllint": "extends: default\n", ".shellcheckrc": "external-sources=true\n", ".env": "X=1\n"}
    write(tmp_path / "project", files)
    first = await house.check(tools=[name])
    assert first.tools_run == [name], first.text()
    image = house.sandbox.standing(key(house, name))
    assert image, "its container was not kept: it wrote something, or left a doubt"
    assert await fresh(house, tools=[name]) == first


def test_a_linter_that_imports_a_projects_packages_can_not_say_that_it_only_reads(tmp_path: Path) -> None:
    text = (Pack.find().tools / "linters/mypy.tool.toml").read_text()
    (tmp_path / "mypy.tool.toml").write_text(text.replace("argv = ", "reads_only = true\nargv = ", 1))
    with pytest.raises(InvalidInput, match="does not only read"):
        read_manifest(tmp_path / "mypy.tool.toml", Linter)


@pytest.mark.full
async def test_what_is_new_since_a_commit_and_what_a_fix_leaves_are_told_as_by_fresh_containers(
    house: Bench, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    write(project, {"a.py": "import os\n", "b.py": "import re\n"})
    commit(project)
    for text in ("import os\nimport sys\n", "import sys\n", "import os\nimport json\n"):
        write(project, {"a.py": text})
        ours = await house.check(tools=["ruff"], since_ref="HEAD")
        assert ours == await fresh(house, tools=["ruff"], since_ref="HEAD")
        assert ours.known is not None
    applied = await house.fix(tools=["ruff"], paths=["a.py"], apply=True)
    assert (project / "a.py").read_text() == "", applied.text()
    assert [item.file for item in (await house.check(tools=["ruff"])).items] == ["b.py"]
