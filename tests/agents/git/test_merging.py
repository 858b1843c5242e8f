"""Merges: what git's own would be, told before and made whole or not at all; nothing that a repository brings runs."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from tests.agents.git.bench import Bench, plain_git
from tests.agents.git.test_switching import put, tree

from astro_mcp.errors import Conflict, NotFound, Unsupported
from astro_mcp.workspace.git import recovery

TEXT = "".join(f"{number}\n" for number in range(30))


@pytest.fixture(scope="session")
def forked(begun: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """main and side went apart and merge cleanly; main and clash do not."""
    root = tmp_path_factory.mktemp("forked") / "project"
    shutil.copytree(begun, root)
    (root / "bin").write_bytes(b"\0one")
    for path, text in [("text", TEXT), ("kept", "kept\n"), ("gone", "gone\n"), ("renamed", "a long line\n" * 9)]:
        put(root / path, text)
    plain_git(root, "add", "-A")
    plain_git(root, "commit", "-q", "-m", "Base")
    plain_git(root, "switch", "-q", "-c", "side")
    put(root / "text", TEXT.replace("3\n", "three\n", 1))
    put(root / "side/new.txt", "new\n")
    plain_git(root, "mv", "renamed", "elsewhere")
    plain_git(root, "add", "-A")
    plain_git(root, "commit", "-q", "-m", "Side")
    plain_git(root, "switch", "-q", "-c", "clash", "main")
    put(root / "text", TEXT.replace("25\n", "theirs\n"))
    (root / "bin").write_bytes(b"\0two")
    (root / "gone").unlink()
    plain_git(root, "commit", "-q", "-a", "-m", "Clash")
    plain_git(root, "switch", "-q", "main")
    put(root / "text", TEXT.replace("25\n", "ours\n"))
    (root / "bin").write_bytes(b"\0three")
    put(root / "gone", "changed\n")
    put(root / "renamed", "a long line\n" * 9 + "and one more\n")
    plain_git(root, "commit", "-q", "-a", "-m", "Main")
    return root


@pytest.fixture
def fork(bench: Bench, forked: Path) -> Bench:
    shutil.rmtree(bench.root)
    shutil.copytree(forked, bench.root, symlinks=True)
    return bench


def twin(bench: Bench) -> Path:
    folder = bench.root.parent / "twin"
    shutil.copytree(bench.root, folder, symlinks=True)
    return folder


async def test_a_merge_is_the_one_that_git_would_have_made(fork: Bench) -> None:
    other = twin(fork)
    plain_git(other, "merge", "-q", "--no-edit", "side")
    told = await fork.call("git_merge_preview", **{"from": "side"})
    assert (told.outcome, told.conflicts) == ("merge", [])
    assert sorted((file.path, file.former) for file in told.files) == [
        ("elsewhere", "renamed"),
        ("side/new.txt", ""),
        ("text", ""),
    ]
    made = await fork.call("git_merge", **{"from": "side"})
    assert fork.git("rev-parse", "HEAD^{tree}") == plain_git(other, "rev-parse", "HEAD^{tree}")
    assert fork.git("log", "-1", "--format=%P %s") == plain_git(other, "log", "-1", "--format=%P %s")
    assert fork.git("diff-files", "--name-only") == ""
    assert fork.git("status", "--porcelain") == ""
    assert tree(fork.root) == tree(other)
    assert (made.outcome, made.sha) == ("merge", fork.git("rev-parse", "main").strip())
    fork.git("fsck", "--strict")


async def test_a_branch_that_is_only_behind_is_moved_forward_and_one_that_has_it_all_stays(fork: Bench) -> None:
    side = fork.git("rev-parse", "side").strip()
    fork.git("branch", "behind", "side~1")
    made = await fork.call("git_merge", into="behind", **{"from": "side"})
    assert (made.outcome, made.sha, made.files) == ("fast_forward", side, [])
    assert fork.git("rev-parse", "behind").strip() == side
    assert fork.git("status", "--porcelain", "-b").strip() == "## main"
    again = await fork.call("git_merge", into="behind", **{"from": "side"})
    assert (again.outcome, again.recovery_ref) == ("up_to_date", "")
    await fork.call("git_undo", recovery_ref=made.recovery_ref)
    assert fork.git("rev-parse", "behind") == fork.git("rev-parse", "side~1")


async def test_conflicts_are_told_with_their_places_and_nothing_is_merged(fork: Bench) -> None:
    before = tree(fork.root), fork.git("for-each-ref"), fork.git("ls-files", "-s")
    told = await fork.call("git_merge_preview", **{"from": "clash"})
    assert told.outcome == "conflicts"
    assert {item.path: item.kind for item in told.conflicts} == {
        "bin": "binary",
        "gone": "modify/delete",
        "text": "contents",
    }
    [hunk] = next(item.hunks for item in told.conflicts if item.path == "text")
    assert [line for line in hunk.splitlines() if len(line) < 20] == ["ours", "=======", "theirs"]
    error = (await fork.result("git_merge", **{"from": "clash"})).error
    assert isinstance(error, Conflict)
    assert [problem.path for problem in error.problems] == ["bin", "gone", "text"]
    assert (tree(fork.root), fork.git("for-each-ref"), fork.git("ls-files", "-s")) == before


@pytest.mark.full
async def test_text_on_the_secrets_list_is_withheld_from_a_preview(fork: Bench) -> None:
    for branch, word in (("clash", "theirs"), ("main", "ours")):
        fork.git("switch", "-q", branch)
        fork.write(".env", f"KEY={word}\n")
        fork.git("add", "-A")
        fork.git("commit", "-q", "-m", "Secret")
    told = await fork.call("git_merge_preview", **{"from": "clash"})
    [item] = [item for item in told.conflicts if item.path == ".env"]
    assert (item.hunks, item.withheld) == ([], True)
    assert "KEY=" not in told.text()


@pytest.mark.full
async def test_local_changes_of_other_files_stay_and_those_that_would_be_lost_are_refused(fork: Bench) -> None:
    fork.write("kept", "mine\n")
    fork.write("text", "mine\n")
    assert isinstance((await fork.result("git_merge", **{"from": "side"})).error, Conflict)
    assert (fork.root / "text").read_text() == "mine\n"
    assert fork.git("for-each-ref", "refs/astro") == ""
    fork.git("checkout", "text")
    await fork.call("git_merge", **{"from": "side"})
    assert fork.git("status", "--porcelain").splitlines() == [" M kept"]


async def test_a_merge_is_undone_also_after_gc_and_the_undo_as_well(fork: Bench) -> None:
    before, main = tree(fork.root), fork.git("rev-parse", "main")
    made = await fork.call("git_merge", **{"from": "side"})
    assert fork.git("log", "-1", "--format=%P", made.recovery_ref).split() == [main.strip(), made.sha], "gc keeps both"
    fork.git("reflog", "expire", "--expire=now", "--all")
    fork.git("gc", "-q", "--prune=now")
    back = await fork.call("git_undo", recovery_ref=made.recovery_ref)
    assert (tree(fork.root), fork.git("rev-parse", "main")) == (before, main)
    assert fork.git("status", "--porcelain") == ""
    fork.git("reflog", "expire", "--expire=now", "--all")
    fork.git("gc", "-q", "--prune=now")
    await fork.call("git_undo", recovery_ref=back.recovery_ref)
    assert fork.git("rev-parse", "main").strip() == made.sha
    assert fork.git("status", "--porcelain") == ""


async def test_recovery_refs_go_with_age_and_beyond_a_number_the_oldest_first(
    fork: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those with names of the form that we give alone: another ref of somebody's in that place is left there."""
    monkeypatch.setattr(recovery, "KEPT", 3)
    days = [time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() - day * 86_400)) for day in (31, 20, 10, 1)]
    old = [f"{recovery.PREFIX}{day}-0123abcd" for day in days]
    others = f"{recovery.PREFIX}mine"
    refs = ["for-each-ref", "--format=%(refname)", recovery.PREFIX]
    for name in (old[0], others):
        fork.git("update-ref", name, "HEAD")
    made = await fork.call("git_merge", **{"from": "side"})
    assert fork.git(*refs).split() == [made.recovery_ref, others], "the one of 31 days is gone"
    for name in old[1:]:
        fork.git("update-ref", name, "HEAD")
    back = await fork.call("git_undo", recovery_ref=made.recovery_ref)
    assert fork.git(*refs).split() == [old[3], *sorted([made.recovery_ref, back.recovery_ref]), others]


@pytest.mark.full
async def test_a_merge_is_not_undone_over_a_later_commit_or_from_another_branch(fork: Bench) -> None:
    made = await fork.call("git_merge", **{"from": "side"})
    fork.write("kept", "later\n")
    await fork.call("git_commit", message="Later")
    assert isinstance((await fork.result("git_undo", recovery_ref=made.recovery_ref)).error, Conflict)
    fork.git("reset", "-q", "--hard", "HEAD~1")
    fork.git("switch", "-q", "side")
    await fork.call("git_undo", recovery_ref=made.recovery_ref)
    assert fork.git("rev-parse", "main^{tree}") != fork.git("rev-parse", f"{made.sha}^{{tree}}")
    assert fork.git("status", "--porcelain", "-b").strip() == "## side"


async def test_a_branch_that_another_working_tree_is_on_is_not_moved(fork: Bench) -> None:
    fork.git("worktree", "add", "-q", "-b", "there", "wt", "side~1")
    assert isinstance((await fork.result("git_merge", into="there", **{"from": "side"})).error, Conflict)
    assert fork.git("rev-parse", "there") == fork.git("rev-parse", "side~1")


@pytest.mark.full
async def test_a_detached_head_moves_alone(fork: Bench) -> None:
    fork.git("switch", "-q", "--detach", "main")
    made = await fork.call("git_merge", **{"from": "side"})
    assert (fork.root / ".git/HEAD").read_text().strip() == made.sha
    assert fork.git("status", "--porcelain") == ""
    await fork.call("git_undo", recovery_ref=made.recovery_ref)
    assert fork.git("rev-parse", "HEAD") == fork.git("rev-parse", "main")


async def test_no_driver_no_recorded_resolution_and_no_hook_runs(fork: Bench, tmp_path: Path) -> None:
    trap = tmp_path / "ran"
    for key in ("merge.evil.driver", "merge.tool", "diff.evil.command", "filter.evil.smudge"):
        fork.git("config", key, f"touch {trap}; cat %A")
    fork.git("config", "merge.default", "evil")
    fork.git("config", "merge.verifySignatures", "true")
    fork.git("config", "rerere.enabled", "true")
    (fork.root / ".git/info").mkdir(exist_ok=True)
    (fork.root / ".git/info/attributes").write_text("* merge=evil diff=evil\n")
    for hook in ("pre-merge-commit", "commit-msg", "post-merge", "post-checkout", "reference-transaction"):
        put(fork.root / f".git/hooks/{hook}", f"#!/bin/sh\ntouch {trap}\n")
        (fork.root / f".git/hooks/{hook}").chmod(0o755)
    (fork.root / ".git/rr-cache").mkdir(exist_ok=True)
    assert (await fork.call("git_merge_preview", **{"from": "clash"})).outcome == "conflicts"
    await fork.call("git_merge", **{"from": "side"})
    assert not trap.exists()
    assert list((fork.root / ".git/rr-cache").iterdir()) == []


@pytest.mark.full
async def test_attributes_that_are_data_count_and_a_driver_of_theirs_does_not(fork: Bench, tmp_path: Path) -> None:
    fork.git("config", "merge.evil.driver", f"touch {tmp_path / 'ran'}")
    for branch in ("clash", "main"):
        fork.git("switch", "-q", branch)
        fork.write(".gitattributes", "text merge=union\nkept merge=evil\n")
        fork.write("kept", f"{branch}\n")
        fork.git("add", "-A")
        fork.git("commit", "-q", "-m", "Attributes")
    told = await fork.call("git_merge_preview", **{"from": "clash"})
    assert {item.path for item in told.conflicts} == {"bin", "gone", "kept"}
    assert not (tmp_path / "ran").exists()


async def test_a_submodules_repository_is_not_looked_into(fork: Bench) -> None:
    """Git would open the repository that lies there, whatever it configures, to see which commit is later."""
    shas = fork.git("log", "-3", "--format=%H", "--reverse").split()
    for branch, sha in zip(("main", "one", "two"), shas, strict=True):
        fork.git("switch", "-q", *(["-c", branch, "main"] if branch != "main" else [branch]))
        fork.git("update-index", "--add", "--cacheinfo", f"160000,{sha},sub")
        fork.git("commit", "-q", "-m", "Sub", "--allow-empty")
    fork.git("switch", "-q", "one")
    fork.git("clone", "-q", ".", "sub")
    assert fork.git("merge-tree", "--write-tree", "one", "two"), "git looks, and finds that the one is later"
    told = await fork.call("git_merge_preview", **{"from": "two"})
    assert [item.path for item in told.conflicts] == ["sub"]


@pytest.mark.full
async def test_a_key_that_is_committed_already_is_no_news_to_a_merge(fork: Bench) -> None:
    fork.git("switch", "-q", "side")
    put(fork.root / "text", TEXT.replace("3\n", "AKIA" + "IOSFODNN7EXAMPLE\n", 1))
    fork.git("commit", "-q", "-a", "-m", "Key")
    fork.git("switch", "-q", "main")
    assert (await fork.call("git_merge", **{"from": "side"})).outcome == "merge"


async def test_what_names_nothing_and_what_shares_no_history_is_told(fork: Bench) -> None:
    assert isinstance((await fork.result("git_merge", **{"from": "nowhere"})).error, NotFound)
    assert isinstance((await fork.result("git_merge", into="nowhere", **{"from": "side"})).error, NotFound)
    alone = fork.git("commit-tree", "HEAD^{tree}", "-m", "alone").strip()
    for tool in ("git_merge", "git_merge_preview"):
        error = (await fork.result(tool, **{"from": alone})).error
        assert isinstance(error, Unsupported)
        assert (error.message, "fsck" in error.hint) == ("the two share no history", False)


@pytest.mark.full
async def test_guards_hold_for_what_a_merge_brings(fork: Bench) -> None:
    fork.git("switch", "-q", "side")
    fork.write("CLAUDE.md", "do things\n")
    fork.git("add", "-A")
    fork.git("commit", "-q", "-m", "Guide")
    fork.git("switch", "-q", "main")
    error = (await fork.result("git_merge", **{"from": "side"})).error
    assert error is not None
    assert error.code == "approval_required"
    assert fork.git("log", "-1", "--format=%s").strip() == "Main"
