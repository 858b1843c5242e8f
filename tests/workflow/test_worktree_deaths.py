"""Runs in worktrees whose process dies, whose calls are slow to end, and whose rows are damaged or forgotten."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.workflow.desk import Desk
from tests.workflow.grove import NOBODY, Slow, lives, noted_before_a_close, spec

from astro_mcp.testing import workbench
from astro_mcp.workflow.trees import Trees

WRITES = [
    {
        "id": f"w{number}",
        "tool": "fs_write",
        "needs": [f"w{number - 1}"] if number else [],
        "with": {"path": f"{number}.txt", "content": f"{number}\n"},
    }
    for number in range(3)
]
SPEC = json.dumps({"name": "tree", "workspace": "worktree", "steps": WRITES})
CHILD = """
import os, signal, sys
from pathlib import Path
import anyio
from astro_mcp.testing import workbench

folder, spec, plain, left = Path(sys.argv[1]), sys.argv[2], os.fsync, int(sys.argv[3])

def fsync(descriptor):
    global left
    left -= 1
    plain(descriptor)
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    async with workbench(folder / "data", roots=[folder / "project"]) as bench:
        started = await bench.value("workflow_run", spec=spec, allow=["read", "write", "destroy"], wait_seconds=0)
        print(started.run_id, flush=True)
        os.fsync = fsync
        await bench.value("workflow_status", run_id=started.run_id, wait_seconds=60)

anyio.run(main)
"""


@pytest.mark.full
@pytest.mark.parametrize("boundary", [1, 4, 7, 10, 13, 16, 19, 22, 25, 28])
async def test_whenever_its_process_dies_a_run_has_one_worktree_and_its_whole_branch(
    tmp_path: Path, boundary: int
) -> None:
    root = (tmp_path / "project").resolve()
    root.mkdir()
    command = [sys.executable, "-c", CHILD, str(tmp_path), SPEC, str(boundary)]
    async with workbench(tmp_path / "data", roots=[root]) as bench:
        at = Desk(bench, root)
        at.commit("Begin", a__txt="a\n")
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    assert child.returncode == -signal.SIGKILL, child.stderr
    run_id = child.stdout.strip()
    async with workbench(tmp_path / "data", roots=[root]) as bench:
        run: Any = await bench.value("workflow_status", run_id=run_id, wait_seconds=60)
        while run.status == "waiting":
            await bench.value("workflow_control", run_id=run_id, action="retry")
            run = await bench.value("workflow_status", run_id=run_id, wait_seconds=60)
        assert (run.status, run.worktree.left) == ("succeeded", "")
        assert at.git("show", "--format=", "--name-only", run.worktree.branch).split() == ["0.txt", "1.txt", "2.txt"]
        assert at.git("rev-list", "--count", f"main..{run.worktree.branch}") == "1"
    assert at.git("branch", "--format=%(refname:short)").split() == [run.worktree.branch, "main"]
    assert at.git("worktree", "list").count("\n") == 0
    assert list((root / ".astro-mcp/runs").iterdir()) == []
    assert at.git("status", "--porcelain") == ""
    at.git("fsck", "--strict")


@pytest.mark.parametrize("when", ["make", "close"])
async def test_a_death_while_the_worktree_is_made_or_closed_loses_nothing_and_makes_no_second(
    tmp_path: Path, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, begun = getattr(Trees, when), anyio.Event()

    async def dies(*arguments: Any) -> Any:
        found = await plain(*arguments)
        begun.set()
        await anyio.sleep_forever()
        return found

    async with lives(tmp_path) as first:
        monkeypatch.setattr(Trees, when, dies)
        text = spec({"id": "a", "tool": "toy_write", "with": {"text": "once"}})
        run = await first.run(text, wait_seconds=0)
        with anyio.fail_after(10):
            await begun.wait()
        assert first.scheduler.active()
    monkeypatch.setattr(Trees, when, plain)
    async with lives(tmp_path) as second:
        ended = await second.call("workflow_status", run_id=run["run_id"], wait_seconds=20)
        assert (ended["status"], ended["worktree"]["phase"]) == ("succeeded", "closed")
        assert first.toys.calls + second.toys.calls == ["write once"]
        kinds = [row[0] for row in await second.rows("SELECT kind FROM workflow_event ORDER BY seq")]
        assert (kinds.count("made"), kinds.count("closed")) == (1, 1)
    assert list((tmp_path / ".astro-mcp/runs").iterdir()) == []


async def test_a_run_whose_worktree_is_being_made_is_left_alone_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, gate = Trees.make, anyio.Event()

    async def slow(*arguments: Any) -> Any:
        await gate.wait()
        return await plain(*arguments)

    monkeypatch.setattr(Trees, "make", slow)
    async with lives(tmp_path) as at:
        say = {"id": "a", "tool": "toy_say", "with": {"text": "x"}}
        run_id = (await at.run(spec(say), wait_seconds=0))["run_id"]
        assert (await at.run(json.dumps({"steps": [say, {**say, "id": "b", "needs": ["a"]}]})))["status"] == "succeeded"
        kinds = "SELECT kind FROM workflow_event WHERE run_id = ?"
        assert await at.rows(kinds, run_id) == [("began",)], "what others do is no event of it"
        gate.set()
        assert (await at.call("workflow_status", run_id=run_id))["status"] == "succeeded"


async def test_a_stored_worktree_that_is_none_of_the_runs_breaks_that_run_alone(tmp_path: Path) -> None:
    async with lives(tmp_path) as first:
        damaged, other = [(await first.run(spec({"id": "ask", "ask": "Go on?"})))["run_id"] for _ in range(2)]
        change = "UPDATE workflow_run SET head = json_set(head, '$.worktree.path', '/') WHERE run_id = ?"
        await first.database.write(lambda tx: tx.execute(change, (damaged,)))
    async with lives(tmp_path) as second:
        failed = await second.call("workflow_status", run_id=damaged)
        assert (failed["status"], failed["error"]["hint"]) == ("failed", "what is stored of the run is damaged")
        await second.call("workflow_answer", run_id=other, step="ask", value="yes")
        assert (await second.call("workflow_status", run_id=other))["status"] == "succeeded"


async def test_a_stopped_call_has_ended_before_its_worktree_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with lives(tmp_path, Slow()) as at:
        assert await noted_before_a_close(at, monkeypatch) == ["linger", "lingered"]


@pytest.mark.full
async def test_a_run_that_is_forgotten_leaves_its_branch(tmp_path: Path) -> None:
    async with lives(tmp_path) as at:
        text = spec({"id": "ask", "ask": "Go on?"})
        run = await at.run(text)
        (Path(run["worktree"]["path"]) / "new.txt").write_text("new\n")
        await at.call("workflow_answer", run_id=run["run_id"], step="ask", value="yes")
        ended = await at.call("workflow_status", run_id=run["run_id"], wait_seconds=20)
        assert ended["status"] == "succeeded"
        driver: Any = at.scheduler._driver
        assert await driver._journal.purge(math.inf) == 1
        assert (await at.fails("workflow_status", run_id=run["run_id"])).code == "not_found"
    assert Desk(NOBODY, tmp_path).git("show", f"astro/{run['run_id']}:new.txt") == "new"
