"""A submodule whose folder has another commit checked out than the index names: told as plain git tells it, by
git_status and git_diff, and nothing of it is opened but a few plain files within the root."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.agents.git.bench import Bench, plain_git

ALLOWED = ("-c", "protocol.file.allow=always")


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory, begun: Path) -> Path:
    """The repository that was begun with the submodules `sub` and `libs/deep er`, made as a person makes them, each of
    one commit."""
    folder = tmp_path_factory.mktemp("joined")
    root, upstream = folder / "project", folder / "upstream"
    shutil.copytree(begun, root)
    upstream.mkdir()
    plain_git(upstream, "init", "-q", "-b", "main")
    (upstream / "a.txt").write_text("a\n")
    plain_git(upstream, "add", "-A")
    plain_git(upstream, "commit", "-q", "-m", "First")
    for path in ("sub", "libs/deep er"):
        plain_git(root, *ALLOWED, "submodule", "--quiet", "add", str(upstream), path)
    plain_git(root, "commit", "-q", "-m", "Submodules")
    return root


@pytest.fixture
def two(bench: Bench, joined: Path) -> Bench:
    shutil.rmtree(bench.root)
    shutil.copytree(joined, bench.root)
    return bench


def inner(bench: Bench, path: str, *arguments: str) -> str:
    return plain_git(bench.root / path, *arguments)


def move(bench: Bench, path: str = "sub") -> str:
    """A new commit in it; returns its sha."""
    inner(bench, path, "commit", "-q", "--allow-empty", "-m", "Moved")
    return inner(bench, path, "rev-parse", "HEAD").strip()


async def same(bench: Bench) -> set[tuple[str, str, str]]:
    """The status is plain git's, and returned; asked twice, for the second one may be told out of what stands."""
    out = bench.git("--no-optional-locks", "status", "--porcelain=v2", "-z", "--renames", "--ignore-submodules=dirty")
    theirs = set()
    for record in out.split("\0"):
        kind, *words = record.split(" ", {"1": 8, "2": 9}.get(record[:1], 1))
        if kind in ("1", "2"):
            theirs |= {("staged", words[-1], words[0][0]), ("unstaged", words[-1], words[0][1])}
        elif kind == "u":
            theirs.add(("conflict", record.split(" ", 10)[10], "U"))
        elif kind == "?":
            theirs.add(("untracked", words[0], "?"))
    theirs = {one for one in theirs if one[2] != "."}
    for _ in range(2):
        status = await bench.call("git_status")
        ours = {("staged", one.path, one.change) for one in status.staged}
        ours |= {("unstaged", one.path, one.change) for one in status.unstaged}
        ours |= {("conflict", one.path, one.change) for one in status.conflicts}
        ours |= {("untracked", path, "?") for path in status.untracked}
        assert ours == theirs
    return theirs


async def same_diffs(bench: Bench) -> int:
    """All that git_diff tells with the working tree as its new side is plain git's; returns how many files that is."""
    count = 0
    for base, words in (("HEAD", ["HEAD"]), ("index", []), ("HEAD~1", ["HEAD~1"])):
        for paths in ([], ["sub"], ["libs"], ["README.md"]):
            plain = ("diff", "--ignore-submodules=dirty", "--submodule=short", *(words or ["--ours"]))
            numbers = bench.git(*plain, "--numstat", "-z", "--no-renames", "--", *paths)
            lines = bench.git(*plain, "--no-renames", "--", *paths).split("\n")
            diff = await bench.call("git_diff", **{"from": base}, paths=paths)
            files = [f"{file.additions}\t{file.deletions}\t{file.path}" for file in diff.files]
            rows = [row for row in numbers.split("\0")[:-1] if not row.startswith("0\t0\t")]  # a conflict, told twice
            assert files == rows, (base, paths)
            told = [line for hunk in diff.hunks for line in hunk.text.split("\n")[1:]]
            assert told == [line for line in lines if re.match(r"[+-](?![+-]{2} )| ", line)], (base, paths)
            count += len(files)
    return count


async def test_a_submodule_that_moved_is_told_until_it_is_back(two: Bench) -> None:
    assert await same(two) == set()
    first = inner(two, "sub", "rev-parse", "HEAD").strip()
    move(two)
    assert await same(two) == {("unstaged", "sub", "M")}
    two.write("README.md", "changed\n")
    assert await same(two) == {("unstaged", "sub", "M"), ("unstaged", "README.md", "M")}
    move(two, "libs/deep er")
    assert ("unstaged", "libs/deep er", "M") in await same(two)
    inner(two, "sub", "checkout", "-q", first)
    assert ("unstaged", "sub", "M") not in await same(two)


async def test_what_is_staged_of_one_stands_beside_where_it_moved_to(two: Bench) -> None:
    move(two)
    two.git("add", "sub")
    assert await same(two) == {("staged", "sub", "M")}
    move(two)
    assert await same(two) == {("staged", "sub", "M"), ("unstaged", "sub", "M")}


async def test_its_moves_are_told_out_of_a_status_that_stands(two: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    await same(two)
    asked: list[str] = []

    async def none(*arguments: Any, **options: Any) -> Any:
        asked.append(str(arguments))
        raise AssertionError(asked)

    monkeypatch.setattr("astro_mcp.workspace.git.repository.run_git", none)
    await same(two)
    move(two)
    assert await same(two) == {("unstaged", "sub", "M")}
    inner(two, "sub", "pack-refs", "--all")
    assert await same(two) == {("unstaged", "sub", "M")}
    inner(two, "sub", "reset", "-q", "--hard", "HEAD~1")
    assert await same(two) == set()


def _packed(bench: Bench) -> None:
    move(bench)
    inner(bench, "sub", "pack-refs", "--all")
    assert not (bench.root / ".git/modules/sub/refs/heads/main").exists()


def _detached(bench: Bench) -> None:
    move(bench)
    inner(bench, "sub", "checkout", "-q", "--detach")


def _through_a_name(bench: Bench) -> None:
    move(bench)
    inner(bench, "sub", "symbolic-ref", "refs/heads/alias", "refs/heads/main")
    inner(bench, "sub", "symbolic-ref", "HEAD", "refs/heads/alias")


def _unborn(bench: Bench) -> None:
    move(bench)
    inner(bench, "sub", "symbolic-ref", "HEAD", "refs/heads/none")


def _its_own_folder(bench: Bench) -> None:
    """A repository that was made in place has a folder `.git`, as before submodules were absorbed."""
    (bench.root / "sub/.git").unlink()
    inner(bench, "sub", "init", "-q", "-b", "main")
    move(bench)


def _empty(bench: Bench) -> None:
    bench.git("submodule", "--quiet", "deinit", "-f", "sub")


def _gone(bench: Bench) -> None:
    shutil.rmtree(bench.root / "sub")


def _a_file(bench: Bench) -> None:
    shutil.rmtree(bench.root / "sub")
    bench.write("sub", "a file\n")


def _out_of_the_index(bench: Bench) -> None:
    bench.git("rm", "-q", "--cached", "sub")


def _all_out_of_the_index(bench: Bench) -> None:
    bench.git("rm", "-q", "--cached", "sub", "libs/deep er")


def _moved_as_a_file_is(bench: Bench) -> None:
    bench.git("mv", "sub", "elsewhere")
    move(bench, "elsewhere")


def _hidden_by_a_person(bench: Bench) -> None:
    move(bench)
    bench.git("update-index", "--skip-worktree", "sub")


def _in_a_linked_worktree(bench: Bench) -> None:
    """What is checked out there is a worktree of another repository within the root, with a `commondir` of its own."""
    move(bench)
    inner(bench, "sub", "worktree", "add", "-q", "--detach", str(bench.root / "other"))
    (bench.root / "sub/.git").unlink()
    (bench.root / "other/.git").rename(bench.root / "sub/.git")
    shutil.rmtree(bench.root / "other")


def _no_repository(bench: Bench) -> None:
    """Git takes nothing for one that has no place for objects."""
    (bench.root / "sub/.git").unlink()
    (bench.root / "sub/.git/refs").mkdir(parents=True)
    (bench.root / "sub/.git/HEAD").write_text(f"{'1' * 40}\n")


def _no_commit(bench: Bench) -> None:
    (bench.root / ".git/modules/sub/HEAD").write_text(f"{'0' * 40}\n")


def _in_conflict(bench: Bench) -> None:
    commit = move(bench)
    rows = [f"160000 {sha} {stage}\tlibs/deep er\n" for stage, sha in ((1, "1" * 40), (2, "2" * 40), (3, commit))]
    bench.git("update-index", "--force-remove", "libs/deep er")
    bench.git("update-index", "--index-info", stdin="".join(rows))


SHORT = (
    *(_no_repository, _in_conflict, _packed, _its_own_folder, _gone, _a_file),
    *(_out_of_the_index, _moved_as_a_file_is, _in_a_linked_worktree),
)
FULL = (_no_commit, _detached, _through_a_name, _unborn, _empty, _all_out_of_the_index, _hidden_by_a_person)


@pytest.mark.parametrize("way", [*SHORT, *(pytest.param(way, marks=pytest.mark.full) for way in FULL)])
async def test_however_it_lies_there_status_and_diff_are_gits(two: Bench, way: Callable[[Bench], None]) -> None:
    await two.call("git_status")
    way(two)
    two.write("README.md", "changed\n")
    await same(two)
    assert await same_diffs(two)


async def test_a_gitmodules_file_hides_no_move(two: Bench) -> None:
    move(two)
    modules = two.root / ".gitmodules"
    modules.write_text(modules.read_text().replace("\tpath = sub\n", "\tpath = sub\n\tignore = all\n"))
    assert ("unstaged", "sub", "M") in await same(two)
    assert [file.path for file in (await two.call("git_diff", paths=["sub"])).files] == ["sub"]


async def test_the_hunk_of_a_move_is_committed_by_its_id(two: Bench) -> None:
    sha = move(two)
    two.write("README.md", "changed\n")
    hunk = next(one for one in (await two.call("git_diff")).hunks if one.path == "sub")
    made = await two.call("git_commit", message="The move", hunk_ids=[hunk.id])
    assert [(file.path, file.change) for file in made.files] == [("sub", "M")]
    assert sha in two.git("ls-tree", "HEAD", "sub")
    assert await same(two) == {("unstaged", "README.md", "M")}


@pytest.mark.parametrize("checked_out", ["ours", "another", "none"])
async def test_one_in_conflict_is_listed_by_git_diff_whatever_is_checked_out(two: Bench, checked_out: str) -> None:
    ours = inner(two, "sub", "rev-parse", "HEAD").strip()
    rows = [f"160000 {sha} {stage}\tsub\n" for stage, sha in ((1, "1" * 40), (2, ours), (3, "3" * 40))]
    two.git("update-index", "--force-remove", "sub")
    two.git("update-index", "--index-info", stdin="".join(rows))
    if checked_out == "another":
        move(two)
    if checked_out == "none":
        shutil.rmtree(two.root / "sub")
    two.write("README.md", "changed\n")
    for base, words in (("index", ["--ours"]), ("HEAD", ["HEAD"])):
        for paths in ([], ["sub"], ["libs"]):
            rows = two.git("diff", "--ignore-submodules=dirty", "--numstat", *words, "--", *paths).splitlines()
            theirs = {row.split("\t")[2]: row for row in rows}  # a conflict that differs is told twice
            diff = await two.call("git_diff", **{"from": base}, paths=paths)
            assert [f"{one.additions}\t{one.deletions}\t{one.path}" for one in diff.files] == list(theirs.values())
