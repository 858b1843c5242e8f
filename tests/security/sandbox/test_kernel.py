"""System calls by which a process gets more than it has: each is refused, and says so."""

from __future__ import annotations

import pytest
from tests.security.sandbox.ground import Hostile, Seen

NAMESPACES = (0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)
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


def refused(name: str, arguments: str = "0, 0, 0, 0, 0", said: str = "EPERM", does: str = "") -> Hostile:
    return Hostile(does or f"calls {name}", f"tell(call({name!r}, {arguments}))", said)


PROGRAMS = [
    refused("mount", "b'none', b'/workspace', b'tmpfs', 0, 0"),
    refused("umount2", "b'/tmp', 2"),
    refused("pivot_root", "b'/workspace', b'/workspace/out'"),
    refused("chroot", "b'/workspace'"),
    refused("fsopen", "b'tmpfs', 0"),
    refused("open_tree", "-100, b'/', 1"),
    refused("move_mount"),
    refused("mount_setattr"),
    Hostile(
        "unshares every kind of namespace", f"tell(*[call('unshare', kind) for kind in {NAMESPACES[1:]}])", "EPERM"
    ),
    Hostile(
        "clones into every kind of namespace",
        f"tell(*[call('clone', kind | 17, 0, 0, 0, 0) for kind in {NAMESPACES[1:]}])",
        "EPERM",
    ),
    refused("clone3", "0, 0", "ENOSYS|EPERM"),
    refused("setns", "os.open('/proc/self/ns/net', 0), 0"),
    refused("bpf", "0, 0, 0"),
    refused("perf_event_open"),
    refused("userfaultfd", "1"),
    Hostile(
        "uses io_uring",
        "tell(call('io_uring_setup', 1, bytes(120)), call('io_uring_enter', 0), call('io_uring_register', 0))",
        "EPERM",
    ),
    refused("add_key", "b'user', b'name', b'secret', 6, -3"),
    refused("request_key", "b'user', b'name', 0, -3"),
    refused("keyctl", "0, -3, 1"),
    refused("finit_module", "0, b'', 0"),
    refused("delete_module", "b'dummy', 0"),
    refused("kexec_load"),
    refused("reboot", "0xfee1dead, 672274793, 0"),
    refused("swapon", "b'/workspace/program.py', 0"),
    refused("clock_settime", "0, bytes(16)"),
    refused("sethostname", "b'mine', 4"),
    refused("acct", "0"),
    refused("quotactl"),
    refused("syslog", "3, bytes(99), 99", does="reads the kernel's log"),
    refused("open_by_handle_at", "-100, bytes(64), 0"),
    refused("fanotify_init"),
    refused("setuid", "0", does="becomes root"),
    refused("setgroups", "1, bytes(4)"),
    refused(
        "capset",
        "(ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(*[0xffffffff] * 6)",
        does="gives itself capabilities",
    ),
    Hostile("calls the kernel by x32's numbers", "tell(libc.syscall(0x40000000 | 39), ctypes.get_errno())", "-1 38"),
    Hostile("calls the kernel by the numbers of 32 bits", INT_80, "-38|arm64"),
    Hostile("makes its own child call what is refused, as its tracer", TRACED, "EAFNOSUPPORT|arm64"),
]


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
async def test_a_program_gets_nothing_of_a_kernel_that_it_must_not_have_when_it(program: Hostile, seen: Seen) -> None:
    program.check(*seen[program.does])
