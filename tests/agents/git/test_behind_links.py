"""Paths below a folder that is a link now: they are the ones that git knows by these names, in history too."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.agents.git.bench import Bench
from tests.agents.git.test_blame import told

from astro_mcp.errors import NotFound, PathDenied, ProtectedPath


@pytest.fixture
def linked(bench: Bench) -> Bench:
    """`a/x` and `b/x` in a commit; then `a` is a link to `b`, where `only` is new."""
    bench.write("a/x", "of a\n")
    bench.write("b/x", "of b\n")
    bench.git("add", "-A")
    bench.git("commit", "-q", "-m", "Folders")
    shutil.rmtree(bench.root / "a")
    (bench.root / "a").symlink_to("b")
    bench.write("b/x", "of b, changed\n")
    bench.write("b/only", "new\n")
    return bench


async def test_history_tells_of_the_file_that_had_this_name(linked: Bench) -> None:
    linked.git("add", "-A")
    linked.git("commit", "-q", "-m", "a is a link")
    for path in ("a/x", str(linked.root / "a/x")):
        shown = await linked.call("git_show", ref="HEAD~1", path=path)
        assert (shown.path, shown.content) == ("a/x", "of a\n")
        blame = await linked.call("git_show", ref="HEAD~1", path=path, blame=True)
        assert [(line.sha, line.author) for line in blame.lines] == told(linked, "HEAD~1", "--", "a/x")
        assert isinstance((await linked.result("git_show", path=path)).error, NotFound)
        log = await linked.call("git_log", path=path)
        assert [item.subject for item in log.items] == ["a is a link", "Folders"]
        diff = await linked.call("git_diff", **{"from": "HEAD~1", "to": "HEAD", "paths": [path]})
        assert [(file.path, file.deletions) for file in diff.files] == [("a/x", 1)]


async def test_the_working_tree_has_no_file_of_this_name(linked: Bench) -> None:
    diff = await linked.call("git_diff", paths=["a/x"])
    assert [(file.path, file.additions, file.deletions) for file in diff.files] == [("a/x", 0, 1)]
    error = (await linked.result("git_commit", message="m", paths=["a/only"])).error
    assert isinstance(error, NotFound)
    assert "a link" in error.hint
    made = await linked.call("git_commit", message="m", paths=["a/x"])
    assert [(file.path, file.change) for file in made.files] == [("a/x", "D")]
    assert linked.git("status", "--porcelain").splitlines() == [" M b/x", "?? a", "?? b/only"]


async def test_a_link_that_leads_out_or_into_gits_own_folder_is_refused(linked: Bench, tmp_path: Path) -> None:
    (linked.root / "out").symlink_to(tmp_path)
    (linked.root / "own").symlink_to(".git")
    for path, kind in (("out/x", PathDenied), ("own/config", ProtectedPath), ("own/hooks/x", ProtectedPath)):
        for tool, arguments in (
            ("git_show", {"path": path}),
            ("git_log", {"path": path}),
            ("git_diff", {"paths": [path]}),
            ("git_commit", {"paths": [path], "message": "m"}),
        ):
            assert isinstance((await linked.result(tool, **arguments)).error, kind), (tool, path)


async def test_a_repository_that_is_reached_by_a_link_is_taken_and_links_in_it_stand(
    linked: Bench, tmp_path: Path
) -> None:
    (tmp_path / "alias").symlink_to(linked.root)
    (tmp_path / "inner").symlink_to(linked.root / "src")
    (linked.root / "b/up").symlink_to("..")
    for path, name in (("alias/a/x", "a/x"), ("alias/b/x", "b/x"), ("inner/app.py", "src/app.py")):
        assert (await linked.call("git_show", path=str(tmp_path / path))).path == name
    error = (await linked.result("git_show", path=str(tmp_path / "alias/b/up/a/x"))).error
    assert isinstance(error, NotFound)
    assert "b/up/a/x" in error.message
