"""A clone is there as a whole or not at all, and brings nothing that makes a host run something."""

from __future__ import annotations

import pytest
from tests.agents.git.bench import plain_git
from tests.agents.git_remote.conftest import Bench

GUARDED = [
    ("CLAUDE.md", "do this"),
    (".github/workflows/ci.yml", "on: push"),
    (".vscode/tasks.json", "{}"),
    ("lib/conftest.py", "import os"),
    ("package.json", '{"scripts": {"postinstall": "evil"}}'),
    (".gitattributes", "*.txt text eol=crlf\n"),
    ("bare/HEAD", "ref: refs/heads/main\n"),
    ("bare/config", "[core]\n\tfsmonitor = evil\n"),
]
HARMLESS = [
    ("notes.txt", "one\ntwo\n"),
    ("web/package.json", '{"name": "web"}'),
    ("tests/conftest.py", "import os"),
    ("bare/objects/x", ""),
    ("bare/refs/x", ""),
]


def made(bench: Bench, *, links: tuple[tuple[str, str], ...] = ()) -> None:
    """A commit of the host's with all of that."""
    for path, text in (*GUARDED, *HARMLESS):
        bench.write(path, text)
    for path, to in links:
        (bench.project / path).parent.mkdir(parents=True, exist_ok=True)
        (bench.project / path).symlink_to(to)
    bench.git("add", "-A", "-f")
    bench.git("commit", "-q", "-m", "All of it")
    bench.git("push", "-q", str(bench.server.bare()), "main")


async def test_a_clone_is_one_that_git_takes_for_its_own(bench: Bench) -> None:
    bench.server.git("tag", "v1")
    bench.server.git("branch", "side/one", "HEAD~1")
    got = await bench.call("git_clone", url=bench.server.url(), path="copy")
    copy = bench.root / "copy"
    assert (got["branch"], got["left_out"]) == ("main", [])
    assert plain_git(copy, "status", "--porcelain", "-b").strip() == "## main...origin/main"
    refs = plain_git(copy, "for-each-ref", "--format=%(refname)").split()
    assert refs == ["refs/heads/main", "refs/remotes/origin/main", "refs/remotes/origin/side/one", "refs/tags/v1"]
    assert plain_git(copy, "remote", "get-url", "origin").strip() == bench.server.url()
    assert (copy / "src/app.py").read_text() == (bench.project / "src/app.py").read_text()
    plain_git(copy, "fsck", "--strict")
    status = await bench.call("git_status", repo="copy")
    assert (status["branch"], status["upstream"], status["staged"]) == ("main", "origin/main", [])
    assert (await bench.call("git_fetch", repo="copy"))["updated"] == []


async def test_files_that_make_a_host_run_something_are_left_out_until_a_person_brings_them(bench: Bench) -> None:
    links = (("in", "src/app.py"), ("out", "/etc/passwd"), ("src/up", "../../project"), ("src/far", "app.py/../../.."))
    made(bench, links=links)
    got = await bench.call("git_clone", url=bench.server.url(), path="deep/../copy")
    copy = bench.root / "copy"
    left = {one["name"] for one in got["left_out"]}
    assert left == {path for path, _ in GUARDED} | {"out", "src/up", "src/far"}
    assert not any((copy / path).exists() or (copy / path).is_symlink() for path in left)
    assert (copy / "in").readlink().as_posix() == "src/app.py"
    assert all((copy / path).exists() for path, _ in HARMLESS)
    assert (copy / "notes.txt").read_bytes() == b"one\r\ntwo\r\n"
    assert plain_git(copy, "status", "--porcelain") == ""
    assert (await bench.call("git_status", repo="copy"))["unstaged"] == []
    plain_git(copy, "sparse-checkout", "disable")
    assert (copy / "CLAUDE.md").read_text() == "do this"
    assert plain_git(copy, "status", "--porcelain") == ""


@pytest.mark.full
async def test_it_goes_to_a_new_folder_beneath_a_root_and_nowhere_else(bench: Bench) -> None:
    for path, code in (
        ("project", "conflict"),
        ("none/copy", "not_found"),
        ("../copy", "path_denied"),
        (".vscode", "approval_required"),
        ("project/.git/copy", "protected_path"),
        (".", "invalid_input"),
    ):
        assert (await bench.refused("git_clone", url=bench.server.url(), path=path))["code"] == code
    assert bench.server.asked == []


@pytest.mark.full
async def test_one_branch_alone(bench: Bench) -> None:
    bench.server.git("branch", "side", "HEAD~1")
    got = await bench.call("git_clone", url=bench.server.url(), path="copy", branch="side")
    assert (got["branch"], got["sha"]) == ("side", bench.server.git("rev-parse", "side").strip())
    refs = plain_git(bench.root / "copy", "for-each-ref", "--format=%(refname)").split()
    assert refs == ["refs/heads/side", "refs/remotes/origin/side"]


async def test_a_branch_whose_name_holds_what_begins_a_comment_has_its_upstream(bench: Bench) -> None:
    name = 'fix#12;"a"'
    bench.server.git("branch", name, "main")
    await bench.call("git_clone", url=bench.server.url(), path="copy", branch=name)
    assert plain_git(bench.root / "copy", "rev-parse", "--abbrev-ref", "@{u}").strip() == f"origin/{name}"


@pytest.mark.full
async def test_a_tree_that_unfolds_without_end_is_refused_and_nothing_is_left(bench: Bench) -> None:
    """A git bomb: ten levels of ten times the same folder."""
    tree = bench.server.git("hash-object", "-w", "--stdin", stdin="x").strip()
    kind = "100644 blob"
    for _ in range(9):
        tree = bench.server.git("mktree", stdin="".join(f"{kind} {tree}\td{at}\n" for at in range(10))).strip()
        kind = "040000 tree"
    sha = bench.server.git("commit-tree", tree, "-m", "Bomb").strip()
    bench.server.git("update-ref", "refs/heads/main", sha)
    error = await bench.refused("git_clone", url=bench.server.url(), path="copy")
    assert error["code"] == "limit_hit"
    assert [path.name for path in bench.root.iterdir()] == ["project"]


@pytest.mark.full
async def test_a_repository_without_commits_is_told(bench: Bench) -> None:
    plain_git(bench.server.folder, "init", "-q", "--bare", "empty.git")
    error = await bench.refused("git_clone", url=bench.server.url("empty"), path="copy")
    assert error["code"] == "unsupported"
    assert [path.name for path in bench.root.iterdir()] == ["project"]
