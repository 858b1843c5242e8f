"""Sessions that are busy, being made, or full: who waits for them, who ends them, and what they leave to others."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from tests.sandbox.rig import MINE, RUN, SMALL, THEIRS, Make, said, turn

from astro_mcp.core.authority import Scope
from astro_mcp.errors import AstroError, Busy, Cancelled, Conflict, LimitHit, NotFound
from astro_mcp.sandbox.job import Job, SandboxFile
from astro_mcp.sandbox.sandbox import Sandbox
from astro_mcp.sandbox.sessions import OF_A_TENANT, TOTAL, Caller

PATIENCE = 60


class Going:
    """A turn that goes on until it is ended; `met` is the error that its caller got."""

    def __init__(self) -> None:
        self.begun = anyio.Event()
        self.met: AstroError | None = None

    async def run(self, sandbox: Sandbox, name: str = "s") -> None:
        try:
            code = "print('up', flush=True); import time; time.sleep(15)"
            await turn(sandbox, code, name, on_output=self._output, timeout=20)
        except AstroError as error:
            self.met = error

    async def _output(self, stream: str, data: bytes) -> None:
        self.begun.set()


async def test_turns_that_wait_for_a_busy_session_take_nobodys_place_and_give_up_in_time(make: Make) -> None:
    sandbox = make(SMALL.model_copy(update={"queue_seconds": 0.5, "warm": 0}))
    busy, gave_up = Going(), []

    async def wait() -> None:
        with pytest.raises(Busy, match="'s'") as caught:
            await turn(sandbox, "1")
        gave_up.append(caught.value)

    async with sandbox.warm(), anyio.create_task_group() as group:
        group.start_soon(busy.run, sandbox)
        with anyio.fail_after(PATIENCE):
            await busy.begun.wait()
        async with anyio.create_task_group() as waiting:
            for _ in range(8):
                waiting.start_soon(wait)
            await anyio.sleep(0.1)
            assert (await sandbox.run(Job(("true",)))).exit_code == 0
        assert len(gave_up) == 8
        assert all(error.retryable and error.retry_after_ms and error.hint for error in gave_up)
        assert [one.turn.locked() for one in sandbox.sessions(MINE)] == [True]
        group.cancel_scope.cancel()
    await sandbox.close()


@pytest.mark.full
async def test_a_session_stays_where_a_turn_found_no_place(make: Make) -> None:
    sandbox = make(SMALL.model_copy(update={"queue_seconds": 0.3, "warm": 0, "runs": 1}))
    other = Going()
    async with sandbox.warm(), anyio.create_task_group() as group:
        await said(sandbox, "x = 1")
        group.start_soon(other.run, sandbox, "other")
        with anyio.fail_after(PATIENCE):
            await other.begun.wait()
        with pytest.raises(Busy):
            await turn(sandbox, "x")
        with pytest.raises(Busy):
            await turn(sandbox, "x", "new")
        assert [one.name for one in sandbox.sessions(MINE)] == ["other", "s"]
        sandbox.end(MINE, "other")
        assert await said(sandbox, "print(x)") == "1\n"
    await sandbox.close()


async def test_a_session_that_is_being_made_holds_up_no_other(warm: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    make, asked = warm._maker.make, anyio.Event()

    async def make_slowly(engine: Any, sort: Any) -> Any:
        if sort.image == "slow":
            asked.set()
            await anyio.sleep(100)
        return await make(engine, sort)

    monkeypatch.setattr(warm._maker, "make", make_slowly)
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: turn(warm, "1", "slow", image="slow"))
        with anyio.fail_after(PATIENCE):
            await asked.wait()
            assert await said(warm, "x = 1; print(x)") == "1\n"
            assert await said(warm, "print(x)") == "1\n"
        assert [one.name for one in warm.sessions(MINE)] == ["s", "slow"]
        group.cancel_scope.cancel()
    assert [one.name for one in warm.sessions(MINE)] == ["s"]


async def test_where_files_cannot_be_put_in_the_session_stays_and_the_error_says_so(warm: Sandbox) -> None:
    await said(warm, "x = 1; import os; os.makedirs('data/in')")
    files = (SandboxFile("data", b"a file"), SandboxFile("run.py", RUN), SandboxFile("main.py", b"1"))
    job = Job(("python3", "run.py"), files=files, script=True)
    with pytest.raises(LimitHit, match="data") as caught:
        await warm.turn(MINE, "s", job)
    assert "the session is up" in caught.value.hint
    assert await said(warm, "print(x); import shutil; shutil.rmtree('data')") == "1\n"
    assert not (await warm.turn(MINE, "s", job)).over
    await said(warm, "import os; os.remove('data'); os.makedirs('data/in')")
    with pytest.raises(LimitHit, match="data") as caught:
        await warm.turn(MINE, "s", job, last=True)
    assert "the session ended" in caught.value.hint
    assert "is up" not in caught.value.hint
    assert warm.sessions(MINE) == []


async def test_a_busy_session_can_be_ended_and_its_callers_are_told(warm: Sandbox) -> None:
    busy, after = Going(), Going()
    async with anyio.create_task_group() as group:
        group.start_soon(busy.run, warm)
        with anyio.fail_after(PATIENCE):
            await busy.begun.wait()
            group.start_soon(after.run, warm)
            await anyio.sleep(0.05)
            warm.end(MINE, "s")
    assert isinstance(busy.met, Cancelled)
    assert isinstance(after.met, Conflict)
    assert warm.sessions(MINE) == []
    for scope in (MINE, THEIRS):
        with pytest.raises(NotFound):
            warm.end(scope, "s")
    await said(warm, "x = 1")
    with pytest.raises(NotFound):
        warm.end(THEIRS, "s")
    assert await said(warm, "print(x)") == "1\n"
    warm.end(MINE, "s")
    assert warm.sessions(MINE) == []


async def test_one_tenant_leaves_sessions_for_others(warm: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stub:
        def alive(self) -> bool:
            return True

        async def discard(self) -> None: ...

    async def ready(tenant: str, image: str) -> Any:
        return Stub()

    sessions = warm._open_sessions()
    monkeypatch.setattr(sessions, "_ready", ready)

    async def begin(tenant: str, key: str) -> None:
        async with sessions.use(Scope(tenant, key), "s", "", Caller()) as (session, _):
            session.over = False

    assert OF_A_TENANT < TOTAL
    for number in range(OF_A_TENANT):
        await begin("local", str(number))
    with pytest.raises(LimitHit, match="tenant"):
        await begin("local", "more")
    for number in range(TOTAL - OF_A_TENANT):
        await begin("guests", str(number))
    with pytest.raises(LimitHit, match="all hosts"):
        await begin("others", "more")
