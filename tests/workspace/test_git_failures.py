"""What git says when it fails, as errors that a model can act on."""

from __future__ import annotations

from pathlib import Path

import pytest

from astro_mcp.errors import Conflict, Unsupported
from astro_mcp.workspace.git.child import Ran, run_git
from astro_mcp.workspace.git.repository import _failure


def test_a_file_that_went_away_while_it_was_read_is_a_conflict() -> None:
    said = "error: a.txt: does not exist and --remove not passed\nfatal: Unable to process path a.txt\n"
    assert isinstance(_failure(Ran(128, b"", said)), Conflict)
    assert isinstance(_failure(Ran(128, b"", "fatal: Unable to process path a.txt\n")), Unsupported)


async def test_a_folder_that_went_away_before_git_was_started_in_it_is_a_conflict(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for gone in ("gone", "file"):
        with pytest.raises(Conflict, match="went away"):
            await run_git(["version"], folder=tmp_path / gone, environment={})
