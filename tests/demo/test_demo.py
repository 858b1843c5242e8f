"""The demo as a person runs it, and that each of its checks is able to end it."""

from __future__ import annotations

import copy
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console

import demo
import demo_target
from demo_checks import Shortfall, counts_of_pytest, git, real_work, same_as_pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.full
@pytest.mark.timeout(600)
def test_the_demo_does_its_real_work_and_survives_its_kills() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "demo.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "not repeated" in done.stdout
    assert "with one commit on once-" in done.stdout


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("detached", [False, True])
def test_it_does_on_any_repository_of_a_person_who_stands_elsewhere(tmp_path: Path, detached: bool) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "sums.py").write_text("def add(a, b):\n    return a + b\n")
    (project / "test_sums.py").write_text("from sums import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n")
    (project / "README.md").write_text("The main entry point is `add`, and what it does first is also the last.\n")
    (project / "REVIEW.md").write_text("# What we think of it ourselves\n")
    git(project, "init", "-q", "-b", "trunk")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "one")
    if detached:
        git(project, "switch", "-q", "--detach")
    before = (git(project, "for-each-ref"), git(project, "status", "--porcelain", "--branch"))
    command = [str(ROOT / "scripts" / "demo"), "project"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "project, cloned" in done.stdout
    assert "with one commit on once-" in done.stdout
    assert (git(project, "for-each-ref"), git(project, "status", "--porcelain", "--branch")) == before


def test_the_script_stays_in_the_folder_that_a_path_is_relative_to(tmp_path: Path) -> None:
    checkout, elsewhere = tmp_path / "check out", tmp_path / "elsewhere"
    for folder in (checkout / "scripts", checkout / ".venv" / "bin", elsewhere):
        folder.mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "demo", checkout / "scripts")
    for name, body in (("scripts/setup", 'cd /; echo "set up"'), (".venv/bin/python", 'pwd -P; printf "%s\\n" "$@"')):
        (checkout / name).write_text(f"#!/bin/bash\n{body}\n")
        (checkout / name).chmod(0o755)
    command = [os.path.relpath(checkout / "scripts" / "demo", elsewhere), "../a project", "--record", "run.svg"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=elsewhere)
    given = [str(checkout / "scripts" / "demo.py"), "../a project", "--record", "run.svg"]
    assert done.stdout.splitlines() == ["set up", str(elsewhere), *given]


def test_a_repository_without_a_commit_is_told(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    git(source, "init", "-q")
    with pytest.raises(Shortfall, match="it has no commit"):
        demo.prepare(str(source), tmp_path)


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


DONE = {"status": "succeeded", "steps": []}


def reviewed(clone: Path, times: int) -> None:
    for number in range(times):
        (clone / "REVIEW.md").write_text(f"# Review {number}\n")
        git(clone, "add", "REVIEW.md")
        git(clone, "commit", "-q", "-m", "Review")


@pytest.fixture
def trunk(tmp_path: Path) -> tuple[Path, str]:
    """A clone on the branch of a run that was killed in its commit, and the commit that it began at. No branch is
    called main, and there was a REVIEW.md before."""
    git(tmp_path, "init", "-q", "-b", "trunk")
    reviewed(tmp_path, 2)
    base = git(tmp_path, "rev-parse", "HEAD")
    git(tmp_path, "switch", "-q", "-c", "once-1")
    return tmp_path, base


@pytest.mark.parametrize(("status", "commits"), [("succeeded", 1), ("succeeded", 0), ("succeeded", 2), ("waiting", 1)])
def test_a_killed_commit_has_to_be_there_once_in_a_run_that_went_on(
    trunk: tuple[Path, str], status: str, commits: int
) -> None:
    clone, base = trunk
    reviewed(clone, commits)
    whole = nullcontext() if (status, commits) == ("succeeded", 1) else pytest.raises(Shortfall)
    with whole:
        demo.committed_once(clone, f"{base}..once-1", {**DONE, "status": status})


async def test_every_try_of_the_third_run_begins_where_the_clone_began(
    trunk: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clone, base = trunk
    began, decided = [], []

    @asynccontextmanager
    async def host(home: Path, clone: Path) -> AsyncIterator[None]:
        yield

    async def start(server: None, branch: str) -> str:
        began.append(git(clone, "rev-parse", "HEAD"))
        git(clone, "switch", "-q", "-c", f"{branch}-of-this-test")
        reviewed(clone, 1)
        return branch

    async def killed_in_the_commit(server: None, home: Path, run: str) -> bool:
        return run == "once-3"

    async def follow(*_: Any) -> dict[str, Any]:
        return DONE

    def committed_once(clone: Path, made: str, status: object) -> None:
        decided.append(made)

    for stub in (host, start, killed_in_the_commit, follow, committed_once):
        monkeypatch.setattr(demo, stub.__name__, stub)
    await demo.third_run(clone, clone, base)
    assert began == [base] * 3
    assert decided == [f"{base}..once-3"]


SDIST = b"the source of a package"
PINNED = hashlib.sha256(SDIST).hexdigest()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What an index that has the package `thing` is asked for."""
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.path)
        if request.url.path == "/simple/thing/":
            return httpx.Response(200, json={"files": [{"filename": "thing-1.0.tar.gz", "url": "../../f/thing"}]})
        return httpx.Response(200, content=SDIST)

    client = partial(httpx.Client, transport=httpx.MockTransport(answer))
    monkeypatch.setattr(httpx, "Client", client)
    monkeypatch.setattr(demo_target, "index", lambda: "https://index.example/simple/")
    return seen


def test_the_target_is_fetched_once_and_again_where_the_kept_file_is_another(asked: list[str], tmp_path: Path) -> None:
    for times in (1, 1):
        kept = demo_target.fetch("thing", "1.0", PINNED, tmp_path)
        assert kept.read_bytes() == SDIST
        assert asked == ["/simple/thing/", "/f/thing"] * times
    kept.write_bytes(b"another")
    assert demo_target.fetch("thing", "1.0", PINNED, tmp_path).read_bytes() == SDIST
    assert asked == ["/simple/thing/", "/f/thing"] * 2


def test_a_file_that_is_not_the_pinned_one_ends_the_demo_and_is_not_kept(asked: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="its sha256 is another"):
        demo_target.fetch("thing", "1.0", "0" * 64, tmp_path)
    assert asked
    assert list(tmp_path.iterdir()) == []


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
