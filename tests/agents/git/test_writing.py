"""Commits and branches: what plain git would have made, and nothing but that."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from itertools import product
from pathlib import Path

import anyio
import pytest
from tests.agents.git.bench import Bench

from astro_mcp.config import GitSettings, SecretSettings
from astro_mcp.errors import Conflict, InvalidInput, NotFound, ProtectedPath, Unsupported
from astro_mcp.workspace.git.commits import commit, draft
from astro_mcp.workspace.git.keys import KINDS
from astro_mcp.workspace.git.repository import Git
from astro_mcp.workspace.workspace import Workspace


def committed(bench: Bench) -> list[str]:
    return bench.git("show", "--format=", "--name-status", "--no-renames", "HEAD").splitlines()


async def test_everything_that_changed_is_committed_and_the_tree_is_clean_for_plain_git(bench: Bench) -> None:
    bench.write("src/app.py", "changed\n")
    bench.write("deep/er/new.txt", "new\n")
    (bench.root / "README.md").unlink()
    result = await bench.call("git_commit", message="All of it")
    assert [(f.path, f.change) for f in result.files] == [
        ("README.md", "D"),
        ("deep/er/new.txt", "A"),
        ("src/app.py", "M"),
    ]
    assert bench.git("rev-parse", "HEAD").strip() == result.sha
    assert bench.git("status", "--porcelain") == ""
    assert bench.git("log", "-1", "--format=%an <%ae> %B").strip() == "astro-mcp <astro-mcp@localhost> All of it"
    assert bench.git("rev-parse", "HEAD~1^{tree}", "main").split()[1] == result.sha
    bench.git("fsck", "--strict")


async def test_the_index_that_is_left_needs_no_refresh(bench: Bench) -> None:
    bench.git("update-index", "--refresh")  # of the copy that the test got
    bench.write("src/app.py", "changed\n")
    await bench.call("git_commit", message="m")
    assert bench.git("diff-files", "--name-only") == ""


async def test_named_paths_alone_are_committed_and_the_rest_stays_staged(bench: Bench) -> None:
    bench.write("README.md", "staged\n")
    bench.git("add", "README.md")
    bench.write("src/app.py", "changed\n")
    bench.write("other.txt", "other\n")
    result = await bench.call("git_commit", paths=["src"], message="Only src")
    assert [f.path for f in result.files] == ["src/app.py"]
    assert bench.git("status", "--porcelain").splitlines() == ["M  README.md", "?? other.txt"]


async def test_modes_links_and_odd_names_are_kept(bench: Bench) -> None:
    bench.write("run.sh", "#!/bin/sh\n")
    (bench.root / "run.sh").chmod(0o755)
    (bench.root / "link").symlink_to("/etc/passwd")
    bench.write('na "me\n.txt', "x\n")
    (bench.root / os.fsdecode(b"latin\xe9.txt")).write_text("y\n")
    await bench.call("git_commit", message="m")
    modes = {line.split("\t")[1]: line.split()[0] for line in bench.git("ls-tree", "HEAD").splitlines()}
    assert modes["run.sh"] == "100755"
    assert modes["link"] == "120000"
    assert bench.git("cat-file", "blob", "HEAD:link") == "/etc/passwd"
    assert bench.git("status", "--porcelain") == ""
    (bench.root / "run.sh").chmod(0o644)
    result = await bench.call("git_commit", message="mode")
    assert [(f.path, f.change) for f in result.files] == [("run.sh", "M")]


async def test_a_file_that_became_a_folder_and_a_folder_that_became_a_link(bench: Bench, tmp_path: Path) -> None:
    (bench.root / "README.md").unlink()
    bench.write("README.md/inner.txt", "x\n")
    (bench.root / "src/app.py").unlink()
    (bench.root / "src").rmdir()
    (bench.root / "src").symlink_to(tmp_path)
    await bench.call("git_commit", message="m")
    assert committed(bench) == ["D\tREADME.md", "A\tREADME.md/inner.txt", "A\tsrc", "D\tsrc/app.py"]
    assert bench.git("status", "--porcelain") == ""


async def test_line_ends_stay_as_they_are_unless_the_attributes_say_otherwise(bench: Bench) -> None:
    bench.git("config", "core.autocrlf", "true")
    bench.write("dos.txt", "a\r\nb\r\n")
    await bench.call("git_commit", message="m")
    assert subprocess.check_output(["git", "cat-file", "blob", "HEAD:dos.txt"], cwd=bench.root) == b"a\r\nb\r\n"
    bench.write(".gitattributes", "*.bat text\n")
    bench.write("run.bat", "a\r\n")
    await bench.call("git_commit", message="m")
    assert subprocess.check_output(["git", "cat-file", "blob", "HEAD:run.bat"], cwd=bench.root) == b"a\n"


async def test_a_dry_run_changes_nothing(bench: Bench) -> None:
    bench.write("src/app.py", "changed\n")
    before = {path: path.stat().st_mtime_ns for path in (bench.root / ".git").rglob("*")}
    result = await bench.call("git_commit", dry_run=True, message="m")
    assert (result.sha, [f.path for f in result.files]) == ("", ["src/app.py"])
    assert {path: path.stat().st_mtime_ns for path in (bench.root / ".git").rglob("*")} == before


async def test_nothing_to_commit_is_a_conflict_and_a_wrong_path_is_not_found(bench: Bench) -> None:
    assert isinstance((await bench.result("git_commit", message="m")).error, Conflict)
    assert isinstance((await bench.result("git_commit", paths=["src/ap.py"], message="m")).error, NotFound)
    assert isinstance((await bench.result("git_commit", message="  \n")).error, InvalidInput)


async def test_a_file_on_the_secrets_list_is_refused_by_name(bench: Bench) -> None:
    bench.write(".env", "A=1\n")
    bench.write("src/app.py", "changed\n")
    head = bench.git("rev-parse", "HEAD")
    for paths in ([], [".env"]):
        error = (await bench.result("git_commit", message="m", paths=paths)).error
        assert isinstance(error, ProtectedPath)
        assert ".env" in error.message
    assert bench.git("rev-parse", "HEAD") == head
    assert (await bench.call("git_commit", paths=["src"], message="m")).files[0].path == "src/app.py"


async def test_a_key_in_new_content_is_refused_and_one_that_stood_there_is_not(bench: Bench) -> None:
    key = "AKIA" + "IOSFODNN7EXAMPLE"
    bench.write("src/app.py", f"one\ntwo = '{key}'\n")
    dry = await bench.call("git_commit", dry_run=True, message="m")
    assert [(k.path, k.line, k.kind) for k in dry.secrets_found] == [("src/app.py", 2, "AWS access key")]
    result = await bench.result("git_commit", message="m")
    assert isinstance(result.error, ProtectedPath)
    assert [problem.path for problem in result.error.problems] == ["src/app.py:2"]
    assert key not in result.error.text()
    bench.git("commit", "-q", "-a", "-m", "known")
    bench.write("src/app.py", f"one\ntwo = '{key}'\nthree\n")
    assert (await bench.call("git_commit", message="m")).sha


async def test_every_kind_of_key_is_found_and_what_only_looks_like_one_is_not(bench: Bench) -> None:
    """Each is put together here, so that no scanner takes this file for one that leaks."""
    letters = "A1b2C3d4E5f6G7h8J9k0" * 20
    keys = {
        "private key": [f"-----BEGIN {kind}PRIVATE KEY-----" for kind in ("", "RSA ", "ENCRYPTED ", "OPENSSH ")]
        + ["-----BEGIN PGP " + "PRIVATE KEY BLOCK-----"],
        "AWS access key": ["AKIA" + "Q1W2E3R4T5Y6U7I8", "ASIA" + "Q1W2E3R4T5Y6U7I8"],
        "GitHub token": [f"gh{kind}_{letters[:36]}" for kind in "pousr"] + [f"github_pat_{letters[:60]}"],
        "GitLab token": [f"glpat-{letters[:20]}"],
        "Slack token": [f"xox{kind}-{letters[:20]}" for kind in "abeoprs"],
        "Google API key": [f"AIza{letters[:35]}"],
        "Stripe key": [f"{kind}k_live_{letters[:20]}" for kind in "rs"],
        "model provider key": [f"sk-{kind}-{letters[:20]}" for kind in ("ant", "proj")],
        "package registry token": [f"npm_{letters[:36]}", f"pypi-AgE{letters[:50]}"],
    }
    assert keys.keys() == KINDS.keys()
    rows = [(text, kind) for kind, texts in keys.items() for text in texts]
    bench.write("keys.txt", "".join(f"x = '{text}'\n" for text, _ in rows))
    short = [f"gh{kind}_{letters[:35]}" for kind in "pousr"] + [
        "AKIA" + "IOSFODNN7EXAMPL",
        "sk-ant",
        "-----BEGIN CERTIFICATE",
    ]
    bench.write(
        "none.txt", "".join(f"x = '{text}'\n" for text in [*short, f"_AIza{letters[:35]}", "xoxx-" + letters[:20]])
    )
    told = (await bench.call("git_commit", dry_run=True, message="m")).secrets_found
    assert [(key.path, key.line, key.kind) for key in told] == [
        ("keys.txt", line, kind) for line, (_, kind) in enumerate(rows, 1)
    ]


async def test_files_of_a_filter_are_refused(bench: Bench) -> None:
    bench.write(".gitattributes", "*.bin filter=lfs\n")
    bench.write("big.bin", "x\n")
    assert isinstance((await bench.result("git_commit", message="m")).error, Unsupported)


async def test_a_merge_under_way_is_not_committed_as_something_else(bench: Bench) -> None:
    (bench.root / ".git/MERGE_HEAD").write_text(bench.git("rev-parse", "HEAD~1"))
    bench.write("src/app.py", "changed\n")
    assert isinstance((await bench.result("git_commit", message="m")).error, Conflict)


async def test_another_gits_lock_is_respected(bench: Bench) -> None:
    bench.write("src/app.py", "changed\n")
    for name in ("index.lock", "HEAD.lock", "refs/heads/main.lock"):
        lock = bench.root / ".git" / name
        lock.touch()
        error = (await bench.result("git_commit", message="m")).error
        assert isinstance(error, Conflict)
        assert error.retryable
        assert lock.exists()
        lock.unlink()
    assert bench.git("log", "--format=%s", "-1") == "Add two\n"


async def test_of_two_commits_at_once_one_wins_and_none_is_lost(bench: Bench) -> None:
    codes: list[str] = []

    async def one(name: str) -> None:
        bench.write(f"{name}.txt", name)
        result = await bench.result("git_commit", paths=[f"{name}.txt"], message=name)
        codes.append(result.error.code if result.error else "ok")

    async with anyio.create_task_group() as tasks:
        for name in "abcd":
            tasks.start_soon(one, name)
    assert set(codes) <= {"ok", "conflict"}
    assert bench.git("rev-list", "--count", "HEAD").strip() == str(2 + codes.count("ok"))
    bench.git("fsck", "--strict")


@pytest.mark.parametrize("meanwhile", ["add", "update-ref", "switch"])
async def test_what_a_person_does_between_reading_and_writing_is_not_overwritten(
    bench: Bench, tmp_path: Path, meanwhile: str
) -> None:
    bench.git("branch", "twin")
    bench.write("src/app.py", "changed\n")
    async with Git(Workspace(SecretSettings()), tmp_path / "private").open(bench.session, ".") as repository:
        made = await draft(repository, ["src"])
        if meanwhile == "add":
            bench.write("theirs.txt", "x\n")
            bench.git("add", "theirs.txt")
        elif meanwhile == "update-ref":
            bench.git("update-ref", "refs/heads/main", "HEAD~1")
        else:
            bench.git("symbolic-ref", "HEAD", "refs/heads/twin")
        before = bench.git("for-each-ref"), bench.git("ls-files", "-s")
        with pytest.raises(Conflict) as refused:
            await commit(repository, made, "m", GitSettings())
    assert refused.value.retryable
    assert (bench.git("for-each-ref"), bench.git("ls-files", "-s")) == before


async def test_the_first_commit_of_a_repository(bench: Bench) -> None:
    bench.git("init", "-q", "-b", "trunk", "fresh")
    bench.write("fresh/a.txt", "a\n")
    result = await bench.call("git_commit", repo="fresh", message="First")
    assert result.branch == "trunk"
    assert bench.git("-C", "fresh", "log", "--format=%s").strip() == "First"
    assert bench.git("-C", "fresh", "status", "--porcelain") == ""


async def test_a_commit_on_a_detached_head_moves_no_branch(bench: Bench) -> None:
    bench.git("switch", "-q", "--detach")
    main = bench.git("rev-parse", "main")
    bench.write("src/app.py", "changed\n")
    result = await bench.call("git_commit", message="Loose")
    assert bench.git("rev-parse", "HEAD").strip() == result.sha
    assert bench.git("rev-parse", "main") == main
    assert (bench.root / ".git/HEAD").read_text() == f"{result.sha}\n"


async def test_a_commit_in_a_linked_worktree_moves_its_branch(bench: Bench) -> None:
    bench.git("worktree", "add", "-q", "-b", "side", "wt")
    bench.write("wt/extra.txt", "x\n")
    result = await bench.call("git_commit", repo="wt", message="Side")
    assert bench.git("rev-parse", "side").strip() == result.sha
    assert bench.git("-C", "wt", "status", "--porcelain") == ""
    assert bench.git("-C", "wt", "reflog", "-1", "--format=%gs").strip() == "commit: Side"


async def test_a_commit_can_be_taken_back_by_the_reflog_also_after_packing(bench: Bench) -> None:
    bench.git("pack-refs", "--all")
    bench.git("gc", "-q")
    bench.write("src/app.py", "changed\n")
    await bench.call("git_commit", message="Mine")
    assert bench.git("reflog", "-1", "--format=%gs").strip() == "commit: Mine"
    bench.git("reset", "-q", "--hard", "HEAD@{1}")
    assert bench.git("log", "-1", "--format=%s").strip() == "Add two"


async def test_a_repository_inside_is_left_out_and_that_is_told(bench: Bench) -> None:
    bench.git("init", "-q", "inner")
    bench.write("inner/x.txt", "x\n")
    bench.write("src/app.py", "changed\n")
    result = await bench.call("git_commit", message="m")
    assert result.left_out == ["inner/"]
    assert committed(bench) == ["M\tsrc/app.py"]


async def test_paths_may_be_named_as_the_file_tools_name_them(bench: Bench) -> None:
    bench.git("init", "-q", "clone")
    bench.write("clone/docs/a.txt", "a\n")
    result = await bench.call("git_commit", repo="clone", paths=["clone/docs/a.txt"], message="m")
    assert [f.path for f in result.files] == ["docs/a.txt"]
    bench.write("clone/docs/a.txt", "b\n")
    assert (await bench.call("git_commit", repo="clone", paths=["docs"], message="m")).sha


def _become(place: Path, state: str) -> None:
    place.unlink(missing_ok=True)
    if state == "link":
        place.symlink_to("nowhere")
    elif state != "none":
        place.write_text(f"{state}\n")


async def test_whatever_head_index_and_working_tree_hold_of_a_file_the_working_trees_is_committed(bench: Bench) -> None:
    sides = product(("none", "one", "link"), ("none", "to-add", "one", "two", "link"), ("none", "one", "two", "link"))
    names = {"_".join(states): states for states in sides}

    def every(side: int, wanted: Callable[[str], bool]) -> list[str]:
        for name, states in names.items():
            _become(bench.root / name, states[side])
        return [name for name, states in names.items() if wanted(states[side])]

    every(0, bool)
    bench.git("add", "-A")
    bench.git("commit", "-q", "-m", "HEAD")
    bench.git("rm", "-q", "--cached", "--ignore-unmatch", *every(1, lambda state: state in ("none", "to-add")))
    bench.git("add", *every(1, lambda state: state not in ("none", "to-add")))
    bench.git("add", "--intent-to-add", *every(1, lambda state: state == "to-add"))
    every(2, bool)
    told = bench.git("status", "--porcelain", "--no-renames").splitlines()
    letters = {f"{x}{y}" for x, y in product("AMT ", "MTD ")} - {"  "} | {" A", "D ", "DA", "DD", "??"}
    assert {line[:2] for line in told} == letters
    await bench.call("git_commit", message="All of it")
    bench.git("add", "-A")
    assert bench.git("diff", "--cached", "--name-status", "HEAD") == "", "git would have committed the same"


async def test_ignored_files_are_not_committed(bench: Bench) -> None:
    bench.write(".gitignore", "*.log\n")
    (bench.root / ".git/info").mkdir(exist_ok=True)
    (bench.root / ".git/info/exclude").write_text("*.tmp\n")
    bench.write("a.log", "x\n")
    bench.write("a.tmp", "x\n")
    await bench.call("git_commit", message="m")
    assert committed(bench) == ["A\t.gitignore"]


async def test_a_branch_is_made_and_gone_on_and_committed_to(bench: Bench) -> None:
    bench.write("src/app.py", "changed\n")
    made = await bench.call("git_branch", name="fix/login")
    assert (made.branch, made.current) == ("fix/login", False)
    assert bench.git("branch", "--show-current").strip() == "main"
    assert (await bench.call("git_branch", action="switch", name="fix/login")).current
    assert bench.git("status", "--porcelain", "-b").splitlines() == ["## fix/login", " M src/app.py"]
    assert bench.git("reflog", "-1", "--format=%gs").strip() == "checkout: moving from main to fix/login"
    sha = (await bench.call("git_commit", message="Fix")).sha
    assert bench.git("rev-parse", "fix/login").strip() == sha
    assert bench.git("log", "-1", "--format=%s", "main").strip() == "Add two"


async def test_a_branch_can_start_anywhere_and_be_made_again_only_there(bench: Bench) -> None:
    old = bench.git("rev-parse", "HEAD~1").strip()
    assert (await bench.call("git_branch", name="old", **{"from": "HEAD~1"})).sha == old
    assert (await bench.call("git_branch", name="old", **{"from": "HEAD~1"})).sha == old
    assert isinstance((await bench.result("git_branch", name="old")).error, Conflict)
    bench.git("pack-refs", "--all")
    assert isinstance((await bench.result("git_branch", name="old")).error, Conflict)
    assert isinstance((await bench.result("git_branch", name="old/er")).error, Conflict)
    assert isinstance((await bench.result("git_branch", name="new", **{"from": "nowhere"})).error, NotFound)
    assert bench.git("rev-parse", "old").strip() == old


async def test_a_branch_takes_a_name_whose_folder_was_left_empty(bench: Bench) -> None:
    bench.git("branch", "a/b/c")
    bench.git("branch", "-q", "-D", "a/b/c")
    (bench.root / ".git/refs/heads/a/b").mkdir(parents=True, exist_ok=True)
    await bench.call("git_branch", name="a")
    assert bench.git("rev-parse", "a") == bench.git("rev-parse", "main")


async def test_a_switch_to_no_branch_is_not_found(bench: Bench) -> None:
    assert isinstance((await bench.result("git_branch", action="switch", name="none")).error, NotFound)
    assert bench.git("branch", "--show-current").strip() == "main"


@pytest.mark.parametrize(
    "name",
    [
        "-d",
        "a b",
        "a..b",
        "a.lock",
        "/a",
        "a/",
        "a//b",
        "a\nb",
        "a~1",
        "HEAD",
        "@",
        "",
        "refs/heads/x",
        ".a",
        "a/.b",
        "x" * 300,
        "../../x",
        "a\x7f",
    ],
)  # fmt: skip - a list of names
async def test_what_is_no_name_of_a_branch_is_refused(bench: Bench, name: str) -> None:
    for action in ("create", "switch"):
        assert isinstance((await bench.result("git_branch", action=action, name=name)).error, InvalidInput)
