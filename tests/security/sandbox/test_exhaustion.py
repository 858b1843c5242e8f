"""Programs that take all that there is: they end within their bounds, and what ran out is told."""

from __future__ import annotations

import re

import pytest
from tests.sandbox.rig import SMALL
from tests.security.sandbox.ground import Ground, Hostile, Seen

pytestmark = pytest.mark.full

KEPT = {"before": b"kept"}
BEFORE = "open('out/before', 'w').write('kept')\n"
FORK_BOMB = BEFORE + "while True:\n    try: os.fork()\n    except OSError: pass"
THREAD_BOMB = """
import threading
lock = threading.Lock(); lock.acquire()
try:
    while True: threading.Thread(target=lock.acquire, daemon=True).start()
except RuntimeError: tell('no more')
"""
ZOMBIES = """
try:
    while True:
        if not os.fork(): os._exit(0)
except BlockingIOError as error: tell(errno.errorcode[error.errno])
"""
LIST = "kept = []\nwhile True: kept.append(' ' * (1 << 20) + str(len(kept)))"
MAP = """
import mmap
held = mmap.mmap(-1, 1 << 32)  # address space is free; touching it is not
for at in range(0, 1 << 32, 4096): held[at] = 1
"""
BOMB = """
import io, zlib
packer = zlib.compressobj(9)
packed = b''.join(packer.compress(bytes(1 << 20)) for _ in range(400)) + packer.flush()
tell(len(packed) < 1 << 20)
whole = zlib.decompress(packed)
"""
FAMILY = """
if not os.fork():
    os.setsid()
    held = bytearray(1 << 30)
    for at in range(0, len(held), 4096): held[at] = 1
os.wait(); tell('outlived it')
"""
SCORE = """
def score(value):
    with open('/proc/self/oom_score_adj', 'w') as file: file.write(value)
tell(tried(lambda: score('-1000')), tried(lambda: score('-1')))
held = bytearray(1 << 30)
for at in range(0, len(held), 4096): held[at] = 1
"""
HIDDEN = """
import mmap, signal
held = []
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for number in range(64):  # in files that no process has mapped
    held.append(os.memfd_create(str(number)))
    for _ in range(16): os.write(held[-1], bytes(1 << 20))
"""
FILL = """
def fill(path):
    for number in range(9):  # more than one: a file may be 32 MiB long
        with open(f'{path}/{number}', 'wb', buffering=0) as file:
            try:
                while True: file.write(bytes(1 << 16))
            except OSError as error:
                if error.errno != errno.EFBIG: raise
tell(tried(lambda: fill('WHERE')))
"""
INODES = """
def flood():
    for number in range(1 << 20): os.close(os.open(f'{number}', os.O_CREAT))
os.mkdir('flood'); os.chdir('flood')
tell(tried(flood), len(os.listdir('.')) < 1 << 16)
"""
SPARSE = """
for number in range(5):
    with open(f'out/{number}', 'wb') as file: file.truncate(31 << 20)
tell(tried(lambda: os.truncate('out/0', 1 << 40)))
"""
BOTH = """
import threading
def flood(descriptor):
    while True: os.write(descriptor, b'x' * 4096)
threading.Thread(target=flood, args=(2,)).start()
flood(1)
"""
BYTES = "for _ in range(30_000): os.write(1, b'x'); os.write(2, b'y')"
DEAF = """
import signal, time
for number in signal.valid_signals() - {9, 19}: signal.signal(number, signal.SIG_IGN)
print('deaf', flush=True)
while True: signal.sigtimedwait(signal.valid_signals(), 1)
"""
STOPPED = "import signal\nprint('stops', flush=True)\nos.kill(os.getpid(), signal.SIGSTOP)"
STOPPED_CHILDREN = """
import signal
for _ in range(5):
    if not os.fork():
        os.setsid(); os.kill(os.getpid(), signal.SIGSTOP); os._exit(0)
tell('gone')
"""
FORKING_FOR_EVER = """
def beget():  # each lives for a moment only, and has another before
    while True:
        if os.fork(): os._exit(0)
        os.setsid()
if not os.fork(): beget()
tell('gone')
"""
DAEMON = """
import subprocess
subprocess.Popen(['sh', '-c', 'trap "" 1 2 15; while :; do :; done'], start_new_session=True)
tell('gone')
"""
DESCRIPTORS = """
def flood():
    while True: os.open('/dev/null', 0)
tell(tried(flood))
"""

PROGRAMS = [
    Hostile("forks without end", FORK_BOMB, seconds=3, exit=137, limits=("processes", "timeout"), files=KEPT),
    Hostile(
        "floods both streams without end", BOTH, r"x{100000}", 137, ("output", "timeout"), seconds=3, errors="y*x*"
    ),
    Hostile("ignores every signal that it can", DEAF, "deaf", 137, ("timeout",), seconds=3),
    Hostile("stops itself", STOPPED, "stops", 137, ("timeout",), seconds=3),
    Hostile("starts threads without end", THREAD_BOMB, "no more", limits=("processes",)),
    Hostile("leaves zombies until there is no room for more", ZOMBIES, "EAGAIN", limits=("processes",)),
    Hostile("fills a list", LIST, exit=137, limits=("memory",)),
    Hostile("maps and touches four gigabytes", MAP, exit=137, limits=("memory",)),
    Hostile("unpacks a decompression bomb", BOMB, "True|", 137, ("memory",)),
    Hostile("has a child take the memory", FAMILY, "(outlived it)?", 0, ("memory",)),
    Hostile("asks to be the last that the kernel ends", SCORE, "EACCES", 137, ("memory",)),
    Hostile("hides memory in files that nobody has mapped", HIDDEN, exit=137, limits=("memory",)),
    Hostile("fills the workspace", FILL.replace("WHERE", "/workspace"), "ENOSPC", limits=("disk",)),
    Hostile("fills /tmp", FILL.replace("WHERE", "/tmp"), "ENOSPC", limits=("disk",)),
    Hostile("fills shared memory", FILL.replace("WHERE", "/dev/shm"), "ENOSPC", limits=("disk",)),
    Hostile("takes every inode", INODES, "ENOSPC True", limits=("disk",)),
    Hostile(
        "makes files of nothing but holes",
        SPARSE,
        "EFBIG",
        limits=("files",),
        files={"0": bytes(31 << 20), "1": bytes(31 << 20)},
        withheld=("2", "3", "4"),
    ),
    Hostile("writes byte after byte to both streams", BYTES, "x{30000}", errors="y{30000}"),
    Hostile("leaves children that are stopped", STOPPED_CHILDREN, "gone"),
    Hostile("leaves a line of processes that each live for a moment", FORKING_FOR_EVER, "gone", may=("processes",)),
    Hostile("leaves a daemon that spins and ignores signals", DAEMON, "gone"),
    Hostile("opens files without end", DESCRIPTORS, "EMFILE"),
    Hostile("dumps core", "os.abort()", exit=134),
    Hostile(
        "is given more arguments than a program can have",
        "",
        exit=127,
        argv=("echo", "x" * 200_000),
        script=False,
        errors="echo: Argument list too long\n",
    ),
]


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
async def test_there_is_an_end_to_a_program_that(program: Hostile, seen: Seen) -> None:
    program.check(*seen[program.does])


async def test_the_flood_is_kept_up_to_the_bound_on_both_streams(seen: Seen) -> None:
    outcome, _ = seen["floods both streams without end"]
    assert len(getattr(outcome, "stderr", b"")) == SMALL.output_bytes


async def test_eight_bombs_at_once_leave_the_pool_whole(ground: Ground) -> None:
    bombs = [PROGRAMS[0], *PROGRAMS[6:9]] * 2
    named = [Hostile(f"{bomb.does} {number}", bomb.code, seconds=3) for number, bomb in enumerate(bombs)]
    seen = await ground.attack_all(named, side_by_side=8)
    assert {name: harm for name, (_, harm) in seen.items() if harm} == {}
    assert {re.sub(r"[^a-z ]", "", str(getattr(outcome, "exit_code", outcome))) for outcome, _ in seen.values()} == {""}
