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


def test_the_suites_share_856_seconds_and_every_suite_has_a_budget() -> None:
    budget = tomllib.loads((TESTS / "budget.toml").read_text())
    assert sum(budget["suites"].values()) <= 856 == budget["whole"]["suites"]
    assert sum(budget["full"].values()) >= budget["whole"]["full"]
    suites = {path.parent.relative_to(TESTS).parts[0] for path in TESTS.rglob("test_*.py")}
    assert suites == set(budget["suites"]) == set(budget["full"])


def test_no_suites_long_form_has_less_than_its_short_form_which_is_part_of_it() -> None:
    budget = tomllib.loads((TESTS / "budget.toml").read_text())
    assert [name for name, seconds in budget["suites"].items() if budget["full"][name] < seconds] == []


def ended(
    seconds: dict[str, float],
    spent: dict[str, float],
    status: int = pytest.ExitCode.OK,
    whole: float = 0,
) -> int:
    """The exit status of a run that was to end with `status`, had these seconds and spent those, `whole` in all."""
    budget = Budget(full=False)
    budget.seconds = seconds
    budget.spent.update(spent)
    budget.began -= whole
    session: Any = SimpleNamespace(exitstatus=status)
    budget.pytest_sessionfinish(session)
    return int(session.exitstatus)


def test_a_suite_within_its_seconds_leaves_the_run_as_it_is() -> None:
    assert ended({"x": 1, "y": 1}, {"x": 1.0}) == pytest.ExitCode.OK


def test_a_suite_over_its_seconds_fails_the_run() -> None:
    assert ended({"x": 1, "y": 9}, {"x": 2, "y": 1}) == pytest.ExitCode.TESTS_FAILED


def test_a_suite_without_a_line_fails_the_run() -> None:
    assert ended({"x": 1}, {"x": 0.5, "newcomer": 0.001}) == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize(("whole", "status"), [(700, pytest.ExitCode.OK), (913, pytest.ExitCode.TESTS_FAILED)])
def test_what_lies_outside_of_every_suite_counts_for_the_whole_run(whole: float, status: int) -> None:
    assert ended({"x": 1}, {"x": 0.5}, whole=whole) == status


@pytest.mark.parametrize("status", [pytest.ExitCode.INTERRUPTED, pytest.ExitCode.NO_TESTS_COLLECTED])
def test_a_run_that_failed_in_another_way_keeps_its_status(status: int) -> None:
    assert ended({"x": 1}, {"x": 2}, status) == status


@pytest.mark.parametrize(
    ("seconds", "whole", "over"),
    [(0, 0.2, ["suite", "the whole run"]), (3600, 3600, [])],
)
def test_pytest_itself_ends_with_1_where_a_suite_of_passing_tests_or_the_whole_took_longer(
    tmp_path: Path, seconds: float, whole: float, over: list[str]
) -> None:
    (tmp_path / "suite").mkdir()
    shutil.copy(TESTS / "conftest.py", tmp_path)
    (tmp_path / "budget.toml").write_text(f"[whole]\nsuites = {whole}\n[suites]\nsuite = {seconds}\n[full]\n")
    collected = "import time\ntime.sleep(0.2)\n\ndef test_nothing() -> None:\n    pass\n"
    (tmp_path / "suite" / "test_one.py").write_text(collected)
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
    lines = [line for line in done.stdout.splitlines() if line.endswith("OVER BUDGET")]
    assert [line[:14].rstrip() for line in lines] == over
    assert done.returncode == bool(over)
