"""Calls in flight stand in the head of their run, and get a row when they end, however that is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.workflow.house import House, house, until_called
from tests.workflow.test_hostile_runs import GIVEN

from astro_mcp.core.ports import SystemClock
from astro_mcp.store.artifacts import Artifacts
from astro_mcp.workflow.drivers.sqlite.journal import Journal
from astro_mcp.workflow.drivers.sqlite.rows import Entry

HELD = "SELECT json_extract(head, '$.in_flight') FROM workflow_run WHERE run_id = ?"
ROWS = "SELECT path, status FROM workflow_step WHERE run_id = ? AND path LIKE 'each.%' ORDER BY path"
EACH = {"steps": [{"id": "each", "foreach": ["a", "b"], "tool": "toy_hold_write", "with": {"text": "${{ item }}"}}]}


async def held(at: House, run_id: str) -> dict[str, dict[str, float]]:
    [(text,)] = await at.rows(HELD, run_id)
    return json.loads(text) if text else {}


async def begun(at: House) -> str:
    """A run with two calls in flight."""
    run_id = (await at.run(EACH, wait_seconds=0))["run_id"]
    await until_called(at.toys, "hold_write a")
    await until_called(at.toys, "hold_write b")
    return str(run_id)


async def test_a_call_in_flight_has_no_row_until_it_ends(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        run_id = await begun(at)
        found = await held(at, run_id)
        assert {path: body["attempt"] for path, body in found.items()} == {"each.0": 1, "each.1": 1}
        assert await at.rows(ROWS, run_id) == []
        at.toys.gate.set()
        assert (await at.call("workflow_status", run_id=run_id, wait_seconds=10))["status"] == "succeeded"
        assert await held(at, run_id) == {}
        assert await at.rows(ROWS, run_id) == [("each.0", "succeeded"), ("each.1", "succeeded")]


async def test_the_step_that_is_cancelled_gets_a_row_and_the_other_is_still_in_flight(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        run_id = await begun(at)
        await at.call("workflow_control", run_id=run_id, action="cancel", step="each.0")
        assert list(await held(at, run_id)) == ["each.1"]
        assert await at.rows(ROWS, run_id) == [("each.0", "cancelled")]


async def test_what_was_in_flight_is_lost_after_the_process_and_is_told_by_rows_from_then_on(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        run_id = await begun(at)
    async with house(tmp_path) as at:
        run = await at.call("workflow_status", run_id=run_id, wait_seconds=5)
        assert {waits["step"]: waits["kind"] for waits in run["waiting_for"]} == {"each.0": "lost", "each.1": "lost"}
        assert await held(at, run_id) == {}
        assert await at.rows(ROWS, run_id) == [("each.0", "lost"), ("each.1", "lost")]


async def test_another_process_sees_a_call_in_flight_as_one(tmp_path: Path) -> None:
    """By what is on disk alone: the process that carries it out does not answer for it."""
    async with house(tmp_path) as at:
        run_id = await begun(at)
        journal = Journal(at.database, Artifacts(at.database, tmp_path, SystemClock()))
        stored = await journal.load(at.me.scope, run_id)
        steps = {path: (step.status, step.attempt) for path, step in stored.state.steps.items()}
        assert steps == {"": ("running", 0), "each": ("running", 0), "each.0": ("running", 1), "each.1": ("running", 1)}
        assert stored.state == (await at.scheduler.view(at.me.scope, run_id)).state


async def test_a_damaged_run_is_failed_and_each_of_its_calls_in_flight_is_told_as_cancelled(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        run_id = await begun(at)
        await at.database.write(lambda tx: tx.execute(GIVEN.format("'{'", "inputs"), (run_id,)))
    async with house(tmp_path) as at:
        assert await held(at, run_id) == {}
        assert await at.rows(ROWS, run_id) == [("each.0", "cancelled"), ("each.1", "cancelled")]
        bodies = await at.rows("SELECT json_extract(body, '$.attempt') FROM workflow_step WHERE path LIKE 'each.%'")
        assert bodies == [(1,), (1,)]


async def test_a_call_with_an_error_of_an_attempt_before_stands_in_its_own_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error may be long, and the head is written with every advance."""
    written, entries = Journal.save, []

    async def save(self: Journal, entry: Entry) -> None:
        entries.append(entry)
        await written(self, entry)

    monkeypatch.setattr(Journal, "save", save)
    async with house(tmp_path) as at:
        at.toys.fail_times = 1
        retry = {"max_attempts": 2, "initial_interval": "1ms"}
        run = await at.run({"steps": [{"id": "a", "tool": "toy_flaky", "retry": retry}]})
        assert run["status"] == "succeeded"
    rows = [[status for *_, path, status, _, _, _, _ in entry.steps if path == "a"] for entry in entries]
    first, *others = [(list(entry.in_flight), row) for entry, row in zip(entries, rows, strict=True)]
    assert first == (["a"], [])
    assert ([], ["running"]) in others
