"""A repository within another: whose rules hide its files from the tools."""

from __future__ import annotations

from tests.agents.git.bench import Bench, plain_git


async def found(bench: Bench, path: str) -> tuple[set[str], set[str]]:
    """What is listed and what is searched there."""
    listed = await bench.call("fs_list", path=path, depth=50)
    hits = await bench.call("fs_search", path=path, pattern="needle")
    return {item.path for item in listed.items if item.type == "file"}, {item.path for item in hits.items}


async def test_the_files_of_a_worktree_of_ours_are_listed_and_found(bench: Bench) -> None:
    bench.write("src/deep/a.txt", "needle\n")
    bench.write(".gitignore", "*.log\n")
    bench.git("add", "-A")
    bench.git("commit", "-q", "-m", "More")
    made = await bench.call("git_branch", action="worktree", name="fix")
    top = made.path.removeprefix(f"{bench.root}/")
    bench.write(f"{top}/noise.log", "needle\n")
    listed, hits = await found(bench, made.path)
    assert listed == {f"{top}/{path}" for path in (".gitignore", "README.md", "src/app.py", "src/deep/a.txt")}
    assert hits == {f"{top}/src/deep/a.txt"}
    assert await found(bench, f"{top}/src/deep") == (hits, hits)
    assert (await found(bench, "."))[1] == {"src/deep/a.txt"}


async def test_the_rules_around_a_repository_hide_nothing_in_it_but_all_in_a_folder_that_is_none(bench: Bench) -> None:
    bench.write(".gitignore", "*.txt\n")
    bench.write("inner/a.txt", "needle\n")
    bench.write("inner/b.log", "needle\n")
    bench.write("inner/.gitignore", "*.log\n")
    bench.write("plain/.git/empty", "")
    bench.write("plain/a.txt", "needle\n")
    assert (await found(bench, "."))[1] == set()
    plain_git(bench.root / "inner", "init", "-q")
    assert (await found(bench, "."))[1] == {"inner/a.txt"}
    assert (await found(bench, "inner"))[1] == {"inner/a.txt"}
    assert plain_git(bench.root / "inner", "ls-files", "-o", "--exclude-standard").split() == [".gitignore", "a.txt"]
