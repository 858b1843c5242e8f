"""scripts/check sees every file of ours that people read."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST = "pass\n" * 400
BOUNDED = ("src/p/a.py", "tests/p/test_a.py", "benchmarks/a.py", "resources/p/a.py", "scripts/a.py", "scripts/run")


def budget(folder: Path) -> subprocess.CompletedProcess[str]:
    script = f'source "{ROOT}/scripts/check"; file_budget'
    return subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in (*BOUNDED, ".ci/run"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(":\n" * 400 if path.name == "run" else LONGEST)
    subprocess.run("git init -q && git add -A", shell=True, cwd=tmp_path, check=True)
    return tmp_path


def test_files_of_400_lines_are_within_it(checkout: Path) -> None:
    done = budget(checkout)
    assert (done.returncode, done.stdout) == (0, "  6 files, 400 lines on average\n")


@pytest.mark.parametrize("name", BOUNDED)
def test_one_line_more_fails_wherever_it_stands(checkout: Path, name: str) -> None:
    with (checkout / name).open("a") as file:
        file.write("pass\n" if name.endswith(".py") else ":\n")
    done = budget(checkout)
    assert done.returncode == 1
    assert f"over 400 lines: {name} (401)" in done.stdout


@pytest.mark.parametrize("name", ["scripts/run", ".ci/run"])
def test_a_script_that_is_no_bash_fails(checkout: Path, name: str) -> None:
    (checkout / name).write_text("if true; then\n")
    assert budget(checkout).returncode == 1


def test_whatever_in_scripts_has_no_suffix_says_that_it_is_bash() -> None:
    scripts = [path for path in (ROOT / "scripts").iterdir() if path.is_file() and not path.suffix]
    assert len(scripts) > 5
    for path in [*scripts, ROOT / ".ci" / "run"]:
        assert path.read_text().startswith("#!/usr/bin/env bash\n"), path
        assert path.stat().st_mode & 0o111, path


def test_this_checkout_is_within_it() -> None:
    assert budget(ROOT).returncode == 0


def test_every_module_is_formatted_linted_and_typed() -> None:
    script = (ROOT / "scripts" / "check").read_text()
    linted = re.search(r"^places=\((.+)\)$", script, re.MULTILINE)
    assert linted
    typed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["files"]
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    modules = [Path(name) for name in listed.stdout.splitlines()]
    assert len(modules) > 300
    for places in (linted[1].split(), typed):
        assert [name for name in modules if not any(name.is_relative_to(place) for place in places)] == []
