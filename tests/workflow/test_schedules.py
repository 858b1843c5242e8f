"""Runs by the clock: when, whose, once each."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.workflow.house import House, house, session, until_called

from astro_mcp.config import load
from astro_mcp.core.deferred import Deferred, Ready
from astro_mcp.core.ports import SystemClock
from astro_mcp.errors import InvalidInput, Unavailable
from astro_mcp.run_settings import ScheduleSettings, WorkflowSettings
from astro_mcp.testing import workbench
from astro_mcp.workflow import schedules as s
from astro_mcp.workflow.scheduler import Scheduler

TEMPLATE = """
name: nightly
version: "1"
inputs: {text: {type: string}}
steps:
  - id: say
    tool: toy_say
    with: {text: "${{ inputs.text }}"}
"""


class Set(SystemClock):
    """A clock that stands where it is set."""

    def __init__(self, at: str) -> None:
        self.at = datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp()

    def now(self) -> float:
        return self.at


def nightly(folder: Path, **more: Any) -> ScheduleSettings:
    fields = {"cron": "0 3 * * *", "template": "nightly", "root": folder, "inputs": {"text": "night"}}
    return ScheduleSettings(**{**fields, **more})


@asynccontextmanager
async def kept(
    folder: Path,
    clock: Set,
    schedule: ScheduleSettings,
    *,
    text: str = TEMPLATE,
    scheduler: Deferred[Scheduler] | None = None,
    settings: WorkflowSettings | None = None,
) -> AsyncIterator[House]:
    templates = folder / "templates"
    templates.mkdir(exist_ok=True)
    (templates / "nightly.yaml").write_text(text)
    async with house(folder, templates=templates, clock=clock, settings=settings) as at:
        found = s.Schedules({"n": schedule}, scheduler or Ready(at.scheduler), (), (), "me", clock)
        async with found.running():
            yield at


async def runs(at: House, count: int, who: Any = None) -> list[str]:
    """The runs' statuses, once there are so many."""
    with anyio.fail_after(5):
        while True:
            found = [line["status"] for line in (await at.call("workflow_status", who))["steps"]]
            if len(found) >= count and all(status in ("succeeded", "failed") for status in found):
                return found
            await anyio.sleep(0.01)


@pytest.mark.parametrize(
    ("cron", "zone", "after", "then"),
    [
        ("30 7 * * mon-fri", "UTC", "2026-11-27T08:00", "2026-11-30T07:30"),
        ("0 0 1 * *", "UTC", "2026-11-27T08:00", "2026-12-01T00:00"),
        ("0 9 * * *", "Europe/Berlin", "2026-03-28T12:00", "2026-03-29T07:00"),  # summer time began that night
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", "2026-03-29T01:00"),  # 2:30 does not exist: at 3:00
        ("*/15 * * * *", "UTC", "2026-11-27T08:00", "2026-11-27T08:15"),
    ],
)
def test_the_next_time_is_that_of_cron_in_its_zone(tmp_path: Path, cron: str, zone: str, after: str, then: str) -> None:
    schedule = nightly(tmp_path, cron=cron, zone=zone)
    found = s.following("n", schedule, Set(after).now())
    assert datetime.fromtimestamp(found, UTC).isoformat()[:16] == then


@pytest.mark.parametrize(
    ("field", "value", "part"),
    [
        ("cron", "every night", "schedules.n.cron"),
        ("cron", "61 * * * *", "schedules.n.cron"),
        ("cron", "0 0 31 2 *", "schedules.n.cron"),
        ("zone", "Mars/Olympus", "schedules.n.zone"),
        ("zone", "../etc/passwd", "schedules.n.zone"),
    ],
)
async def test_a_schedule_that_names_no_time_stops_the_start(tmp_path: Path, field: str, value: str, part: str) -> None:
    cron, zone = (value, "UTC") if field == "cron" else ("0 3 * * *", value)
    table = f'[schedules.n]\ncron = "{cron}"\nzone = "{zone}"\ntemplate = "x"\nroot = "{tmp_path}"\n'
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    (data / "config.toml").write_text(table)
    assert load(data, {}).schedules["n"].cron == cron
    with pytest.raises(InvalidInput, match=part):
        async with workbench(data):
            pass


async def test_a_run_begins_when_its_time_comes_and_its_roots_session_sees_it(tmp_path: Path) -> None:
    clock = Set("2026-11-27T03:00:10")
    async with kept(tmp_path, clock, nightly(tmp_path)) as at:
        assert await runs(at, 1) == ["succeeded"], "ten seconds ago is not too late"
        assert at.toys.calls == ["say night"]
        assert await runs(at, 0, session(tmp_path, "stranger")) == []
    async with kept(tmp_path, clock, nightly(tmp_path)) as at:
        await anyio.sleep(0.2)
        assert at.toys.calls == [], "one time has one run, however often the daemon starts"
    clock.at += 86_400
    async with kept(tmp_path, clock, nightly(tmp_path)) as at:
        assert await runs(at, 2) == ["succeeded", "succeeded"]


async def test_a_time_long_past_is_not_made_up_for_and_of_several_the_last_counts(tmp_path: Path) -> None:
    clock = Set("2026-11-27T04:00:00")
    async with kept(tmp_path, clock, nightly(tmp_path)) as at:
        await anyio.sleep(0.2)
        assert at.toys.calls == []
    async with kept(tmp_path, clock, nightly(tmp_path, cron="* * * * *")) as at:
        assert await runs(at, 1) == ["succeeded"]
        await anyio.sleep(0.2)
        assert at.toys.calls == ["say night"]


async def test_what_can_not_be_started_is_told_and_the_others_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Set("2026-11-27T03:00:10")
    for wrong in (
        nightly(tmp_path, inputs={}),
        nightly(tmp_path, template="nothing"),
        nightly(tmp_path / "missing"),
        nightly(Path("/")),
    ):
        async with kept(tmp_path, clock, wrong) as at:
            with anyio.fail_after(5):
                while "the schedule n can't be started" not in caplog.text:
                    await anyio.sleep(0.01)
            assert at.toys.calls == []
        caplog.clear()


async def test_a_time_at_which_the_queue_is_full_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(s, "AGAIN", 0.05)
    clock = Set("2026-11-27T02:59:00")
    async with kept(tmp_path, clock, nightly(tmp_path), settings=WorkflowSettings(queue=1)) as at:
        waits = await at.run({"steps": [{"id": "q", "ask": "well?"}]})
        clock.at += 70
        found = s.Schedules({"n": nightly(tmp_path)}, Ready(at.scheduler), (), (), "me", clock)
        async with found.running():
            with anyio.fail_after(5):
                while "the schedule n can't be started" not in caplog.text:
                    await anyio.sleep(0.01)
            await at.call("workflow_control", run_id=waits["run_id"], action="cancel")
            with anyio.fail_after(5):
                while at.toys.calls != ["say night"]:
                    await anyio.sleep(0.01)


class Absent(Deferred[Scheduler]):
    """A scheduler whose server is not there yet, or one that is broken."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.there: Scheduler | None = None
        self.asked = 0

    @property
    def built(self) -> Scheduler | None:
        return self.there

    async def get(self) -> Scheduler:
        self.asked += 1
        if self.there is None:
            raise self.error
        return self.there


async def test_a_scheduler_that_is_there_later_begins_what_was_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s, "AGAIN", 0.02)
    absent = Absent(Unavailable("the server does not answer"))
    async with kept(tmp_path, Set("2026-11-27T03:00:10"), nightly(tmp_path), scheduler=absent) as at:
        with anyio.fail_after(5):
            while absent.asked < 3:
                await anyio.sleep(0.01)
        absent.there = at.scheduler
        assert await runs(at, 1) == ["succeeded"]
        assert at.toys.calls == ["say night"]


async def test_a_schedule_that_breaks_oddly_ends_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broken = Absent(RuntimeError("of all things"))
    async with kept(tmp_path, Set("2026-11-27T03:00:10"), nightly(tmp_path), scheduler=broken) as at:
        with anyio.fail_after(5):
            while "of all things" not in caplog.text:
                await anyio.sleep(0.01)
        assert (await at.run({"steps": [{"id": "a", "tool": "toy_say"}]}))["status"] == "succeeded"
        assert broken.asked == 1, "it waits for its next time"


GATED = (
    TEMPLATE
    + """  - id: gate
    needs: say
    approve: {message: "Good?", level: operator}
"""
)


async def test_a_time_is_left_out_while_an_earlier_run_has_not_ended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, s.__name__)
    clock = Set("2026-11-27T03:00:10")
    async with kept(tmp_path, clock, nightly(tmp_path), text=GATED) as at:
        await until_called(at.toys, "say night")
    clock.at += 86_400
    async with kept(tmp_path, clock, nightly(tmp_path), text=GATED) as at:
        with anyio.fail_after(5):
            while "is left out this time" not in caplog.text:
                await anyio.sleep(0.01)
        [run] = (await at.call("workflow_status"))["steps"]
        await at.call("workflow_control", run_id=run["id"], action="cancel")
    clock.at += 86_400
    async with kept(tmp_path, clock, nightly(tmp_path), text=GATED) as at:
        await until_called(at.toys, "say night")
        assert len((await at.call("workflow_status"))["steps"]) == 2


async def test_a_run_may_do_what_the_schedule_allows_and_no_more(tmp_path: Path) -> None:
    clock = Set("2026-11-27T03:00:10")
    async with kept(tmp_path, clock, nightly(tmp_path)) as at:
        await runs(at, 1)
        [(authority,)] = await at.rows("SELECT authority FROM workflow_run")
        assert '"effects": ["read"]' in authority


async def test_the_daemon_does_not_end_while_there_are_schedules(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    async with workbench(data) as bench:
        while bench.app.loader.busy:
            await anyio.sleep(0.01)
        assert not bench.app.active()
    root = tmp_path / "root"
    root.mkdir()
    table = f'[schedules.n]\ncron = "0 3 * * *"\ntemplate = "index-codebase"\nroot = "{root}"\n'
    (data / "config.toml").write_text(table)
    async with workbench(data) as bench:
        while bench.app.loader.busy:
            await anyio.sleep(0.01)
        assert bench.app.active()
