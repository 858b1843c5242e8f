"""System calls by which a process gets more than it has: each is refused, and says so."""

from __future__ import annotations

import pytest
from tests.security.sandbox.ground import Hostile, Seen

pytestmark = pytest.mark.full

NAMESPACES = (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)
INT_80 = """
import mmap
code = mmap.mmap(-1, 4096, prot=7)
code.write(bytes([0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0xc3]))  # mov eax, 20 (getpid); int 0x80; ret
address = ctypes.addressof(ctypes.c_char.from_buffer(code))
tell('arm64' if ARM else ctypes.CFUNCTYPE(ctypes.c_int)(address)())
"""
TRACED = """
import signal
if ARM:
    tell('arm64')
    sys.exit()
pid = os.fork()
if not pid:
    libc.ptrace(0, 0, 0, 0)
    os.kill(os.getpid(), signal.SIGSTOP)
    left = libc.syscall(ctypes.c_long(39))  # the tracer makes socket(AF_NETLINK) of it
    os._exit(ctypes.get_errno() if left == -1 else 0)
os.waitpid(pid, 0)
def poke(offset, value): return libc.ptrace(6, pid, ctypes.c_long(offset), ctypes.c_long(value))
while True:
    libc.ptrace(24, pid, 0, 0)
    _, status = os.waitpid(pid, 0)
    if not os.WIFSTOPPED(status): break
    if libc.ptrace(3, pid, ctypes.c_long(15 * 8), 0) == 39:
        poke(15 * 8, 41); poke(14 * 8, 16); poke(13 * 8, 3); poke(12 * 8, 0)  # orig_rax, rdi, rsi, rdx
tell(errno.errorcode.get(os.waitstatus_to_exitcode(status), status))
"""


def refuses(does: str, *calls: str) -> Hostile:
    """Every one of them is refused, in the same words."""
    return Hostile(does, f"tell(*[call(*each) for each in ({', '.join(f'({each})' for each in calls)},)])", "EPERM")


PROGRAMS = [
    refuses("mounts", "'mount', b'none', b'/workspace', b'tmpfs', 0, 0", "'umount2', b'/tmp', 2"),
    refuses(
        "mounts by the newer calls",
        "'fsopen', b'tmpfs', 0",
        "'open_tree', -100, b'/', 1",
        "'move_mount', 0",
        "'mount_setattr', 0",
    ),
    refuses("changes its root", "'pivot_root', b'/workspace', b'/workspace/out'", "'chroot', b'/workspace'"),
    Hostile("unshares every kind of namespace", f"tell(*[call('unshare', kind) for kind in {NAMESPACES}])", "EPERM"),
    Hostile(
        "clones into every kind of namespace",
        f"tell(*[call('clone', kind | 17, 0, 0, 0, 0) for kind in {NAMESPACES}])",
        "EPERM",
    ),
    Hostile("clones by the newer call", "tell(call('clone3', 0, 0))", "ENOSYS|EPERM"),
    refuses("enters a namespace", "'setns', os.open('/proc/self/ns/net', 0), 0"),
    refuses(
        "loads programs into the kernel", "'bpf', 0, 0, 0", "'finit_module', 0, b'', 0", "'delete_module', b'x', 0"
    ),
    refuses("counts the kernel's events", "'perf_event_open', 0, 0, 0, 0, 0"),
    refuses("handles its own page faults", "'userfaultfd', 1"),
    Hostile(
        "uses io_uring",
        "tell(call('io_uring_setup', 1, bytes(120)), call('io_uring_enter', 0), call('io_uring_register', 0))",
        "EPERM",
    ),
    refuses(
        "uses the kernel's keys",
        "'add_key', b'user', b'name', b'secret', 6, -3",
        "'request_key', b'user', b'name', 0, -3",
        "'keyctl', 0, -3, 1",
    ),
    refuses("starts the machine anew", "'kexec_load', 0, 0, 0, 0", "'reboot', 0xfee1dead, 672274793, 0"),
    refuses("changes the machine's swap, clock and name", "'swapon', b'x', 0", "'clock_settime', 0, bytes(16)"),
    refuses("writes the machine's books", "'acct', 0", "'quotactl', 0, 0, 0, 0", "'sethostname', b'mine', 4"),
    refuses("reads the kernel's log", "'syslog', 3, bytes(99), 99"),
    refuses("opens files past their folders", "'open_by_handle_at', -100, bytes(64), 0", "'fanotify_init', 0, 0"),
    refuses("becomes root", "'setuid', 0", "'setgroups', 1, bytes(4)"),
    refuses(
        "gives itself capabilities",
        "'capset', (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(*[0xffffffff] * 6)",
    ),
    Hostile("calls the kernel by x32's numbers", "tell(libc.syscall(0x40000000 | 39), ctypes.get_errno())", "-1 38"),
    Hostile("calls the kernel by the numbers of 32 bits", INT_80, "-38|arm64"),
    Hostile("makes its own child call what is refused, as its tracer", TRACED, "EAFNOSUPPORT|arm64"),
]


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
async def test_a_program_gets_nothing_of_a_kernel_that_it_must_not_have_when_it(program: Hostile, seen: Seen) -> None:
    program.check(*seen[program.does])
