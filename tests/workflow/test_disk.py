"""A disk that is full, read-only, locked or torn, and a clock that jumps: typed errors, nothing acknowledged is lost,
and all goes on where it was once the machine is well again."""

from __future__ import annotations

import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.workflow.house import House, Toys, house, session, until_called
from tests.workflow.test_driver import Later, status
from tests.workflow.test_hostile_runs import GIVEN

from astro_mcp.errors import AstroError, Internal, Unavailable
from astro_mcp.store import connection
from astro_mcp.store.connection import translate
from astro_mcp.workflow import loop
from astro_mcp.workflow.drivers.sqlite.journal import Journal

HOLD: dict[str, Any] = {
    "steps": [
        {"id": "hold", "tool": "toy_hold", "with": {"text": "x"}},
        {"id": "write", "needs": "hold", "tool": "toy_write", "with": {"text": "w"}},
    ]
}
ASK: dict[str, Any] = {"steps": [{"id": "q", "ask": "well?"}, {"id": "w", "needs": "q", "tool": "toy_write"}]}
WAITS = "can't be written; next try in a second"
LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next try comes at once."""
    monkeypatch.setattr(loop, "AGAIN", 0.05)


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """No file of this process can grow, as on a full disk: the system refuses the write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((folder / "astro.db-wal").stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Another process writes, and does not come to an end."""
    command = [sys.executable, "-c", LOCK, str(folder / "astro.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        yield
        other.communicate()


async def impatient(at: House) -> None:
    """A lock of another process is waited for 20 ms, and not five seconds."""
    await at.database._writer.run(lambda raw: raw.execute("PRAGMA busy_timeout = 20"))


async def waits(caplog: pytest.LogCaptureFixture) -> None:
    with anyio.fail_after(20):
        while WAITS not in caplog.text:
            await anyio.sleep(0.01)


async def goes_on(at: House, caplog: pytest.LogCaptureFixture, fault: Any) -> None:
    """A run meets the fault between two steps: it waits, others are refused, and it goes on when the fault is over."""
    begun = await at.run(HOLD, wait_seconds=0)
    await until_called(at.toys, "hold x")
    with fault:
        at.toys.gate.set()
        await waits(caplog)
        refused = await at.fails("workflow_run", spec=ASK, allow=["read", "write"], wait_seconds=0)
        assert (refused.code, refused.retryable) == ("unavailable", True)
        assert "disk" in refused.hint
        assert at.toys.calls == ["hold x"], "nothing starts that is not on disk"
    assert await status(at, begun["run_id"]) == "succeeded"
    assert at.toys.calls == ["hold x", "write w"]
    assert await at.rows("SELECT run_id FROM workflow_run") == [(begun["run_id"],)], "what was refused is not there"


async def test_a_run_waits_while_the_disk_is_full_and_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with house(tmp_path) as at:
        await goes_on(at, caplog, full(tmp_path))
    async with house(tmp_path) as at:
        assert await at.rows("PRAGMA integrity_check") == [("ok",)]


async def test_an_effect_that_can_not_be_told_of_is_lost_and_no_further_attempt_is_made(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    retry = {"max_attempts": 3, "initial_interval": "10ms"}
    async with house(tmp_path) as at:
        begun = await at.run({"steps": [{"id": "w", "tool": "toy_hold_write", "retry": retry}]}, wait_seconds=0)
        await until_called(at.toys, "hold_write ")
        with full(tmp_path):
            at.toys.gate.set()
            await waits(caplog)
        done = await at.call("workflow_status", run_id=begun["run_id"], wait_seconds=10)
        assert (done["status"], done["error"]["code"]) == ("failed", "lost")
        assert at.toys.calls == ["hold_write "]


async def test_a_run_waits_while_another_process_holds_the_lock_and_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with house(tmp_path) as at:
        await impatient(at)
        await goes_on(at, caplog, locked(tmp_path))


async def test_a_run_waits_while_the_disk_is_read_only_and_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with house(tmp_path) as at:
        begun = await at.run(HOLD, wait_seconds=0)
        await until_called(at.toys, "hold x")
        await at.database._writer.run(lambda raw: raw.execute("PRAGMA query_only = 1"))
        at.toys.gate.set()
        await waits(caplog)
        assert (await at.fails("workflow_run", spec=ASK, allow=["read", "write"], wait_seconds=0)).code == "unavailable"
        await at.database._writer.run(lambda raw: raw.execute("PRAGMA query_only = 0"))
        assert await status(at, begun["run_id"]) == "succeeded"
        assert at.toys.calls == ["hold x", "write w"]


async def test_runs_are_taken_up_when_the_lock_that_a_start_met_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path) as at:
        run_ids = [(await at.run(HOLD, wait_seconds=0))["run_id"] for _ in range(3)]
    toys = Toys()
    toys.gate.set()
    monkeypatch.setattr(connection, "BUSY", 20)
    with locked(tmp_path):
        opened = house(tmp_path, toys=toys)
        at = await opened.__aenter__()
        assert at.scheduler.active(), "a daemon with runs to take up is not idle"
        assert toys.calls == []
    for run_id in run_ids:
        with anyio.fail_after(20):
            while await status(at, run_id) != "succeeded":
                await anyio.sleep(0.05)
    await opened.__aexit__(None, None, None)


async def test_a_damaged_run_does_not_hold_up_a_start_while_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(tmp_path) as at:
        broken = (await at.run(ASK))["run_id"]
        sound = (await at.run(ASK))["run_id"]
        await at.database.write(lambda tx: tx.execute(GIVEN.format("'{'", "inputs"), (broken,)))
    written, refusals = Journal.fail, [Unavailable("the disk is full")] * 10

    async def fail(self: Journal, *given: Any) -> bool:
        if refusals:
            raise refusals.pop()
        return await written(self, *given)

    monkeypatch.setattr(Journal, "fail", fail)
    with anyio.fail_after(10):
        async with house(tmp_path) as at:
            assert refusals, "the start did not wait for the disk"
            assert await is_not_taken_up(at, sound)
            while (await at.rows("SELECT status FROM workflow_run WHERE run_id = ?", broken)) != [("failed",)]:
                await anyio.sleep(0.01)
            while await is_not_taken_up(at, sound):  # it comes after the broken one, and not with it
                await anyio.sleep(0.01)
            assert await status(at, sound) == "succeeded"


async def is_not_taken_up(at: House, run_id: str) -> bool:
    """Whether an answer is refused for that, and told to be tried again; any other refusal is raised."""
    try:
        await at.call("workflow_answer", run_id=run_id, step="q", value="yes")
    except Unavailable as error:
        return "not taken up yet" in error.message and "try again" in error.hint
    return False


def test_what_a_disk_can_do_to_the_store_is_typed(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE t (x)")
    raw.close()
    with pytest.raises(sqlite3.Error) as met:
        sqlite3.connect(f"file:{path}?mode=ro", uri=True).execute("INSERT INTO t VALUES (1)")
    assert isinstance(translate(met.value), Unavailable)
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(sqlite3.Error) as met:
        sqlite3.connect(path).execute("SELECT * FROM t")
    error = translate(met.value)
    assert isinstance(error, Internal)
    assert "damaged" in error.message
    assert "copy of astro.db" in error.hint


@pytest.mark.parametrize(
    "damage", [pytest.param("cut", marks=pytest.mark.full), pytest.param("head", marks=pytest.mark.full), "middle"]
)
async def test_a_torn_database_is_told_left_as_it_is_and_works_again_from_a_copy(tmp_path: Path, damage: str) -> None:
    async with house(tmp_path) as at:
        run_id = (await at.run(ASK))["run_id"]
    path = tmp_path / "astro.db"
    sound = path.read_bytes()
    torn = {
        "cut": sound[: len(sound) // 2 + 100],
        "head": b"\0" * 100 + sound[100:],
        "middle": sound[:4096] + b"\xff" * (len(sound) - 4096),
    }[damage]
    path.write_bytes(torn)
    with pytest.raises(AstroError, match="damaged") as met:
        async with house(tmp_path):
            pass
    assert "copy of astro.db" in met.value.hint
    assert path.read_bytes() == torn, "what is left of it can still be looked into"
    path.write_bytes(sound)
    async with house(tmp_path) as at:
        await at.call("workflow_answer", run_id=run_id, step="q", value="yes")
        assert await status(at, run_id) == "succeeded"


async def test_a_log_that_is_cut_anywhere_loses_what_was_cut_and_no_more(tmp_path: Path) -> None:
    live, copy = tmp_path / "live", tmp_path / "copy"
    live.mkdir()
    ends = []
    async with house(live) as at:
        for _ in range(3):
            run_id = (await at.run(ASK))["run_id"]
            ends.append((run_id, (live / "astro.db-wal").stat().st_size))
        whole = (live / "astro.db-wal").read_bytes()
        base = (live / "astro.db").read_bytes()
    for cut in [ends[0][1], ends[1][1] - 50, ends[1][1], len(whole) - 4000, len(whole)]:
        copy.mkdir()
        (copy / "astro.db").write_bytes(base)
        (copy / "astro.db-wal").write_bytes(whole[:cut])
        async with house(copy) as at:
            assert await at.rows("PRAGMA integrity_check") == [("ok",)]
            there = [run_id for run_id, end in ends if end <= cut]
            found = {run_id for (run_id,) in await at.rows("SELECT run_id FROM workflow_run")}
            assert found.issuperset(there), "what was acknowledged and is in the log is there"
            for run_id in there:
                await at.call("workflow_answer", session(live), run_id=run_id, step="q", value="yes")
                done = await at.call("workflow_status", session(live), run_id=run_id, wait_seconds=10)
                assert done["status"] == "succeeded"
        shutil.rmtree(copy)


async def test_bytes_that_are_overwritten_within_one_run_stop_that_one_alone(tmp_path: Path) -> None:
    marked = {**ASK, "name": "broken-broken-broken"}
    async with house(tmp_path) as at:
        broken = (await at.run(marked))["run_id"]
        sound = (await at.run(ASK))["run_id"]
        await at.database.write(lambda tx: None)
    path = tmp_path / "astro.db"
    data = path.read_bytes()
    name = b'"broken-broken-broken"'
    assert name in data
    path.write_bytes(data.replace(name, b"\xff\xfe\0\0{[" + b"}" * (len(name) - 6)))
    async with house(tmp_path) as at:
        assert (await at.fails("workflow_status", run_id=broken)).code == "internal"
        await at.call("workflow_answer", run_id=sound, step="q", value="yes")
        assert await status(at, sound) == "succeeded"


async def test_a_clock_that_is_set_back_holds_up_no_attempt(tmp_path: Path) -> None:
    clock = Later()
    retry = {"max_attempts": 3, "initial_interval": "50ms"}
    async with house(tmp_path, clock=clock) as at:
        at.toys.fail_times = 2
        clock.ahead = -86_400.0
        begun = await at.run({"steps": [{"id": "a", "tool": "toy_flaky", "retry": retry}]}, wait_seconds=0)
        await until_called(at.toys, "flaky ")
        clock.ahead = -2 * 86_400.0
        assert await status(at, begun["run_id"]) == "succeeded"
        times = [at_ for (at_,) in await at.rows("SELECT at FROM workflow_event ORDER BY seq")]
        assert times == sorted(times)


async def test_a_clock_that_is_set_forward_ends_what_was_to_end_by_then(tmp_path: Path) -> None:
    clock = Later()
    async with house(tmp_path, clock=clock) as at:
        begun = await at.run({"timeout": "1h", "steps": [{"id": "a", "tool": "toy_hold"}]}, wait_seconds=0)
        other = await at.run(ASK)
        await until_called(at.toys, "hold ")
        clock.ahead = 86_400.0
        await at.call("workflow_answer", run_id=other["run_id"], step="q", value="yes")
        done = await at.call("workflow_status", run_id=begun["run_id"], wait_seconds=10)
        assert (done["status"], done["error"]["code"]) == ("failed", "timeout")
        assert await status(at, other["run_id"]) == "succeeded"
