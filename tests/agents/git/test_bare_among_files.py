"""A bare repository among a commit's files: no step and no worktree brings it, for git run in it would obey it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.agents.git.bench import Bench, plain_git
from tests.agents.git.grove import Trees, traces

from astro_mcp.errors import AstroError, ProtectedPath
from astro_mcp.workspace.git_parts import completing

PARTS = ("HEAD", "config", "objects/x", "refs/x")


def committed(bench: Bench, branch: str, *paths: str) -> None:
    bench.git("switch", "-q", "-c", branch)
    for path in paths:
        bench.write(path, "ref: refs/heads/main\n" if path.endswith("HEAD") else "\n")
    bench.git("add", "-A", "-f")
    bench.git("commit", "-q", "-m", "Parts")


@pytest.fixture
def hostile(bench: Bench) -> Bench:
    committed(bench, "hostile", *(f"in\nner/{part}" for part in PARTS))
    bench.git("switch", "-q", "main")
    return bench


def refused(error: AstroError | None) -> None:
    assert isinstance(error, ProtectedPath), error
    assert "in\\nner" in error.message
    assert "a folder that git takes for its own" in error.message


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("git_branch", {"action": "switch", "name": "hostile"}),
        ("git_merge", {"from": "hostile"}),
        ("git_branch", {"action": "worktree", "name": "hostile"}),
        ("git_branch", {"action": "worktree", "name": "new", "from": "hostile"}),
    ],
)
async def test_no_step_and_no_worktree_brings_a_whole_repository(
    hostile: Bench, tool: str, arguments: dict[str, Any]
) -> None:
    refs = hostile.git("for-each-ref")
    refused((await hostile.result(tool, **arguments)).error)
    assert hostile.git("for-each-ref") == refs
    assert hostile.git("status", "--porcelain", "-b").strip() == "## main"
    assert list(hostile.root.rglob("refs/x")) == []
    assert hostile.git("worktree", "list").count("\n") == 1


async def test_a_step_does_not_add_what_a_folder_lacked(bench: Bench) -> None:
    bench.write("inner/HEAD", "ref: refs/heads/main\n")
    bench.git("add", "-A")
    bench.git("commit", "-q", "-m", "A file of this name")
    committed(bench, "parts", "inner/objects/x", "inner/refs/x")
    bench.git("switch", "-q", "main")
    assert isinstance((await bench.result("git_branch", action="switch", name="parts")).error, ProtectedPath)
    assert [path.name for path in (bench.root / "inner").iterdir()] == ["HEAD"]


async def test_no_worktree_of_a_run_holds_one(hostile: Bench, trees: Trees) -> None:
    hostile.git("merge", "-q", "--ff-only", "hostile")
    with pytest.raises(ProtectedPath) as caught:
        await trees.make()
    refused(caught.value)
    assert traces(hostile) == []


async def test_one_that_is_there_is_read_and_stays_through_other_steps(hostile: Bench) -> None:
    hostile.git("merge", "-q", "--ff-only", "hostile")
    hostile.git("switch", "-q", "-c", "next")
    hostile.write("README.md", "next\n")
    hostile.git("commit", "-q", "-a", "-m", "Next")
    assert (await hostile.call("fs_read", path="in\nner/HEAD")).content == "ref: refs/heads/main\n"
    assert (await hostile.call("git_status")).branch == "next"
    done = await hostile.call("git_branch", action="switch", name="main")
    assert done.files == ["README.md"]
    await hostile.call("git_undo", recovery_ref=done.recovery_ref)
    assert (hostile.root / "README.md").read_text() == "next\n"


async def test_parts_that_make_no_repository_come(bench: Bench, tmp_path: Path) -> None:
    committed(bench, "parts", "a/HEAD", "b/objects/x", "b/refs/x", "c/config", "d/HEAD/objects/x", "d/refs/x")
    bench.git("switch", "-q", "main")
    made = await bench.call("git_branch", action="worktree", name="new", **{"from": "parts"})
    assert plain_git(Path(made.path), "status", "--porcelain") == ""
    await bench.call("git_branch", action="switch", name="parts")
    assert bench.git("status", "--porcelain", "-b").strip() == "## parts"


def test_every_spelling_of_a_head_completes_a_repository() -> None:
    paths = ["a/HEAD", "a/head", "a/objects/x", "a/config", "b/HEAD/x", "b/refs/x", "b/config/x", "c/HEAD", "c/config"]
    assert sorted(completing(paths)) == ["a/HEAD", "a/config", "a/head"]
