"""One branch goes to a host, through an MCP client, and nothing that should not."""

from __future__ import annotations

import errno
import os
import stat

import pytest
from tests.agents.git_remote.conftest import Bench
from tests.agents.git_remote.server import Handler, saying
from tests.quickest import with_pauses

KEY = "AKIA" + "QWERTYUIOP123456"


async def test_a_branch_goes_there_under_its_own_name_and_no_hook_runs(bench: Bench) -> None:
    hook = bench.project / ".git/hooks/pre-push"
    hook.write_text(f"#!/bin/sh\ntouch {bench.root}/ran\n")
    hook.chmod(0o755)
    bench.git("switch", "-q", "-c", "fix/login")
    sha = bench.committed("new.txt", "new\n")
    got = await bench.call("git_push")
    assert (got["ref"], got["before"], got["after"], got["commits"]) == ("refs/heads/fix/login", "", sha, 1)
    assert bench.server.git("rev-parse", "fix/login").strip() == sha
    assert bench.git("rev-parse", "origin/fix/login").strip() == sha
    further = bench.committed("new.txt", "newer\n")
    got = await bench.call("git_push", branch="fix/login")
    assert (got["before"], got["after"]) == (sha, further)
    again = await bench.call("git_push")
    assert (again["before"], again["commits"]) == (further, 0)
    assert not (bench.root / "ran").exists()
    assert bench.server.git("for-each-ref", "--format=%(refname)").split() == [
        "refs/heads/fix/login",
        "refs/heads/main",
    ]


async def test_a_name_that_no_branch_has_is_told_as_a_tag_or_with_the_like_one(bench: Bench) -> None:
    bench.git("tag", "v1")
    told = {name: (await bench.refused("git_push", branch=name))["hint"] for name in ("v1", "mian", "nosuch")}
    assert told == {
        "v1": "it is a tag, and no tags are pushed: a person does that with git",
        "mian": "did you mean main? git_branch makes one",
        "nosuch": "git_branch makes one",
    }


async def test_a_push_that_happened_is_told_so_where_the_disk_is_full(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.ENOSPC, "No space left on device")
        plain(descriptor)

    sha = bench.committed("new.txt", "new\n")
    monkeypatch.setattr(os, "fsync", fsync)
    assert (await bench.call("git_push"))["after"] == sha
    assert bench.server.git("rev-parse", "main").strip() == sha


async def test_where_the_hosts_answer_is_lost_nobody_is_told_that_nothing_arrived(bench: Bench) -> None:
    def taking(handler: Handler) -> None:
        handler.body()
        handler.connection.close()

    bench.committed("new.txt", "new\n")
    bench.server.replies["/project.git/git-receive-pack"] = taking
    error = await bench.refused("git_push")
    assert (error["code"], error["retryable"]) == ("provider_failed", True)
    assert "not known" in error["hint"]
    bench.server.replies = {"/project.git/info/refs": saying(500)}
    assert "not known" not in (await bench.refused("git_push"))["hint"]


@pytest.mark.full
async def test_what_the_host_has_and_this_branch_has_not_is_never_overwritten(bench: Bench) -> None:
    theirs = bench.server.git("commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "Theirs").strip()
    bench.server.git("update-ref", "refs/heads/main", theirs)
    bench.committed("mine.txt", "mine\n")
    error = await bench.refused("git_push")
    assert error["code"] == "conflict"
    assert "git_fetch" in error["hint"]
    await bench.call("git_fetch")
    assert (await bench.refused("git_push"))["code"] == "conflict"
    await bench.call("git_merge", **{"from": "origin/main"})
    assert (await bench.call("git_push"))["before"] == theirs


FULL = pytest.mark.full


@pytest.mark.parametrize(
    "place", [pytest.param("a file", marks=FULL), "an earlier file", pytest.param("a message", marks=FULL)]
)
async def test_a_key_in_any_commit_that_would_leave_is_told_by_its_place_and_nothing_leaves(
    bench: Bench, place: str
) -> None:
    before = bench.server.git("for-each-ref")
    bench.committed("config/app.toml", f"key = '{KEY}'\n" if place != "a message" else "x\n", "Add")
    if place == "an earlier file":
        bench.git("rm", "-q", "config/app.toml")
        bench.git("commit", "-q", "-m", "Take it out")
    if place == "a message":
        bench.git("commit", "-q", "--amend", "-m", f"Add\n\nwith {KEY}")
    error = await bench.refused("git_push")
    assert error["code"] == "protected_path"
    assert error["problems"][0]["reason"] == "looks like a AWS access key"
    assert ("message of" in error["problems"][0]["path"]) == (place == "a message")
    assert KEY not in str(error)
    assert bench.server.git("for-each-ref") == before
    assert [path for _, path, _ in bench.server.asked if path.endswith("/git-receive-pack")] == []


async def test_the_loop_goes_on_while_a_file_of_very_many_keys_is_looked_through(bench: Bench) -> None:
    bench.committed("many.txt", f"{KEY}\n" * 10_000)
    error, pause = await with_pauses(lambda: bench.refused("git_push"))
    assert pause < 1
    assert error["message"].startswith("at least 100 places")


@pytest.mark.full
async def test_a_file_on_the_secrets_list_does_not_leave(bench: Bench) -> None:
    bench.committed("deploy/.env", "X=1\n")
    error = await bench.refused("git_push")
    assert (error["code"], error["problems"][0]["path"]) == ("protected_path", "deploy/.env")


async def test_names_with_what_ends_lines_hide_neither_files_nor_keys_and_may_be_pushed(bench: Bench) -> None:
    hidden = ["a\rb\x0cc\x0cd\x0ce", "f\r\udcff", "key.txt", "x\r/.env"]
    bench.project.joinpath("x\r").mkdir()
    for name in hidden:
        bench.project.joinpath(name).write_text(f"{name!a}\n")
    bench.git("add", "-A")
    bench.git("commit", "-q", "-m", "More")
    error = await bench.refused("git_push")
    assert (error["code"], [problem["reason"] for problem in error["problems"]]) == (
        "protected_path",
        ["on the secrets list"],
    )
    bench.git("rm", "-q", "--cached", hidden[-1])
    bench.write("key.txt", f"{KEY}\n")
    bench.git("commit", "-q", "-a", "--amend", "-m", "More")
    problems = (await bench.refused("git_push"))["problems"]
    assert [problem["path"] for problem in problems] == ["key.txt:1"]
    bench.write("key.txt", "none\n")
    bench.git("commit", "-q", "-a", "--amend", "-m", "More")
    assert (await bench.call("git_push"))["commits"] == 1


@pytest.mark.full
async def test_a_key_that_the_host_has_in_that_file_is_no_news(bench: Bench) -> None:
    bench.committed("fixture.txt", f"{KEY}\n")
    bench.git("push", "-q", str(bench.server.bare()), "main")
    bench.committed("fixture.txt", f"{KEY}\nand more\n")
    bench.git("switch", "-q", "-c", "side")
    await bench.call("git_push")
    bench.committed("fixture.txt", f"{KEY}\nAKIA{'Z' * 16}\n")
    assert (await bench.refused("git_push"))["problems"][0]["path"] == "fixture.txt:2"


@pytest.mark.full
async def test_a_host_that_says_it_has_what_was_not_looked_through_is_given_nothing_more(bench: Bench) -> None:
    """Git is shown what was looked at: a host that says another thing to git has nobody to say it to."""
    sha = bench.committed("new.txt", "new\n")
    await bench.call("git_push")
    asked = [path for _, path, _ in bench.server.asked if "info/refs" in path]
    assert asked == ["/project.git/info/refs?service=git-receive-pack"]
    assert bench.server.git("rev-parse", "main").strip() == sha


@pytest.mark.full
async def test_what_the_host_says_against_it_is_told_in_its_words(bench: Bench) -> None:
    hook = bench.server.bare() / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho 'only on \033[31mmondays'\nexit 1\n")
    hook.chmod(0o755)
    bench.committed("new.txt", "new\n")
    error = await bench.refused("git_push")
    assert error["code"] == "conflict"
    assert "pre-receive hook declined" in error["message"]
    assert "mondays" in error["hint"]
    assert "\033" not in error["hint"]
    assert bench.git("rev-parse", "origin/main") != bench.git("rev-parse", "main")


@pytest.mark.full
async def test_a_detached_head_and_a_branch_that_is_not_here_are_told(bench: Bench) -> None:
    assert (await bench.refused("git_push", branch="none"))["code"] == "not_found"
    bench.git("switch", "-q", "--detach")
    assert (await bench.refused("git_push"))["code"] == "invalid_input"
    for name in ("-d", ":main", "+main", "refs/heads/main", "main:other"):
        assert (await bench.refused("git_push", branch=name))["code"] in ("invalid_input", "not_found")
    assert bench.server.asked == []


@pytest.mark.parametrize("name", ["x\n/.env", ".env"])
async def test_a_content_does_not_leave_where_any_of_its_names_is_on_the_secrets_list(bench: Bench, name: str) -> None:
    bench.write("a.txt", "PASSWORD=1\n")
    bench.committed(f"deploy/{name}", "PASSWORD=1\n")
    bench.git("rm", "-q", "-r", "deploy")
    bench.git("commit", "-q", "-m", "Take it out")
    error = await bench.refused("git_push")
    assert (error["code"], [problem["reason"] for problem in error["problems"]]) == (
        "protected_path",
        ["on the secrets list"],
    )


async def test_a_merge_leaves_with_what_only_it_holds_looked_through(bench: Bench) -> None:
    bench.git("switch", "-q", "-c", "side")
    bench.committed("side.txt", "side\n")
    bench.git("switch", "-q", "main")
    bench.committed("main.txt", "main\n")
    bench.git("merge", "-q", "--no-ff", "--no-commit", "side")
    bench.committed("merged\n/.env", "PASSWORD=1\n")
    assert (await bench.refused("git_push"))["code"] == "protected_path"
    bench.git("rm", "-q", "-r", "merged\n")
    bench.git("commit", "-q", "--amend", "-m", "Merged")
    assert (await bench.call("git_push"))["commits"] == 3
