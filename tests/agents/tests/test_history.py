"""Runs on record: by scope, bounded, and read back as they were."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from astro_mcp.agents.tests import history
from astro_mcp.agents.tests.history import History, Run, failing, past
from astro_mcp.config import SecretSettings
from astro_mcp.core.authority import Scope
from astro_mcp.core.ports import SystemClock
from astro_mcp.store.database import Database
from astro_mcp.workspace.workspace import Workspace

MINE, OTHERS = Scope("local", "mine"), Scope("local", "others")


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[tuple[History, Database]]:
    async with Database.open(folder / "astro.db") as database:
        yield History(database, Workspace(SecretSettings()), SystemClock()), database


async def test_every_scope_and_every_project_has_runs_of_its_own(tmp_path: Path) -> None:
    async with opened(tmp_path) as (kept, _):
        await kept.add(MINE, "/a", {"one": ("failed", 0.25)})
        await kept.touch(MINE, "/a", {"tests": 1})
        for scope, project in ((OTHERS, "/a"), (MINE, "/b"), (Scope("other", "mine"), "/a")):
            assert await kept.last(scope, project) == []
            assert await kept.touched(scope, project) == {}
    async with opened(tmp_path) as (kept, _):  # a restart
        [run] = await kept.last(MINE, "/a")
        assert run.outcomes == {"one": ("failed", 0.25)}
        assert await kept.touched(MINE, "/a") == {"tests": 1}


async def test_the_oldest_runs_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "RUNS", 3)
    monkeypatch.setattr(history, "SCOPE_RUNS", 4)
    monkeypatch.setattr(history, "SCOPE_MAPS", 2)
    async with opened(tmp_path) as (kept, database):
        await kept.add(OTHERS, "/a", {"theirs": ("passed", 0)})
        for number in range(5):
            await kept.add(MINE, "/a", {f"test {number}": ("passed", 0)})
        assert [list(run.outcomes) for run in await kept.last(MINE, "/a")] == [["test 4"], ["test 3"], ["test 2"]]
        for number in range(3):
            await kept.add(MINE, f"/b{number}", {"x": ("passed", 0)})
            await kept.touch(MINE, f"/b{number}", {"x": number})
        assert len(await kept.last(MINE, "/a")) == 1
        assert await kept.touched(MINE, "/b0") == {}
        assert len(await kept.last(OTHERS, "/a")) == 1
        rows = await database.read(lambda tx: tx.rows("SELECT count(*) AS n FROM test_run"))
        assert rows[0]["n"] == 5


async def test_what_a_stranger_floods_is_bounded(tmp_path: Path) -> None:
    flood = {f"{number}{'x' * 30_000}": ("failed", 1.0) for number in range(1_000)}
    many = {str(number): ("passed", 0.0) for number in range(history.TESTS + 7)}
    async with opened(tmp_path) as (kept, _):
        assert await kept.add(MINE, "/a", flood) > 800
        assert await kept.add(MINE, "/a", many) == 7
        runs = await kept.last(MINE, "/a")
        assert sum(map(len, runs[1].outcomes)) <= history.BYTES


def test_a_test_failed_that_failed_when_it_last_ran() -> None:
    runs = [
        Run(3, {"a.py::1": ("passed", 0), "b.py::1": ("error", 0)}),
        Run(2, {"a.py::1": ("failed", 0), "a.py::2": ("failed", 0), "b.py": ("error", 0)}),
        Run(1, {"a.py::2": ("passed", 0), "c.py": ("error", 0)}),
    ]
    assert failing(runs) == ["a.py::2", "b.py::1", "c.py"]
    assert failing([Run(4, {"d.rs::1": ("passed", 0), "d.rs": ("error", 0)}), *runs])[-1] == "d.rs"
    found = past(runs, ["a.py::1", "a.py::2", "never"])
    assert {test: (each.runs, each.failed, each.first) for test, each in found.items()} == {
        "a.py::1": (2, 1, 2),
        "a.py::2": (2, 1, 2),
    }
    assert found["a.py::2"].text() == "failed in 1 of its last 2 runs, first at 1970-01-01 00:00:02Z"
