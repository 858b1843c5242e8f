"""Sessions: an interpreter that stays up, for its scope alone, within bounds."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import anyio
import anyio.to_thread
import pytest
from tests.sandbox.rig import SMALL, Containers, Make

from astro_mcp.core.authority import Scope
from astro_mcp.errors import (
    AstroError,
    Busy,
    Cancelled,
    Conflict,
    InvalidInput,
    LimitHit,
    NotFound,
    ProviderFailed,
    Unavailable,
)
from astro_mcp.sandbox.container import Container
from astro_mcp.sandbox.job import Job, Outcome, SandboxFile
from astro_mcp.sandbox.sandbox import Sandbox
from astro_mcp.sandbox.sessions import OF_A_TENANT, TOTAL, Caller

MINE, THEIRS = Scope("local", "a"), Scope("local", "b")
RUN = b"""
import sys, traceback
kept = sys.modules.setdefault('kept', type(sys)('kept'))
exec(open('/workspace/main.py').read(), kept.__dict__)
"""
PATIENCE = 60


@pytest.fixture
async def warm(sandbox: Sandbox) -> AsyncIterator[Sandbox]:
    async with sandbox.warm():
        yield sandbox


async def turn(
    sandbox: Sandbox, code: str, name: str = "s", scope: Scope = MINE, *, last: bool = False, **fields: Any
) -> Outcome:
    files = (SandboxFile("run.py", RUN), SandboxFile("main.py", code.encode()))
    job = Job(("python3", "run.py"), files=files, script=True, **{"timeout": 20.0, **fields})
    return await sandbox.turn(scope, name, job, last=last)


async def said(sandbox: Sandbox, code: str, name: str = "s", scope: Scope = MINE, **fields: Any) -> str:
    outcome = await turn(sandbox, code, name, scope, **fields)
    assert not outcome.over
    return (outcome.stdout + outcome.stderr).decode()


def kept(sandbox: Sandbox) -> Container:
    """What the only session of mine runs in."""
    [session] = sandbox.sessions(MINE)
    assert session.container is not None
    return session.container


async def none_left(containers: Containers) -> None:
    with anyio.fail_after(PATIENCE):
        while await containers():
            await anyio.sleep(0.01)


async def test_names_modules_files_and_the_folder_are_there_in_the_next_turn(warm: Sandbox) -> None:
    first = "import json, os; x = [1]; open('f', 'w').write('y'); os.mkdir('d'); os.chdir('d'); print('one')"
    assert await said(warm, first, stdin=b"in") == "one\n"
    more = "x.append(json.dumps(2)); import sys; print(x, open('../f').read(), os.getcwd(), sys.stdin.read())"
    assert await said(warm, more, stdin=b"again") == "[1, '2'] y /workspace/d again\n"


async def test_an_error_an_exit_and_an_interrupted_loop_leave_the_session_up(warm: Sandbox) -> None:
    assert await said(warm, "x = 1") == ""
    failed = await turn(warm, "1/0")
    assert (failed.exit_code, failed.over) == (1, False)
    assert b"ZeroDivisionError" in failed.stderr
    left = await turn(warm, "raise SystemExit(5)")
    assert (left.exit_code, left.over) == (5, False)
    late = await turn(warm, "print('begun', flush=True)\nwhile True: pass", timeout=1.5)
    assert (late.exit_code, late.over, late.limits_hit) == (130, False, ("timeout",))
    assert late.stdout == b"begun\n"
    assert await said(warm, "print(x)") == "1\n"


@pytest.mark.full
@pytest.mark.parametrize(
    ("code", "limits"),
    [
        ("import os; os._exit(3)", ()),
        ("import os; os.kill(os.getpid(), 9)", ()),
        ("x = bytearray(1 << 30)\nfor i in range(0, len(x), 4096): x[i] = 1", ("memory",)),
        ("import signal; signal.signal(2, signal.SIG_IGN)\nwhile True: pass", ("timeout",)),
        ("import os\nfor d in range(3, 100):\n  try: os.close(d)\n  except OSError: pass\nos._exit(0)", ()),
    ],
)
async def test_what_no_interpreter_survives_ends_the_session_and_the_next_turn_begins_anew(
    warm: Sandbox, code: str, limits: tuple[str, ...]
) -> None:
    await said(warm, "x = 1")
    over = await turn(warm, code, timeout=2)
    assert over.over
    assert set(limits) <= set(over.limits_hit)
    assert warm.sessions(MINE) == []
    assert "NameError" in await said(warm, "try: x\nexcept NameError as e: print(repr(e))")


@pytest.mark.full
async def test_a_session_gives_back_what_the_turn_made_and_nothing_twice(warm: Sandbox) -> None:
    first = await turn(warm, "open('out/a', 'w').write('1'); open('out/b', 'w').write('2')")
    assert {file.path: file.data for file in first.files} == {"a": b"1", "b": b"2"}
    await anyio.sleep(0.02)  # the clock that files are stamped with ticks every 4 ms at most
    assert (await turn(warm, "pass")).files == ()
    await anyio.sleep(0.02)
    again = await turn(warm, "open('out/b', 'w').write('2')")
    assert {file.path: file.data for file in again.files} == {"b": b"2"}


async def test_another_scope_finds_nothing_and_the_same_name_is_its_own(warm: Sandbox) -> None:
    await said(warm, "x = 'mine'")
    assert await said(warm, "print('x' in globals())", scope=THEIRS) == "False\n"
    assert [s.name for s in warm.sessions(THEIRS)] == ["s"]
    outcome = await turn(warm, "print('last')", scope=THEIRS, last=True)
    assert (outcome.stdout, outcome.over) == (b"last\n", True)
    assert warm.sessions(THEIRS) == []
    assert await said(warm, "print(x)") == "mine\n"


@pytest.mark.full
async def test_a_link_that_a_turn_left_is_not_followed_when_files_come(warm: Sandbox) -> None:
    await said(warm, "import os; os.symlink('/tmp', 'led')")
    with pytest.raises(LimitHit, match="led"):
        await warm.turn(MINE, "s", Job(("python3", "run.py"), files=(SandboxFile("led/x", b""),), script=True))
    assert "False" in await said(warm, "import os; print(os.path.exists('/tmp/x'))")


@pytest.mark.full
async def test_what_goes_on_between_turns_harms_no_turn(warm: Sandbox) -> None:
    flood = (
        "import threading\ndef f():\n  while True: print('x' * 1000)\nthreading.Thread(target=f, daemon=True).start()"
    )
    await turn(warm, flood)
    for _ in range(3):
        outcome = await turn(warm, "y = 1")
        assert not outcome.over
        assert len(outcome.stdout) <= SMALL.output_bytes
    forged = "import os\nfor _ in range(50): os.write(5, b'\\x07' * 100)"
    await turn(warm, forged, name="forger")
    assert (await turn(warm, "print('true')", name="forger")).exit_code in (0, 7)


@pytest.mark.full
async def test_turns_of_one_session_come_one_after_another(warm: Sandbox) -> None:
    await said(warm, "n = []")
    async with anyio.create_task_group() as group:
        for number in range(4):
            group.start_soon(said, warm, f"n.append({number}); import time; time.sleep(.05); n.append({number})")
    pairs = (await said(warm, "print(*n)")).split()
    assert pairs[::2] == pairs[1::2]
    assert len(set(pairs)) == 4


async def test_a_cancelled_turn_ends_its_session(warm: Sandbox) -> None:
    begun = anyio.Event()

    async def on_output(stream: str, data: bytes) -> None:
        begun.set()

    async with anyio.create_task_group() as group:

        async def run() -> None:
            await turn(warm, "print('up', flush=True); import time; time.sleep(100)", on_output=on_output)

        group.start_soon(run)
        await begun.wait()
        group.cancel_scope.cancel()
    assert warm.sessions(MINE) == []


@pytest.mark.full
async def test_sessions_are_bounded_and_age(make: Make, containers: Containers, tidy: None) -> None:
    settings = SMALL.model_copy(update={"sessions": 2, "warm": 0, "session_seconds": 2000.0})
    sandbox = make(settings)
    async with sandbox.warm():
        await said(sandbox, "x = 1", "one")
        await said(sandbox, "x = 2", "two")
        with pytest.raises(LimitHit, match="one, two"):
            await said(sandbox, "x = 3", "three")
        assert sandbox._sessions is not None
        sandbox._sessions.settle(time.monotonic() + settings.session_idle_seconds - 30)
        assert len(sandbox.sessions(MINE)) == 2
        sandbox.sessions(MINE)[1].used += 1000
        sandbox._sessions.settle(time.monotonic() + settings.session_idle_seconds + 1)
        assert [s.name for s in sandbox.sessions(MINE)] == ["two"]
        sandbox._sessions.settle(time.monotonic() + 1999)
        assert sandbox.sessions(MINE) == []
        await none_left(containers)
        await said(sandbox, "x = 3", "three")
    await none_left(containers)
    await sandbox.close()


async def test_a_session_whose_container_somebody_ended_is_listed_no_more(warm: Sandbox, engine: Any) -> None:
    await said(warm, "x = 1")
    assert warm._sessions is not None
    warm._sessions.settle(time.monotonic())
    container = kept(warm)
    await anyio.to_thread.run_sync(engine.kill, container.name)
    with anyio.fail_after(PATIENCE):
        while container.alive():
            await anyio.sleep(0.01)
    warm._sessions.settle(time.monotonic())
    assert warm.sessions(MINE) == []


@pytest.mark.full
async def test_a_session_whose_container_somebody_ended_begins_anew(warm: Sandbox, engine: Any) -> None:
    await said(warm, "x = 1")
    await anyio.to_thread.run_sync(engine.kill, kept(warm).name)
    with anyio.fail_after(PATIENCE):
        while kept(warm).alive():
            await anyio.sleep(0.01)
    assert "False" in await said(warm, "print('x' in globals())")

    async def kill(stream: str, data: bytes) -> None:
        await anyio.to_thread.run_sync(engine.kill, kept(warm).name)

    with pytest.raises(ProviderFailed) as caught:
        await turn(warm, "print('up', flush=True); import time; time.sleep(100)", on_output=kill)
    assert caught.value.retryable
    assert "the session ended" in caught.value.hint
    assert warm.sessions(MINE) == []


async def test_other_packages_a_program_and_a_sandbox_without_sessions_are_refused(
    warm: Sandbox, sandbox: Sandbox
) -> None:
    await said(warm, "x = 1")
    with pytest.raises(Conflict, match="other packages"):
        await turn(warm, "x", image="astro-mcp-python:another")
    with pytest.raises(InvalidInput):
        await warm.turn(MINE, "s", Job(("true",), session=True))
    assert await said(warm, "print(x)") == "1\n"


async def test_without_warmth_there_are_no_sessions(sandbox: Sandbox) -> None:
    with pytest.raises(Unavailable):
        await said(sandbox, "x = 1")
    assert sandbox.sessions(MINE) == []


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
