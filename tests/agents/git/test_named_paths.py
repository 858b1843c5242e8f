"""What a commit says of the paths that it was given, and of those that it took."""

from __future__ import annotations

from tests.agents.git.bench import Bench

from astro_mcp.errors import Conflict


async def test_the_text_of_a_commit_of_many_files_names_the_first_and_counts_the_rest(bench: Bench) -> None:
    for number in range(130):
        bench.write(f"many/{number:03}.txt", f"{number}\n")
    done = await bench.call("git_commit", message="Many")
    lines = done.text().split("\n")
    assert (lines[0].rpartition(": ")[2], lines[1], lines[-1]) == (
        "130 files",
        "  A many/000.txt",
        "  … and 30 more: git_show tells all",
    )
    assert (len(lines), len(done.files)) == (102, 130)


async def test_a_named_path_that_is_ignored_is_refused_as_git_refuses_it(bench: Bench) -> None:
    bench.write(".gitignore", "*.log\n!kept.log\nbuild/\n")
    for path in ("a.log", "kept.log", "build/out.txt", "src/inner.log", "forced.log", ":(x)[a].log"):
        bench.write(path, "1\n")
    bench.git("add", "-f", "forced.log", ".gitignore")
    bench.git("commit", "-q", "-m", "Forced")
    alone = [([path], path) for path in ("a.log", ":(x)[a].log", "build/out.txt")]
    for paths, named in [*alone, (["kept.log", "build"], "build")]:
        error = (await bench.result("git_commit", paths=paths, message="Ignored")).error
        assert isinstance(error, Conflict)
        assert error.message == f"{named} is ignored, so it is not committed; nothing was"
    done = await bench.call("git_commit", paths=["src", "forced.log", "README.md", "kept.log"], message="Kept")
    assert [file.path for file in done.files] == ["kept.log"]
