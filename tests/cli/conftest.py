"""One data folder whose daemon the tests of this folder share, and one of a test's own for those that harm it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.daemon.home import Home, home

HOSTILE = "plain\x1b[31mred\x1b[0m\x1b]0;title\x07\u202edesrever\x9b2J\n"
WAITING = """
name: story
steps:
  - id: gate
    approve: {message: "Go on?", level: operator}
  - id: tale
    needs: [gate]
    ask: Tell it.
    answer: {markdown: string}
outputs: {told: "${{ steps.tale.markdown }}"}
"""
SLOW = """
name: slow
steps:
  - id: sleep
    tool: code_run
    with: {language: python, code: "import time; time.sleep(60)"}
"""


def furnish(project: Path) -> None:
    (project / "a.txt").write_text("hello\n")
    (project / "hostile.txt").write_text(HOSTILE)
    (project / "bad\x1b[31mname.txt").write_text("x\n")
    (project / "story.yaml").write_text(WAITING)
    (project / "slow.yaml").write_text(SLOW)
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=project, check=True)


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Home]:
    with home(tmp_path) as made:
        furnish(made.project)
        yield made


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, known_engine: Callable[[Path], None]) -> Iterator[Home]:
    with home(tmp_path_factory.mktemp("cli")) as made:
        furnish(made.project)
        known_engine(made.folder / "images")
        yield made
