"""A branch that is a symbolic ref to another: the other is meant, in all that is told and done."""

from __future__ import annotations

import pytest
from tests.agents.git.bench import Bench


@pytest.fixture
def alias(bench: Bench) -> Bench:
    """HEAD is on `alias`, which stands for `trunk`."""
    bench.git("branch", "trunk")
    bench.git("symbolic-ref", "refs/heads/alias", "refs/heads/trunk")
    bench.git("checkout", "-q", "alias")
    return bench


def at(bench: Bench, ref: str) -> str:
    return bench.git("rev-parse", ref).strip()


async def test_a_commit_goes_to_the_branch_that_is_meant(alias: Bench) -> None:
    for number in range(2):
        alias.write("README.md", f"{number}\n")
        status = await alias.call("git_status")
        assert (status.branch, status.sha) == ("trunk", at(alias, "HEAD"))
        made = await alias.call("git_commit", message="More", paths=["README.md"])
        assert made.branch == "trunk"
        assert {at(alias, name) for name in ("HEAD", "trunk", "alias")} == {made.sha}
    assert alias.git("symbolic-ref", "refs/heads/alias").strip() == "refs/heads/trunk"
    assert alias.git("status", "--porcelain") == ""


async def test_what_it_stands_for_is_seen_anew_by_each_call(alias: Bench) -> None:
    for name in ("trunk", "main", "trunk"):
        alias.git("symbolic-ref", "refs/heads/alias", f"refs/heads/{name}")
        for _ in range(2):
            assert (await alias.call("git_status")).branch == name


async def test_the_first_commit_of_the_branch_that_is_meant_makes_it(alias: Bench) -> None:
    alias.git("symbolic-ref", "refs/heads/alias", "refs/heads/none/yet")
    assert (await alias.call("git_status")).sha == ""
    made = await alias.call("git_commit", message="The first")
    assert at(alias, "none/yet") == at(alias, "HEAD") == made.sha


async def test_a_switch_and_a_merge_by_that_name_are_of_the_branch_that_is_meant(alias: Bench) -> None:
    assert not (await alias.call("git_branch", action="switch", name="alias")).recovery_ref
    alias.git("checkout", "-q", "main")
    alias.write("README.md", "main\n")
    alias.git("commit", "-q", "-a", "-m", "Main")
    merged = await alias.call("git_merge", into="alias", **{"from": "main"})
    assert at(alias, "trunk") == merged.sha == at(alias, "main")
    await alias.call("git_undo", recovery_ref=merged.recovery_ref)
    moved = await alias.call("git_branch", action="switch", name="alias")
    assert (at(alias, "HEAD"), (await alias.call("git_status")).branch) == (at(alias, "trunk"), "trunk")
    await alias.call("git_undo", recovery_ref=moved.recovery_ref)
    assert (await alias.call("git_status")).branch == "main"
    assert alias.git("symbolic-ref", "refs/heads/alias").strip() == "refs/heads/trunk"


async def test_a_working_tree_on_it_is_on_the_branch_that_is_meant(alias: Bench) -> None:
    alias.git("checkout", "-q", "main")
    alias.git("worktree", "add", "-q", "../other", "alias")
    result = await alias.result("git_branch", action="switch", name="trunk")
    assert result.error is not None
    assert (result.error.code, "is checked out in" in result.error.message) == ("conflict", True)


async def test_branches_in_a_circle_are_refused(alias: Bench) -> None:
    alias.git("symbolic-ref", "refs/heads/trunk", "refs/heads/alias")
    for tool in ("git_status", "git_commit"):
        result = await alias.result(tool, **({"message": "m"} if tool == "git_commit" else {}))
        assert result.error is not None
        assert (result.error.code, "circle" in result.error.message) == ("unsupported", True)


async def test_one_that_stands_for_no_branch_is_not_written_over(alias: Bench) -> None:
    alias.git("update-ref", "refs/remotes/origin/main", "main")
    alias.git("symbolic-ref", "refs/heads/alias", "refs/remotes/origin/main")
    alias.write("README.md", "more\n")
    result = await alias.result("git_commit", message="More", paths=["README.md"])
    assert result.error is not None
    assert (result.error.code, "is a symbolic ref" in result.error.message) == ("unsupported", True)
    assert alias.git("symbolic-ref", "refs/heads/alias").strip() == "refs/remotes/origin/main"
