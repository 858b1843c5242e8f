"""Names of commits and dates as git takes them, and what a caller says by mistake: refused, with what to say."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.agents.git.bench import Bench

from astro_mcp.errors import InvalidInput, NotFound, PathDenied


@pytest.mark.parametrize("since", ["garbage", "a year ago", "20260131", "main", "7d", "24h", "2 wks ago", "30 mins"])
async def test_a_date_that_git_does_not_understand_is_refused(bench: Bench, since: str) -> None:
    error = (await bench.result("git_log", since=since)).error
    assert isinstance(error, InvalidInput)
    assert since in error.message
    assert "2 weeks ago" in error.hint


@pytest.mark.parametrize("since", ["now", "0 days ago", "never", "yesterday", "2099-01-31", "1 month", "3.hours.ago"])
async def test_a_date_that_git_understands_lists_what_git_lists(bench: Bench, since: str) -> None:
    log = await bench.call("git_log", since=since)
    assert [item.sha for item in log.items] == bench.git("log", "--format=%H", f"--since={since}").split()


async def test_the_heads_that_git_itself_writes_name_their_commits(bench: Bench) -> None:
    first, second = bench.git("rev-parse", "HEAD~1", "HEAD").split()
    for name in ("ORIG_HEAD", "MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD"):
        assert isinstance((await bench.result("git_show", ref=name)).error, NotFound)
        (bench.root / f".git/{name}").write_text(f"{second}\n")
        assert (await bench.call("git_show", ref=name)).sha == second
        assert [item.sha for item in (await bench.call("git_log", ref=f"{name}~1")).items] == [first]
    (bench.root / ".git/ORIG_HEAD").write_text(f"{first}\n")
    assert [file.path for file in (await bench.call("git_diff", to="HEAD", **{"from": "ORIG_HEAD"})).files] == [
        "src/app.py"
    ]
    bench.git("branch", "one", first)
    bench.git("fetch", "-q", ".", "one", "main")
    assert (await bench.call("git_show", ref="FETCH_HEAD")).sha == bench.git("rev-parse", "FETCH_HEAD").strip() == first


@pytest.mark.parametrize("text", ["ref: refs/heads/main\n", "", "{sha}0\n", "x\n{sha}\n"])
async def test_a_head_of_gits_that_begins_with_no_commit_names_none(bench: Bench, text: str) -> None:
    (bench.root / ".git/ORIG_HEAD").write_text(text.format(sha=bench.git("rev-parse", "HEAD").strip()))
    assert isinstance((await bench.result("git_show", ref="ORIG_HEAD")).error, NotFound)


async def test_a_head_of_gits_that_is_a_link_is_refused(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text(bench.git("rev-parse", "HEAD"))
    (bench.root / ".git/ORIG_HEAD").symlink_to(tmp_path / "outside")
    assert isinstance((await bench.result("git_show", ref="ORIG_HEAD")).error, PathDenied)


async def test_a_folder_that_is_not_there_is_said_to_be_none(bench: Bench) -> None:
    error = (await bench.result("git_status", repo="projct")).error
    assert isinstance(error, NotFound)
    assert error.message == "there is no folder 'projct'"


async def test_a_text_of_several_lines_is_not_looked_for_as_each_of_them(bench: Bench) -> None:
    for text in ("Add two\nno such", "no such\n"):
        for name in ("grep", "author"):
            error = (await bench.result("git_log", **{name: text})).error
            assert isinstance(error, InvalidInput)
            assert name in error.message


async def test_the_working_tree_is_never_the_old_side(bench: Bench) -> None:
    for to in ("worktree", "index", "HEAD"):
        error = (await bench.result("git_diff", to=to, **{"from": "worktree"})).error
        assert isinstance(error, InvalidInput)
        assert "swap" in error.hint


async def test_a_wrong_path_gets_the_nearest_right_one_of_its_folder(bench: Bench) -> None:
    for path, near in (("src/ap.py", "src/app.py"), ("REDME.md", "README.md"), ("srcs", "src")):
        error = (await bench.result("git_show", path=path)).error
        assert isinstance(error, NotFound)
        assert error.hint == f"did you mean {near}?"
    for path in ("none/app.py", "README.md/app.py", "src/zzz"):
        error = (await bench.result("git_show", path=path)).error
        assert isinstance(error, NotFound)
        assert error.hint == "the path of a folder lists its names"


async def test_lines_that_end_before_they_begin_are_said_so(bench: Bench) -> None:
    for blame in (False, True):
        error = (await bench.result("git_show", path="src/app.py", start_line=5, end_line=2, blame=blame)).error
        assert isinstance(error, InvalidInput)
        assert error.message == "end_line is 2, and start_line 5"


async def test_a_branch_that_is_not_there_gets_the_nearest_or_the_remotes_of_that_name(bench: Bench) -> None:
    bench.git("update-ref", "refs/remotes/origin/fix/login", "HEAD~1")
    bench.git("tag", "mains")
    hints = {
        "mian": "did you mean main? action=create makes a new one",
        "fix/login": "action=create with from=origin/fix/login makes it",
        "quite/other": "action=create makes a new one",
        "mains": "did you mean main? action=create makes a new one",
    }
    for name, hint in hints.items():
        error = (await bench.result("git_branch", action="switch", name=name)).error
        assert isinstance(error, NotFound)
        assert error.hint == hint
    error = (await bench.result("git_merge", into="mian", **{"from": "HEAD"})).error
    assert isinstance(error, NotFound)
    assert "did you mean main?" in error.hint
    error = (await bench.result("git_branch", action="switch", name="refs/heads/main")).error
    assert isinstance(error, InvalidInput)
    assert error.hint == "leave refs/heads/ out"


async def test_a_name_of_what_is_no_commit_is_not_its_own_nearest(bench: Bench) -> None:
    bench.git("tag", "readme", "HEAD:README.md")
    error = (await bench.result("git_show", ref="readme")).error
    assert isinstance(error, NotFound)
    assert (error.message, error.hint) == ("no commit is named 'readme'", "it is there, but names no commit")
    error = (await bench.result("git_show", ref="HEAD~99")).error
    assert isinstance(error, NotFound)
    assert error.hint == "HEAD has no such ancestor"
    error = (await bench.result("git_show", ref="mian~1")).error
    assert isinstance(error, NotFound)
    assert error.hint == "did you mean main?"
