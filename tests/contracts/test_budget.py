"""The budget of seconds is a promise about the whole, and a run that breaks it fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.conftest import Budget

TESTS = Path(__file__).parent.parent


def test_the_suites_share_720_seconds_and_every_suite_has_a_budget() -> None:
    budget = tomllib.loads((TESTS / "budget.toml").read_text())
    assert sum(budget["suites"].values()) <= 720
    suites = {path.parent.relative_to(TESTS).parts[0] for path in TESTS.rglob("test_*.py")}
    assert suites == set(budget["suites"]) == set(budget["full"])


def ended(seconds: dict[str, float], spent: dict[str, float], status: int = pytest.ExitCode.OK) -> int:
    """The exit status of a run that was to end with `status`, had these seconds and spent those."""
    budget = Budget(full=False)
    budget.seconds = seconds
    budget.spent.update(spent)
    session: Any = SimpleNamespace(exitstatus=status)
    budget.pytest_sessionfinish(session)
    return int(session.exitstatus)


def test_a_suite_within_its_seconds_leaves_the_run_as_it_is() -> None:
    assert ended({"x": 1, "y": 1}, {"x": 1.0}) == pytest.ExitCode.OK


def test_a_suite_over_its_seconds_fails_the_run() -> None:
    assert ended({"x": 1, "y": 9}, {"x": 2, "y": 1}) == pytest.ExitCode.TESTS_FAILED


def test_a_suite_without_a_line_fails_the_run() -> None:
    assert ended({"x": 1}, {"x": 0.5, "newcomer": 0.001}) == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize("status", [pytest.ExitCode.INTERRUPTED, pytest.ExitCode.NO_TESTS_COLLECTED])
def test_a_run_that_failed_in_another_way_keeps_its_status(status: int) -> None:
    assert ended({"x": 1}, {"x": 2}, status) == status


@pytest.mark.parametrize(("seconds", "status"), [("0", 1), ("3600", 0)])
def test_pytest_itself_ends_with_1_where_a_suite_of_passing_tests_took_longer(
    tmp_path: Path, seconds: str, status: int
) -> None:
    (tmp_path / "suite").mkdir()
    shutil.copy(TESTS / "conftest.py", tmp_path)
    (tmp_path / "budget.toml").write_text(f"[suites]\nsuite = {seconds}\n[full]\n")
    (tmp_path / "suite" / "test_one.py").write_text("def test_nothing() -> None:\n    pass\n")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    bare = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=bare, capture_output=True, text=True, check=False)
    assert "1 passed" in done.stdout
    assert ("OVER BUDGET" in done.stdout) is bool(status)
    assert done.returncode == status
