"""Databases of released versions: today's code takes up their runs, ends them rightly, and reads those that ended.

They are written by `python -m tests.workflow.store_runs` (see there), and never again."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.workflow.house import House, Toys, house, session
from tests.workflow.store_runs import ROOT, STORED

from astro_mcp.core.ports import SystemClock
from astro_mcp.store.connection import migrate
from astro_mcp.store.database import migrations
from astro_mcp.workflow.drivers.sqlite.rows import FORM, stored
from astro_mcp.workflow.kernel.state import ENDED

VERSIONS = sorted(path.stem for path in STORED.glob("*.sql"))
every = pytest.mark.parametrize("version", VERSIONS)
LATER = 2 * 3600
"""Seconds between the death and the next life: the delays and the waits between attempts are over then."""


class At(SystemClock):
    """A clock that goes on from a time: no run is old enough to be forgotten, whenever the test runs."""

    def __init__(self, begin: float) -> None:
        self._ahead = begin - super().now()

    def now(self) -> float:
        return super().now() + self._ahead


def database(folder: Path, version: str) -> sqlite3.Connection:
    raw = sqlite3.connect(folder / "astro.db")
    raw.executescript((STORED / f"{version}.sql").read_text())
    raw.row_factory = sqlite3.Row
    return raw


def known(version: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((STORED / f"{version}.json").read_text())
    return found


def test_a_database_of_this_version_is_stored() -> None:
    assert f"version_{FORM}" in VERSIONS, "python -m tests.workflow.store_runs"


@every
def test_each_field_of_a_stored_state_is_read_back_as_it_was(tmp_path: Path, version: str) -> None:
    """A field that is called otherwise now, or has another default, would be read as what it never was."""
    raw = database(tmp_path, version)
    migrate(raw, migrations())
    for name, was in known(version).items():
        [row] = raw.execute("SELECT * FROM workflow_run WHERE name = ?", (name,))
        steps = list(raw.execute("SELECT * FROM workflow_step WHERE run_id = ?", (row["run_id"],)))
        given = raw.execute("SELECT * FROM workflow_given WHERE run_id = ?", (row["run_id"],)).fetchone()
        found: Any = stored(row, given, steps, {})
        now = json.loads(json.dumps(dataclasses.asdict(found.state)))
        assert row["version"] == was.pop("version")
        states = was.pop("steps")
        assert {field: now.get(field, "is gone") for field in was} == was, name
        for path, step in states.items():
            assert {field: now["steps"][path].get(field, "is gone") for field in step} == step, (name, path)
    raw.close()


async def ended(at: House, run_id: str, answers: dict[str, Any]) -> Any:
    """The run once it has ended; what it waits for is answered, by the step's path or its last part."""
    with anyio.fail_after(30):
        while True:
            run = await at.call("workflow_status", run_id=run_id, wait_seconds=10)
            if run["status"] in ("succeeded", "failed", "cancelled"):
                return run
            for waits in run["waiting_for"]:
                step = waits["step"]
                if waits["kind"] == "lost":
                    await at.call("workflow_control", run_id=run_id, action="retry", step=step)
                else:
                    value = answers.get(step, answers.get(step.rpartition(".")[2], "yes"))
                    await at.call("workflow_answer", run_id=run_id, step=step, value=value)


@every
async def test_every_run_goes_on_and_ends_as_it_should_have(tmp_path: Path, version: str) -> None:
    raw = database(tmp_path, version)
    runs = dict(raw.execute("SELECT name, run_id FROM workflow_run").fetchall())
    [died] = raw.execute("SELECT max(updated) FROM workflow_run").fetchone()
    raw.close()
    toys = Toys()
    toys.gate.set()
    async with house(tmp_path, toys=toys, clock=At(died + LATER)) as at:
        at.me = session(ROOT)
        listed = {line["tool"]: line["status"] for line in (await at.call("workflow_status"))["steps"]}
        assert set(listed) == set(runs) == set(known(version))
        assert (listed["succeeded"], listed["failed"], listed["cancelled"]) == ("succeeded", "failed", "cancelled")
        paused = await at.call("workflow_status", run_id=runs["paused"], wait_seconds=0)
        await at.call("workflow_control", run_id=runs["paused"], action="resume")
        found = {name: await ended(at, run_id, {"g": "true", "again.1.q": "stop"}) for name, run_id in runs.items()}
        forms = dict(await at.rows("SELECT name, version FROM workflow_run"))
        histories = {name: await at.read(f"astro://runs/{run_id}/history") for name, run_id in runs.items()}
    statuses = {name: run["status"] for name, run in found.items()}
    assert statuses == dict.fromkeys(runs, "succeeded") | {"failed": "failed", "cancelled": "cancelled"}
    assert "paused" in paused["status"] + paused["progress"]
    assert found["succeeded"]["outputs"] == {"n": 2}
    assert found["ask"]["outputs"] == {"a": "yes"}
    assert found["failed"]["steps"][0]["error"]
    assert found["tree"]["worktree"]["phase"] == "closed"
    attempts = {name: [step["attempts"] for step in run["steps"]] for name, run in found.items()}
    assert attempts["retry"] == [2]
    assert attempts["running"][0] >= 1
    # What was done stays done, what was in flight begins again, an effect only when it is told to.
    expected = ["hold running", "hold_write effect", "hold_write lost", "flaky ", "say after", "say queued"]
    expected += ["say gate", "say paused", "say b", "say c", "add 1"]
    assert sorted(toys.calls) == sorted(expected)
    assert all(histories.values())
    gone_on = {name: form for name, form in forms.items() if listed[name] not in ENDED}
    assert gone_on == dict.fromkeys(gone_on, FORM), "an older version reads nothing that is written otherwise by now"
