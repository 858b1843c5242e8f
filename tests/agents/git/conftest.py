"""A repository of two commits, in a session of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.agents.git.bench import Bench, dispatching, plain_git

from astro_mcp.core.authority import Grant, Kind, Principal, Session


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    root = (tmp_path / "project").resolve()
    root.mkdir()
    plain_git(root, "init", "-q", "-b", "main")
    async with dispatching(tmp_path) as dispatcher:
        made = Bench(root, Session(Principal("u", Kind.STDIO), Grant(roots=(root,))), dispatcher)
        made.write("src/app.py", "def one():\n    return 1\n")
        made.write("README.md", "# Project\n")
        made.git("add", "-A")
        made.git("commit", "-q", "-m", "Begin")
        made.write("src/app.py", "def one():\n    return 1\n\n\ndef two():\n    return 2\n")
        made.git("commit", "-q", "-a", "-m", "Add two\n\nBecause one is not enough.")
        yield made
        assert list((root / ".git").rglob("*.lock")) == [], "a lock was left behind"
