"""The child's own seccomp filter, as the kernel would run it on both machines."""

from __future__ import annotations

import errno
import importlib.util
import socket
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sandbox.bpf import INSTRUCTION, answer
from tests.sandbox.rig import RESOURCES

ALLOW = 0x7FFF0000
EPERM, ENOSYS, EAFNOSUPPORT = (0x50000 | number for number in (errno.EPERM, errno.ENOSYS, errno.EAFNOSUPPORT))
ARCHES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
OTHER_ARCHES = (0x40000003, 0x40000028, 0xC00000F3, 0x80000015, 0)  # i386, arm, riscv64, ppc64, none
# From the kernel's own tables (arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h).
NUMBERS = {
    "x86_64": {
        "socket": 41,
        "socketpair": 53,
        "bpf": 321,
        "perf_event_open": 298,
        "userfaultfd": 323,
        "add_key": 248,
        "request_key": 249,
        "keyctl": 250,
        "unshare": 272,
        "setns": 308,
        "prlimit64": 302,
        "setpriority": 141,
        "sched_setparam": 142,
        "sched_setscheduler": 144,
        "sched_setaffinity": 203,
        "sched_setattr": 314,
        "clone": 56,
        "read": 0,
        "write": 1,
        "openat": 257,
        "execve": 59,
        "kill": 62,
        "connect": 42,
        "getpid": 39,
    },
    "aarch64": {
        "socket": 198,
        "socketpair": 199,
        "bpf": 280,
        "perf_event_open": 241,
        "userfaultfd": 282,
        "add_key": 217,
        "request_key": 218,
        "keyctl": 219,
        "unshare": 97,
        "setns": 268,
        "prlimit64": 261,
        "setpriority": 140,
        "sched_setparam": 118,
        "sched_setscheduler": 119,
        "sched_setaffinity": 122,
        "sched_setattr": 274,
        "clone": 220,
        "read": 63,
        "write": 64,
        "openat": 56,
        "execve": 221,
        "kill": 129,
        "connect": 203,
        "getpid": 172,
    },
}
BOTH = {
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "mount_setattr": 442,
    "clone3": 435,
}
NEVER = ("bpf", "perf_event_open", "userfaultfd", "add_key", "request_key", "keyctl", "unshare", "setns")
ON_OTHERS = ("prlimit64", "sched_setparam", "sched_setscheduler", "sched_setaffinity", "sched_setattr")
FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)
EXOTIC = {"AF_NETLINK": 16, "AF_PACKET": 17, "AF_BLUETOOTH": 31, "AF_ALG": 38, "AF_VSOCK": 40, "AF_XDP": 44, "none": 0}


@pytest.fixture(scope="module")
def jail() -> ModuleType:
    spec = importlib.util.spec_from_file_location("jail", RESOURCES / "image/supervisor/jail.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=ARCHES)
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def asked(jail: ModuleType, machine: str, name: str, *arguments: int) -> int:
    number = {**NUMBERS[machine], **BOTH}[name]
    return answer(jail.program(machine), ARCHES[machine], number, arguments)


def test_what_no_program_needs_is_refused_whatever_its_arguments(jail: ModuleType, machine: str) -> None:
    for name in (*NEVER, *(name for name in BOTH if name != "clone3")):
        assert {asked(jail, machine, name, first) for first in (0, 1, 2, 10, 65532)} == {EPERM}, name


@pytest.mark.parametrize("call", ["socket", "socketpair"])
def test_sockets_are_of_three_families(jail: ModuleType, machine: str, call: str) -> None:
    assert {asked(jail, machine, call, family, 1) for family in FAMILIES} == {ALLOW}
    for name, family in EXOTIC.items():
        assert asked(jail, machine, call, family, 3) == EAFNOSUPPORT, name


@given(family=st.integers(0, (1 << 64) - 1))
def test_a_family_is_what_the_kernel_takes_it_for_its_lower_half(jail: ModuleType, family: int) -> None:
    for machine in ARCHES:
        known = family & 0xFFFFFFFF in FAMILIES
        assert asked(jail, machine, "socket", family) == (ALLOW if known else EAFNOSUPPORT)


def test_limits_and_scheduling_are_a_programs_own_and_never_those_of_pid_1(jail: ModuleType, machine: str) -> None:
    for name in ON_OTHERS:
        assert asked(jail, machine, name, 1) == EPERM
        assert asked(jail, machine, name, (7 << 32) | 1) == EPERM, "a pid is the lower half"
        assert asked(jail, machine, name, 0) == asked(jail, machine, name, 2) == ALLOW
    assert asked(jail, machine, "setpriority", 0, 1) == asked(jail, machine, "setpriority", 1, 1) == EPERM
    assert asked(jail, machine, "setpriority", 2, 0) == asked(jail, machine, "setpriority", 2, 65532) == EPERM
    assert asked(jail, machine, "setpriority", 0, 0) == asked(jail, machine, "setpriority", 1, 7) == ALLOW


def test_a_clone_gets_no_namespace(jail: ModuleType, machine: str) -> None:
    for bit in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert asked(jail, machine, "clone", bit | 17) == EPERM
    threads = 0x3D0F00  # as pthread_create asks for it
    assert asked(jail, machine, "clone", 17) == asked(jail, machine, "clone", threads) == ALLOW
    assert asked(jail, machine, "clone3", 0, 88) == ENOSYS


def test_what_programs_live_on_is_allowed(jail: ModuleType, machine: str) -> None:
    for name in ("read", "write", "openat", "execve", "kill", "connect", "getpid"):
        assert {asked(jail, machine, name, first) for first in (0, 1, 40)} == {ALLOW}, name


@given(number=st.integers(0, (1 << 32) - 1), arguments=st.lists(st.integers(0, (1 << 64) - 1), max_size=6))
def test_another_machines_calls_and_x32s_dont_exist(jail: ModuleType, number: int, arguments: list[int]) -> None:
    for machine, arch in ARCHES.items():
        code = jail.program(machine)
        assert {answer(code, other, number, arguments) for other in OTHER_ARCHES} == {ENOSYS}
        assert answer(code, arch, number | 0x40000000, arguments) == ENOSYS
        assert answer(code, arch, number, arguments) in (ALLOW, EPERM, ENOSYS, EAFNOSUPPORT)


def test_every_line_of_the_filter_is_reached_and_none_jumps_out_of_it(jail: ModuleType, machine: str) -> None:
    code = jail.program(machine)
    lines = [INSTRUCTION.unpack_from(code, at) for at in range(0, len(code), INSTRUCTION.size)]
    reached, ahead = set(), {0}
    while ahead:
        at = ahead.pop()
        reached.add(at)
        operation, if_true, if_false, _ = lines[at]
        if operation != 0x06:
            ahead |= {at + 1 + if_true, at + 1 + if_false} - reached
    assert reached == set(range(len(lines)))


def test_a_machine_that_it_was_not_written_for_is_refused(jail: ModuleType) -> None:
    with pytest.raises(KeyError):
        jail.program("riscv64")
