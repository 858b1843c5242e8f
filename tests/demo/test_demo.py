"""The demo as a person runs it, and that each of its checks is able to end it."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import demo
from demo_checks import Shortfall, counts_of_pytest, git, real_work, same_as_pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.full
@pytest.mark.timeout(600)
def test_the_demo_does_its_real_work_and_survives_its_kills() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "demo.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "not repeated" in done.stdout
    assert "lost" in done.stdout


def test_a_folder_that_is_no_repository_is_told_and_ends_with_1(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "demo.py"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 1
    assert "not done" in done.stdout
    assert "Traceback" not in done.stderr


STEPS: dict[str, dict[str, Any]] = {
    "test": {"exit_code": 0, "counts": {"total": 60, "passed": 60, "failed": 0, "errors": 0, "skipped": 0}},
    "lint": {"tools_run": ["ruff"], "total": 3},
    "list": {"items": [{"path": "a.py"}]},
    "search": {"items": [{"source": "a.py"}]},
    "report": {"path": "REVIEW.md"},
    "commit": {"sha": "filled in below"},
}
REPORT = "# Review\n| tests | 60 |\n| lint findings | 3 |\n"
SAID = "60 passed in 1.00s"


class Stub:
    """A server with a run's outputs, as it would tell them."""

    def __init__(self, commit: str) -> None:
        self.steps = copy.deepcopy(STEPS)
        self.steps["commit"]["sha"] = commit
        self.report = REPORT
        self.said = SAID
        self.images = ["base", "python:a"]
        self.next_image = "python:a"

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        if tool == "code_run":
            self.images = [*self.images, self.next_image]
            return {"stdout": self.said}
        assert (tool, arguments) == ("fs_read", {"path": "REVIEW.md"})
        return {"text": self.report}

    async def step(self, run: str, step: str) -> dict[str, Any]:
        assert run == "run"
        return {"output": self.steps[step]}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clone")
    git(folder, "init", "-q")
    git(folder, "commit", "-q", "--allow-empty", "-m", "one")
    return folder


@pytest.fixture
def stub(clone: Path) -> Stub:
    return Stub(git(clone, "rev-parse", "HEAD"))


async def test_steps_that_did_their_work_pass(stub: Stub, clone: Path) -> None:
    await real_work(stub, "run", clone, least=50)
    assert await same_as_pytest(stub, stub.steps["test"]["counts"], lambda: stub.images) == ("python:a", {"passed": 60})


def ends_with(code: int) -> Callable[[Stub], Any]:
    return lambda s: s.steps["test"].update(exit_code=code)


UNDONE: dict[str, Callable[[Stub], Any]] = {
    "no test": lambda s: s.steps["test"]["counts"].update(total=0),
    "too few tests": lambda s: s.steps["test"]["counts"].update(total=49),
    **{f"a runner that ended with {code}": ends_with(code) for code in (2, 3, 4, 5)},
    "a linter that is missing": lambda s: s.steps["lint"].update(missing_tools=[{"tool": "yamllint"}]),
    "a linter that broke": lambda s: s.steps["lint"].update(failed_tools=[{"tool": "ruff"}]),
    "no linter": lambda s: s.steps["lint"].update(tools_run=[]),
    "no file": lambda s: s.steps["list"].update(items=[]),
    "no hit": lambda s: s.steps["search"].update(items=[]),
    "an empty report": lambda s: setattr(s, "report", ""),
    "a report of other counts": lambda s: setattr(s, "report", REPORT.replace("60", "61")),
    "a report of other findings": lambda s: setattr(s, "report", REPORT.replace("| 3 |", "| 0 |")),
    "a commit that is not there": lambda s: s.steps["commit"].update(sha="0" * 40),
    "a tree for a commit": lambda s: s.steps["commit"].update(sha="HEAD^{tree}"),
}


@pytest.mark.parametrize("undone", UNDONE)
async def test_a_step_that_did_not_do_its_work_ends_the_demo(stub: Stub, clone: Path, undone: str) -> None:
    UNDONE[undone](stub)
    with pytest.raises(Shortfall):
        await real_work(stub, "run", clone, least=50)


@pytest.mark.parametrize(
    ("said", "image"),
    [
        ("59 passed in 1s", "python:a"),
        ("1 failed, 60 passed in 1s", "python:a"),
        ("60 passed, 1 error in 1s", "python:a"),
        ("", "python:a"),
        (SAID, "python:another"),
    ],
)
async def test_another_count_or_another_image_than_pytests_ends_the_demo(stub: Stub, said: str, image: str) -> None:
    stub.said, stub.next_image = said, image
    with pytest.raises(Shortfall):
        await same_as_pytest(stub, stub.steps["test"]["counts"], lambda: stub.images)


async def test_a_container_that_was_not_seen_is_no_proof_of_its_image(stub: Stub) -> None:
    seen = list(stub.images)
    with pytest.raises(Shortfall):
        await same_as_pytest(stub, stub.steps["test"]["counts"], lambda: seen)


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        ("1 failed, 2 passed, 3 skipped, 1 error in 0.10s", {"failed": 1, "passed": 2, "skipped": 3, "errors": 1}),
        ("2 passed, 2 errors in 0.10s", {"passed": 2, "errors": 2}),
        ("no tests ran in 0.01s", {}),
    ],
)
def test_one_error_and_two_are_counted_under_one_name(said: str, counts: dict[str, int]) -> None:
    assert counts_of_pytest(said) == counts


def test_a_shortfall_is_an_exit_of_1_however_deep_it_is_wrapped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def falls_short(path: str | None) -> None:
        raise BaseExceptionGroup("client", [ExceptionGroup("tasks", [Shortfall("no test ran")])])

    monkeypatch.setattr(demo, "demo", falls_short)
    monkeypatch.setattr(demo, "console", Console(highlight=False))
    monkeypatch.setattr(sys, "argv", ["scripts/demo"])
    assert demo.main() == 1
    assert "not done: no test ran" in capsys.readouterr().out
