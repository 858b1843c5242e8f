"""kill -9 in the middle of a change set: after the next start all of it happened, or nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from astro_mcp.config import SecretSettings
from astro_mcp.core.authority import Grant, Kind, Principal, Session
from astro_mcp.core.ports import SystemClock
from astro_mcp.errors import NotFound
from astro_mcp.store.artifacts import Artifacts
from astro_mcp.store.database import Database
from astro_mcp.workspace.changes import Changes
from astro_mcp.workspace.workspace import Workspace

COUNT = 100


def wait_for(condition: Path, text: str, child: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while condition.read_text() != text:
        assert time.monotonic() < until, "the change never began"
        assert child.poll() is None, "the child ended by itself"


@pytest.mark.parametrize("at", [0, COUNT // 2, COUNT - 1])
async def test_a_killed_change_set_is_rolled_back_at_the_next_start(tmp_path: Path, at: int) -> None:
    root, data = (tmp_path / "root").resolve(), tmp_path / "data"
    root.mkdir()
    data.mkdir()
    for number in range(COUNT):
        (root / f"{number:04}.txt").write_text(f"before {number}\n")
    child = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("crash_child.py")), str(root), str(data)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    try:
        wait_for(root / f"{at:04}.txt", "after\n", child)
    finally:
        child.kill()
        output, _ = child.communicate()
    assert b"acknowledged" not in output
    async with Database.open(data / "astro.db") as database:
        clock = SystemClock()
        artifacts = Artifacts(database, data / "artifacts", clock)
        changes = Changes(Workspace(SecretSettings()), database, artifacts, clock)
        assert await changes.recover() == 1
        assert await changes.recover() == 0
        found = {path.name: path.read_text() for path in root.iterdir() if path.is_file()}
        assert found == {f"{number:04}.txt": f"before {number}\n" for number in range(COUNT)}
        assert not (root / "made").exists()
        session = Session(Principal("u", Kind.STDIO), Grant(roots=(root,)))
        with pytest.raises(NotFound):
            await changes.undo(session)
