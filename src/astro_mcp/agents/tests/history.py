"""What became of a project's tests in earlier runs. Every row is the scope's own.

The ids and what is said of them come from the project's own log: bounded here, and nothing but text.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from astro_mcp.agents.tests.events import Tally
from astro_mcp.agents.tests.models import RunOutput
from astro_mcp.core.authority import Scope
from astro_mcp.core.ports import Clock
from astro_mcp.store.connection import Transaction
from astro_mcp.store.database import Database
from astro_mcp.workspace.workspace import Workspace

RUNS: Final = 20
"""Runs that are kept of a project."""
LOOKED_AT: Final = 10
"""Runs that a failure's history speaks of."""
SCOPE_RUNS: Final = 200
SCOPE_MAPS: Final = 50
TESTS: Final = 20_000
BYTES: Final = 4_000_000
"""Of the ids of one run."""
BAD: Final = frozenset({"failed", "error"})

_ADD: Final = "INSERT INTO test_run (tenant, scope, project, at, results) VALUES (?, ?, ?, ?, ?)"
_OLD: Final = """
DELETE FROM test_run WHERE tenant = ? AND scope = ? AND project = ? AND seq NOT IN (
    SELECT seq FROM test_run WHERE tenant = ? AND scope = ? AND project = ? ORDER BY seq DESC LIMIT ?
)
"""
_OLD_OF_SCOPE: Final = """
DELETE FROM {table} WHERE tenant = ? AND scope = ? AND seq NOT IN (
    SELECT seq FROM {table} WHERE tenant = ? AND scope = ? ORDER BY seq DESC LIMIT ?
)
"""
_LAST: Final = (
    "SELECT at, results FROM test_run WHERE tenant = ? AND scope = ? AND project = ? ORDER BY seq DESC LIMIT ?"
)
_TOUCHED: Final = "SELECT body FROM test_touched WHERE tenant = ? AND scope = ? AND project = ?"
_TOUCH: Final = "INSERT OR REPLACE INTO test_touched (tenant, scope, project, body) VALUES (?, ?, ?, ?)"

Outcomes = Mapping[str, tuple[str, float]]
"""Status and seconds by id. A status is pytest's category."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run: Unix seconds, and what became of each test."""

    at: float
    outcomes: Outcomes


@dataclass(frozen=True, slots=True)
class Past:
    """Of one test: in how many of its last runs it failed, and since when (Unix seconds)."""

    runs: int
    failed: int
    first: float

    def text(self) -> str:
        since = datetime.fromtimestamp(self.first, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        return f"failed in {self.failed} of its last {self.runs} runs, first at {since}"


class History:
    """Runs of tests, the last few of a project; the oldest go."""

    def __init__(self, database: Database, workspace: Workspace, clock: Clock) -> None:
        self._database = database
        self._workspace = workspace
        self._clock = clock

    async def add(self, scope: Scope, project: str, outcomes: Outcomes) -> int:
        """Keep a run; returns how many of its tests were too many to be kept."""
        body, left_out = await self._workspace.quickly(lambda: _packed(outcomes))
        key, now = (scope.tenant, scope.key), self._clock.now()

        def work(tx: Transaction) -> None:
            tx.execute(_ADD, (*key, project, now, body))
            tx.execute(_OLD, (*key, project, *key, project, RUNS))
            tx.execute(_OLD_OF_SCOPE.format(table="test_run"), (*key, *key, SCOPE_RUNS))

        await self._database.write(work)
        return left_out

    async def remember(self, scope: Scope, project: str, tally: Tally, result: RunOutput) -> None:
        """Keep what became of each test, and say of those that failed in `result` how they did before."""
        outcomes = tally.known()
        if not outcomes:
            return
        left_out = await self.add(scope, project, outcomes)
        if left_out:
            result.left_out.append(f"the history of {left_out} tests (there are too many to keep)")
        found = past(await self.last(scope, project), {failure.id for failure in result.failures})
        for failure in result.failures:
            if failure.id in found and found[failure.id].runs > 1:
                failure.history = found[failure.id].text()

    async def last(self, scope: Scope, project: str) -> list[Run]:
        """The runs that are kept, newest first."""
        rows = await self._database.read(lambda tx: tx.rows(_LAST, (scope.tenant, scope.key, project, RUNS)))
        pairs = [(float(row["at"]), bytes(row["results"])) for row in rows]
        return await self._workspace.quickly(lambda: [Run(at, _unpacked(body)) for at, body in pairs])

    async def touched(self, scope: Scope, project: str) -> dict[str, Any]:
        """What each test touched when that was last recorded; empty where it never was."""
        row = await self._database.read(lambda tx: tx.one(_TOUCHED, (scope.tenant, scope.key, project)))
        if row is None:
            return {}
        body = bytes(row["body"])
        found: dict[str, Any] = await self._workspace.quickly(lambda: json.loads(zlib.decompress(body)))
        return found

    async def touch(self, scope: Scope, project: str, found: Mapping[str, Any]) -> None:
        """Keep what each test touched, in place of what was there."""
        body = await self._workspace.quickly(lambda: zlib.compress(json.dumps(found).encode()))
        key = (scope.tenant, scope.key)

        def work(tx: Transaction) -> None:
            tx.execute(_TOUCH, (*key, project, body))
            tx.execute(_OLD_OF_SCOPE.format(table="test_touched"), (*key, *key, SCOPE_MAPS))

        await self._database.write(work)


def failing(runs: Iterable[Run]) -> list[str]:
    """The tests that failed when they last ran, and the files that could not be collected when one of theirs last was
    to run; `runs` are newest first."""
    seen: dict[str, str] = {}
    for run in runs:
        for test, (status, _) in run.outcomes.items():
            seen.setdefault(test, status)
        for test in run.outcomes:
            seen.setdefault(test.split("::")[0], "passed")
    return sorted(test for test, status in seen.items() if status in BAD)


def past(runs: Iterable[Run], tests: Collection[str]) -> dict[str, Past]:
    """The last runs of each of `tests`; `runs` are newest first."""
    found: dict[str, Past] = {}
    for test in tests:
        own = [(run.at, run.outcomes[test][0] in BAD) for run in runs if test in run.outcomes][:LOOKED_AT]
        bad = [at for at, failed in own if failed]
        if bad:
            found[test] = Past(len(own), len(bad), min(bad))
    return found


def _packed(outcomes: Outcomes) -> tuple[bytes, int]:
    kept: dict[str, tuple[str, float]] = {}
    room = BYTES
    for test, (status, seconds) in outcomes.items():
        room -= len(test)
        if len(kept) >= TESTS or room < 0:
            break
        kept[test] = (status, round(seconds, 3))
    return zlib.compress(json.dumps(kept).encode()), len(outcomes) - len(kept)


def _unpacked(body: bytes) -> Outcomes:
    return {
        test: (str(status), float(seconds)) for test, (status, seconds) in json.loads(zlib.decompress(body)).items()
    }
