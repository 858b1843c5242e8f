"""A repository of two commits, in a session of its own."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.agents.git.bench import Bench, dispatching, plain_git
from tests.agents.git.grove import Trees

from astro_mcp.core.authority import Grant, Kind, Principal, Session


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository that each test gets a copy of: five processes are started once."""
    root = tmp_path_factory.mktemp("begun") / "project"
    (root / "src").mkdir(parents=True)
    plain_git(root, "init", "-q", "-b", "main")
    (root / "src/app.py").write_text("def one():\n    return 1\n")
    (root / "README.md").write_text("# Project\n")
    plain_git(root, "add", "-A")
    plain_git(root, "commit", "-q", "-m", "Begin")
    (root / "src/app.py").write_text("def one():\n    return 1\n\n\ndef two():\n    return 2\n")
    plain_git(root, "commit", "-q", "-a", "-m", "Add two\n\nBecause one is not enough.")
    return root


@pytest.fixture
async def bench(tmp_path: Path, begun: Path) -> AsyncIterator[Bench]:
    root = (tmp_path / "project").resolve()
    shutil.copytree(begun, root)
    async with dispatching(tmp_path) as dispatcher:
        yield Bench(root, Session(Principal("u", Kind.STDIO), Grant(roots=(root,))), dispatcher)
        assert list((root / ".git").rglob("*.lock")) == [], "a lock was left behind"


@pytest.fixture
def trees(bench: Bench, tmp_path: Path) -> Trees:
    return Trees(bench, tmp_path / "trees")
