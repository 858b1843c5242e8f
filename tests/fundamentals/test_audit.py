"""What a call leaves in the audit trail: before it, and after it."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import anyio
from tests.fundamentals.test_call_path import host, stand


async def test_the_intent_is_on_record_before_the_effect_and_the_outcome_after(tmp_path: Path) -> None:
    async with stand(tmp_path) as path:
        on_disk: list[str] = []

        async def look() -> None:
            on_disk.extend(row["phase"] for row in await path.trail.last())

        path.agent.on_write = look
        await path.call("echo_write", host(tmp_path), text="x")
        assert on_disk == ["intent"]
        assert await path.records() == [("intent", "echo_write", ""), ("outcome", "echo_write", "ok")]


async def test_a_read_that_ends_soon_leaves_one_record_which_tells_all(tmp_path: Path) -> None:
    async with stand(tmp_path) as path:
        began = time.time()
        for text in ("a", "b", "a"):
            await path.call("echo_text", host(), text=text)
        assert await path.records() == [("outcome", "echo_text", "ok")] * 3
        rows = await path.trail.last()
        assert [row["digest"] == rows[0]["digest"] for row in rows] == [True, False, True]
        assert {(row["effects"], row["tenant"], row["kind"]) for row in rows} == {("read", "local", "stdio")}
        assert len({row["call_id"] for row in rows}) == 3
        assert all(began <= row["at"] - row["duration_ms"] / 1000 <= row["at"] <= time.time() for row in rows)


async def test_the_intent_of_a_read_that_goes_on_is_written_and_stays(tmp_path: Path) -> None:
    async with stand(tmp_path) as path, anyio.create_task_group() as group:
        group.start_soon(partial(path.call, "echo_wait", host(), text="x"))
        with anyio.fail_after(10):
            while await path.records() != [("intent", "echo_wait", "")]:
                await anyio.sleep(0.001)
            await path.call("echo_text", host(), text="x")
            path.agent.gate.set()
            while len(told := await path.records()) < 3:
                await anyio.sleep(0.001)
    assert told == [("intent", "echo_wait", ""), ("outcome", "echo_text", "ok"), ("outcome", "echo_wait", "ok")]


async def test_what_leaves_this_machine_has_its_intent_on_record_however_soon_it_ends(tmp_path: Path) -> None:
    async with stand(tmp_path) as path:
        await path.call("echo_out", host(), text="x")
        assert await path.records() == [("intent", "echo_out", ""), ("outcome", "echo_out", "ok")]
