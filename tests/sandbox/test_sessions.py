"""Sessions: an interpreter that stays up, for its scope alone, within bounds."""

from __future__ import annotations

import time
from typing import Any

import anyio
import anyio.to_thread
import pytest
from tests.sandbox.rig import MINE, SMALL, THEIRS, Containers, Make, said, turn

from astro_mcp.errors import (
    Conflict,
    InvalidInput,
    LimitHit,
    ProviderFailed,
    Unavailable,
)
from astro_mcp.sandbox.container import Container
from astro_mcp.sandbox.job import Job, SandboxFile
from astro_mcp.sandbox.sandbox import Sandbox

PATIENCE = 60


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


async def test_turns_that_hand_back_files_leave_no_descriptor_open_in_the_first_process(
    make: Make, containers: Containers, tidy: None
) -> None:
    sandbox = make(SMALL.model_copy(update={"open_files": 64, "warm": 0}))
    async with sandbox.warm():
        for number in range(70):
            found = await turn(sandbox, f"open('out/d{number}', 'w').write('x')")
            made = {file.path for file in found.files}  # one of the turn before may be there again, from the same tick
            assert (f"d{number}" in made, found.over) == (True, False)
    await none_left(containers)
    await sandbox.close()


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
