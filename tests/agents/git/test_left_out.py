"""Steps over files that a sparse checkout, or a clone of ours, leaves out: they stay out, and stand against nothing."""

from __future__ import annotations

import pytest
from tests.agents.git.bench import Bench

from astro_mcp.errors import Conflict


@pytest.fixture
def side(bench: Bench) -> str:
    """A branch that changes `CLAUDE.md`, which is left out on main, and `README.md`."""
    bench.write("CLAUDE.md", "begun\n")
    bench.git("add", "-A")
    bench.git("commit", "-q", "-m", "Begin")
    bench.git("switch", "-q", "-c", "side")
    bench.write("CLAUDE.md", "changed\n")
    bench.write("README.md", "# Changed\n")
    bench.git("commit", "-q", "-a", "-m", "Side")
    bench.git("switch", "-q", "main")
    bench.git("update-index", "--skip-worktree", "CLAUDE.md")
    (bench.root / "CLAUDE.md").unlink()
    return "side"


async def test_a_file_that_is_left_out_stays_out_through_a_merge_and_its_undo(bench: Bench, side: str) -> None:
    merged = await bench.call("git_merge", **{"from": side})
    assert merged.files == ["README.md"]
    assert not (bench.root / "CLAUDE.md").exists()
    assert bench.git("status", "--porcelain") == ""
    assert bench.git("ls-files", "-v").splitlines() == ["S CLAUDE.md", "H README.md", "H src/app.py"]
    await bench.call("git_undo", recovery_ref=merged.recovery_ref)
    assert bench.git("status", "--porcelain") == ""
    assert "S CLAUDE.md" in bench.git("ls-files", "-v")


async def test_one_that_is_there_all_the_same_is_not_overwritten(bench: Bench, side: str) -> None:
    bench.write("CLAUDE.md", "mine\n")
    for tool, arguments in (("git_merge", {"from": side}), ("git_branch", {"name": side, "action": "switch"})):
        error = (await bench.result(tool, **arguments)).error
        assert isinstance(error, Conflict)
        assert [problem.path for problem in error.problems] == ["CLAUDE.md"]
    assert (bench.root / "CLAUDE.md").read_text() == "mine\n"


async def test_a_step_that_takes_one_away_could_not_be_taken_back_and_is_refused(bench: Bench, side: str) -> None:
    bench.git("branch", "without", "HEAD~1")
    assert isinstance((await bench.result("git_branch", name="without", action="switch")).error, Conflict)
    assert bench.git("branch", "--show-current").strip() == "main"
