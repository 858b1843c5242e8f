"""What a project's build makes, and its tests need: files that `.gitignore` hides, and a version."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.agents.tests.bench import Bench, write

from astro_mcp.agents.tests.metadata import made_up, metadata
from astro_mcp.sandbox.job import SandboxFile


async def test_generated_modules_that_gitignore_hides_are_imported_and_ignored_folders_stay_out(
    house: Bench, project: Path
) -> None:
    ignored = "_version.py\n*_pb2.py\n*.log\n/build/\n"
    made = dict.fromkeys(("pkg/_version.py", "pkg/a_pb2.py", "build/test_old.py", "pkg/a.log"), "V = 1\n")
    test = "import os, pkg.a_pb2\nfrom pkg._version import V\ndef test_v(): assert not os.path.exists('pkg/a.log')\n"
    write(project, {".gitignore": ignored, "pkg/__init__.py": "", "test_a.py": test} | made)
    result = await house.run()
    assert (result.counts.passed, result.counts.total, result.failures) == (1, 1, [])


DYNAMIC = """[project]
name = "toy-x"
dynamic = ["version"]
description = "Two\\nlines"
authors = [{name = "Ann", email = "ann@example.org"}]
[project.urls]
Home = "https://example.org"
"""


async def test_a_version_that_a_build_makes_is_told_as_none_and_the_suite_runs(house: Bench, project: Path) -> None:
    asks = "import importlib.metadata as m\n__version__ = m.version('toy-x')\nABOUT = m.metadata('toy-x')\n"
    test = (
        "import toy_x\ndef test_it():\n    assert toy_x.__version__ == '0.0.0'\n"
        "    assert toy_x.ABOUT['Summary'].startswith('Two')\n"
        "    assert toy_x.ABOUT['Author-email'] == 'Ann <ann@example.org>'\n"
        "    assert toy_x.ABOUT['Project-URL'] == 'Home, https://example.org'\n"
    )
    write(project, {"pyproject.toml": DYNAMIC, "src/toy_x/__init__.py": asks, "test_a.py": test})
    result = await house.run()
    assert (result.counts.passed, result.failures) == (1, [])
    assert [line.partition(" (")[0] for line in result.left_out] == ["pyproject.toml"]


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject.toml": DYNAMIC, "toy_x/__init__.py": '"""Toy."""\n\n__version__: str = "4.2"\n'},
        {"pyproject.toml": DYNAMIC, "src/toy_x/_version.py": "__version__ = version = '4.2'\n"},
        {"pyproject.toml": f"{DYNAMIC}[tool.hatch.version]\npath = 'a/v.py'\n", "a/v.py": "VERSION = '4.2'\n"},
        {"pyproject.toml": "[tool.poetry]\nname = 'toy-x'\nversion = '4.2'\n"},
        {"pyproject.toml": f"{DYNAMIC}[tool.poetry]\nversion = '4.2'\n"},
        {"setup.cfg": "[metadata]\nname = toy-x\nversion = 4.2\n", "pyproject.toml": "[build-system]\n"},
        {"setup.cfg": "[metadata]\nname = toy-x\nversion = file: VERSION\n", "VERSION": "4.2\n"},
        {"setup.cfg": "[metadata]\nname = toy-x\nversion = attr: q.v.V\n", "src/q/v.py": "import x\nV = '4.2'\n"},
        {"setup.py": "import setuptools as s\nV = '4.2'\ns.setup(name='toy-x', version=V)\n"},
        {"setup.py": "setup(name='no', version='4.2')\n", "setup.cfg": "[metadata]\nname = toy-x\n"},
    ],
)
def test_a_version_that_is_written_down_elsewhere_is_found(files: dict[str, str]) -> None:
    copy = {path: SandboxFile(path, text.encode()) for path, text in files.items()}
    assert next(file.path for file in metadata(copy)) == ".astro/toy_x-4.2.dist-info/METADATA"
    assert made_up(copy) == []


LEGACY = """[metadata]
name = toy-x
[options]
install_requires =
    iniconfig>=2
[options.extras_require]
test = six
[options.entry_points]
toys =
    it = toy_x:it
"""


async def test_a_project_of_setup_cfg_has_its_packages_its_metadata_and_its_entry_points(
    house: Bench, project: Path
) -> None:
    test = (
        "import importlib.metadata as m, iniconfig, six, toy_x\n"
        "def test_it():\n    assert m.version('toy-x') == '0.0.0'\n"
        "    assert m.entry_points(group='toys')['it'].value == 'toy_x:it'\n"
    )
    write(project, {"setup.cfg": LEGACY, "setup.py": "setup(version=f())", "toy_x/__init__.py": "", "test_a.py": test})
    result = await house.run()
    assert (result.counts.passed, result.failures) == (1, [])
    assert [line.partition(" (")[0] for line in result.left_out] == ["setup.cfg"]


async def test_the_assertions_in_a_plugin_of_pytest_under_test_are_rewritten(house: Bench, project: Path) -> None:
    about = "[project]\nname = 'toy-x'\nversion = '1'\n[project.entry-points.pytest11]\ntoy = 'toy_x'\n"
    plugin = "import pytest\n@pytest.fixture\ndef check():\n    def it(a, b): assert a == b\n    return it\n"
    write(project, {"pyproject.toml": about, "test_a.py": "def test_it(check): check([1, 2], [1, 3])\n"})
    write(project, {"setup.py": "raise SystemExit\n"})
    for path in ("toy_x.py", "src/toy_x/__init__.py"):
        write(project, {path: plugin})
        [failure] = (await house.run()).failures
        assert (failure.file, failure.message[:23]) == (path, "assert [1, 2] == [1, 3]")
        (project / path).unlink()


async def test_the_projects_below_one_can_be_imported_by_the_tests_of_all(house: Bench, project: Path) -> None:
    for name in "ab":
        write(project, {f"libs/{name}/pyproject.toml": "", f"libs/{name}/src/toy_{name}/__init__.py": ""})
        write(project, {f"libs/{name}/tests/test_{name}.py": f"import toy_{name}, toy_b\ndef test_it(): pass\n"})
    write(project, {"pyproject.toml": "[tool.uv.workspace]\nmembers = ['libs/*']\n"})
    assert (await house.run()).counts.passed == 2


async def test_the_projects_own_programs_are_there_for_its_tests(house: Bench, project: Path) -> None:
    about = "[project]\nname = 'toy-x'\nversion = '1'\n[project.scripts]\n"
    about += "toy = 'toy_x.main:App.run'\nsh = 'no:no'\n'..' = 'no:no'\n"
    main = "import sys\nclass App:\n    @staticmethod\n    def run(): print(sys.argv[1:]); return 3\n"
    test = (
        "import subprocess as s\n"
        "def test_it(tmp_path):\n"
        "    done = s.run(['toy', 'a'], capture_output=True, cwd=tmp_path)\n"
        "    assert (done.returncode, done.stdout) == (3, b\"['a']\\n\")\n"
        "    s.run('exit 0', shell=True, check=True)\n"
    )
    write(project, {"pyproject.toml": about, "src/toy_x/main.py": main, "test_a.py": test})
    result = await house.run()
    assert (result.counts.passed, result.failures) == (1, [])
