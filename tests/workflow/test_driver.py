"""The SQLite driver as such: who may advance a run, what is told of it, and when it is forgotten."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.workflow.house import House, house, session, until_called

from astro_mcp.core.ports import SystemClock
from astro_mcp.errors import NotFound
from astro_mcp.run_settings import WorkflowSettings
from astro_mcp.store.artifacts import Artifacts
from astro_mcp.workflow.drivers.sqlite.journal import Journal

HOLD = {
    "steps": [
        {"id": "hold", "tool": "toy_hold", "with": {"text": "x"}},
        {"id": "say", "needs": "hold", "tool": "toy_say"},
    ]
}
DAY = 86_400.0


class Later(SystemClock):
    """A clock that can be set forward."""

    ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead


async def status(at: House, run_id: str, seconds: float = 10) -> str:
    return str((await at.call("workflow_status", run_id=run_id, wait_seconds=seconds))["status"])


async def test_a_process_whose_runs_were_taken_over_writes_nothing_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with house(tmp_path) as old:
        begun = await old.run(HOLD, wait_seconds=0)
        await until_called(old.toys, "hold x")
        async with house(tmp_path) as new:
            await until_called(new.toys, "hold x")
            old.toys.gate.set()
            with anyio.fail_after(10):
                while old.scheduler.active():
                    await anyio.sleep(0.01)
            assert "was advanced by somebody else" in caplog.text
            assert old.toys.calls == ["hold x"], "what it had on hand ended, and nothing else began"
            assert await status(new, begun["run_id"], 0) == "running"
            new.toys.gate.set()
            assert await status(new, begun["run_id"]) == "succeeded"
            assert new.toys.calls == ["hold x", "say "]
        kinds = await old.rows("SELECT kind FROM workflow_event WHERE run_id = ? ORDER BY seq", begun["run_id"])
        assert [kind for (kind,) in kinds] == ["began", "recovered", "began", "finished", "finished"]


async def test_history_comes_as_it_happens_and_ends_with_the_run(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        begun = await at.run(HOLD, wait_seconds=0)
        seen: list[tuple[int, str, str]] = []
        with anyio.fail_after(10):
            async for event in at.scheduler.history(at.me.scope, begun["run_id"]):
                seen.append((event.seq, event.kind, event.path))
                at.toys.gate.set()
        assert seen == [(1, "began", ""), (2, "finished", "hold"), (3, "finished", "say")]
        later = [event.seq async for event in at.scheduler.history(at.me.scope, begun["run_id"], 2)]
        assert later == [3]
        lines = (await at.read(f"astro://runs/{begun['run_id']}/history")).splitlines()
        assert [json.loads(line)["step"] for line in lines] == ["", "hold", "say"]


async def test_a_run_that_was_only_just_taken_over_is_not_advanced_by_who_had_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The one that took it has written no event yet: the count of events alone would let the other one go on."""
    async with house(tmp_path) as old:
        begun = await old.run(HOLD, wait_seconds=0)
        await until_called(old.toys, "hold x")
        before = await old.rows("SELECT events, head FROM workflow_run")
        artifacts = Artifacts(old.database, tmp_path / "artifacts", SystemClock())
        await Journal(old.database, artifacts).restore(old.me.scope, begun["run_id"])
        old.toys.gate.set()
        with anyio.fail_after(10):
            while old.scheduler.active():
                await anyio.sleep(0.01)
        assert "was advanced by somebody else" in caplog.text
        assert await old.rows("SELECT events, head FROM workflow_run") == before
        assert old.toys.calls == ["hold x"]


async def test_a_foreign_history_is_a_missing_one(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        begun = await at.run(HOLD, wait_seconds=0)
        stranger = session(tmp_path, "stranger")
        for run_id in (begun["run_id"], "run_" + "0" * 32):
            with pytest.raises(NotFound, match="there is no run"):
                await at.read(f"astro://runs/{run_id}/history", stranger)
            with pytest.raises(NotFound, match="there is no run"):
                await anext(at.scheduler.history(stranger.scope, run_id))


async def count(at: House, table: str) -> int:
    [(found,)] = await at.rows(f"SELECT count(*) FROM {table}")
    return int(found)


async def test_runs_that_ended_long_ago_are_forgotten_whole_and_others_are_not(tmp_path: Path) -> None:
    clock = Later()
    say: dict[str, Any] = {"steps": [{"id": "say", "tool": "toy_say"}]}
    settings = WorkflowSettings(keep_days=10)
    async with house(tmp_path, clock=clock, settings=settings) as at:
        old = await at.run(say)
        waits = await at.run({"steps": [{"id": "q", "ask": "x"}]})
    clock.ahead = 9 * DAY
    async with house(tmp_path, clock=clock, settings=settings) as at:
        new = await at.run(say)
        assert await status(at, old["run_id"], 0) == "succeeded"
    clock.ahead = 11 * DAY
    async with house(tmp_path, clock=clock, settings=settings) as at:
        with anyio.fail_after(10):
            while await count(at, "workflow_run") > 2:
                await anyio.sleep(0.01)
        assert (await at.fails("workflow_status", run_id=old["run_id"])).code == "not_found"
        assert await status(at, new["run_id"], 0) == "succeeded"
        assert await status(at, waits["run_id"], 0) == "waiting", "what has not ended is not forgotten, however old"
        assert await at.rows("SELECT run_id FROM workflow_step WHERE run_id = ?", old["run_id"]) == []
        assert await at.rows("SELECT run_id FROM workflow_event WHERE run_id = ?", old["run_id"]) == []


async def test_many_old_runs_are_forgotten_in_parts(tmp_path: Path) -> None:
    clock = Later()
    async with house(tmp_path, clock=clock) as at:
        await at.run({"steps": [{"id": "say", "tool": "toy_say"}]})
        copy = (
            "INSERT INTO workflow_run SELECT tenant, scope, 'run_' || value, name, status, spec, authority, labels,"
            " head, events, version, created, updated, driver FROM workflow_run, json_each(?)"
        )
        await at.database.write(lambda tx: tx.execute(copy, (json.dumps(list(range(450))),)))
    clock.ahead = 400 * DAY
    async with house(tmp_path, clock=clock) as at:
        with anyio.fail_after(10):
            while await count(at, "workflow_run"):
                await anyio.sleep(0.01)


async def test_a_document_with_a_delay_begins_when_it_is_over_also_after_a_restart(tmp_path: Path) -> None:
    clock = Later()
    spec = {"delay": "1h", "timeout": "5m", "steps": [{"id": "say", "tool": "toy_say"}]}
    async with house(tmp_path, clock=clock) as at:
        begun = await at.run(spec, wait_seconds=0.2)
        assert begun["status"] == "queued"
        assert at.scheduler.active()
    async with house(tmp_path, clock=clock) as at:
        assert await status(at, begun["run_id"], 0.2) == "queued"
        assert at.toys.calls == []
    clock.ahead = 3601.0
    async with house(tmp_path, clock=clock) as at:
        assert await status(at, begun["run_id"]) == "succeeded"
        assert at.toys.calls == ["say "]


async def test_a_run_that_has_not_begun_can_be_cancelled(tmp_path: Path) -> None:
    async with house(tmp_path) as at:
        begun = await at.run({"delay": "1h", "steps": [{"id": "say", "tool": "toy_say"}]}, wait_seconds=0)
        await at.call("workflow_control", run_id=begun["run_id"], action="pause")
        assert await status(at, begun["run_id"], 0) == "paused"
        await at.call("workflow_control", run_id=begun["run_id"], action="cancel")
        assert await status(at, begun["run_id"]) == "cancelled"
