"""`workspace: worktree`: a run whose steps write to a branch of its own, and to nothing else."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.faces.hosts import Hosts
from tests.faces.test_tools import PROMPTS
from tests.workflow.desk import Desk
from tests.workflow.grove import NOBODY, spec

from astro_mcp.core.authority import Effect
from astro_mcp.errors import Forbidden
from astro_mcp.faces.mcp.face import McpFace
from astro_mcp.testing import Workbench, workbench

WRITE = {"id": "write", "tool": "fs_write", "with": {"path": "new.txt", "content": "new\n"}}
ASK = {"id": "ask", "needs": ["write"], "ask": "Go on?"}


@pytest.fixture(scope="module")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Workbench]:
    folder = tmp_path_factory.mktemp("app")
    async with workbench(folder) as found:
        yield found


@pytest.fixture
def at(bench: Workbench, tmp_path: Path) -> Desk:
    """A repository of one commit."""
    root = (tmp_path / "project").resolve()
    root.mkdir()
    made = Desk(bench.other(root, principal=str(tmp_path)), root)
    made.commit("Begin", a__txt="a\n")
    return made


async def test_writes_go_to_the_branch_and_nowhere_else(at: Desk) -> None:
    at.write(a__txt="mine, not committed\n")
    run = await at.run(
        spec(
            WRITE,
            {"id": "seen", "tool": "fs_read", "with": {"path": "a.txt"}},
            {"id": "status", "needs": ["write"], "tool": "git_status"},
            {"id": "out", "tool": "fs_read", "with": {"path": str(at.folder / "a.txt")}, "continue-on-error": True},
            {"id": "list", "needs": ["write"], "tool": "fs_list", "with": {"path": "."}},
            outputs={
                "branch": "${{ steps.status.branch }}",
                "untracked": "${{ steps.status.untracked }}",
                "seen": "${{ steps.seen.text }}",
                "out": "${{ steps.out.error.code }}",
                "names": "${{ steps.list.items.map(i, i.path) }}",
            },
        )
    )
    branch = f"astro/{run.run_id}"
    assert run.outputs == {
        "branch": branch,
        "untracked": ["new.txt"],
        "seen": "a\n",
        "out": "path_denied",
        "names": ["a.txt", "new.txt"],
    }
    tree = run.worktree
    assert (tree.phase, tree.branch, tree.sha, tree.left) == ("closed", branch, at.git("rev-parse", branch), "")
    assert (tree.merge, tree.path) == (f"git merge {branch}", "")
    assert f"to have it: git merge {branch}" in run.text()
    assert at.git("log", "-1", "--format=%B", branch) == f"astro-mcp: tree\n\nRun {run.run_id}"
    assert at.text("a.txt") == "mine, not committed\n"
    assert at.git("status", "--porcelain") == "M a.txt", "the worktree is no change of the main tree"
    listed: Any = await at.bench.value("fs_list", path=".", include_ignored=True)
    assert [item.path for item in listed.items] == ["a.txt"]
    at.git("checkout", "-q", "a.txt")
    at.git(*tree.merge.split()[1:])
    assert at.text("new.txt") == "new\n"


async def test_making_and_closing_are_in_the_audit_with_the_run(at: Desk) -> None:
    run = await at.run(spec(WRITE))
    database = at.bench.app.audit._database
    rows = await database.read(lambda tx: tx.rows("SELECT tool, phase FROM audit WHERE run_id = ?", (run.run_id,)))
    found = [(row["tool"], row["phase"]) for row in rows if row["tool"].startswith("worktree")]
    assert found == [(tool, phase) for tool in ("worktree_make", "worktree_close") for phase in ("intent", "outcome")]


@pytest.mark.full
async def test_a_run_that_changes_nothing_leaves_neither_folder_nor_branch(at: Desk) -> None:
    run = await at.run(spec({"id": "look", "tool": "fs_list"}))
    assert (run.status, run.worktree.sha, run.worktree.merge) == ("succeeded", "", "")
    assert "nothing was changed" in run.text()
    assert at.git("branch", "--format=%(refname:short)") == "main"
    assert list((at.folder / ".astro-mcp/runs").iterdir()) == []


async def test_a_run_that_fails_keeps_what_it_did_and_what_its_on_failure_did(at: Desk) -> None:
    broken = {"id": "broken", "needs": ["write"], "tool": "fs_read", "with": {"path": "missing"}}
    met = [{"id": "note", "tool": "fs_write", "with": {"path": "why.txt", "content": "why\n"}}]
    run = await at.run(spec(WRITE, broken, on_failure=met))
    assert run.status == "failed"
    assert at.git("show", "--format=", "--name-only", run.worktree.branch).split() == ["new.txt", "why.txt"]


async def test_a_run_that_is_cancelled_keeps_what_it_did(at: Desk) -> None:
    run: Any = await at.bench.value("workflow_run", spec=spec(WRITE, ASK), allow=["read", "write", "destroy"])
    assert (run.status, run.worktree.phase) == ("waiting", "open")
    assert Path(run.worktree.path, "new.txt").read_text() == "new\n"
    assert f"on {run.worktree.branch} in {run.worktree.path}" in run.text()
    await at.bench.value("workflow_control", run_id=run.run_id, action="cancel")
    ended: Any = await at.bench.value("workflow_status", run_id=run.run_id)
    assert ended.status == "cancelled"
    assert at.git("show", f"{ended.worktree.branch}:new.txt") == "new"
    assert not Path(run.worktree.path).exists()


@pytest.mark.full
async def test_a_workflow_inside_works_where_its_run_does(at: Desk) -> None:
    inner = {"steps": [WRITE]}
    run = await at.run(spec({"id": "part", "workflow": "inner"}, workflows={"inner": inner}))
    assert at.git("show", f"{run.worktree.branch}:new.txt") == "new"
    assert not (at.folder / "new.txt").exists()


@pytest.mark.full
async def test_keys_are_not_committed_and_the_run_tells_where_they_are(at: Desk) -> None:
    key = {"id": "key", "tool": "fs_write", "with": {"path": "k.txt", "content": "AKIA" + "ABCDEFGHIJKLMNOP"}}
    run = await at.run(spec(key))
    assert run.status == "succeeded"
    assert "looks like a" in run.worktree.left
    assert (run.worktree.merge, Path(run.worktree.path, "k.txt").exists()) == ("", True)
    assert f"left in {run.worktree.path}" in run.text()


async def test_a_fork_goes_on_from_the_branch_of_the_first(at: Desk) -> None:
    read = {"id": "read", "needs": ["write"], "tool": "fs_read", "with": {"path": "new.txt"}}
    first = await at.run(spec(WRITE, read, outputs={"text": "${{ steps.read.text }}"}))
    forked: Any = await at.bench.value("workflow_control", run_id=first.run_id, action="fork", step="read")
    ended: Any = await at.bench.value("workflow_status", run_id=forked.run_id)
    assert (ended.status, ended.outputs) == ("succeeded", {"text": "new\n"})
    assert (ended.worktree.sha, first.worktree.sha != "") == ("", True), "the fork changed nothing more"


@pytest.mark.full
async def test_two_runs_at_once_write_to_two_branches(at: Desk) -> None:
    found: list[Any] = []

    async def one(text: str) -> None:
        written = {**WRITE, "with": {"path": "new.txt", "content": text}}
        found.append((text, (await at.run(spec(written))).worktree.branch))

    async with anyio.create_task_group() as group:
        group.start_soon(one, "one")
        group.start_soon(one, "two")
    assert len({branch for _, branch in found}) == 2
    assert all(at.git("show", f"{branch}:new.txt") == text for text, branch in found)


async def test_an_undo_takes_back_what_was_written_on_its_own_side(at: Desk) -> None:
    mine: Any = await at.bench.value("fs_write", path="mine.txt", content="mine\n")
    last = {"id": "last", "needs": ["write"], "tool": "fs_undo", "with": {"last": True}}
    other = {**last, "id": "other", "needs": ["last"], "with": {"undo_id": mine.undo_id}, "continue-on-error": True}
    run = await at.run(spec(WRITE, last, other, outputs={"other": "${{ steps.other.error.code }}"}))
    assert run.outputs == {"other": "not_found"}
    assert run.worktree.sha == "", "all was taken back"
    assert at.text("mine.txt") == "mine\n"
    written: Any = await at.bench.value("workflow_run", spec=spec(WRITE, ASK), allow=["read", "write", "destroy"])
    again = await at.bench.call("fs_undo", run_id=written.run_id)
    assert again.error is not None
    assert again.error.code == "not_found"
    await at.bench.value("fs_undo", last=True)
    assert not (at.folder / "mine.txt").exists(), "the host's last is the host's"
    assert Path(written.worktree.path, "new.txt").exists()


async def test_who_may_less_than_the_run_does_not_steer_it(at: Desk) -> None:
    run: Any = await at.bench.value("workflow_run", spec=spec(WRITE, ASK), allow=["read", "write", "destroy"])
    narrow = replace(at.bench.session, grant=at.bench.session.grant.narrowed(effects={Effect.READ, Effect.WRITE}))
    scheduler = await at.bench.app.scheduler.get()
    with pytest.raises(Forbidden):
        await scheduler.cancel(narrow, run.run_id)
    with pytest.raises(Forbidden):
        await scheduler.fork(narrow, run.run_id)
    assert (await scheduler.view(at.bench.session.scope, run.run_id)).session.grant.roots == (at.folder,)


@pytest.mark.parametrize("mode", ["auto", pytest.param("legacy", marks=pytest.mark.full)])
async def test_a_host_is_told_the_branch_and_how_to_merge_it(at: Desk, mode: str) -> None:
    app, house = at.bench.app, NOBODY
    hosts = Hosts(house, McpFace(app.dispatcher, app.artifacts, PROMPTS, "0"))
    async with hosts.client(mode, at.bench.session) as client:
        checked = await client.call_tool("workflow_check", {"spec": spec(WRITE)})
        assert "in a git worktree of the run's own, from" in str(checked.content[0])
        arguments = {"spec": spec(WRITE), "allow": ["read", "write", "destroy"]}
        run: Any = (await client.call_tool("workflow_run", arguments)).structured_content
        branch = f"astro/{run['run_id']}"
        tree = run["worktree"]
        assert (tree["merge"], tree["sha"]) == (f"git merge {branch}", at.git("rev-parse", branch))
        assert not (at.folder / "new.txt").exists()
        told: Any = await client.read_resource(f"astro://runs/{run['run_id']}")
        assert json.loads(told.contents[0].text)["worktree"] == tree
