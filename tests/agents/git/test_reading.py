"""Status, log, diff and show: the same answers as plain git's."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from tests.agents.git.bench import Bench

from astro_mcp.config import SecretSettings
from astro_mcp.core.authority import Label
from astro_mcp.errors import InvalidInput, NotFound, PathDenied, ProtectedPath, Unsupported
from astro_mcp.workspace.git.repository import Git
from astro_mcp.workspace.workspace import Workspace


async def test_a_clean_tree_is_clean(bench: Bench) -> None:
    status = await bench.call("git_status")
    assert (status.branch, status.staged, status.unstaged, status.untracked) == ("main", [], [], [])
    assert "clean" in status.text()


async def test_status_tells_what_plain_git_tells(bench: Bench) -> None:
    bench.write("src/app.py", "changed\n")
    bench.write("new file.txt", "new\n")
    bench.write("staged.txt", "staged\n")
    bench.git("add", "staged.txt")
    bench.git("mv", "README.md", "GUIDE.md")
    status = await bench.call("git_status")
    ours = {(item.path, item.change) for item in status.staged}
    assert ours == {("staged.txt", "A"), ("GUIDE.md", "R")}
    assert [item.former for item in status.staged if item.change == "R"] == ["README.md"]
    assert [(item.path, item.change) for item in status.unstaged] == [("src/app.py", "M")]
    assert status.untracked == ["new file.txt"]


async def test_status_changes_nothing_in_the_repository(bench: Bench) -> None:
    bench.write("src/app.py", "changed\n")
    before = {path: path.stat().st_mtime_ns for path in (bench.root / ".git").rglob("*")}
    await bench.call("git_status")
    await bench.call("git_diff")
    assert {path: path.stat().st_mtime_ns for path in (bench.root / ".git").rglob("*")} == before


async def test_the_copy_of_the_index_keeps_its_time_by_which_git_knows_racy_files(bench: Bench, tmp_path: Path) -> None:
    os.utime(bench.root / ".git/index", ns=(1, 1_700_000_000_123_456_789))
    async with Git(Workspace(SecretSettings()), tmp_path / "private").open(bench.session, ".") as repository:
        assert repository.private.index.stat().st_mtime_ns == 1_700_000_000_123_456_789


async def test_ahead_and_behind_count_against_the_upstream(bench: Bench, tmp_path: Path) -> None:
    bench.git("clone", "-q", "--bare", str(bench.root), str(tmp_path / "bare"))
    bench.git("remote", "add", "origin", str(tmp_path / "bare"))
    bench.git("fetch", "-q", "origin")
    bench.git("branch", "-q", "-u", "origin/main")
    bench.git("reset", "-q", "--hard", "HEAD~1")
    bench.git("commit", "-q", "--allow-empty", "-m", "other")
    bench.git("commit", "-q", "--allow-empty", "-m", "third")
    status = await bench.call("git_status")
    assert (status.upstream, status.ahead, status.behind) == ("origin/main", 2, 1)


async def test_a_repository_without_a_commit_can_be_read(bench: Bench) -> None:
    fresh = bench.root / "fresh"
    bench.git("init", "-q", "-b", "trunk", "fresh")
    (fresh / "a.txt").write_text("a\n")
    status = await bench.call("git_status", repo="fresh")
    assert (status.branch, status.sha, status.untracked) == ("trunk", "", ["a.txt"])
    assert (await bench.call("git_log", repo="fresh")).items == []
    assert (await bench.call("git_diff", repo="fresh")).files == []


async def test_the_log_is_plain_gits_with_the_size_of_each_change(bench: Bench) -> None:
    log = await bench.call("git_log")
    plain = bench.git("log", "--format=%H|%an|%s").splitlines()
    assert [f"{item.sha}|{item.author}|{item.subject}" for item in log.items] == plain
    assert (log.items[0].files_changed, log.items[0].additions, log.items[0].deletions) == (1, 4, 0)
    assert log.total == 2


async def test_the_log_can_be_filtered(bench: Bench) -> None:
    assert [item.subject for item in (await bench.call("git_log", path="README.md")).items] == ["Begin"]
    assert [item.subject for item in (await bench.call("git_log", grep="NOT ENOUGH")).items] == ["Add two"]
    assert (await bench.call("git_log", grep="n.t")).items == []
    assert (await bench.call("git_log", author="nobody")).total == 0
    assert (await bench.call("git_log", author="a u thor", since="2 weeks ago")).total == 2
    assert (await bench.call("git_log", ref="HEAD~1")).total == 1


async def test_the_log_of_a_path_lists_what_plain_git_lists_with_what_changed_in_it(bench: Bench) -> None:
    bench.git("switch", "-q", "-c", "side", "HEAD~1")
    bench.write("README.md", "# Project\n\nA side.\n")
    bench.write("other.txt", "a\nb\nc\n")
    bench.git("add", "-A")
    bench.git("commit", "-q", "-m", "Side")
    bench.git("switch", "-q", "main")
    bench.git("merge", "-q", "--no-ff", "-m", "Merge", "side")
    log = await bench.call("git_log", path="README.md")
    assert [item.sha for item in log.items] == bench.git("log", "--format=%H", "--", "README.md").split()
    assert log.total == len(log.items) == 2
    assert [(item.files_changed, item.additions) for item in log.items] == [(1, 2), (1, 1)]
    assert [item.subject for item in (await bench.call("git_log", limit=1)).items] == ["Merge"]


async def test_a_log_past_its_bound_says_how_to_go_on(bench: Bench) -> None:
    stream = "".join(
        f"commit refs/heads/long\ncommitter A <a@b> {1_700_000_000 + n} +0000\ndata 2\nm\n\n" for n in range(510)
    )
    bench.git("fast-import", "--quiet", stdin=stream)
    log = await bench.call("git_log", ref="long")
    assert (len(log.items), log.total, log.truncated) == (500, 510, True)
    assert "500 of 510 commits; go on with skip=500" in log.text()
    rest = await bench.call("git_log", ref="long", skip=log.next_skip)
    assert (len(rest.items), rest.total, rest.truncated, rest.next_skip) == (10, 510, False, None)
    assert "go on" not in rest.text()


async def test_a_diff_is_plain_gits(bench: Bench) -> None:
    bench.write("src/app.py", "def one():\n    return 11\n\n\ndef two():\n    return 2\n")
    (bench.root / "README.md").unlink()
    diff = await bench.call("git_diff")
    assert [(f.path, f.additions, f.deletions) for f in diff.files] == [("README.md", 0, 1), ("src/app.py", 1, 1)]
    plain = bench.git("diff", "HEAD")
    for hunk in diff.hunks:
        assert hunk.text.split("\n", 1)[1] in plain
    assert "-    return 1\n+    return 11" in diff.text()


async def test_a_diff_of_two_commits_of_the_index_and_of_paths(bench: Bench) -> None:
    bench.write("src/app.py", "staged\n")
    bench.git("add", "-A")
    bench.write("src/app.py", "unstaged\n")
    assert "+staged" in (await bench.call("git_diff", to="index")).text()
    unstaged = await bench.call("git_diff", **{"from": "index"})
    assert "-staged" in unstaged.text()
    assert "+unstaged" in unstaged.text()
    between = await bench.call("git_diff", **{"from": "HEAD~1", "to": "HEAD"})
    assert [f.path for f in between.files] == ["src/app.py"]
    assert (await bench.call("git_diff", paths=["README.md"])).files == []
    stat = await bench.call("git_diff", stat_only=True)
    assert stat.hunks == []
    assert stat.long_field() == "files"


async def test_a_diff_of_the_whole_and_a_part_is_of_the_whole(bench: Bench) -> None:
    bench.write("README.md", "# Changed\n")
    bench.write("src/app.py", "changed = 1\n")
    for paths in ([".", "README.md"], ["README.md", ""], [str(bench.root), "README.md"]):
        assert len((await bench.call("git_diff", paths=paths)).files) == 2, paths


async def test_a_diff_takes_any_name_and_any_content_for_what_it_is(bench: Bench) -> None:
    name = 'odd "name"\twith\nall.txt'
    (bench.root / name).write_text("-- a/fake\n")
    (bench.root / "dash.txt").write_text("-- a/x\nkept\n")
    (bench.root / "bin.dat").write_bytes(b"\0\1\2")
    bench.git("add", "-A")
    bench.git("commit", "-q", "-m", "odd")
    (bench.root / name).write_text("@@ -1 +1 @@\n")
    (bench.root / "dash.txt").write_text("kept\n++ b/y\n")
    (bench.root / "bin.dat").write_bytes(b"\0\1\3")
    diff = await bench.call("git_diff")
    assert [f.path for f in diff.files] == ["bin.dat", "dash.txt", name]
    assert diff.files[0].additions is None
    assert [(h.path, h.text.split("\n")[1:]) for h in diff.hunks] == [
        ("dash.txt", ["--- a/x", " kept", "+++ b/y"]),
        (name, ["--- a/fake", "+@@ -1 +1 @@"]),
    ]


async def test_a_long_hunk_comes_in_pieces_that_apply(bench: Bench, tmp_path: Path) -> None:
    bench.write("long.txt", "".join(f"line {n}\n" for n in range(1000)))
    bench.git("add", "-A")
    diff = await bench.call("git_diff")
    assert len(diff.hunks) == 7
    assert len({hunk.id for hunk in diff.hunks}) == 7
    patch = "--- /dev/null\n+++ b/long.txt\n" + "".join(hunk.text + "\n" for hunk in diff.hunks)
    (tmp_path / "whole.patch").write_text(patch)
    bench.git("rm", "-q", "--cached", "long.txt")
    (bench.root / "long.txt").unlink()
    subprocess.run(["patch", "-p1", "-i", str(tmp_path / "whole.patch")], cwd=bench.root, check=True)
    assert (bench.root / "long.txt").read_text().count("\n") == 1000


async def test_a_commit_is_shown_with_its_message_and_change(bench: Bench) -> None:
    shown = await bench.call("git_show")
    assert shown.message == "Add two\n\nBecause one is not enough."
    assert [f.path for f in shown.files] == ["src/app.py"]
    assert "+def two():" in shown.text()
    first = await bench.call("git_show", ref="HEAD~1")
    assert {f.path for f in first.files} == {"README.md", "src/app.py"}


async def test_a_file_is_shown_as_it_was(bench: Bench) -> None:
    old = await bench.call("git_show", ref="HEAD~1", path="src/app.py")
    assert (old.content, old.total_lines) == ("def one():\n    return 1\n", 2)
    part = await bench.call("git_show", path="src/app.py", start_line=5, end_line=5)
    assert part.content == "def two():"
    folder = await bench.call("git_show", path="src")
    assert folder.content == "src/app.py"
    for path in ("missing", "src/missing", "missing/app.py", "src/app.py/inner", "src/app.py/in\nner/x"):
        assert isinstance((await bench.result("git_show", path=path)).error, NotFound)


async def test_blame_is_plain_gits(bench: Bench) -> None:
    shown = await bench.call("git_show", path="src/app.py", blame=True, start_line=2, end_line=5)
    plain = bench.git("blame", "-s", "-l", "-L2,5", "src/app.py").splitlines()
    assert [item.sha[:39] for item in shown.lines] == [line.split()[0].lstrip("^")[:39] for line in plain]
    assert shown.lines[-1].text == "def two():"


async def test_an_annotated_tag_and_packed_refs_resolve(bench: Bench) -> None:
    bench.git("tag", "-a", "-m", "release", "v1")
    bench.git("branch", "topic/x", "HEAD~1")
    bench.git("pack-refs", "--all")
    head, old = bench.git("rev-parse", "HEAD", "HEAD~1").split()
    assert (await bench.call("git_show", ref="v1")).sha == head
    assert (await bench.call("git_show", ref="topic/x")).sha == old
    assert (await bench.call("git_show", ref=old[:8])).sha == old


@pytest.mark.parametrize(
    "ref",
    ["-p", "--output=x", "HEAD...main", "HEAD:src/app.py", ":/Begin", "a\nb", "@{-1}", "HEAD^{/x}", "", "a b", "x*"],
)
async def test_what_is_no_name_of_a_commit_is_refused(bench: Bench, ref: str) -> None:
    for tool in ("git_show", "git_log"):
        error = (await bench.result(tool, ref=ref)).error
        assert isinstance(error, InvalidInput)
    assert isinstance((await bench.result("git_diff", to=ref)).error, InvalidInput)


async def test_a_wrong_name_gets_the_nearest_right_one(bench: Bench) -> None:
    error = (await bench.result("git_log", ref="mian")).error
    assert isinstance(error, NotFound)
    assert "main" in error.hint


async def test_secrets_are_withheld_from_diffs_and_history(bench: Bench) -> None:
    bench.write(".env", "KEY=hunter2\n")
    bench.write("plain.txt", "one\n")
    bench.git("add", "-f", "-A")
    bench.git("commit", "-q", "-m", "oops")
    for result in (
        await bench.call("git_show"),
        await bench.call("git_diff", **{"from": "HEAD~1", "to": "HEAD"}),
    ):
        assert "hunter2" not in result.text()
        assert "hunter2" not in result.model_dump_json()
        assert {f.path: f.withheld for f in result.files} == {".env": True, "plain.txt": False}
    for blame in (False, True):
        assert isinstance((await bench.result("git_show", path=".env", blame=blame)).error, ProtectedPath)
    bench.git("mv", "-f", ".env", "harmless.txt")
    assert "hunter2" not in (await bench.call("git_diff", to="index")).text()


async def test_a_linked_worktree_is_a_repository_of_its_own_branch(bench: Bench) -> None:
    bench.git("worktree", "add", "-q", "-b", "side", "wt")
    (bench.root / "wt/extra.txt").write_text("x\n")
    status = await bench.call("git_status", repo="wt")
    assert (status.branch, status.untracked) == ("side", ["extra.txt"])


async def test_a_shallow_clone_is_read_to_where_it_was_cut(bench: Bench) -> None:
    bench.git("clone", "-q", "--depth", "1", f"file://{bench.root}", "shallow")
    assert (await bench.call("git_log", repo="shallow")).total == 1
    assert (await bench.call("git_show", repo="shallow")).files != []


@pytest.mark.parametrize("data", ["garbage" * 9, "100644 a.txt\0cut short"])
async def test_a_folder_whose_object_is_no_tree_gives_a_typed_error(bench: Bench, data: str) -> None:
    tree = bench.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=data).strip()
    text = f"tree {tree}\nauthor A <a@b> 1700000000 +0000\ncommitter A <a@b> 1700000000 +0000\n\nm\n"
    sha = bench.git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=text).strip()
    for path in (".", "a.txt", "d/e"):
        error = (await bench.result("git_show", ref=sha, path=path)).error
        assert isinstance(error, Unsupported), path
        assert "damaged" in error.message


async def test_repositories_of_another_format_are_refused(bench: Bench) -> None:
    bench.git("init", "-q", "--object-format=sha256", "wide")
    bench.git("init", "-q", "--bare", "bare.git")
    for repo in ("wide", "bare.git"):
        assert isinstance((await bench.result("git_status", repo=repo)).error, Unsupported)


async def test_a_folder_within_a_repository_is_told_where_the_repository_is(bench: Bench) -> None:
    error = (await bench.result("git_status", repo="src")).error
    assert isinstance(error, NotFound)
    assert str(bench.root) in error.hint


async def test_a_path_outside_of_the_repository_is_refused(bench: Bench) -> None:
    for path in ("../x", "/etc/passwd", "src/../../x"):
        assert isinstance((await bench.result("git_log", path=path)).error, PathDenied)
    assert isinstance((await bench.result("git_show", path=".git/config")).error, ProtectedPath)


async def test_a_session_sees_no_repository_outside_of_its_roots(bench: Bench, tmp_path: Path) -> None:
    other = tmp_path / "other"
    bench.git("init", "-q", str(other))
    for repo in (str(other), "../other"):
        assert isinstance((await bench.result("git_status", repo=repo)).error, PathDenied)


async def test_what_is_read_is_private_and_untrusted(bench: Bench) -> None:
    assert (await bench.result("git_log")).labels == {Label.PRIVATE, Label.UNTRUSTED}


async def test_an_argument_is_named_as_the_schema_names_it(bench: Bench) -> None:
    error = (await bench.result("git_diff", form="main")).error
    assert isinstance(error, InvalidInput)
    assert error.problems[0].suggestion == "from"
    assert "from_" not in error.text()


async def test_a_binary_file_that_only_moved_has_no_lines_to_count(bench: Bench) -> None:
    (bench.root / "a.bin").write_bytes(b"\0\1\2" * 50)
    bench.git("add", "-A")
    bench.git("commit", "-qm", "Add")
    bench.git("mv", "a.bin", "b.bin")
    bench.git("commit", "-qm", "Move")
    (bench.root / "b.bin").chmod(0o755)
    bench.git("commit", "-qam", "Run")
    assert bench.git("show", "--format=", "--numstat", "HEAD~1") == "-\t-\ta.bin => b.bin\n"
    for ref in ("HEAD~1", "HEAD"):
        told = bench.git("show", "--format=", "--numstat", ref).split("\t")[0]
        [shown] = (await bench.call("git_show", ref=ref)).files
        [differs] = (await bench.call("git_diff", **{"from": f"{ref}~1", "to": ref})).files
        assert {shown.additions, differs.additions} == {None if told == "-" else int(told)}, ref


async def test_files_that_only_moved_are_counted_whatever_they_are_called(bench: Bench) -> None:
    names = (":100644 100644 aa aa M", ":odd", "with\nline", "*.bin", "-rf")
    for number, name in enumerate(names):
        (bench.root / name).write_bytes(b"\0%d" % number * 50)
    (bench.root / "text.txt").write_text("a\nb\nc\n")
    bench.git("add", "-A")
    bench.git("commit", "-qm", "Add")
    for name in (*names, "text.txt"):
        (bench.root / name).rename(bench.root / f"{name} moved")
    bench.write("src/app.py", "changed\n")
    bench.git("add", "-A")
    bench.git("commit", "-qm", "Move")
    files = (await bench.call("git_diff", **{"from": "HEAD~1", "to": "HEAD"})).files
    counted = {file.path: (file.former, file.additions) for file in files}
    assert counted == {
        **{f"{name} moved": (name, None) for name in names},
        "text.txt moved": ("text.txt", 0),
        "src/app.py": ("", 1),
    }
    assert (await bench.call("git_show")).files == files


async def test_lines_are_counted_as_git_counts_them(bench: Bench) -> None:
    """With and without an end of the last line, in short hunks and in long ones that come in pieces."""
    long = "".join(f"line {number}\n" for number in range(400))
    before = {"cut.txt": "a\nb", "grown.txt": "a\nb", "gone.txt": long + "last", "both.txt": long, "same.txt": long}
    after = {"cut.txt": "a\n", "grown.txt": "a\nb\nc", "new.txt": long + "last", "both.txt": long.upper() + "end"}
    after |= {"same.txt": long.replace("line 7\n", "\\ No newline at end of file\n-\n+\n")}
    for files, message in ((before, "Before"), (after, "After")):
        (bench.root / "gone.txt").unlink(missing_ok=True)
        for path, text in files.items():
            bench.write(path, text)
        bench.git("add", "-A")
        bench.git("commit", "-q", "-m", message)
    told = [row.split("\t")[:2] for row in bench.git("diff", "--numstat", "-M", "HEAD~1", "HEAD").splitlines()]
    diff = await bench.call("git_diff", **{"from": "HEAD~1", "to": "HEAD"})
    assert [[str(file.additions), str(file.deletions)] for file in diff.files] == told
    assert (await bench.call("git_show")).files == diff.files


async def test_a_diffs_hunks_stand_beneath_their_files(bench: Bench) -> None:
    bench.write("README.md", "# Changed\n")
    bench.write("src/app.py", "def one():\n    return 2\n\n\ndef two():\n    return 2\n")
    lines = re.sub(r"(?m)^\[\w+\] ", "", (await bench.call("git_diff")).text()).splitlines()
    assert lines[:4] == ["README.md +1 -1", "@@ -1,1 +1,1 @@", "-# Project", "+# Changed"]
    assert lines[4] == "src/app.py +1 -1"
    assert [line for line in lines if line.startswith("@@")] == ["@@ -1,1 +1,1 @@", "@@ -1,5 +1,5 @@"]
