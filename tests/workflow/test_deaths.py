"""A process killed at every transaction and at every effect, before, inside and after, and again while it recovers."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.workflow.deaths import WRITES

ROOT = Path(__file__).parents[2]
WHERE = ("before", "inside", "after")
SAVES, EFFECTS = 16, 11
"""What a life without a death has of each; of saves a few less where more goes into one."""
EVERY = [
    *(("create", number, where) for number in (1, 2) for where in WHERE),
    *(("save", number, where) for number in range(1, SAVES + 1) for where in WHERE),
    *(("effect", number, where) for number in range(1, EFFECTS + 1) for where in WHERE),
]
FEW = [
    ("create", 1, "inside"),
    ("save", 4, "inside"),
    ("restore", 1, "inside"),
    ("effect", 3, "inside"),
    ("create", 1, "after"),
]
TABLES = ("workflow_run", "workflow_step", "workflow_event")
TWICE = [("restore", 1), ("save", 1), ("save", 2), ("effect", 1)]


class Lives:
    """The process that the lives are forked from."""

    def __init__(self) -> None:
        environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.workflow.deaths"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def live(self, folder: Path, kind: str = "", number: int = 0, where: str = "", days: float = 0) -> bool:
        """One life on the folder; whether it died where it was told to."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        life = {"folder": str(folder), "kind": kind, "number": number, "where": where, "days": days}
        self.process.stdin.write(json.dumps(life) + "\n")
        self.process.stdin.flush()
        said = self.process.stdout.readline().strip()
        assert said in ("0", "-9"), self.end()
        assert said == "0" or kind
        return said == "-9"

    def end(self) -> str:
        return self.process.communicate(timeout=20)[1]


@pytest.fixture(scope="module")
def lives() -> Iterator[Lives]:
    made = Lives()
    yield made
    made.end()


def rows(folder: Path, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "astro.db")) as database:
        return database.execute(sql, parameters).fetchall()


def whole(folder: Path) -> None:
    """Both runs are there and ended; each step ended once; nothing that was done was done again."""
    found = rows(folder, "SELECT run_id, status, json_extract(head, '$.outputs') FROM workflow_run ORDER BY created")
    outputs = {"c": "c", "sub": "a", "q": "yes"}
    assert [(status, json.loads(given)) for _, status, given in found] == [("succeeded", outputs)] * 2
    log = (folder / "log").read_text().splitlines()
    assert {text: log.count(f"write {text}") for text in WRITES} == WRITES
    for run_id, _, _ in found:
        steps = dict(rows(folder, "SELECT path, status FROM workflow_step WHERE run_id = ?", run_id))
        assert steps.pop("bad") == "failed"
        assert set(steps.values()) == {"succeeded"}
        ends = (
            "SELECT path, count(*) FROM workflow_event WHERE run_id = ? AND kind IN ('finished', 'answered') GROUP BY 1"
        )
        assert {count for _, count in rows(folder, ends, run_id)} == {1}, "one end a step"
        seqs = [seq for (seq,) in rows(folder, "SELECT seq FROM workflow_event WHERE run_id = ? ORDER BY seq", run_id)]
        assert seqs == list(range(1, len(seqs) + 1)), "no event is missing"
    assert rows(folder, "PRAGMA integrity_check") == [("ok",)]


def outlived(lives: Lives, folder: Path, *points: tuple[str, int, str]) -> int:
    """Deaths at these points, one life after the other, and then a life to the end; how many died."""
    folder.mkdir()
    died = 0
    for kind, number, where in points:
        died += lives.live(folder, kind, number, where)
        acknowledged = (folder / "acknowledged").exists()
        assert not acknowledged or rows(folder, "SELECT run_id FROM workflow_run"), "an acknowledged run is never lost"
    lives.live(folder)
    whole(folder)
    shutil.rmtree(folder)
    return died


def test_a_run_outlives_one_death_after_the_other(lives: Lives, tmp_path: Path) -> None:
    assert outlived(lives, tmp_path / "home", *FEW) == len(FEW)


@pytest.mark.full
def test_a_life_without_a_death_has_as_many_points_as_are_tried(lives: Lives, tmp_path: Path) -> None:
    assert not lives.live(tmp_path)
    whole(tmp_path)
    seen = json.loads((tmp_path / "seen").read_text())
    assert (seen["create"], seen["effect"]) == (2, EFFECTS)
    assert SAVES - 5 <= seen["save"] <= SAVES


@pytest.mark.full
@pytest.mark.parametrize("where", WHERE)
def test_a_damaged_run_is_failed_once_whenever_that_is_cut_short(lives: Lives, tmp_path: Path, where: str) -> None:
    lives.live(tmp_path, "save", 3, "after")
    with closing(sqlite3.connect(tmp_path / "astro.db")) as database, database:
        database.execute("UPDATE workflow_run SET head = '{'")
    assert lives.live(tmp_path, "fail", 1, where)
    lives.live(tmp_path)
    assert rows(tmp_path, "SELECT status, json_extract(head, '$.error.code') FROM workflow_run") == [
        ("failed", "internal")
    ]
    assert rows(tmp_path, "SELECT count(*) FROM workflow_event WHERE kind = 'broke'") == [(1,)]
    ends = ("succeeded", "failed", "skipped", "cancelled")
    assert {status for (status,) in rows(tmp_path, "SELECT status FROM workflow_step")} <= set(ends)


@pytest.mark.full
@pytest.mark.parametrize("where", WHERE)
def test_old_runs_are_forgotten_whole_whenever_that_is_cut_short(lives: Lives, tmp_path: Path, where: str) -> None:
    lives.live(tmp_path)
    assert lives.live(tmp_path, "purge", 1, where, days=400)
    left = [count for table in TABLES for (count,) in rows(tmp_path, f"SELECT count(*) FROM {table}")]
    assert not any(left) if where == "after" else all(left)
    lives.live(tmp_path, days=400)
    assert [rows(tmp_path, f"SELECT count(*) FROM {table}") for table in TABLES] == [[(0,)]] * 3


@pytest.mark.full
@pytest.mark.parametrize("part", range(6))
def test_a_run_outlives_a_death_at_every_transaction_and_effect(lives: Lives, tmp_path: Path, part: int) -> None:
    died = sum(outlived(lives, tmp_path / str(n), point) for n, point in enumerate(EVERY[part::6]))
    assert died >= len(EVERY[part::6]) * 3 / 4


@pytest.mark.full
@pytest.mark.parametrize("first", [("save", 1), ("save", 5), ("save", 12), ("effect", 2), ("effect", 7), ("create", 2)])
def test_a_run_outlives_deaths_while_it_recovers(lives: Lives, tmp_path: Path, first: tuple[str, int]) -> None:
    cases = [(kind, number, where) for kind, number in TWICE for where in WHERE]
    died = 0
    for n, again in enumerate(cases):
        points = ((*first, WHERE[n % 3]), again, cases[(n * 5 + 1) % len(cases)])
        died += outlived(lives, tmp_path / str(n), *points)
    assert died > len(cases) * 2
