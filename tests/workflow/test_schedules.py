"""Runs by the clock: when, whose, once each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.workflow.house import House, house, session

from astro_mcp.config import load
from astro_mcp.core.ports import SystemClock
from astro_mcp.errors import InvalidInput
from astro_mcp.run_settings import ScheduleSettings
from astro_mcp.testing import workbench
from astro_mcp.workflow import schedules as s

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
async def kept(folder: Path, clock: Set, schedule: ScheduleSettings) -> AsyncIterator[House]:
    templates = folder / "templates"
    templates.mkdir(exist_ok=True)
    (templates / "nightly.yaml").write_text(TEMPLATE)
    async with house(folder, templates=templates, clock=clock) as at:
        found = s.Schedules({"n": schedule}, at.scheduler, (), (), "me", clock)
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
