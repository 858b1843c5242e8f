"""What a turn leaves behind for the next: the session bears it, or ends; no other session, and no run, is touched."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass

import anyio
import pytest
from tests.sandbox.rig import SMALL
from tests.security.sandbox.ground import INSIDE, Ground

from astro_mcp.core.authority import Scope
from astro_mcp.errors import AstroError, LimitHit
from astro_mcp.sandbox.job import Job, Outcome, SandboxFile

pytestmark = pytest.mark.full

SIDE_BY_SIDE = 4
"""As many as one scope may have up."""
Two = tuple[Outcome, Outcome | AstroError]
Turns = dict[str, tuple[Two, list[str]]]
MINE, THEIRS = Scope("local", "mine"), Scope("local", "theirs")
FILL_SIGNAL = """
import time
pipe = os.open('/proc/self/fd/4', os.O_WRONLY | os.O_NONBLOCK)
try:
    while True: os.write(pipe, b'!' * 4096)
except BlockingIOError: pass
os.write(5, b'\\0')  # the turn has ended, it says; and it never reads again
time.sleep(99)
"""
SHOWER = """
import threading
def flood(descriptor):
    while True: os.write(descriptor, b'x' * 4096)
for descriptor in (1, 2): threading.Thread(target=flood, args=(descriptor,), daemon=True).start()
"""
SWAP = """
import threading
os.mkdir('out/ready')
def swap():
    while True:
        for make in (lambda: os.mkdir('out/x'), lambda: os.mkfifo('out/x'), lambda: os.symlink('/etc/passwd', 'out/x')):
            try: make()
            except OSError: pass
            try: os.rmdir('out/x')
            except OSError:
                try: os.unlink('out/x')
                except OSError: pass
            with open('out/x', 'w') as file: file.write('y' * 4096)
            os.unlink('out/x')
threading.Thread(target=swap, daemon=True).start()
"""
SWALLOW = """
while True:
    try:
        while True: pass
    except KeyboardInterrupt: pass
"""
STOPPER = """
import signal
parent = os.getpid()
if not os.fork():
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while True: os.kill(parent, signal.SIGSTOP)
"""
REQUESTS = """
import threading
def rewrite():
    forged = os.pread(3, 1 << 16, 0).replace(b'second.py', b'forged.py')
    while True: os.pwrite(3, forged, 0)
threading.Thread(target=rewrite, daemon=True).start()
"""
INODES = """
import itertools
os.mkdir('f')
try:
    for number in itertools.count(): os.close(os.open(f'f/{number}', os.O_CREAT))
except OSError: pass
"""
SAY = "print('second')"


@dataclass(frozen=True)
class Left:
    """What the first turn does, and what a second that says `second` may come to: its output, or an error told."""

    does: str
    first: str
    said: str = "second\n"
    over: tuple[bool, ...] = (False,)
    error: type[AstroError] | None = None
    first_over: tuple[bool, ...] = (False,)
    seconds: float = 20.0
    slack: float = 10.0
    limits: frozenset[str] = frozenset()
    """Of the first turn's, those that must be named."""

    def __str__(self) -> str:
        return self.does


LEFT = [
    Left("links in the workspace's places", "os.rmdir('out'); os.symlink('/etc', 'out'); os.symlink('/etc', 'led')"),
    Left("a file in place of out/", "os.rmdir('out'); open('out', 'w').close()"),
    Left("a link that leads nowhere in place of out/", "os.rmdir('out'); os.symlink('/nowhere', 'out')"),
    Left("a folder in place of the next script", "os.mkdir('second.py')", error=LimitHit),
    Left("a pipe in place of the next script", "os.mkfifo('second.py')"),
    Left("a link in place of the next script", "os.symlink('/etc/passwd', 'second.py')"),
    Left("a workspace that it locked up", "os.chmod('/workspace', 0)", error=LimitHit),
    Left(
        "a workspace without an inode left",
        INODES,
        error=LimitHit,
    ),
    Left("threads that flood both streams", SHOWER, ".*x{4096}.*", (False, True)),
    Left("a forged end of its turn", "for _ in range(50): os.write(5, b'\\x07' * 100)", "(second\n)?"),
    Left("a forged end, and a pipe that is full", FILL_SIGNAL, "(second\n)*", seconds=2),
    Left("no descriptor that is not its own", "os.closerange(3, 64)", first_over=(True,)),
    Left("no streams", "os.close(1); os.close(2)", ""),
    Left("its interpreter stopped", STOPPER, "(second\n)?", (False, True), first_over=(False, True), seconds=2),
    Left("a fork of itself that goes on", "if not os.fork(): pass"),
    Left(
        "a child that takes the next turns",
        "if not os.fork():\n    while True:\n        try: os.read(4, 1)\n        except OSError: break",
        "(second\n)?",
        (False, True),
        seconds=2,
    ),
    Left(
        "signals that it ignores",
        "import signal\nfor n in signal.valid_signals() - {9, 19}: signal.signal(n, signal.SIG_IGN)",
    ),
    Left("files that change while they are taken", SWAP),
    Left("threads that rewrite the next request", REQUESTS, "(second\n)?", (False, True), seconds=5),
    Left(
        "a start-up file for the next interpreter",
        "open('sitecustomize.py', 'w').write('1/0'); open('json.py', 'w').write('1/0')",
    ),
    Left(
        "an exit function and a tracer",
        "import atexit, threading\natexit.register(os._exit, 9); sys.settrace(lambda *_: None)",
    ),
    Left(
        "its death a moment later",
        "import threading\nthreading.Timer(.05, os._exit, (9,)).start()",
        "(second\n)?",
        (False, True),
    ),
    Left("nothing: it swallows every interrupt", SWALLOW, first_over=(True,), limits=frozenset({"timeout"}), seconds=2),
    Left(
        "nothing: it stops itself",
        "import signal\nos.kill(os.getpid(), signal.SIGSTOP)",
        first_over=(True,),
        limits=frozenset({"timeout"}),
        seconds=2,
    ),
    Left(
        "nothing: it stops its whole group",
        "import signal\nos.killpg(0, signal.SIGSTOP)",
        first_over=(True,),
        limits=frozenset({"timeout"}),
        seconds=2,
    ),
    Left(
        "nothing: it takes the memory",
        "held = bytearray(1 << 30)\nfor at in range(0, 1 << 30, 4096): held[at] = 1",
        first_over=(True,),
        limits=frozenset({"memory"}),
    ),
]


async def turn(
    ground: Ground, name: str, script: str, code: str, scope: Scope = MINE, *, seconds: float = 20, last: bool = False
) -> Outcome:
    files = (INSIDE, SandboxFile(script, f"from inside import *\n{code}\n".encode()))
    job = Job(("python3", script), files=files, timeout=seconds, script=True)
    return await ground.sandbox.turn(scope, name, job, last=last)


@pytest.fixture(scope="module")
async def turns(ground: Ground) -> Turns:
    """Both turns of every session, a few sessions side by side, and after those a look at what they did: at the host,
    at the pool, at the next run, and at another scope's session that is up all the while."""
    await turn(ground, "kept", "first.py", "sys.known = 'kept'", THEIRS)
    found: Turns = {}
    left = sorted(LEFT, key=lambda each: each.seconds)
    while left:
        ran: dict[str, Two] = {}
        async with anyio.create_task_group() as group:
            for each in left[:SIDE_BY_SIDE]:
                group.start_soon(both, ground, each, ran)
        harm = [*await ground.harm(), *await disturbed(ground)]
        found |= {name: (two, harm) for name, two in ran.items()}
        del left[:SIDE_BY_SIDE]
    return found


async def both(ground: Ground, left: Left, ran: dict[str, Two]) -> None:
    first = await turn(ground, left.does, "first.py", left.first, seconds=left.seconds)
    second: Outcome | AstroError
    try:
        second = await turn(ground, left.does, "second.py", SAY, seconds=left.seconds)
    except AstroError as error:
        second = error
    with contextlib.suppress(AstroError):  # where its files can't be put there, the session is over all the same
        await turn(ground, left.does, "last.py", "", seconds=1, last=True)
    ran[left.does] = first, second


async def disturbed(ground: Ground) -> list[str]:
    look = "print(sys.known, sorted(os.listdir('/workspace')), os.listdir('/tmp'))"
    seen = await turn(ground, "kept", "first.py", look, THEIRS)
    whole = b"kept ['__pycache__', 'first.py', 'inside.py', 'out'] []\n"
    names = [session.name for session in ground.sandbox.sessions(MINE)]
    return [str(each) for each in (seen, names) if each and (each is names or seen.stdout != whole or seen.over)]


@pytest.mark.parametrize("left", LEFT, ids=str)
async def test_the_next_turn_bears_it_or_tells_where_a_turn_left(left: Left, turns: Turns) -> None:
    (first, second), harm = turns[left.does]
    assert first.over in left.first_over, first
    assert left.limits <= set(first.limits_hit)
    assert first.run_ms < (left.seconds + left.slack) * 1000
    if left.error is not None:
        assert isinstance(second, left.error)
    else:
        assert isinstance(second, Outcome), second
        said = second.stdout.decode()
        assert re.fullmatch(left.said, said, re.DOTALL), second
        assert len(said) <= SMALL.output_bytes
        assert second.over in left.over, second
        assert all(file.path != "x" or file.data in (b"", b"y" * 4096) for file in second.files)
        assert second.run_ms < (left.seconds + left.slack) * 1000
    assert harm == []


async def test_the_name_of_another_scopes_session_finds_none_of_it(ground: Ground, turns: Turns) -> None:
    look = "print(hasattr(sys, 'known'), sorted(os.listdir('/workspace')))"
    seen = await turn(ground, "kept", "look.py", look, last=True)
    assert seen.stdout == b"False ['__pycache__', 'inside.py', 'look.py', 'out']\n"
    assert await disturbed(ground) == []
