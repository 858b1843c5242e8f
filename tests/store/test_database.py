"""One writer with group commit, readers on snapshots, and nothing acknowledged that a crash could lose."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import anyio
import pytest

from astro_mcp.errors import Conflict, Unavailable
from astro_mcp.store.connection import Transaction, write_group
from astro_mcp.store.database import LINGER, Database

PATIENCE = 20.0
"""Seconds after which what waits for the loop gives up: far beyond any pause of the machine."""


INSERT = "INSERT INTO artifact VALUES (?, ?, ?, ?, ?, ?, ?, '')"


def row(name: str, created: float = 0.0) -> tuple[object, ...]:
    return ("local", "scope", name, 1, "text/plain", "", created)


def insert(name: str, created: float = 0.0):  # type: ignore[no-untyped-def] # a work of the store
    return lambda tx: tx.execute(INSERT, row(name, created))


def names(tx: Transaction) -> list[str]:
    return [row["sha256"] for row in tx.rows("SELECT sha256 FROM artifact ORDER BY sha256")]


async def test_a_write_that_returned_is_seen_by_every_reader(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "astro.db") as database:
        await database.write(insert("a"))
        assert await database.read(names) == ["a"]


async def test_a_work_that_fails_changes_nothing_and_its_neighbours_in_the_group_stand(tmp_path: Path) -> None:
    def half(tx: Transaction) -> None:
        insert("half")(tx)
        raise ValueError("on purpose")

    async with Database.open(tmp_path / "astro.db") as database:
        failures = []

        async def failing() -> None:
            try:
                await database.write(half)
            except ValueError as error:
                failures.append(str(error))

        async with anyio.create_task_group() as group:
            for name in ("a", "b"):
                group.start_soon(database.write, insert(name))
            group.start_soon(failing)
            group.start_soon(database.write, insert("c"))
        assert failures == ["on purpose"]
        assert await database.read(names) == ["a", "b", "c"]


async def test_many_writes_share_a_commit(tmp_path: Path) -> None:
    commits = 0
    async with Database.open(tmp_path / "astro.db") as database:

        def count(statement: str) -> None:
            nonlocal commits
            commits += statement == "COMMIT"

        await database._writer.run(lambda raw: raw.set_trace_callback(count))
        async with anyio.create_task_group() as group:
            for number in range(200):
                group.start_soon(database.write, insert(str(number)))
        assert len(await database.read(names)) == 200
    assert commits < 20


async def test_a_row_that_breaks_a_rule_is_a_conflict(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "astro.db") as database:
        await database.write(insert("a"))
        with pytest.raises(Conflict):
            await database.write(insert("a"))


async def test_readers_cannot_write(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "astro.db") as database:
        with pytest.raises(Exception, match=r"readonly|read-only|query_only|attempt to write"):
            await database.read(insert("a"))
        assert await database.read(names) == []


async def test_the_audit_trail_refuses_to_be_edited(tmp_path: Path) -> None:
    columns = "at, phase, call_id, tenant, scope, principal, kind, tool, digest, effects, code"
    row = (1.0, "intent", "c", "t", "s", "p", "stdio", "fs_read", "d", "read", "")
    async with Database.open(tmp_path / "astro.db") as database:
        await database.write(
            lambda tx: tx.execute(f"INSERT INTO audit ({columns}) VALUES ({', '.join('?' * len(row))})", row)
        )
        with pytest.raises(Conflict, match="append only"):
            await database.write(lambda tx: tx.execute("UPDATE audit SET code = 'ok'"))


async def test_a_write_that_takes_long_never_holds_up_the_loop(tmp_path: Path) -> None:
    let_go = threading.Event()
    async with Database.open(tmp_path / "astro.db") as database, anyio.create_task_group() as group:
        held: list[bool] = []

        async def write() -> None:
            held.append(await database.write(lambda tx: let_go.wait(PATIENCE)))

        group.start_soon(write)
        await turns_of_the_loop(50)
        let_go.set()  # nobody but the loop can end the write: had the write held it up, the write would time out
    assert held == [True]


async def test_opening_waits_for_another_writer_without_holding_up_the_loop(tmp_path: Path) -> None:
    path = tmp_path / "astro.db"
    async with Database.open(path):
        pass
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("PRAGMA journal_mode = DELETE")
    other.execute("BEGIN EXCLUSIVE")
    opened = anyio.Event()

    async def open_it() -> None:
        async with Database.open(path) as database:
            assert await database.read(names) == []
            opened.set()

    async with anyio.create_task_group() as group:
        group.start_soon(open_it)
        await turns_of_the_loop(50)
        assert not opened.is_set(), "it opened a file that another process holds"
        other.execute("ROLLBACK")  # the loop gives it free, within the five seconds that opening waits for it
        other.close()
    assert opened.is_set()


async def turns_of_the_loop(count: int) -> None:
    for _ in range(count):
        await anyio.sleep(0.001)


async def test_a_closed_store_says_so(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "astro.db") as database:
        await database.post(INSERT, row("posted before the end"))
    with pytest.raises(Unavailable):
        await database.write(insert("too late"))
    async with Database.open(tmp_path / "astro.db") as database:
        assert await database.read(names) == ["posted before the end"]


async def test_whoever_finds_the_line_full_waits_for_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("astro_mcp.store.database.LINE", 2)
    monkeypatch.setattr("astro_mcp.store.database.GROUP", 2)
    async with Database.open(tmp_path / "astro.db") as database:
        longest = 0
        async with anyio.create_task_group() as group:
            for number in range(50):
                group.start_soon(database.write, insert(str(number)))
            while len(await database.read(names)) < 50:
                longest = max(longest, len(database._line))
        assert longest == 2


async def test_whoever_waits_for_a_place_at_the_end_is_told_that_it_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("astro_mcp.store.database.LINE", 1)
    ends: list[str] = []

    async def write(name: str) -> None:
        try:
            await database.write(insert(name))
            ends.append(name)
        except Unavailable:
            ends.append("closed")

    async with anyio.create_task_group() as group, Database.open(tmp_path / "astro.db") as database:
        for name in ("a", "b", "c"):
            group.start_soon(write, name)
        await anyio.sleep(0)
    kept = [name for name in ends if name != "closed"]
    assert len(ends) == 3
    async with Database.open(tmp_path / "astro.db") as database:
        assert await database.read(names) == sorted(kept)


async def test_posted_rows_that_a_commit_took_along_have_none_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits: list[int] = []

    def counted(raw: sqlite3.Connection, works: Sequence[Callable[[Transaction], Any]]) -> list[Any]:
        commits.append(len(works))
        return write_group(raw, works)

    monkeypatch.setattr("astro_mcp.store.database.write_group", counted)
    async with Database.open(tmp_path / "astro.db") as database:
        await anyio.wait_all_tasks_blocked()
        await database.post(INSERT, row("posted"))
        await database.write(insert("written"))
        await anyio.sleep(3 * LINGER)
        assert commits == [2]
        await database.post(INSERT, row("alone"))
        with anyio.fail_after(10):
            while "alone" not in await database.read(names):
                await anyio.sleep(0.01)


async def test_an_end_waits_for_no_company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("astro_mcp.store.database.LINGER", 60.0)
    with anyio.fail_after(10):
        async with Database.open(tmp_path / "astro.db") as database:
            await database.post(INSERT, row("posted"))
            await anyio.sleep(0)
    async with Database.open(tmp_path / "astro.db") as database:
        assert await database.read(names) == ["posted"]


async def test_a_posted_row_that_is_refused_is_left_out_alone_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Database.open(tmp_path / "astro.db") as database:
        for name in ("a", "b", "a", "c"):
            await database.post(INSERT, row(name))
        await database.write(insert("d"))
        assert await database.read(names) == ["a", "b", "c", "d"]
    [told] = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert told.startswith("a posted row is lost: the store refused a row: UNIQUE constraint failed")


async def test_a_newer_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "astro.db") as database:
        await database._writer.run(lambda raw: raw.execute("PRAGMA user_version = 9999"))
    with pytest.raises(Unavailable, match="newer"):
        async with Database.open(tmp_path / "astro.db"):
            raise AssertionError("a newer store was opened")


CHILD = """
import sys, anyio
from pathlib import Path
from typing import Final
from astro_mcp.store.database import Database

async def main():
    async with Database.open(Path(sys.argv[1])) as database:
        number = 0
        while True:
            row = ("local", "scope", f"{number:08}", 1, "text/plain", "", 0.0)
            await database.write(lambda tx: tx.execute("INSERT INTO artifact VALUES (?, ?, ?, ?, ?, ?, ?, '')", row))
            print(number, flush=True)
            number += 1

anyio.run(main)
"""


async def test_what_was_acknowledged_survives_kill_nine(tmp_path: Path) -> None:
    path = tmp_path / "astro.db"
    for _ in range(3):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        acknowledged = -1
        while acknowledged < 50:
            acknowledged = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        acknowledged = max([acknowledged, *(int(line) for line in child.stdout.read().split() if line.isdigit())])
        child.wait()
        child.stdout.close()
        async with Database.open(path) as database:
            found = set(await database.read(names))
            await database.write(lambda tx: tx.execute("DELETE FROM artifact"))
        assert {f"{number:08}" for number in range(acknowledged + 1)} <= found


ONE: Final = (
    "INSERT INTO one (tenant, number, text) VALUES (?, ?, ?) ON CONFLICT (number) DO UPDATE SET text = excluded.text"
)


@pytest.mark.parametrize("count", [0, 1, 3, 4, 19, 149])
async def test_rows_that_go_in_together_are_all_there_and_the_last_of_two_that_are_one_counts(
    tmp_path: Path, count: int
) -> None:
    def work(tx: Transaction) -> int:
        tx.execute("CREATE TABLE one (tenant TEXT, number INTEGER PRIMARY KEY CHECK (number >= 0), text TEXT) STRICT")
        return tx.execute_many(ONE, [("me", number // 2, f"text {number}") for number in range(count)])

    async with Database.open(tmp_path / "astro.db") as database:
        assert await database.write(work) == count
        found = await database.read(lambda tx: tx.rows("SELECT number, text FROM one ORDER BY number"))
    expected = {number // 2: f"text {number}" for number in range(count)}
    assert {row["number"]: row["text"] for row in found} == expected


async def test_one_of_many_rows_that_is_refused_leaves_none_behind_and_the_others_are_kept_where_it_may_be_lost(
    tmp_path: Path,
) -> None:
    rows = [("me", number if number != 40 else -1, "") for number in range(100)]

    async with Database.open(tmp_path / "astro.db") as database:
        await database.write(
            lambda tx: tx.execute(
                "CREATE TABLE one (tenant TEXT, number INTEGER PRIMARY KEY CHECK (number >= 0), text TEXT)"
            )
        )
        with pytest.raises(Conflict):
            await database.write(lambda tx: tx.execute_many(ONE, rows))
        assert await database.read(lambda tx: tx.rows("SELECT number FROM one")) == []
        assert len(await database.write(lambda tx: tx.append(ONE, rows))) == 1
        assert len(await database.read(lambda tx: tx.rows("SELECT number FROM one"))) == 99
