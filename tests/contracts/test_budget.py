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


def test_two_workers_have_720_seconds_for_all_suites_and_every_suite_has_a_budget() -> None:
    budget = tomllib.loads((TESTS / "budget.toml").read_text())
    assert budget["whole"]["suites"] == 720
    assert sum(budget["suites"].values()) <= 2 * 720
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
    budget = Budget(TESTS.parent, full=False)
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
    done = run(tmp_path)
    assert "1 passed" in done.stdout
    lines = [line for line in done.stdout.splitlines() if line.endswith("OVER BUDGET")]
    assert [line[:14].rstrip() for line in lines] == over
    assert done.returncode == bool(over)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Pytest in `folder`, without the plugins that are installed here."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(folder),
        *arguments,
        str(folder),
    ]
    bare = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, cwd=folder, env=bare, capture_output=True, text=True, check=False)


ONE_OF_TWO = """
import logging
import time
from pathlib import Path
import pytest

NOTES = Path(__file__).parent
OTHER = {other!r}

def noted(name):
    (NOTES / name).touch()

def seen(name):
    for _ in range(500):
        if (NOTES / name).exists():
            return True
        time.sleep(0.01)
    return False

def test_side_by_side():
    noted(Path(__file__).stem)
    assert seen(OTHER), "each waits for the other: they run at once"

@pytest.mark.alone
def test_alone():
    (NOTES / "busy").mkdir()
    time.sleep(0.2)
    (NOTES / "busy").rmdir()

@pytest.mark.parametrize("turn", range(20))
def test_beside(turn):
    assert not (NOTES / "busy").exists()
    time.sleep(0.02)
    logging.getLogger().warning("half a character: \\ud800")
    assert turn != 19
"""


def test_two_workers_run_side_by_side_but_for_a_test_that_is_alone_and_their_seconds_are_counted(
    tmp_path: Path,
) -> None:
    for name, other in (("test_one", "test_two"), ("test_two", "test_one")):
        (tmp_path / "suite").mkdir(exist_ok=True)
        (tmp_path / "suite" / f"{name}.py").write_text(ONE_OF_TWO.format(other=other))
    shutil.copy(TESTS / "conftest.py", tmp_path)
    (tmp_path / "budget.toml").write_text("[whole]\nsuites = 60\n[suites]\nsuite = 0.5\n[full]\n")
    done = run(tmp_path, "-p", "xdist", "--numprocesses", "2", "--dist", "loadfile")
    assert "2 failed, 42 passed" in done.stdout
    assert r"half a character: \ud800" in done.stdout, "what a failed test wrote"
    assert [line for line in done.stdout.splitlines() if line.endswith("of 0.5  OVER BUDGET")]
