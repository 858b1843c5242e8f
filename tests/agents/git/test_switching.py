"""A switch that rewrites files: what git would have made of the working tree, or nothing at all; and it is undone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from tests.agents.git.bench import Bench, plain_git

from astro_mcp.errors import ApprovalRequired, Conflict, InvalidInput, NotFound, PathDenied, ProtectedPath, Unsupported

Setup = Callable[[Bench], None]


def tree(root: Path) -> dict[str, tuple[int, bytes]]:
    """Every file and link but git's: kind with the right to run it, and what is in it."""
    found = {}
    for path in sorted(root.rglob("*")):
        if ".git" in path.relative_to(root).parts[:1] or (path.is_dir() and not path.is_symlink()):
            continue
        link = path.is_symlink()
        data = bytes(path.readlink()) if link else path.read_bytes()
        found[str(path.relative_to(root))] = (0 if link else path.stat().st_mode & 0o111, data)
    return found


@pytest.fixture(scope="session")
def parted(begun: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A branch on which files came, went, changed, moved, and became folders, links and programs."""
    root = tmp_path_factory.mktemp("parted") / "project"
    shutil.copytree(begun, root)
    for path, text in [("kind", "a file\n"), ("folder/inner.txt", "inner\n"), ("gone/deep/er.txt", "gone\n")]:
        put(root / path, text)
    put(root / "run.sh", "#!/bin/sh\n")
    put(root / "dos.txt", "a\r\nb\r\n")
    plain_git(root, "add", "-A")
    plain_git(root, "commit", "-q", "-m", "Kinds")
    plain_git(root, "switch", "-q", "-c", "other")
    (root / "kind").unlink()
    put(root / "kind/now/a.folder", "x\n")
    shutil.rmtree(root / "folder")
    put(root / "folder", "now a file\n")
    shutil.rmtree(root / "gone")
    (root / "run.sh").chmod(0o755)
    (root / "link").symlink_to("src/app.py")
    put(root / "dos.txt", "a\r\nc\r\n")
    put(root / "src/app.py", "other\n")
    (root / "src/bytes.bin").write_bytes(bytes(range(256)))
    plain_git(root, "add", "-A")
    plain_git(root, "commit", "-q", "-m", "Other kinds")
    plain_git(root, "switch", "-q", "main")
    return root


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, newline="")


@pytest.fixture
def other(bench: Bench, parted: Path) -> Bench:
    shutil.rmtree(bench.root)
    shutil.copytree(parted, bench.root, symlinks=True)
    return bench


def as_git_does(bench: Bench, *command: str) -> dict[str, tuple[int, bytes]]:
    twin = bench.root.parent / "twin"
    shutil.copytree(bench.root, twin, symlinks=True)
    plain_git(twin, *command)
    return tree(twin)


async def test_every_kind_of_change_is_what_git_switch_would_have_made(other: Bench) -> None:
    before, expected = tree(other.root), as_git_does(other, "switch", "-q", "other")
    made = await other.call("git_branch", action="switch", name="other")
    assert tree(other.root) == expected
    assert other.git("diff-files", "--name-only") == "", "the index needs no refresh"
    assert other.git("status", "--porcelain", "-b").strip() == "## other"
    assert not (other.root / "gone").exists(), "folders that were left empty are gone"
    assert "src/bytes.bin" in made.files
    back = await other.call("git_branch", action="switch", name="main")
    assert other.git("status", "--porcelain", "-b").strip() == "## main"
    assert tree(other.root) == before
    assert set(back.files) >= {"kind", "folder/inner.txt"}
    other.git("fsck", "--strict")


async def test_local_changes_of_other_files_and_what_is_staged_of_them_stay(other: Bench) -> None:
    other.write("README.md", "mine\n")
    other.write("staged.txt", "staged\n")
    other.git("add", "staged.txt")
    other.write("loose.txt", "loose\n")
    await other.call("git_branch", action="switch", name="other")
    assert other.git("status", "--porcelain").splitlines() == [" M README.md", "A  staged.txt", "?? loose.txt"]


def _changed(bench: Bench) -> None:
    bench.write("src/app.py", "mine\n")


def _staged(bench: Bench) -> None:
    bench.write("src/app.py", "mine\n")
    bench.git("add", "-A")


def _untracked(bench: Bench) -> None:
    bench.write("src/bytes.bin", "mine\n")


def _ignored(bench: Bench) -> None:
    (bench.root / ".git/info").mkdir(exist_ok=True)
    (bench.root / ".git/info/exclude").write_text("*.bin\n")
    bench.write("src/bytes.bin", "mine\n")


def _in_the_folder(bench: Bench) -> None:
    bench.write("folder/mine.txt", "mine\n")


def _assumed(bench: Bench) -> None:
    bench.git("update-index", "--assume-unchanged", "src/app.py")
    bench.write("src/app.py", "mine\n")


def _untracked_file_for_a_folder(bench: Bench) -> None:
    bench.git("rm", "-q", "--cached", "kind")


@pytest.mark.parametrize(
    "setup",
    [
        _changed,
        _ignored,
        *(
            pytest.param(setup, marks=pytest.mark.full)
            for setup in (_staged, _untracked, _untracked_file_for_a_folder, _in_the_folder, _assumed)
        ),
    ],
)
async def test_where_a_local_change_would_be_lost_nothing_is_done(other: Bench, setup: Setup) -> None:
    setup(other)
    looks = ("for-each-ref",), ("ls-files", "-s"), ("count-objects",)
    before = tree(other.root), [other.git(*look) for look in looks]
    error = (await other.result("git_branch", action="switch", name="other")).error
    assert isinstance(error, Conflict), error
    assert (tree(other.root), [other.git(*look) for look in looks]) == before
    assert other.git("branch", "--show-current").strip() == "main"


@pytest.mark.full
async def test_the_paths_in_the_way_are_told(other: Bench) -> None:
    _changed(other)
    _untracked(other)
    error = (await other.result("git_branch", action="switch", name="other")).error
    assert error is not None
    assert [problem.path for problem in error.problems] == ["src/app.py", "src/bytes.bin"]


@pytest.mark.full
async def test_a_file_that_was_deleted_comes_back_and_one_that_is_staged_as_it_comes_stays(other: Bench) -> None:
    (other.root / "src/app.py").unlink()
    other.git("checkout", "other", "--", "dos.txt")
    await other.call("git_branch", action="switch", name="other")
    assert other.git("status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("path", "text", "error"),
    [
        (".github/workflows/ci.yml", "on: push\n", ApprovalRequired),
        pytest.param("package.json", '{"scripts": {"postinstall": "x"}}\n', ApprovalRequired, marks=pytest.mark.full),
        pytest.param(".gitattributes", "*.txt eol=crlf\n", ApprovalRequired, marks=pytest.mark.full),
        (".env", "A=1\n", ProtectedPath),
    ],
)
async def test_files_behind_the_guards_are_not_rewritten(
    bench: Bench, path: str, text: str, error: type[Exception]
) -> None:
    bench.write(path, "{}\n")
    bench.git("add", "-A")
    bench.git("commit", "-q", "-m", "One")
    bench.git("switch", "-q", "-c", "other")
    bench.write(path, text)
    bench.git("commit", "-q", "-a", "-m", "Other")
    bench.git("switch", "-q", "main")
    before = tree(bench.root)
    assert isinstance((await bench.result("git_branch", action="switch", name="other")).error, error)
    assert tree(bench.root) == before
    assert bench.git("for-each-ref", "refs/astro") == "", "what did not happen leaves no recovery ref"


async def test_line_ends_follow_the_attributes_and_filters_are_refused(bench: Bench) -> None:
    bench.write(".gitattributes", "*.bat eol=crlf\n*.bin filter=lfs\n")
    bench.write("run.bat", "a\r\n")
    bench.git("add", "-A")
    bench.git("commit", "-q", "-m", "One")
    bench.git("switch", "-q", "-c", "other")
    bench.write("run.bat", "b\r\n")
    bench.git("commit", "-q", "-a", "-m", "Other")
    bench.git("switch", "-q", "-c", "big")
    bench.write("big.bin", "pointer\n")
    bench.git("add", "-A")
    bench.git("commit", "-q", "-m", "Big")
    bench.git("switch", "-q", "main")
    await bench.call("git_branch", action="switch", name="other")
    assert (bench.root / "run.bat").read_bytes() == b"b\r\n"
    assert bench.git("cat-file", "-s", "HEAD:run.bat").strip() == "2"
    assert isinstance((await bench.result("git_branch", action="switch", name="big")).error, Unsupported)


@pytest.mark.parametrize("after", ["nothing", "a file", "another link"])
async def test_a_link_to_a_name_that_is_not_utf8_is_left_and_that_is_told(bench: Bench, after: str) -> None:
    link = bench.root / "link"
    if after == "a file":
        link.write_text("a file\n")
    elif after == "another link":
        link.symlink_to("README.md")
    bench.git("add", "-A")
    bench.git("commit", "-q", "--allow-empty", "-m", after)
    bench.git("branch", "other")
    link.unlink(missing_ok=True)
    os.symlink(b"\xff", os.fsencode(link))
    bench.git("add", "-A")
    bench.git("commit", "-q", "-m", "A link")
    error = (await bench.result("git_branch", action="switch", name="other")).error
    assert isinstance(error, PathDenied)
    assert error.message == "link is a link to a name that is not UTF-8"
    assert bench.git("status", "--porcelain", "-b").strip() == "## main"


@pytest.mark.full
async def test_a_switch_is_undone_and_the_undo_as_well(other: Bench) -> None:
    before, main = tree(other.root), other.git("rev-parse", "HEAD").strip()
    there = await other.call("git_branch", action="switch", name="other")
    after = tree(other.root)
    other.git("gc", "-q", "--prune=now")
    back = await other.call("git_undo", recovery_ref=there.recovery_ref)
    assert (back.branch, back.after) == ("main", main)
    assert tree(other.root) == before
    assert other.git("status", "--porcelain", "-b").strip() == "## main"
    assert isinstance((await other.result("git_undo", recovery_ref=there.recovery_ref)).error, Conflict)
    await other.call("git_undo", recovery_ref=back.recovery_ref)
    assert tree(other.root) == after
    assert other.git("status", "--porcelain", "-b").strip() == "## other"


@pytest.mark.full
async def test_the_files_of_a_switch_are_undone_alone_by_their_undo_id(other: Bench) -> None:
    before = tree(other.root)
    there = await other.call("git_branch", action="switch", name="other")
    await other.call("fs_undo", undo_id=there.undo_id)
    assert tree(other.root) == before
    assert other.git("branch", "--show-current").strip() == "other"


async def test_an_undo_is_refused_where_things_moved_or_a_change_would_be_lost(other: Bench) -> None:
    there = await other.call("git_branch", action="switch", name="other")
    other.write("src/app.py", "mine\n")
    assert isinstance((await other.result("git_undo", recovery_ref=there.recovery_ref)).error, Conflict)
    assert (other.root / "src/app.py").read_text() == "mine\n"
    await other.call("git_commit", message="Mine")
    assert isinstance((await other.result("git_undo", recovery_ref=there.recovery_ref)).error, Conflict)
    assert other.git("branch", "--show-current").strip() == "other"


@pytest.mark.full
async def test_a_detached_head_is_gone_back_to(other: Bench) -> None:
    other.git("switch", "-q", "--detach")
    sha = other.git("rev-parse", "HEAD").strip()
    there = await other.call("git_branch", action="switch", name="other")
    await other.call("git_undo", recovery_ref=there.recovery_ref)
    assert (other.root / ".git/HEAD").read_text().strip() == sha
    assert other.git("status", "--porcelain") == ""


@pytest.mark.full
@pytest.mark.parametrize("hundredths", range(2, 60, 4))
async def test_a_switch_that_is_cancelled_is_all_there_or_not_at_all(other: Bench, hundredths: int) -> None:
    before, expected = tree(other.root), as_git_does(other, "switch", "-q", "other")
    with anyio.move_on_after(hundredths / 100):
        await other.result("git_branch", action="switch", name="other")
    there = other.git("branch", "--show-current").strip() == "other"
    assert tree(other.root) == (expected if there else before)
    assert other.git("status", "--porcelain") == ""
    assert (other.git("for-each-ref", "refs/astro") != "") == there


async def test_recovery_refs_that_are_none_of_ours_move_nothing(other: Bench) -> None:
    name = "refs/astro/recovery/20260131T120000Z-0123abcd"
    assert isinstance((await other.result("git_undo", recovery_ref="refs/heads/main")).error, InvalidInput)
    assert isinstance((await other.result("git_undo", recovery_ref=name)).error, NotFound)
    sha = other.git("rev-parse", "HEAD").strip()
    body = '{"head_before": "%s", "head_after": "refs/heads/main", "ref": "%s", "before": "%s", "after": "%s"}'
    said = "Where things were before a step of astro-mcp\n\n"
    for head, ref, before in [
        ("refs/heads/main", "../../config", sha),
        ("refs/heads/main", "refs/tags/v1", sha),
        ("refs/remotes/x", "", sha),
        ("refs/heads/main", "refs/heads/main", "f" * 40),
        ("refs/heads/main", "refs/heads/main", "--all"),
    ]:
        message = said + body % (head, ref, before, sha)
        forged = other.git("commit-tree", "HEAD^{tree}", stdin=message).strip()
        other.git("update-ref", name, forged)
        error = (await other.result("git_undo", recovery_ref=name)).error
        assert isinstance(error, Unsupported), (head, ref, before)
    other.git("update-ref", name, other.git("commit-tree", "HEAD^{tree}", stdin="[" * 9000).strip())
    assert isinstance((await other.result("git_undo", recovery_ref=name)).error, Unsupported)
    assert other.git("rev-parse", "HEAD").strip() == sha


@pytest.mark.full
async def test_recovery_refs_go_with_age_and_beyond_a_number(other: Bench) -> None:
    old = [f"refs/astro/recovery/20200101T0000{n:02}Z-0123abcd" for n in range(3)]
    recent = [f"refs/astro/recovery/20990101T0000{n:02}Z-0123abcd" for n in range(50)]
    theirs = ["refs/astro/recovery/mine", "refs/astro/recovery/20200101T000000Z-0123abcd-mine"]
    other.git("update-ref", "--stdin", stdin="".join(f"create {name} HEAD\n" for name in (*old, *recent, *theirs)))
    made = (await other.call("git_branch", action="switch", name="other")).recovery_ref
    left = other.git("for-each-ref", "--format=%(refname)", "refs/astro").split()
    assert sorted(left) == sorted([made, *recent[1:], *theirs])
