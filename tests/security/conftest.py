"""A trap for each test of hostile repositories."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.agents.git.bench import dispatching, plain_git
from tests.security.trap import OUTSIDE, Trap

from astro_mcp.core.authority import Grant, Kind, Principal, Session


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of two commits, and of a branch `beside` that merges without a conflict; each trap gets a copy."""
    root = tmp_path_factory.mktemp("begun") / "root"
    root.mkdir()
    plain_git(root, "init", "-q", "-b", "main")
    for number in (1, 2):
        (root / "a.txt").write_text(f"{number}\n")
        plain_git(root, "add", "-A")
        plain_git(root, "commit", "-q", "-m", f"Begin {number}")
    plain_git(root, "checkout", "-q", "-b", "beside", "HEAD~1")
    (root / "beside.txt").write_text("beside\n")
    plain_git(root, "add", "-A")
    plain_git(root, "commit", "-q", "-m", "Beside")
    plain_git(root, "checkout", "-q", "main")
    return root


@pytest.fixture
async def trap(tmp_path: Path, begun: Path) -> AsyncIterator[Trap]:
    root, outside = (tmp_path / "root").resolve(), (tmp_path / "outside").resolve()
    shutil.copytree(begun, root)
    outside.mkdir()
    marker, script = outside / "marker", outside / "run.sh"
    script.write_text(f"#!/bin/sh\ntouch {marker}\nexit 0\n")
    script.chmod(0o755)
    (outside / "secret.txt").write_text(f"{OUTSIDE}\n")
    session = Session(Principal("u", Kind.STDIO), Grant(roots=(root,)))
    async with dispatching(tmp_path) as dispatcher:
        made = Trap(root, outside, marker, script, session, dispatcher)
        made.write("a.txt", "3\n")
        made.write("untracked.txt", "x\n")
        yield made
