"""`workspace: worktree` on a Temporal server: whichever worker makes it, the steps write to the branch of the run."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.workflow.desk import Desk
from tests.workflow.grove import NOBODY, Slow, lives, noted_before_a_close, spec
from tests.workflow.house import house
from tests.workflow.temporal_server import Server
from tests.workflow.test_temporal_app import environment

from astro_mcp.testing import Workbench, workbench
from astro_mcp.workflow.drivers.temporal.calls import Calls

ALLOW = ["read", "write", "destroy"]
WRITE = {"id": "write", "tool": "fs_write", "with": {"path": "new.txt", "content": "new\n"}}
ASK = {"id": "ask", "needs": ["write"], "ask": "Go on?"}
AFTER = {"id": "after", "needs": ["ask"], "tool": "fs_write", "with": {"path": "after.txt", "content": "after\n"}}
LOOK = {"id": "look", "tool": "toy_say", "with": {"text": "x"}}
STATUS = {"id": "status", "needs": ["write"], "tool": "git_status"}


def project(folder: Path) -> Desk:
    folder.mkdir()
    desk = Desk(NOBODY, folder)
    desk.commit("Begin", a__txt="a\n")
    return desk


def at(bench: Workbench, desk: Desk) -> Desk:
    return Desk(bench.other(desk.folder, principal=desk.folder.name), desk.folder)


async def test_writes_go_to_the_branch_and_nowhere_else_whether_a_run_ends_well_or_is_cancelled(
    tmp_path: Path, temporal: Server
) -> None:
    root = project((tmp_path / "project").resolve())
    async with workbench(tmp_path / "home", environment=environment(temporal.address, "t-tree")) as bench:
        desk = at(bench, root)
        run = await desk.run(spec(WRITE, STATUS, ASK, outputs={"branch": "${{ steps.status.branch }}"}), {"ask": "yes"})
        branch = f"astro/{run.run_id}"
        assert (run.status, run.outputs) == ("succeeded", {"branch": branch})
        assert (run.worktree.phase, run.worktree.branch, run.worktree.sha) == (
            "closed",
            branch,
            desk.git("rev-parse", branch),
        )
        assert desk.git("show", "--format=", "--name-only", branch).split() == ["new.txt"]
        assert sorted(path.name for path in desk.folder.iterdir()) == [".astro-mcp", ".git", "a.txt"]
        rows = [row for row in await bench.app.audit.last(100) if row["tool"].startswith("worktree_")]
        assert {row["tool"] for row in rows} >= {"worktree_make", "worktree_close"}

        begun: Any = await desk.bench.value("workflow_run", spec=spec(WRITE, ASK, AFTER), allow=ALLOW)
        assert begun.status == "waiting", begun
        await desk.bench.value("workflow_control", run_id=begun.run_id, action="cancel")
        ended: Any = await desk.bench.value("workflow_status", run_id=begun.run_id, wait_seconds=30)
        assert ended.status == "cancelled"
        assert desk.git("show", "--format=", "--name-only", ended.worktree.branch).split() == ["new.txt"]
        assert list((desk.folder / ".astro-mcp/runs").iterdir()) == []


@pytest.mark.full
async def test_where_there_can_be_no_worktree_the_run_is_refused_before_it_is_on_the_server(
    tmp_path: Path, temporal: Server
) -> None:
    root = (tmp_path / "plain").resolve()
    root.mkdir()
    async with workbench(tmp_path / "home", environment=environment(temporal.address, "t-none")) as bench:
        desk = at(bench, Desk(NOBODY, root))
        error = (await desk.bench.call("workflow_run", spec=spec(WRITE), allow=ALLOW)).error
        assert error is not None
        assert error.message.startswith("workspace: ")
        runs: Any = await desk.bench.value("workflow_status")
        assert runs.steps == []


@pytest.mark.full
async def test_a_worker_without_the_workspace_fails_the_run_and_says_why(tmp_path: Path, temporal: Server) -> None:
    root, aside = project((tmp_path / "project").resolve()), tmp_path / "aside"
    settings = temporal.settings("t-elsewhere")
    quiet = settings.model_copy(update={"temporal": settings.temporal.model_copy(update={"worker": False})})
    async with house(root.folder, settings=quiet) as asks:
        begun = await asks.call("workflow_run", spec=spec(LOOK), allow=ALLOW, wait_seconds=0)
        shutil.move(root.folder, aside)  # as on another machine
        aside.with_name("other").mkdir()
        async with house(aside.with_name("other"), settings=settings):
            with anyio.fail_after(30):
                while (seen := await asks.call("workflow_status", run_id=begun["run_id"]))["status"] != "failed":
                    await anyio.sleep(0.1)
        assert seen["error"]["code"] == "path_denied"
        assert "there is no such folder" in seen["error"]["message"]


async def test_an_answer_that_no_run_understands_fails_the_run_and_leaves_none_waiting(
    tmp_path: Path, temporal: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a worker of another version might give it."""

    async def grown(self: Calls, order: dict[str, Any]) -> dict[str, Any]:
        return {"event": {"forest": str(order["name"])}, "at": 0.0, "labels": []}

    monkeypatch.setattr(Calls, "_grown", grown)
    root = project((tmp_path / "project").resolve())
    async with workbench(tmp_path / "home", environment=environment(temporal.address, "t-strange")) as bench:
        begun: Any = await at(bench, root).bench.value("workflow_run", spec=spec(WRITE), allow=ALLOW, wait_seconds=20)
        assert begun.status == "failed", begun
        assert begun.error.code == "internal"


@pytest.mark.full
async def test_a_worktree_outlives_the_worker_that_made_it_and_is_closed_by_another(
    tmp_path: Path, temporal: Server
) -> None:
    root = project((tmp_path / "project").resolve())
    prefix, claims = "t-killed", tmp_path / "claims"
    me = environment(temporal.address, prefix, TEMPORAL__CLAIMS=str(claims), TEMPORAL__WORKER="false")

    def worker(name: str) -> subprocess.Popen[str]:
        home = tmp_path / name
        home.mkdir(mode=0o700)
        more = environment(temporal.address, prefix, TEMPORAL__CLAIMS=str(claims))
        process = subprocess.Popen(
            [sys.executable, "-m", "astro_mcp", "worker", "--temporal", temporal.address, "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            env={"PATH": "/usr/bin:/bin", "HOME": str(home), "ASTRO_MCP_HOME": str(home), **more},
        )
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["ok"] is True
        return process

    async with workbench(tmp_path / "home", environment=me) as bench:
        desk = at(bench, root)
        first = worker("first")
        try:
            begun: Any = await desk.bench.value(
                "workflow_run", spec=spec(WRITE, ASK, AFTER), allow=ALLOW, wait_seconds=30
            )
            assert begun.status == "waiting", begun
        finally:
            first.send_signal(signal.SIGKILL)
            first.wait()
        second = worker("second")
        try:
            await desk.bench.value("workflow_answer", run_id=begun.run_id, step="ask", value="yes")
            ended: Any = await desk.bench.value("workflow_status", run_id=begun.run_id, wait_seconds=60)
            assert ended.status == "succeeded", ended
        finally:
            second.kill()
            second.wait()
        files = desk.git("show", "--format=", "--name-only", ended.worktree.branch).split()
        assert sorted(files) == ["after.txt", "new.txt"]


@pytest.mark.full
async def test_a_stopped_call_has_ended_before_its_worktree_is_closed(
    tmp_path: Path, temporal: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with lives(tmp_path, Slow(), temporal.settings()) as found:
        assert await noted_before_a_close(found, monkeypatch) == ["linger", "lingered"]
