"""A branch in a folder of its own, for hosts: a worktree as git would have made it, closed where nothing is lost."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.agents.git.bench import Bench, plain_git

from astro_mcp.errors import Conflict, InvalidInput, NotFound, PathDenied, Unsupported


async def made(bench: Bench, name: str = "fix/login") -> Path:
    return Path((await bench.call("git_branch", action="worktree", name=name)).path)


async def test_a_branch_gets_a_folder_that_is_worked_in_and_closed(bench: Bench) -> None:
    folder = await made(bench)
    assert folder == bench.root / ".astro-mcp/trees/fix-login"
    assert plain_git(folder, "status", "--porcelain", "-b").strip() == "## fix/login"
    assert bench.git("status", "--porcelain") == "", "the folder hides itself"
    assert bench.git("worktree", "list", "--porcelain").count("branch ") == 2
    assert await made(bench) == folder, "one that is there stays"
    await bench.call("fs_write", path=f"{folder}/src/app.py", content="changed\n")
    sha = (await bench.call("git_commit", repo=".astro-mcp/trees/fix-login", message="There")).sha
    assert (await bench.call("git_branch", action="close", name="fix/login")).sha == sha
    assert not folder.exists()
    assert bench.git("worktree", "list", "--porcelain").count("branch ") == 1
    assert bench.git("rev-parse", "fix/login").strip() == sha
    bench.git("fsck", "--strict")


@pytest.mark.full
async def test_a_merge_into_it_and_a_switch_in_it_are_steps_like_others(bench: Bench) -> None:
    bench.git("branch", "old", "HEAD~1")
    folder = await made(bench, "old")
    there = await bench.call("git_merge", repo=str(folder), **{"from": "main"})
    assert there.outcome == "fast_forward"
    assert plain_git(folder, "status", "--porcelain", "-b").strip() == "## old"
    assert isinstance((await bench.result("git_branch", action="switch", name="old")).error, Conflict)


@pytest.mark.parametrize(
    "what",
    ["changed", "ignored", *(pytest.param(what, marks=pytest.mark.full) for what in ("untracked", "elsewhere"))],
)
async def test_it_is_not_closed_where_something_would_be_lost(bench: Bench, what: str) -> None:
    folder = await made(bench)
    if what == "elsewhere":
        plain_git(folder, "switch", "-q", "--detach")
    elif what == "ignored":
        (bench.root / ".git/info").mkdir(exist_ok=True)
        (bench.root / ".git/info/exclude").write_text("*.log\n")
        (folder / "a.log").write_text("x\n")
    else:
        (folder / ("src/app.py" if what == "changed" else "new.txt")).write_text("x\n")
    assert isinstance((await bench.result("git_branch", action="close", name="fix/login")).error, Conflict)
    assert folder.exists()


async def test_what_is_in_the_way_is_left_alone(bench: Bench) -> None:
    assert isinstance((await bench.result("git_branch", action="worktree", name="main")).error, Conflict)
    assert isinstance((await bench.result("git_branch", action="close", name="main")).error, NotFound)
    for name in ("../x", "a.b", "-x"):
        assert isinstance((await bench.result("git_branch", action="worktree", name=name)).error, InvalidInput), name
    folder = await made(bench, "a/b")
    assert isinstance((await bench.result("git_branch", action="worktree", name="a-b")).error, Conflict)
    assert plain_git(folder, "branch", "--show-current").strip() == "a/b"
    bench.git("branch", "-q", "taken")
    bench.git("worktree", "add", "-q", "theirs", "taken")
    assert isinstance((await bench.result("git_branch", action="worktree", name="taken")).error, Conflict)
    bench.git("worktree", "add", "-q", "-b", "named", "fix-name")
    await bench.call("git_branch", action="worktree", name="fix-name")
    assert plain_git(bench.root / "fix-name", "branch", "--show-current").strip() == "named"


@pytest.mark.parametrize("action", ["switch", "worktree"])
async def test_where_a_branch_is_checked_out_is_told_in_one_line_whatever_the_repository_says(
    bench: Bench, action: str
) -> None:
    bench.git("branch", "taken")
    other = bench.root / ".git/worktrees/other"
    other.mkdir(parents=True)
    (other / "HEAD").write_text("ref: refs/heads/taken\n")
    (other / "gitdir").write_bytes(b"/tmp/\xff\nthen\x1b[31m" + b"x" * 9000 + b"/.git\n")
    error = (await bench.result("git_branch", action=action, name="taken")).error
    assert isinstance(error, Conflict)
    assert error.message.startswith("taken is checked out in /tmp/\\xff\\nthen\\x1b[31mxxx")
    assert len(error.message) < 1000


@pytest.mark.full
async def test_a_link_in_its_place_is_refused_and_a_broken_one_is_made_anew(bench: Bench, tmp_path: Path) -> None:
    folder = await made(bench)
    shutil.rmtree(folder)
    assert await made(bench) == folder
    shutil.rmtree(bench.root / ".astro-mcp/trees")
    (bench.root / ".astro-mcp/trees").symlink_to(tmp_path)
    assert isinstance((await bench.result("git_branch", action="worktree", name="other")).error, PathDenied)
    assert bench.git("branch", "--list", "other") == ""


@pytest.mark.full
async def test_filters_hooks_and_submodules_of_a_repository_do_not_run(bench: Bench, tmp_path: Path) -> None:
    trap = tmp_path / "ran"
    bench.git("config", "filter.evil.smudge", f"touch {trap}; cat")
    bench.write(".gitattributes", "*.py filter=evil\n")
    bench.git("commit", "-q", "--allow-empty", "-m", "x")
    bench.git("add", ".gitattributes")
    bench.git("commit", "-q", "-m", "Attributes")
    hook = bench.root / ".git/hooks/post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {trap}\n")
    hook.chmod(0o755)
    await made(bench)
    assert not trap.exists()


async def test_a_start_that_names_nothing_makes_nothing(bench: Bench) -> None:
    result = await bench.result("git_branch", action="worktree", name="new", **{"from": "nowhere"})
    assert isinstance(result.error, NotFound | Unsupported)
    assert bench.git("branch", "--list", "new") == ""
    assert not (bench.root / ".astro-mcp").exists()
