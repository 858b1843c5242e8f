"""A submodule's commit, staged by a person: it is told and committed, and the submodule is not entered. A step to a
commit that has one makes its empty folder, as git does."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.agents.git.bench import Bench, plain_git

from astro_mcp.errors import Conflict, ProtectedPath

OLD, NEW = "1" * 40, "2" * 40


@pytest.fixture
def staged(bench: Bench) -> Bench:
    """HEAD has the submodule at OLD, and the index has it at NEW."""
    bench.git("update-index", "--add", "--cacheinfo", f"160000,{OLD},sub")
    bench.git("commit", "-q", "-m", "A submodule")
    (bench.root / "sub").mkdir()
    bench.git("update-index", "--cacheinfo", f"160000,{NEW},sub")
    return bench


async def test_a_staged_submodule_is_committed_and_the_answer_names_it(staged: Bench) -> None:
    tried = await staged.call("git_commit", message="m", dry_run=True)
    assert [(file.path, file.change) for file in tried.files] == [("sub", "M")]
    staged.write("README.md", "changed\n")
    made = await staged.call("git_commit", message="Both")
    assert [(file.path, file.change) for file in made.files] == [("README.md", "M"), ("sub", "M")]
    assert NEW in staged.git("ls-tree", "HEAD", "sub")
    assert staged.git("status", "--porcelain") == ""


async def test_a_submodule_that_a_file_takes_the_place_of_is_committed(staged: Bench) -> None:
    (staged.root / "sub").rmdir()
    staged.write("sub", "a file\n")
    staged.git("add", "-f", "sub")
    made = await staged.call("git_commit", message="A file")
    assert [(file.path, file.change) for file in made.files] == [("sub", "T")]


async def test_what_is_staged_differs_as_git_says(staged: Bench) -> None:
    diff = await staged.call("git_diff", to="index")
    assert [(file.path, file.additions, file.deletions) for file in diff.files] == [("sub", 1, 1)]
    assert diff.hunks[0].text.split("\n")[1:] == [f"-Subproject commit {OLD}", f"+Subproject commit {NEW}"]


async def test_status_tells_what_is_staged_of_submodules_as_git_does(staged: Bench) -> None:
    staged.git("update-index", "--add", "--cacheinfo", f"160000,{OLD},another")
    staged.write("README.md", "changed\n")
    for _ in range(2):  # git's answer, and the one that stands
        status = await staged.call("git_status")
        assert [(item.path, item.change) for item in status.staged] == [("another", "A"), ("sub", "M")]
        assert [(item.path, item.change) for item in status.unstaged] == [("README.md", "M"), ("another", "D")]
    assert staged.git("status", "--porcelain", "--ignore-submodules=dirty") == " M README.md\nAD another\nM  sub\n"


async def test_a_submodule_alone_is_committed_by_its_path_and_the_rest_stays_staged(staged: Bench) -> None:
    staged.write("README.md", "changed\n")
    staged.git("add", "README.md")
    made = await staged.call("git_commit", message="The submodule", paths=["sub"])
    assert [(file.path, file.change) for file in made.files] == [("sub", "M")]
    assert staged.git("status", "--porcelain") == "M  README.md\n"
    assert (await staged.call("git_commit", message="The rest", paths=["README.md"])).files[0].path == "README.md"
    assert staged.git("status", "--porcelain") == ""


async def test_the_commit_that_is_staged_is_taken_and_not_that_of_the_folder(staged: Bench) -> None:
    inner = staged.root / "sub"
    plain_git(inner, "init", "-q", "-b", "main")
    plain_git(inner, "commit", "-q", "--allow-empty", "-m", "Elsewhere")
    staged.write(".gitmodules", '[submodule "sub"]\n\tpath = sub\n\turl = ./sub\n\tignore = all\n')
    made = await staged.call("git_commit", message="m", paths=["sub"])
    assert [file.path for file in made.files] == ["sub"]
    assert NEW in staged.git("ls-tree", "HEAD", "sub")


@pytest.fixture
def branches(bench: Bench) -> Bench:
    """Of `main`, `old` with submodules at OLD, and `new` with one more, and one that moved; `main` has files where one
    of them is."""
    bench.git("update-index", "--add", "--cacheinfo", f"160000,{OLD},sub", "--cacheinfo", f"160000,{OLD},libs/deep/er")
    bench.git("commit", "-q", "-m", "Submodules")
    bench.git("branch", "old")
    bench.git("update-index", "--add", "--cacheinfo", f"160000,{NEW},sub", "--cacheinfo", f"160000,{NEW},mixed")
    bench.git("commit", "-q", "-m", "Another")
    bench.git("branch", "new")
    bench.git("reset", "-q", "--hard", "HEAD~2")
    bench.write("mixed/a.txt", "a\n")
    bench.git("add", "-A")
    bench.git("commit", "-q", "-m", "Files")
    return bench


def laid_out(root: Path) -> set[str]:
    found = (path.relative_to(root) for path in root.rglob("*"))
    return {f"{path}{'/' if (root / path).is_dir() else ''}" for path in found if path.parts[0] != ".git"}


async def test_a_switch_makes_and_removes_the_empty_folders_of_submodules_as_git_does(branches: Bench) -> None:
    seen = {}
    for name in ("old", "new", "main"):
        branches.git("switch", "-q", name)
        seen[name] = laid_out(branches.root)
    assert seen["new"] - seen["main"] == {"sub/", "libs/", "libs/deep/", "libs/deep/er/"}
    for name in ("new", "main", "old", "main"):
        await branches.call("git_branch", action="switch", name=name)
        assert laid_out(branches.root) == seen[name]
        assert branches.git("status", "--porcelain") == ""


async def test_who_commits_all_after_a_merge_keeps_the_submodules_that_it_brought(branches: Bench) -> None:
    branches.git("rm", "-q", "-r", "mixed")
    branches.git("commit", "-q", "-m", "No files")
    await branches.call("git_merge", **{"from": "new"})
    branches.write("README.md", "changed\n")
    branches.git("commit", "-q", "-a", "-m", "All")
    assert branches.git("show", "--format=", "--name-only").split() == ["README.md"]


async def test_what_came_with_a_submodule_is_undone(branches: Bench) -> None:
    before = laid_out(branches.root)
    for tool, name in (("fs_undo", "undo_id"), ("git_undo", "recovery_ref")):
        there = await branches.call("git_branch", action="switch", name="old")
        await branches.call(tool, **{name: getattr(there, name)})
        assert laid_out(branches.root) == before, tool
        branches.git("switch", "-q", "-f", "main")


async def test_a_folder_that_a_person_removed_comes_back_with_the_submodules_next_commit(branches: Bench) -> None:
    branches.git("switch", "-q", "old")
    (branches.root / "sub").rmdir()
    await branches.call("git_branch", action="switch", name="new")
    assert branches.git("status", "--porcelain") == ""


async def test_what_lies_where_a_submodule_comes_or_goes_stays(branches: Bench) -> None:
    branches.write("sub", "mine\n")
    (branches.root / ".git/info").mkdir(exist_ok=True)
    (branches.root / ".git/info/exclude").write_text("sub\n")
    error = (await branches.result("git_branch", action="switch", name="old")).error
    assert isinstance(error, Conflict)
    (branches.root / "sub").unlink()
    branches.write("sub/mine.txt", "mine\n")
    for name in ("old", "new", "main"):
        await branches.call("git_branch", action="switch", name=name)
        assert (branches.root / "sub/mine.txt").read_text() == "mine\n"
    branches.git("switch", "-q", "old")
    (branches.root / "sub/mine.txt").unlink()
    (branches.root / "sub").rmdir()
    branches.write("sub", "mine\n")
    for name in ("new", "main"):
        await branches.call("git_branch", action="switch", name=name)
        assert (branches.root / "sub").read_text() == "mine\n"


async def test_the_folders_of_submodules_make_no_folder_one_that_git_takes_for_its_own(bench: Bench) -> None:
    bench.write("inner/HEAD", "ref: refs/heads/main\n")
    bench.git("add", "-A")
    bench.git("commit", "-q", "-m", "A head")
    bench.git("switch", "-q", "-c", "other")
    for name in ("objects", "refs"):
        bench.git("update-index", "--add", "--cacheinfo", f"160000,{OLD},inner/{name}")
    bench.git("commit", "-q", "-m", "A trap")
    bench.git("switch", "-q", "main")
    error = (await bench.result("git_branch", action="switch", name="other")).error
    assert isinstance(error, ProtectedPath)
    assert laid_out(bench.root / "inner") == {"HEAD"}
