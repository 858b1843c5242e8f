"""PID 1 of a container has the uid of the program: it can be neither read, nor led, nor ended by it."""

from __future__ import annotations

import pytest
from tests.security.sandbox.ground import Hostile, Seen

pytestmark = pytest.mark.full

ALIVE = "\nopen('out/alive', 'w').write('yes')"
KEPT = {"alive": b"yes"}
SIGNALS = """
import signal, time
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
for number in sorted(signal.valid_signals()):
    os.kill(1, number)
for _ in range(200):  # many of those that PID 1 handles, while it has something to do
    os.kill(1, signal.SIGINT); os.kill(1, signal.SIGCHLD); os.write(1, b'.')
"""
EVERYBODY = """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
tell(*[tried(lambda: os.kill(-1, number)) for number in (1, 2, 9, 15)])
"""
LIMITS = """
import resource
names = [name for name in dir(resource) if name.startswith('RLIMIT_')]
tell(*[tried(lambda: resource.prlimit(1, getattr(resource, name), (0, 0))) for name in names])
resource.prlimit(0, resource.RLIMIT_NOFILE, (100, 100))  # its own it may lower
tell(tried(lambda: resource.prlimit(1, resource.RLIMIT_NOFILE)))
"""
SCHEDULING = """
tell(
    tried(lambda: os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0))),
    tried(lambda: os.sched_setparam(1, os.sched_param(0))),
    tried(lambda: os.sched_setaffinity(1, {0})),
    call('sched_setattr', 1, bytes([48, 0, 0, 0, 5]) + bytes(43), 0),
    *[tried(lambda: os.setpriority(which, who, 19)) for which, who in ((0, 1), (1, 1), (2, 0), (2, 65532))],
)
tell(tried(lambda: os.setpriority(0, 0, 5)), tried(lambda: os.sched_setaffinity(0, os.sched_getaffinity(0))))
"""
MEMORY = """
buffer = ctypes.create_string_buffer(64)
class Vector(ctypes.Structure): _fields_ = [('base', ctypes.c_void_p), ('length', ctypes.c_size_t)]
here, there = Vector(ctypes.addressof(buffer), 64), Vector(0x400000, 64)
names = ('process_vm_readv', 'process_vm_writev')
tell(*[call(name, 1, ctypes.byref(here), 1, ctypes.byref(there), 1, 0) for name in names])
"""
WRITES = """
def write(name):
    with open(f'/proc/1/{name}', 'wb', buffering=0) as file: file.write(b'7')
names = ('oom_score_adj', 'mem', 'clear_refs', 'coredump_filter', 'fd/1', 'timerslack_ns', 'attr/current', 'comm')
tell(*[tried(lambda: write(name)) for name in names])
"""
TRACE = """
results = []
for request in (16, 0x4206):  # PTRACE_ATTACH, PTRACE_SEIZE
    ctypes.set_errno(0)
    libc.ptrace(request, 1, 0, 0)
    results.append(errno.errorcode.get(ctypes.get_errno(), 'done'))
tell(*results)
"""
STEAL = """
import time
def reaped():  # PID 1 takes in orphans, unless it is held up
    if not (child := os.fork()):
        if not (orphan := os.fork()):
            os._exit(0)
        os.write(told, str(orphan).encode().ljust(8))
        os._exit(0)
    os.waitpid(child, 0)
    orphan = int(os.read(heard, 8))
    for _ in range(200):
        if not os.path.exists(f'/proc/{orphan}'): return True
        time.sleep(.001)
heard, told = os.pipe()
open('out/alive', 'w').write('yes')
thief = os.open('/proc/self/fd/2', os.O_RDONLY | os.O_NONBLOCK)
end = time.monotonic() + 5
while time.monotonic() < end:
    for _ in range(20):
        os.write(2, b'x')
        for _ in range(hash(time.monotonic()) % 60): pass
        try: os.read(thief, 99)
        except BlockingIOError: pass
    if not reaped():
        print('PID 1 is held up', flush=True)
        time.sleep(99)
"""

PROGRAMS = [
    Hostile(
        "opens what /proc tells of it",
        "tell(*[opened(f'/proc/1/{name}') for name in "
        "('mem', 'environ', 'maps', 'fd', 'fd/0', 'root', 'cwd', 'exe', 'ns/net', 'auxv', 'stack', 'syscall')])",
        "EACCES|EACCES EPERM|EPERM EACCES",
    ),
    Hostile(
        "writes to what /proc has of it",
        WRITES,
        "(EACCES|EPERM|EINVAL| )+",
    ),
    Hostile("traces it", TRACE, "EPERM"),
    Hostile("reads and writes its memory from afar", MEMORY, "EPERM"),
    Hostile(
        "takes a descriptor from it",
        "handle = libc.syscall(ctypes.c_long(NUMBERS['pidfd_open'][ARM]), 1, 0)\n"
        "tell(handle > 2, *[call('pidfd_getfd', handle, number, 0) for number in range(6)])",
        "(True|False) EPERM",
    ),
    Hostile("sends it every signal, and many of those that it handles", SIGNALS + ALIVE, r"\.{200}", files=KEPT),
    Hostile("signals everybody but itself", EVERYBODY + ALIVE, "ESRCH", files=KEPT),
    Hostile("takes its limits away", LIMITS + ALIVE, "EPERM\nEPERM", files=KEPT),
    Hostile("puts it last in every queue of the scheduler", SCHEDULING + ALIVE, "EPERM\ndone None", files=KEPT),
    Hostile(
        "reads back what it wrote to its output before PID 1 does",
        STEAL,
        ".*",
        seconds=8,
        slack=8,
        limits=(),
        may=("timeout", "output"),
        exit=0,
        files=KEPT,
        errors="x*",
    ),
    Hostile(
        "closes every descriptor and stays",
        "import time\nopen('out/alive', 'w').write('yes')\nos.closerange(0, 1024)\ntime.sleep(99)",
        seconds=2,
        exit=137,
        limits=("timeout",),
        files=KEPT,
    ),
    Hostile(
        "makes itself the one who takes in orphans, and ends",
        "libc.prctl(36, 1, 0, 0, 0)\n"
        "for _ in range(9):\n"
        "    if not os.fork(): os.setsid(); os.execvp('sleep', ['sleep', '99'])\n" + ALIVE,
        files=KEPT,
    ),
]


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
async def test_the_first_process_does_its_work_though_a_program(program: Hostile, seen: Seen) -> None:
    program.check(*seen[program.does])
