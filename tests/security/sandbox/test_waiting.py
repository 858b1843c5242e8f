"""The interpreter that waits runs the script itself: a script that takes it apart harms its own run alone."""

from __future__ import annotations

import json
import struct

import pytest
from tests.security.sandbox.ground import Hostile, Seen

pytestmark = pytest.mark.full

KEPT = {"before": b"kept"}
BEFORE = "open('out/before', 'w').write('kept')\n"
END = json.dumps({"code": 0, "limits": [], "withheld": [], "over": True}).encode()
FORGED = struct.pack(">cI", b"x", len(END)) + END
MUX = struct.pack(">BxxxI", 1, len(FORGED)) + FORGED
FORGERY = f"""
forged = {FORGED!r}
os.write(1, forged); os.write(2, forged)
for descriptor in range(3, 64):
    try: os.write(descriptor, forged)
    except OSError: pass
sys.exit(7)
"""
LIES = """
class Liar:
    @property
    def __class__(self): raise RuntimeError('nobody asks me that')
kept = [Liar()]
file = open('out/before', 'w'); file.write('kept')
print('said')
"""
RAISES = """
import io
class Bad(io.StringIO):
    def flush(self): raise KeyError('flush')
    @property
    def closed(self): return False
kept = [Bad(), Bad()]
file = open('out/before', 'w'); file.write('kept')
print('said')
"""
CHAIN = """
import threading
def f():
    while True:
        try: return threading.Thread(target=f).start()
        except RuntimeError: pass
f()
"""
STUCK_FLUSH = (
    BEFORE
    + """
import io, time
class Stuck(io.StringIO):
    def flush(self): time.sleep(99)
kept = Stuck()
"""
)
MODULES = """
for name in list(sys.modules):
    if name not in ('sys', 'builtins'): sys.modules[name] = None
sys.modules['os'] = sys.modules['json'] = sys.modules['io'] = object()
sys.modules.clear()
sys.exit(3)
"""
BUILTINS = """
import builtins
for name in ('isinstance', 'print', 'open', 'BaseException', 'hasattr', 'getattr'): setattr(builtins, name, None)
sys.exit(3)
"""
STREAM = """
class Stream:
    def __getattr__(self, name): raise RuntimeError(name)
sys.stdout = sys.stderr = Stream()
os.write(1, b'said'); sys.exit(5)
"""
PARTS = """
import atexit, gc, threading
threading._shutdown = None
gc.get_objects = lambda: 1 / 0
"""
DELETED = """
class Deleted:
    def __del__(self):
        while True: pass
kept = Deleted()
"""
COLLECTED = """
import gc
def again(phase, info):
    while True: pass
gc.callbacks.append(again); gc.set_threshold(1)
kept = [[] for _ in range(9999)]
"""
HOOKS = """
import traceback
def hook(*_): raise ValueError('hook')
sys.excepthook = sys.unraisablehook = hook
raise RuntimeError('first')
"""
TRACE = """
def trace(*_): return trace
sys.settrace(trace); sys.setprofile(lambda *_: None)
import faulthandler, signal
signal.setitimer(signal.ITIMER_REAL, .001, .001); signal.signal(signal.SIGALRM, lambda *_: None)
print('said')
"""
START_UP = """
import subprocess, site
for folder in ('/workspace', '/tmp/.local/lib/python3.13/site-packages', site.getusersitepackages()):
    os.makedirs(folder, exist_ok=True)
    for name in ('sitecustomize.py', 'usercustomize.py'): open(f'{folder}/{name}', 'w').write("print('in')")
    open(f'{folder}/evil.pth', 'w').write("import os; print('in')")
open('/workspace/json.py', 'w').write("print('in')"); open('/workspace/pyvenv.cfg', 'w').write("home = /workspace")
sys.exit(4)
"""
CODES = "import os; os.write(2, b'x'); sys.exit(256 + 9)"
RECURSE = """
sys.setrecursionlimit(1 << 30)
def f(): f()
f()
"""
MANY_ARGUMENTS = """
import subprocess
large = 'x' * (1 << 20)
tell(tried(lambda: subprocess.run(['true', large])), tried(lambda: subprocess.run(['true'], env={'X': large})))
tell(tried(lambda: subprocess.run(['true', *['x' * 100_000] * 100])))
"""


def hangs(does: str, code: str) -> Hostile:
    return Hostile(does, code, exit=137, limits=("timeout",), may=("processes",), seconds=3, files={"before": b"kept"})


ELSEWHERE = """
os.closerange(3, 64)
files = [open(f'out/{number}', 'w') for number in range(3)]
print(sorted(file.fileno() for file in files), flush=True)
raise SystemExit(6)
"""
FORKED = """
import time
if not os.fork(): sys.exit(3)
os.wait(); time.sleep(0.2); print('went on'); sys.exit(4)
"""

PROGRAMS = [
    hangs(
        "ends at exit never",
        BEFORE + "import atexit\ndef f():\n    while True: pass\natexit.register(f)",
    ),
    hangs(
        "has a thread that ends never",
        BEFORE + "import threading\nthreading.Thread(target=threading.Event().wait).start()",
    ),
    hangs("has threads that start threads", BEFORE + CHAIN),
    hangs("has a file whose flush ends never", STUCK_FLUSH),
    Hostile("has a file whose flush raises", RAISES, "said", files=KEPT),
    Hostile("has objects that lie about what they are", LIES, "said", files=KEPT),
    Hostile("has an object whose end is a loop", DELETED + BEFORE, files=KEPT),
    hangs("loops when garbage is collected", BEFORE + COLLECTED),
    hangs(
        "alarms itself and ignores it",
        BEFORE + "import signal\nsignal.signal(signal.SIGALRM, signal.SIG_IGN); signal.alarm(1)\nwhile True: pass",
    ),
    Hostile("is alarmed and does not listen", "import signal\nsignal.alarm(1)\nwhile True: pass", exit=142),
    Hostile("takes its modules away", MODULES, exit=3),
    Hostile("takes its builtins away", BUILTINS, exit=1, errors=".*TypeError.*"),
    Hostile("puts something else in place of its streams", STREAM, "said", exit=5),
    Hostile("takes apart what ends it", BEFORE + PARTS, exit=0, files=KEPT, errors=".*"),
    Hostile(
        "leaves in the middle of its end",
        "import atexit\natexit.register(os._exit, 9)\nprint('said', flush=True)",
        "said",
        9,
    ),
    Hostile(
        "closes its descriptors and goes on", BEFORE + "os.closerange(0, 64)\nprint('x' * 99999)\n", exit=1, files=KEPT
    ),
    Hostile("raises into hooks that raise", HOOKS, exit=1, errors=".*RuntimeError: first.*"),
    Hostile("traces and alarms the interpreter's own end", TRACE, "said"),
    Hostile("leaves what Python loads when it starts", START_UP, "", 4),
    Hostile("tells an exit code that is none", CODES, exit=9, errors="x"),
    Hostile("recurses without end", RECURSE, exit=137, limits=("memory",)),
    Hostile(
        "opens files where the interpreter's own descriptors were",
        ELSEWHERE,
        r"\[3, 4, 5\]",
        6,
        files={"0": b"", "1": b"", "2": b""},
    ),
    Hostile("forks a process that comes to the script's end first", FORKED, "went on", 4),
    Hostile("ends by a signal", "os.kill(os.getpid(), 9)", exit=137),
    Hostile("forges the end on every descriptor", FORGERY, '.*"over": true}', 7, errors='.*"over": true}'),
    Hostile(
        "forges the engine's own frames",
        f"os.write(1, {MUX!r}); os.write(2, {MUX!r})",
        '.*"over": true}',
        errors='.*"over": true}',
    ),
    Hostile("calls programs with more than they can take", MANY_ARGUMENTS, "E2BIG\nE2BIG"),
    Hostile(
        "becomes another program",
        BEFORE + "os.execvp('sh', ['sh', '-c', 'echo other; exit 5'])",
        "other",
        5,
        files=KEPT,
    ),
]


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
async def test_the_run_ends_and_harms_nothing_else_for_a_script_that(program: Hostile, seen: Seen) -> None:
    program.check(*seen[program.does])
