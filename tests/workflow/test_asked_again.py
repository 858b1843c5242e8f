"""A step whose effect happened before anybody was told of it: after the death it is asked again, and done once."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import anyio
import pytest

from astro_mcp.testing import workbench
from astro_mcp.workflow.drivers.sqlite.active import Active, Post
from astro_mcp.workflow.kernel.events import Start
from astro_mcp.workflow.loop import Loop

SPEC: dict[str, Any] = {
    "name": "once",
    "steps": [
        {
            "id": "edit",
            "tool": "fs_edit",
            "with": {"edits": [{"path": "count.txt", "old": "end", "new": "one end"}]},
        },
        {"id": "commit", "needs": "edit", "tool": "git_commit", "with": {"message": "Count"}},
        {"id": "move", "needs": "commit", "tool": "fs_move", "with": {"path": "count.txt", "to": "moved.txt"}},
        {"id": "back", "tool": "fs_undo", "with": {"undo_id": "${{ steps.move.undo_id }}"}},
        {"id": "gone", "needs": "back", "tool": "fs_delete", "with": {"path": "old.txt"}},
    ],
    "outputs": {"sha": "${{ steps.commit.sha }}", "diff": "${{ steps.edit.diff }}"},
}


class Life:
    """Of a daemon: it tells of so many effects, and dies right after the next one."""

    def __init__(self, told: int) -> None:
        self.left = told
        self.over = anyio.Event()

    async def through(self) -> None:
        if not self.left:
            self.over.set()
            await anyio.sleep_forever()
        self.left -= 1


async def test_a_run_that_dies_after_every_effect_has_done_each_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "count.txt").write_text("end\n")
    (project / "old.txt").write_text("old\n")
    git(project, "init", "-q", "-b", "main")
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "Begin")
    lives: list[Life] = []

    async def carry_out(loop: Loop, run: Active, command: Start, scope: anyio.CancelScope) -> None:
        outcome = await loop._effects.carry_out(run.state.run_id, run.labelled_session(), command, scope)
        await lives[-1].through()
        loop._post(Post(run, outcome.event, outcome.labels, outcome.ref, outcome.text, len(outcome.text)))

    monkeypatch.setattr(Loop, "_carry_out", carry_out)
    spec, allow, run_id = json.dumps(SPEC), ["read", "write", "destroy"], ""
    for told in [0, *[1] * (len(SPEC["steps"]) - 1)]:
        lives.append(Life(told))
        async with workbench(tmp_path / "home", roots=[project]) as bench:
            if not run_id:
                began: Any = await bench.value("workflow_run", spec=spec, allow=allow, wait_seconds=0)
                run_id = began.run_id
            with anyio.fail_after(20):
                await lives[-1].over.wait()
    lives.append(Life(1_000))
    async with workbench(tmp_path / "home", roots=[project]) as bench:
        run: Any = await bench.value("workflow_status", run_id=run_id, wait_seconds=20)
    assert run.status == "succeeded", run
    assert {step.attempts for step in run.steps} == {1}
    assert (project / "count.txt").read_text() == "one end\n"
    assert sorted(path.name for path in project.glob("*.txt")) == ["count.txt"]
    assert git(project, "log", "--format=%s").split() == ["Count", "Begin"]
    assert run.outputs["sha"] == git(project, "rev-parse", "HEAD").strip()
    assert "+one end" in run.outputs["diff"]


def git(folder: Path, *arguments: str) -> str:
    argv = ["git", "-c", "user.name=Ann", "-c", "user.email=ann@example.org", *arguments]
    return subprocess.run(argv, cwd=folder, check=True, capture_output=True, text=True).stdout
