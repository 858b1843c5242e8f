"""A trap for each test of hostile repositories."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.agents.git.bench import dispatching
from tests.security.trap import OUTSIDE, Trap

from astro_mcp.core.authority import Grant, Kind, Principal, Session


@pytest.fixture
async def trap(tmp_path: Path) -> AsyncIterator[Trap]:
    root, outside = (tmp_path / "root").resolve(), (tmp_path / "outside").resolve()
    root.mkdir()
    outside.mkdir()
    marker, script = outside / "marker", outside / "run.sh"
    script.write_text(f"#!/bin/sh\ntouch {marker}\nexit 0\n")
    script.chmod(0o755)
    (outside / "secret.txt").write_text(f"{OUTSIDE}\n")
    session = Session(Principal("u", Kind.STDIO), Grant(roots=(root,)))
    async with dispatching(tmp_path) as dispatcher:
        made = Trap(root, outside, marker, script, session, dispatcher)
        made.git("init", "-q", "-b", "main")
        for number in (1, 2):
            made.write("a.txt", f"{number}\n")
            made.git("add", "-A")
            made.git("commit", "-q", "-m", f"Begin {number}")
        made.write("a.txt", "3\n")
        made.write("untracked.txt", "x\n")
        yield made
