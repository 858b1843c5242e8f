"""Runs that begin by the clock: `[schedules.NAME]`, an operator's to make.

A time that passes while no daemon runs is not made up for, but for the last one within `GRACE`: a daemon that was just
being started again misses nothing, nor does one whose queue is full just then, or whose scheduler is not there. Each
time has one run, whose id follows from it: it is never started twice. While an earlier run of the schedule goes on, or
waits for a word, a time is left out.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import anyio
import anyio.to_thread
from cronsim import CronSim, CronSimError

from astro_mcp.core.authority import Effect, Grant, Kind, Principal, Session
from astro_mcp.core.deferred import Deferred
from astro_mcp.core.ports import Clock
from astro_mcp.errors import AstroError, InvalidInput, PathDenied
from astro_mcp.run_settings import ScheduleSettings
from astro_mcp.workflow.kernel.state import ENDED
from astro_mcp.workflow.scheduler import Scheduler
from astro_mcp.workspace.roots import usable_roots

log = logging.getLogger(__name__)

GRACE: Final = 300.0
LONGEST: Final = 30.0
"""Seconds between two looks at the clock, which may be set meanwhile."""
AGAIN: Final = 10.0
"""Seconds before another try where what stands against a start may pass."""
LATE: Final = 60.0
"""Seconds by which a run's own clock may be ahead of this one: a server's may keep it."""
LOOKED_AT: Final = 500
"""Runs of the schedule's root, newest first, among which an earlier one is looked for."""


def check(schedules: Mapping[str, ScheduleSettings]) -> None:
    """Raises `InvalidInput` for times that are none, and for a zone that nobody knows."""
    for name, schedule in schedules.items():
        following(name, schedule, 0.0)


def following(name: str, schedule: ScheduleSettings, after: float) -> float:
    """The first time of the schedule behind that one, both in Unix seconds."""
    try:
        begin = datetime.fromtimestamp(after, UTC).astimezone(ZoneInfo(schedule.zone))
        return next(CronSim(schedule.cron, begin)).timestamp()
    except (ZoneInfoNotFoundError, OSError, ValueError):
        reason = f"schedules.{name}.zone: there is no zone {schedule.zone!r}"
        raise InvalidInput(reason, 'zone = "Europe/Berlin"') from None
    except (CronSimError, StopIteration) as error:
        hint = 'minute, hour, day, month, weekday: cron = "30 7 * * mon-fri"'
        raise InvalidInput(f"schedules.{name}.cron: {schedule.cron!r} names no time: {error}", hint) from None


class Schedules:
    """Starts what is due, each schedule by itself. `refused` are folders that no root may overlap."""

    def __init__(
        self,
        schedules: Mapping[str, ScheduleSettings],
        scheduler: Deferred[Scheduler],
        ceiling: Sequence[Path],
        refused: Sequence[Path],
        user: str,
        clock: Clock,
    ) -> None:
        self._schedules = schedules
        self._scheduler = scheduler
        self._ceiling = ceiling
        self._refused = refused
        self._user = user
        self._clock = clock

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Schedules]:
        """Until the block ends. What can't be started is logged, and its next time is waited for."""
        async with anyio.create_task_group() as group:
            for name, schedule in self._schedules.items():
                group.start_soon(self._keep, name, schedule)
            try:
                yield self
            finally:
                group.cancel_scope.cancel()

    async def _keep(self, name: str, schedule: ScheduleSettings) -> None:
        told = 0.0
        while True:
            told = max(told, self._clock.now() - GRACE)
            due = self._due(name, schedule, told)
            if (left := due - self._clock.now()) > 0:
                await anyio.sleep(min(left, LONGEST))
                continue
            if await self._begun(name, schedule, due):
                told = due
            else:
                await anyio.sleep(AGAIN)

    async def _begun(self, name: str, schedule: ScheduleSettings, due: float) -> bool:
        """Whether the time is settled, in one way or another; False where another try may go better."""
        try:
            log.info("the schedule %s %s", name, await self._start(name, schedule, due))
        except AstroError as error:
            level = logging.WARNING if error.retryable else logging.ERROR
            log.log(level, "the schedule %s can't be started: %s (%s)", name, error, error.hint)
            return not error.retryable
        except Exception:  # what breaks in one schedule ends neither the others nor the daemon
            log.exception("the schedule %s can't be started", name)
        return True

    def _due(self, name: str, schedule: ScheduleSettings, told: float) -> float:
        """The last time that has passed since `told`, or the one to come."""
        due = following(name, schedule, told)
        while (later := following(name, schedule, due)) <= self._clock.now():
            due = later
        return due

    async def rehearse(self, name: str) -> None:
        """Raises what stands against a start of the schedule now, whatever its time."""
        schedule = self._schedules[name]
        session, scheduler = await self._session(name, schedule), await self._scheduler.get()
        template = await scheduler.templates.get(schedule.template)
        await scheduler.rehearse(session, template.text, dict(schedule.inputs), map(Effect, schedule.allow))

    async def _session(self, name: str, schedule: ScheduleSettings) -> Session:
        roots, reasons = await anyio.to_thread.run_sync(usable_roots, [schedule.root], self._ceiling, self._refused)
        if not roots:
            raise PathDenied(f"schedules.{name}.root: {reasons[0]}", f"set schedules.{name}.root")
        return Session(Principal(self._user, Kind.CLI), Grant(roots))

    async def _start(self, name: str, schedule: ScheduleSettings, due: float) -> str:
        """What came of it, in words."""
        session, scheduler = await self._session(name, schedule), await self._scheduler.get()
        template = await scheduler.templates.get(schedule.template)
        run_id = run_id_of(name, schedule, due)
        for run in await scheduler.recent(session.scope, count=LOOKED_AT):
            if run.status not in ENDED and run.run_id != run_id and run.run_id in _ids(name, schedule, run.created):
                return f"is left out this time: its run {run.run_id} has not ended"
        allow, inputs = map(Effect, schedule.allow), dict(schedule.inputs)
        await scheduler.start(session, template.text, inputs, allow, schedule.priority, run_id, unattended=True)
        return f"began the run {run_id}"


def _ids(name: str, schedule: ScheduleSettings, created: float) -> Iterator[str]:
    """The ids of runs of the schedule that may have begun at that time (Unix seconds)."""
    due = following(name, schedule, created - GRACE - LATE)
    while due <= created + LATE:
        yield run_id_of(name, schedule, due)
        due = following(name, schedule, due)


def run_id_of(name: str, schedule: ScheduleSettings, due: float) -> str:
    """The id of the run of one time."""
    body = "\0".join([name, schedule.template, str(schedule.root), str(int(due))])
    return f"run_{hashlib.sha256(body.encode()).hexdigest()[:32]}"
