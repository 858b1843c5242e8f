"""Writes `stored/version_N.sql`, the database of a daemon that dies while it has a run in each status, and beside it
`version_N.json`, what was known of each: `python -m tests.workflow.store_runs`, once for each version of the state that
is released. A file that is there already is of its version, and is not written again."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sqlite3
import sys
from pathlib import Path
from typing import Any, Final

import anyio
from tests.workflow.grove import lives
from tests.workflow.house import House, until_called

from astro_mcp.workflow.drivers.sqlite.rows import FORM

STORED: Final = Path(__file__).parent / "stored"
ROOT: Final = Path("/tmp/astro-mcp-stored")
"""Where the runs were made: whose a run is follows from its root. Nothing has to be there when they are taken up."""
HOLD: Final = {"id": "hold", "tool": "toy_hold"}
LOST: Final = {"name": "lost", "steps": [{"id": "effect", "tool": "toy_hold_write", "with": {"text": "lost"}}]}
DOCUMENTS: Final[tuple[dict[str, Any], ...]] = (
    {"name": "succeeded", "steps": [{"id": "a", "tool": "toy_add", "with": {"number": 1}}],
     "outputs": {"n": "${{ steps.a.number }}"}},
    {"name": "failed", "steps": [{"id": "a", "tool": "toy_flaky"}, {"id": "b", "needs": ["a"], "tool": "toy_say"}]},
    {"name": "cancelled", "steps": [{"id": "q", "ask": "well?"}]},
    {"name": "tree", "workspace": "worktree", "steps": [{"id": "a", "tool": "toy_say", "with": {"text": "t"}}]},
    {"name": "queued", "delay": "1h", "steps": [{"id": "a", "tool": "toy_say", "with": {"text": "queued"}}]},
    {"name": "retry", "steps": [{"id": "a", "tool": "toy_flaky", "retry": {
        "max_attempts": 3, "initial_interval": "1h", "max_interval": "1h"}}]},
    {"name": "ask", "inputs": {"who": {"type": "string", "default": "you"}},
     "steps": [{"id": "a", "ask": "well, ${{ inputs.who }}?"}], "outputs": {"a": "${{ steps.a.answer }}"}},
    {"name": "gate", "steps": [{"id": "g", "approve": {"message": "go?", "level": "model"}},
                               {"id": "b", "needs": ["g"], "tool": "toy_say", "with": {"text": "gate"}}]},
    {"name": "foreach", "steps": [{"id": "each", "foreach": ["a", "b", "c"], "max_parallel": 1, "do": [
        {"id": "say", "tool": "toy_say", "with": {"text": "${{ item }}"}},
        {"id": "q", "needs": ["say"], "ask": "${{ item }}?"}]}]},
    {"name": "repeat", "steps": [{"id": "again", "repeat": {"max": 3, "until": "steps.q.answer == 'stop'"}, "do": [
        {"id": "add", "tool": "toy_add", "with": {"number": 1}},
        {"id": "q", "needs": ["add"], "ask": "more?"}]}]},
    {"name": "sub", "steps": [{"id": "inside", "workflow": "inner", "with": {"text": "deep"}}],
     "workflows": {"inner": {"inputs": {"text": {"type": "string"}}, "steps": [
         {"id": "say", "tool": "toy_say", "with": {"text": "${{ inputs.text }}"}},
         {"id": "q", "needs": ["say"], "ask": "out?"}]}}},
    {"name": "running", "timeout": "5h", "priority": "high", "steps": [
        {**HOLD, "with": {"text": "running"}},
        {"id": "after", "needs": ["hold"], "tool": "toy_say", "with": {"text": "after"}}]},
    {"name": "effect", "steps": [{"id": "effect", "tool": "toy_hold_write", "with": {"text": "effect"}}]},
    {"name": "paused", "steps": [{"id": "q", "ask": "well?"},
                                 {"id": "a", "needs": ["q"], "tool": "toy_say", "with": {"text": "paused"}}]},
)  # fmt: skip


async def begin(at: House, document: dict[str, Any]) -> str:
    waits = 20 if document["name"] in ("succeeded", "failed", "tree") else 0
    spec = {key: value for key, value in document.items() if key != "priority"}
    priority = document.get("priority", "normal")
    return str((await at.run(json.dumps(spec), wait_seconds=waits, priority=priority))["run_id"])


async def write() -> None:
    """Live twice, and die."""
    ROOT.mkdir()
    async with lives(ROOT) as at:
        await begin(at, LOST)
        await until_called(at.toys, "hold_write lost")
    async with lives(ROOT) as at:
        at.toys.fail_times = 2
        runs = {document["name"]: await begin(at, document) for document in DOCUMENTS}
        await at.call("workflow_control", run_id=runs["cancelled"], action="cancel")
        await at.call("workflow_control", run_id=runs["paused"], action="pause")
        await until_called(at.toys, "hold running")
        await until_called(at.toys, "hold_write effect")
        for name in ("foreach", "repeat", "sub", "ask", "gate"):
            await at.call("workflow_status", run_id=runs[name], wait_seconds=10)
        runs["lost"] = next(
            line["id"] for line in (await at.call("workflow_status"))["steps"] if line["tool"] == "lost"
        )
        with sqlite3.connect(ROOT / "astro.db") as raw:
            lines = [line for line in raw.iterdump() if not line.startswith('INSERT INTO "audit')]
            [number] = raw.execute("PRAGMA user_version").fetchone()
            known = {}
            for name, run_id in runs.items():
                view = await at.scheduler.view(at.me.scope, run_id)
                known[name] = {"version": FORM, **dataclasses.asdict(view.state)}
    STORED.joinpath(f"version_{FORM}.sql").write_text("\n".join([*lines, f"PRAGMA user_version = {number};", ""]))
    STORED.joinpath(f"version_{FORM}.json").write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    if STORED.joinpath(f"version_{FORM}.sql").exists():
        sys.exit(f"version {FORM} is stored already")
    try:
        anyio.run(write)
    finally:
        shutil.rmtree(ROOT, ignore_errors=True)
