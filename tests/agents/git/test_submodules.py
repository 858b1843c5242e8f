"""A submodule's commit, staged by a person: it is told and committed, and the submodule is not entered."""

from __future__ import annotations

import pytest
from tests.agents.git.bench import Bench, plain_git

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
