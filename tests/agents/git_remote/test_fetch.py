"""What a host has comes into `refs/remotes`, through an MCP client."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import pytest
from tests.agents.git_remote.conftest import Bench
from tests.agents.git_remote.server import Handler, advertising, packet, saying

from astro_mcp.workspace.git import publish, recovery


async def test_new_commits_and_branches_come_and_nothing_else_moves(bench: Bench) -> None:
    head, status = bench.git("rev-parse", "HEAD"), bench.git("status", "--porcelain", "-b")
    sha = bench.server.git("commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "Theirs").strip()
    bench.server.git("update-ref", "refs/heads/main", sha)
    bench.server.git("update-ref", "refs/heads/fix/login", sha)
    got = await bench.call("git_fetch")
    assert {one["ref"]: one["after"] for one in got["updated"]} == {
        "refs/remotes/origin/main": sha,
        "refs/remotes/origin/fix/login": sha,
    }
    assert bench.git("rev-parse", "origin/main", "origin/fix/login").split() == [sha, sha]
    assert bench.git("rev-parse", "HEAD") == head
    assert bench.git("status", "--porcelain", "-b") == status.replace("main\n", "main [behind 1]\n")
    bench.git("fsck", "--strict")
    again = await bench.call("git_fetch")
    assert again["updated"] == []


async def test_refs_that_another_fetch_moved_there_meanwhile_are_not_told_as_kept(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = publish.track
    theirs = bench.server.git("commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "Theirs").strip()
    elsewhere = bench.git("rev-parse", "HEAD~1").strip()
    for branch in ("main", "new", "other"):
        bench.server.git("update-ref", f"refs/heads/{branch}", theirs)

    def track(*arguments: Any) -> Any:
        for branch, sha in (("main", theirs), ("new", theirs), ("other", elsewhere)):
            bench.git("update-ref", f"refs/remotes/origin/{branch}", sha)
        return plain(*arguments)

    monkeypatch.setattr(publish, "track", track)
    got = await bench.call("git_fetch")
    assert {one["ref"]: one["after"] for one in got["updated"]} == {
        "refs/remotes/origin/main": theirs,
        "refs/remotes/origin/new": theirs,
    }
    assert [one["name"] for one in got["kept"]] == ["refs/remotes/origin/other"]


async def test_locks_that_nobody_takes_away_are_not_waited_for_one_by_one(bench: Bench) -> None:
    sha = bench.server.git("rev-parse", "HEAD").strip()
    bench.server.git("update-ref", "--stdin", stdin="".join(f"create refs/heads/b{at} {sha}\n" for at in range(60)))
    for at in range(60):
        (bench.project / f".git/refs/remotes/origin/b{at}.lock").touch()
    began = time.monotonic()
    assert (await bench.call("git_fetch"))["kept_count"] == 60
    assert time.monotonic() - began < 4


@pytest.mark.full
async def test_one_branch_and_new_tags_while_a_tag_that_is_here_stays(bench: Bench) -> None:
    sha = bench.server.git("commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "Theirs").strip()
    for ref in ("refs/heads/main", "refs/heads/other", "refs/tags/v1", "refs/tags/v2"):
        bench.server.git("update-ref", ref, sha)
    bench.git("tag", "v1", "HEAD~1")
    got = await bench.call("git_fetch", branch="main", tags=True)
    assert [one["ref"] for one in got["updated"]] == ["refs/remotes/origin/main", "refs/tags/v2"]
    assert got["kept"] == [{"name": "refs/tags/v1", "reason": "the tag is elsewhere here"}]
    assert bench.git("rev-parse", "v1") == bench.git("rev-parse", "HEAD~1")
    missing = await bench.refused("git_fetch", branch="none")
    assert missing["code"] == "not_found"


@pytest.mark.full
async def test_a_branch_that_was_rewritten_there_leaves_a_recovery_ref_that_git_undo_takes(bench: Bench) -> None:
    before = bench.git("rev-parse", "origin/main").strip()
    sha = bench.server.git("commit-tree", "HEAD^{tree}", "-m", "Anew").strip()
    bench.server.git("update-ref", "refs/heads/main", sha)
    [moved] = (await bench.call("git_fetch"))["updated"]
    assert (moved["before"], moved["after"]) == (before, sha)
    assert moved["recovery_ref"].startswith("refs/astro/fetched/")
    assert bench.git("rev-parse", "origin/main").strip() == sha
    await bench.call("git_undo", recovery_ref=moved["recovery_ref"])
    assert bench.git("rev-parse", "origin/main").strip() == before


@pytest.mark.full
async def test_forced_branches_of_a_host_never_drive_out_what_a_person_wants_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "KEPT", 4)
    bench.git("switch", "-q", "-c", "side", "HEAD~1")
    mine = (await bench.call("git_branch", action="switch", name="main"))["recovery_ref"]
    parent = bench.server.git("rev-parse", "HEAD").strip()
    for message in ("One", "Two", "Three", "Four"):
        sha = bench.server.git("commit-tree", "HEAD^{tree}", "-p", parent, "-m", message).strip()
        bench.server.git("update-ref", "--stdin", stdin="".join(f"update refs/heads/b{at} {sha}\n" for at in range(6)))
        got = await bench.call("git_fetch")
    assert (got["updated_count"], got["kept_count"]) == (4, 2)
    assert bench.git("for-each-ref", mine)
    assert len(bench.git("for-each-ref", "refs/astro/fetched").splitlines()) <= 8


@pytest.mark.full
async def test_a_remote_that_the_repository_does_not_name_is_given_by_its_url(bench: Bench) -> None:
    url = bench.server.url()
    got = await bench.call("git_fetch", remote="upstream", url=url, branch="main")
    assert got["updated"][0]["ref"] == "refs/remotes/upstream/main"
    assert (await bench.refused("git_fetch", remote="nobody"))["code"] == "not_found"
    other = await bench.refused("git_fetch", url=bench.server.url("other"))
    assert other["code"] == "conflict"


async def test_names_that_no_ref_can_have_never_reach_git_nor_the_repository(bench: Bench) -> None:
    sha = bench.server.git("rev-parse", "HEAD").strip()
    odd = ["refs/heads/../../x", "refs/heads/a..b", "refs/heads/.lock", "refs/heads/x.lock", "../config", "refs//x"]
    odd += ["refs/heads/-x\\", "refs/heads/a b", "refs/heads/" + "y" * 300, "HEAD.", "refs/heads/\udce9"]
    fair = ["refs/heads/fine", "refs/astro/recovery/20260101T000000Z-00000000", "refs/replace/" + sha, "refs/stash"]
    bench.server.replies["/project.git/info/refs"] = advertising(sha, [*odd, *fair])
    before = bench.git("for-each-ref")
    got = await bench.call("git_fetch")
    assert [one["ref"] for one in got["updated"]] == ["refs/remotes/origin/fine"]
    assert got["odd_names"] == len(odd)
    after = bench.git("for-each-ref")
    assert after.replace(f"{sha} commit\trefs/remotes/origin/fine\n", "") == before
    assert {path.name for path in bench.project.iterdir()} == {".git", "src", "README.md"}


@pytest.mark.full
async def test_refs_that_stand_in_each_others_way_are_kept_apart(bench: Bench) -> None:
    sha = bench.server.git("rev-parse", "HEAD").strip()
    bench.server.replies["/project.git/info/refs"] = advertising(sha, ["refs/heads/a", "refs/heads/a/b"])
    got = await bench.call("git_fetch")
    assert [one["ref"] for one in got["updated"]] == ["refs/remotes/origin/a"]
    assert [one["name"] for one in got["kept"]] == ["refs/remotes/origin/a/b"]
    bench.git("pack-refs", "--all")
    got = await bench.call("git_fetch")
    assert [one["name"] for one in got["kept"]] == ["refs/remotes/origin/a/b"]
    assert bench.git("rev-parse", "origin/a").strip() == sha


HEAD = packet("# service=git-upload-pack\n") + b"0000"
NOT_ONE = [
    (b"", "provider_failed"),
    (b"<html>", "provider_failed"),
    (HEAD + b"ffff", "provider_failed"),
    (HEAD + packet("ERR no such thing"), "provider_failed"),
    (HEAD + packet("0" * 39 + " refs/x\n"), "provider_failed"),
    (HEAD + packet("shallow " + "a" * 40 + "\n"), "unsupported"),
    (HEAD + packet("a" * 40 + " HEAD\0object-format=sha256\n"), "unsupported"),
    (HEAD + b"0004" * 300_000, "limit_hit"),
    (HEAD + b"x" * (33 << 20), "limit_hit"),
]


@pytest.mark.full
async def test_what_is_no_repository_is_said_so_and_nothing_changes(bench: Bench) -> None:
    kind = "application/x-git-upload-pack-advertisement"
    before = bench.git("for-each-ref")
    for body, code in NOT_ONE:
        bench.server.replies["/project.git/info/refs"] = saying(200, body, content_type=kind)
        assert (await bench.refused("git_fetch"))["code"] == code, body[:80]
    assert bench.git("for-each-ref") == before


@pytest.mark.full
async def test_a_status_is_told_as_what_it_is(bench: Bench) -> None:
    codes = {403: "unauthorized", 404: "not_found", 429: "rate_limited", 500: "provider_failed", 200: "unsupported"}
    for status, code in codes.items():
        bench.server.replies["/project.git/info/refs"] = saying(status)
        assert (await bench.refused("git_fetch"))["code"] == code


@pytest.mark.full
async def test_objects_that_git_would_not_make_are_refused_and_nothing_has_changed(bench: Bench) -> None:
    blob = bench.server.git("hash-object", "-w", "--stdin", stdin="x").strip()
    tree = bench.server.git("hash-object", "-w", "-t", "tree", "--literally", "--stdin", stdin="").strip()
    dotgit = bench.server.git("mktree", stdin=f"100644 blob {blob}\tx\n").strip()
    evil = bench.server.git("mktree", "--missing", stdin=f"040000 tree {dotgit}\t.GIT\n").strip()
    assert tree
    sha = bench.server.git("commit-tree", evil, "-m", "Evil").strip()
    bench.server.git("update-ref", "refs/heads/evil", sha)
    before = bench.git("for-each-ref")
    error = await bench.refused("git_fetch")
    assert error["code"] == "provider_failed"
    assert "hasDotgit" in error["message"]
    assert bench.git("for-each-ref") == before
    assert not list((bench.project / ".git/objects/pack").glob("tmp_*"))


@pytest.mark.full
async def test_an_exchange_beyond_its_bound_ends_with_what_bounds_it(bench: Bench) -> None:
    def endless(handler: Handler) -> None:
        handler.body()
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(packet("NAK\n"))
        with suppress(OSError):
            while True:
                handler.wfile.write(packet("\2" + "x" * 60_000))

    bench.server.replies["/project.git/info/refs"] = advertising("1" * 40, ["refs/heads/main"])
    bench.server.replies["/project.git/git-upload-pack"] = endless
    error = await bench.refused("git_fetch")
    assert error["code"] == "limit_hit"
    assert "transfer_mb" in error["hint"]
    assert not list((bench.project / ".git/objects/pack").glob("*"))
