"""The working trees of runs: made from a commit, closed by one, and nothing left where nothing was changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import anyio
import pytest
from tests.agents.git.bench import Bench, plain_git
from tests.agents.git.grove import Trees, traces

from astro_mcp.config import SecretSettings
from astro_mcp.core.authority import Grant, Session
from astro_mcp.errors import AstroError, Conflict, Forbidden, InvalidInput, NotFound, PathDenied, Unsupported
from astro_mcp.workspace.git import worktrees
from astro_mcp.workspace.git.repository import Git
from astro_mcp.workspace.git.worktrees import Closed, Look
from astro_mcp.workspace.workspace import Workspace

KEY = "AKIA" + "ABCDEFGHIJKLMNOP"


async def test_it_holds_the_commit_on_a_branch_of_its_own_and_nothing_of_it_shows(bench: Bench, trees: Trees) -> None:
    bench.write("dirty.txt", "not committed\n")
    assert await trees.look() == Look("main", bench.git("rev-parse", "HEAD").strip(), 1)
    made = await trees.make()
    assert plain_git(made.path, "branch", "--show-current").strip() == made.branch == "astro/run_1"
    assert plain_git(made.path, "status", "--porcelain") == ""
    assert sorted(path.name for path in made.path.iterdir()) == [".git", "README.md", "src"]
    assert bench.git("status", "--porcelain").splitlines() == ["?? dirty.txt"]
    assert await trees.look() == Look("main", made.base, 1)
    assert await trees.make() == made, "one that is there stays"
    bench.git("fsck", "--strict")
    assert bench.git("worktree", "prune", "--verbose", "--expire=now") == ""


@pytest.mark.full
async def test_the_index_that_is_made_needs_no_refresh(trees: Trees) -> None:
    assert plain_git((await trees.make()).path, "diff-files", "--name-only") == ""


@pytest.mark.parametrize("packed", [True, pytest.param(False, marks=pytest.mark.full)])
async def test_one_that_was_not_changed_leaves_neither_folder_nor_branch(
    bench: Bench, trees: Trees, packed: bool
) -> None:
    made = await trees.make()
    if packed:
        bench.git("pack-refs", "--all")
    assert await trees.close(made.base) == Closed("", "")
    assert traces(bench) == []
    assert bench.git("branch", "--format=%(refname:short)").split() == ["main"]
    assert await trees.close(made.base) == Closed("", ""), "closed twice is closed"


async def test_what_changed_is_committed_on_the_branch_and_the_main_tree_stays(bench: Bench, trees: Trees) -> None:
    made = await trees.make()
    (made.path / "README.md").unlink()
    (made.path / "new").mkdir()
    (made.path / "new/file.txt").write_text("new\n")
    closed = await trees.close(made.base)
    assert closed == Closed("astro/run_1", bench.git("rev-parse", "astro/run_1").strip())
    assert bench.git("show", "--format=%s", "--name-status", "astro/run_1").split() == [
        *("Done", "D", "README.md", "A", "new/file.txt")
    ]
    assert traces(bench) == ["run_1", "astro/run_1"], "the ref alone"
    assert bench.git("status", "--porcelain") == ""
    assert bench.git("rev-parse", "main").strip() == made.base
    bench.git("fsck", "--strict")
    assert await trees.close(made.base) == closed, "closed twice is closed"


@pytest.mark.full
async def test_commits_that_were_made_in_it_are_kept_without_another(bench: Bench, trees: Trees) -> None:
    made = await trees.make()
    plain_git(made.path, "commit", "-q", "--allow-empty", "-m", "Mine")
    closed = await trees.close(made.base)
    assert bench.git("log", "-1", "--format=%H %s", "astro/run_1").split() == [closed.sha, "Mine"]


async def test_a_commit_whose_index_was_not_written_any_more_is_one(bench: Bench, trees: Trees) -> None:
    made = await trees.make()
    index = bench.root / ".git/worktrees/run_1/index"
    before = index.read_bytes()
    (made.path / "new.txt").write_text("new\n")
    plain_git(made.path, "add", "-A")
    plain_git(made.path, "commit", "-q", "-m", "Mine")
    index.write_bytes(before)
    assert (await trees.close(made.base)).left == ""
    assert bench.git("log", "-1", "--format=%s", "astro/run_1").strip() == "Mine"


@pytest.mark.full
async def test_another_begins_where_one_left_off_or_at_head(bench: Bench, trees: Trees) -> None:
    made = await trees.make()
    (made.path / "a.txt").write_text("a\n")
    closed = await trees.close(made.base)
    assert (await trees.make("run_2", "run_1")).base == closed.sha
    assert (await trees.make("run_3", "run_unknown")).base == made.base


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("deploy.txt", f"{KEY}\n", "looks like a"),
        pytest.param("id_rsa", "x\n", "id_rsa holds secrets by its name", marks=pytest.mark.full),
    ],
)
async def test_keys_are_not_committed_and_stay_in_the_folder(
    bench: Bench, trees: Trees, name: str, text: str, told: str
) -> None:
    made = await trees.make()
    (made.path / name).write_text(text)
    closed = await trees.close(made.base)
    assert (closed.branch, closed.sha) == ("astro/run_1", "")
    assert told in closed.left
    assert KEY not in closed.left
    assert (made.path / name).read_text() == text
    (made.path / name).unlink()
    assert await trees.close(made.base) == Closed("", "")


@pytest.mark.full
async def test_a_repository_inside_and_another_branch_stand_against_the_end(trees: Trees) -> None:
    made = await trees.make()
    (made.path / "inner").mkdir()
    plain_git(made.path / "inner", "init", "-q")
    (made.path / "inner/file").write_text("x")
    assert "inner/ is a repository of its own" in (await trees.close(made.base)).left
    plain_git(made.path, "switch", "-q", "-c", "other")
    assert "not on its branch any more, but on refs/heads/other" in (await trees.close(made.base)).left
    assert (made.path / "inner/file").exists()


@pytest.mark.full
async def test_a_folder_that_a_person_took_away_is_no_trouble(bench: Bench, trees: Trees) -> None:
    made = await trees.make()
    bench.git("worktree", "remove", "--force", str(made.path))
    assert await trees.close(made.base) == Closed("", "")
    assert traces(bench) == []


@pytest.mark.full
async def test_two_at_once_know_nothing_of_each_other(bench: Bench, trees: Trees) -> None:
    async def one(name: str) -> None:
        made = await trees.make(name)
        (made.path / "file.txt").write_text(name)
        await trees.close(made.base, name)

    async with anyio.create_task_group() as group:
        for number in range(4):
            group.start_soon(one, f"run_{number}")
    assert [bench.git("show", f"astro/run_{number}:file.txt") for number in range(4)] == [
        f"run_{number}" for number in range(4)
    ]
    assert bench.git("worktree", "list").count("\n") == 1


def _link(bench: Bench) -> None:
    (bench.root / ".astro-mcp").symlink_to("/tmp")


def _inner_link(bench: Bench) -> None:
    bench.write(".astro-mcp/.gitignore", "*\n")
    (bench.root / ".astro-mcp/runs").symlink_to("/tmp")


def _gits_link(bench: Bench) -> None:
    (bench.root / ".git/worktrees").symlink_to("/tmp")


@pytest.mark.parametrize(
    ("plant", "kind", "told"),
    [
        (_link, PathDenied, "no folder, or a link"),
        (_gits_link, PathDenied, "no folder, or a link"),
        pytest.param(_inner_link, PathDenied, "no folder, or a link", marks=pytest.mark.full),
        (lambda bench: bench.write(".astro-mcp/notes.txt", "theirs\n"), Conflict, "not ours"),
        *(
            pytest.param(*case, marks=pytest.mark.full)
            for case in (
                (lambda bench: bench.write(".astro-mcp", "a file\n"), PathDenied, "no folder, or a link"),
                (lambda bench: bench.write(".astro-mcp/.gitignore", "theirs\n"), Conflict, "not ours"),
                (lambda bench: bench.git("branch", "astro"), Conflict, "a branch named astro"),
            )
        ),
    ],
)
async def test_what_is_in_the_way_is_refused_and_left(
    bench: Bench, trees: Trees, plant: Callable[[Bench], object], kind: type[AstroError], told: str
) -> None:
    plant(bench)
    before = {path: os.lstat(path).st_ino for path in bench.root.rglob("*")}
    with pytest.raises(kind, match=told):
        await trees.look()
    with pytest.raises(AstroError):
        await trees.make()
    assert {path: os.lstat(path).st_ino for path in before} == before
    assert not (bench.root / ".git/worktrees/run_1").exists()


@pytest.mark.full
async def test_a_branch_that_is_there_already_is_not_taken(bench: Bench, trees: Trees) -> None:
    bench.git("branch", "astro/run_1")
    with pytest.raises(Conflict, match="there is a branch named astro/run_1 already"):
        await trees.make()
    assert await trees.close("") == Closed("", "")
    assert bench.git("branch", "--list", "astro/run_1").split() == ["astro/run_1"], "and it stays"


@pytest.mark.full
async def test_where_no_worktree_can_be_made_that_is_told(tmp_path: Path, bench: Bench) -> None:
    for name, arguments in (("none", []), ("bare", ["--bare"]), ("empty", ["-b", "main"])):
        (tmp_path / name).mkdir()
        if arguments:
            plain_git(tmp_path / name, "init", "-q", *arguments)
    expected: dict[str, tuple[type[AstroError], str]] = {
        "none": (NotFound, "no git repository"),
        "bare": (Unsupported, "bare"),
        "empty": (InvalidInput, "no commit yet"),
    }
    for name, (kind, told) in expected.items():
        session = Session(bench.session.principal, Grant(roots=((tmp_path / name).resolve(),)))
        with pytest.raises(kind, match=told):
            await worktrees.look(Git(Workspace(SecretSettings()), tmp_path / "trees"), session)
    two = Session(bench.session.principal, Grant(roots=(bench.root, (tmp_path / "empty").resolve())))
    with pytest.raises(InvalidInput, match="one root"):
        await worktrees.look(Git(Workspace(SecretSettings()), tmp_path / "trees"), two)


@pytest.mark.full
async def test_submodules_stay_empty_and_are_no_change(tmp_path: Path, bench: Bench, trees: Trees) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    plain_git(inner, "init", "-q", "-b", "main")
    plain_git(inner, "commit", "-q", "--allow-empty", "-m", "x")
    bench.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "part")
    bench.git("commit", "-q", "-m", "A part")
    made = await trees.make()
    assert list((made.path / "part").iterdir()) == []
    assert await trees.close(made.base) == Closed("", "")


async def test_the_session_within_it_reaches_its_files_and_no_others(bench: Bench, trees: Trees) -> None:
    made = await trees.make()
    within = bench.session.within(made.path)
    workspace = Workspace(SecretSettings())
    assert workspace.locate(within, "src/app.py").path == made.path / "src/app.py"
    with pytest.raises(PathDenied):
        workspace.locate(within, str(bench.root / "src/app.py"))
    (made.path / "up").symlink_to("../../../README.md")  # as a commit may hold it
    with pytest.raises(PathDenied):
        workspace.locate(within, "up")
    async with trees.git.open(within, ".") as tree:
        assert tree.refs.branch == made.branch
    with pytest.raises(PathDenied, match="outside of the workspace roots"):
        async with trees.git.open(Session(within.principal, Grant(roots=(made.path,))), "."):
            raise AssertionError("without its home the grant opens no repository")
    with pytest.raises(Forbidden):
        bench.session.within(bench.root.parent)


async def test_a_run_stays_on_its_branch_and_nobody_goes_on_one_of_another_tree(bench: Bench, trees: Trees) -> None:
    made = await trees.make()
    bench.session = within = bench.session.within(made.path)
    refused = await bench.result("git_branch", action="switch", name="main")
    assert refused.error is not None
    assert "stays on astro/run_1" in refused.error.message
    created = await bench.call("git_branch", name="extra")
    assert created.sha == made.base
    bench.session = trees.session
    taken = await bench.result("git_branch", action="switch", name=made.branch)
    assert isinstance(taken.error, Conflict)
    assert "is checked out in" in taken.error.message
    assert within.scope == trees.session.scope


@pytest.mark.parametrize("stop", ["index", *(pytest.param(n, marks=pytest.mark.full) for n in ("branch", "attach"))])
async def test_a_making_that_fails_leaves_nothing(
    bench: Bench, trees: Trees, stop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise Conflict("in the way")

    where = {"branch": "publish.create", "attach": "linked.attach", "index": "settle"}[stop]
    module = "branches" if stop == "branch" else "worktrees"
    monkeypatch.setattr(f"astro_mcp.workspace.git.{module}.{where}", partial(fail))
    with pytest.raises(Conflict, match="in the way"):
        await trees.make()
    assert traces(bench) == []
