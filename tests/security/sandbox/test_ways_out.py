"""Networks, devices, sockets of the engine, /proc and /sys: nothing there leads out."""

from __future__ import annotations

import pytest
from tests.security.sandbox.ground import Hostile, Seen

pytestmark = pytest.mark.full

CONNECT = """
import socket
def dial(family, kind, address):
    with socket.socket(family, kind) as made:
        made.settimeout(5)
        made.sendto(b'x', address) if kind == socket.SOCK_DGRAM else made.connect(address)
kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
"""
RESOLVE = """
import socket
def resolve(name):
    try: return socket.getaddrinfo(name, 80)
    except socket.gaierror as error: return 'nothing' if error.errno in (-2, -3) else repr(error)
names = ('example.org', 'host.docker.internal', 'metadata.google.internal', 'gateway.docker.internal')
tell(*map(resolve, names))
"""
FAMILIES = """
import socket
refused = [
    tried(lambda: socket.socket(family, kind))
    for family in range(60) if family not in (1, 2, 10)
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET)
]
tell(*refused)
"""
RAW = """
import socket
tell(*[tried(lambda: socket.socket(family, socket.SOCK_RAW, protocol))
       for family in (socket.AF_INET, socket.AF_INET6) for protocol in (1, 6, 17, 255)])
"""
ENGINE = """
import socket, stat
def is_socket(path): return stat.S_ISSOCK(os.lstat(path).st_mode)
sockets = [path for top in os.listdir('/') if top not in ('proc', 'sys') for folder, _, names in os.walk(f'/{top}')
           for name in names if is_socket(path := os.path.join(folder, name))]
def dial(path):
    with socket.socket(socket.AF_UNIX) as made: made.connect(path)
paths = ('/var/run/docker.sock', '/run/docker.sock', '/run/containerd/containerd.sock', '/run/podman/podman.sock')
tell(sockets, *[tried(lambda: dial(path)) for path in paths])
"""
ABSTRACT = """
import socket
def dial(name):
    with socket.socket(socket.AF_UNIX) as made: made.connect(name)
names = ('\\0/containerd-shim/x', '\\0/tmp/.X11-unix/X0', '\\0/org/freedesktop/systemd1')
tell(*[tried(lambda: dial(name)) for name in names])
"""
DEVICES = """
import stat
kinds = (stat.S_IFBLK, stat.S_IFCHR)
numbers = ((8, 0), (254, 0), (253, 0), (1, 1), (1, 2), (1, 11), (10, 200), (10, 229), (10, 232))
tell(*[tried(lambda: os.mknod(f'out/{kind}{major}.{minor}', kind | 0o666, os.makedev(major, minor)))
       for kind in kinds for major, minor in numbers])
"""
OPEN_DEVICES = """
names = ('mem', 'kmem', 'port', 'kmsg', 'kvm', 'fuse', 'net/tun', 'sda', 'vda', 'nvme0', 'loop0', 'loop-control',
         'mapper/control', 'vhost-net', 'vsock', 'uinput', 'rtc', 'watchdog', 'console')
tell(*[opened(f'/dev/{name}', os.O_RDWR) for name in names])
"""
KNOWN_DEVICES = """
import stat
found = [name for name in os.listdir('/dev') if stat.S_ISCHR(os.lstat(f'/dev/{name}').st_mode)]
blocks = [name for name in os.listdir('/dev') if stat.S_ISBLK(os.lstat(f'/dev/{name}').st_mode)]
tell(','.join(sorted(found)), blocks)
"""
IMAGE = """
def write(path):
    with open(path, 'wb') as file: file.write(b'x')
tell(*[tried(lambda: write(path)) for path in (
    '/x', '/etc/passwd', '/etc/ld.so.preload', '/opt/astro/waiting.py', '/opt/site/x.pth',
    '/opt/astro/supervisor/run.py', '/usr/bin/python3',
    '/usr/lib/python3/dist-packages/x.pth', '/var/tmp/x', '/root/x', '/home/x', '/run/x')])
"""
PROC = """
def write(path):
    with open(path, 'wb', buffering=0) as file: file.write(b'1')
tell(*[tried(lambda: write(f'/proc/{path}')) for path in (
    'sysrq-trigger', 'sys/kernel/core_pattern', 'sys/kernel/modprobe', 'sys/kernel/hostname', 'sys/vm/panic_on_oom',
    'sys/vm/drop_caches', 'sys/net/ipv4/ip_forward', 'sys/fs/binfmt_misc/register',
    'sys/kernel/ns_last_pid', 'irq/0/smp_affinity', 'fs/jbd2/x', 'self/uid_map', 'self/setgroups')])
"""
READS = """
def read(path):
    with open(path, 'rb') as file: return len(file.read(4096))
names = ('kcore', 'keys', 'timer_list', 'latency_stats', 'kmsg', 'sched_debug')
tell(*[tried(lambda: read(f'/proc/{name}')) for name in names])
"""
SYS = """
def write(path):
    with open(path, 'wb', buffering=0) as file: file.write(b'1')
tops = ('power', 'kernel/mm', 'kernel/debug', 'class/net', 'fs', 'devices/system/cpu')
paths = [os.path.join(folder, name) for top in tops
         for folder, _, names in os.walk(f'/sys/{top}') for name in names][:2000]
tell(len(paths) > 100, *[tried(lambda: write(path)) for path in paths])
"""
CGROUP = """
import glob
def write(path):
    with open(path, 'wb', buffering=0) as file: file.write(b'/workspace/out/agent')
def make():
    os.mkdir('/sys/fs/cgroup/memory/mine' if os.path.isdir('/sys/fs/cgroup/memory') else '/sys/fs/cgroup/mine')
names = ('release_agent', 'notify_on_release', 'cgroup.procs', 'memory.limit_in_bytes', 'memory.max', 'pids.max')
paths = [path for name in names for path in glob.glob(f'/sys/fs/cgroup/**/{name}', recursive=True)]
tell(bool(paths), tried(make), *[tried(lambda: write(path)) for path in paths])
"""
SETUID = """
import stat, subprocess
marked = stat.S_ISUID | stat.S_ISGID
found = [path for folder, _, names in os.walk('/') if not folder.startswith(('/proc', '/sys'))
         for name in names if os.lstat(path := os.path.join(folder, name)).st_mode & marked]
with open('program', 'w') as file: file.write('#!/bin/sh\\nid -u; id -g; grep CapEff /proc/self/status')
os.chmod('program', 0o6755)
tell(found, subprocess.check_output(['./program'], text=True).split())
"""
NOEXEC = """
import shutil, subprocess
for folder in ('/tmp', '/dev/shm'):
    shutil.copy('/bin/true', f'{folder}/program')
    tell(tried(lambda: subprocess.run([f'{folder}/program'])))
"""
ENVIRONMENT = """
known = {'PATH', 'HOME', 'TMPDIR', 'LANG', 'TZ', 'LC_CTYPE', 'ASTRO_WAITING'}
with open('/proc/self/environ') as file: first = {each.split('=')[0] for each in file.read().split('\\0') if each}
tell(sorted(set(os.environ) | first - known), 'ASTRO_WAITING' in os.environ)
"""
HOST = """
with open('/proc/self/mountinfo') as file: sources = {line.split()[3] for line in file}
paths = ('/host', '/mnt', '/rootfs', '/var/lib/docker', '/proc/1/root/work', '/work', '/../work', '/etc/shadow')
known = ('/hostname', '/hosts', '/resolv.conf')
tell([path for path in sources if 'docker/' in path[9:] and not path.endswith(known)],
     *[opened(path) for path in paths if not os.path.isdir(path) or os.listdir(path)])
"""
TERMINAL = """
import fcntl, termios
tell(opened('/dev/tty', os.O_RDWR), *[tried(lambda: fcntl.ioctl(n, termios.TIOCSTI, b'x')) for n in (0, 1, 2)])
"""
OTHERS = """
processes = [name for name in os.listdir('/proc') if name.isdigit()]
tell(len(processes), os.getppid(), [os.path.exists(f'/proc/{pid}') for pid in (1, os.getpid(), 4000000)])
"""

PROGRAMS = [
    Hostile(
        "dials addresses of IPv4, the metadata's and the engine's bridge among them",
        CONNECT + "tell(*[tried(lambda: dial(socket.AF_INET, kind, (host, 80))) for kind in kinds for host in "
        "('192.0.2.1', '8.8.8.8', '169.254.169.254', '172.17.0.1', '10.0.0.1', '255.255.255.255', '224.0.0.1')])",
        "ENETUNREACH|ENETUNREACH EACCES",
    ),
    Hostile(
        "dials addresses of IPv6",
        CONNECT + "tell(*[tried(lambda: dial(socket.AF_INET6, kind, (host, 80, 0, scope))) for kind in kinds "
        "for host, scope in (('2001:db8::1', 0), ('fd00:ec2::254', 0), ('fe80::1', 1), ('::ffff:8.8.8.8', 0))])",
        "(ENETUNREACH|EADDRNOTAVAIL|EAFNOSUPPORT|EPERM| )+",
    ),
    Hostile(
        "asks servers of DNS itself",
        CONNECT + "tell(*[tried(lambda: dial(socket.AF_INET, kind, (host, 53))) for kind in kinds "
        "for host in ('8.8.8.8', '1.1.1.1', '127.0.0.11')])",
        "ENETUNREACH ECONNREFUSED( done None)?",
    ),
    Hostile("resolves names", RESOLVE, "nothing"),
    Hostile("asks for a socket of every other family", FAMILIES, "EAFNOSUPPORT"),
    Hostile("asks for raw sockets", RAW, "EPERM"),
    Hostile("looks for the engine's socket", ENGINE, r"\[\] ENOENT"),
    Hostile("dials abstract sockets of the host", ABSTRACT, "ECONNREFUSED"),
    Hostile("makes devices", DEVICES, "EPERM"),
    Hostile("opens the host's devices", OPEN_DEVICES, "(ENOENT|EACCES|ENXIO|EPERM| )+"),
    Hostile("looks which devices there are", KNOWN_DEVICES, r"full,null,random,tty,urandom,zero \[\]"),
    Hostile("writes to the image", IMAGE, "EROFS|EROFS EACCES|EROFS (ENOENT|EACCES| )+"),
    Hostile("writes to /proc", PROC, "(EROFS|EACCES|ENOENT|EPERM| )+"),
    Hostile("reads what /proc tells of the host", READS, "(done 0|EACCES|ENOENT|EPERM| )+"),
    Hostile("writes to /sys", SYS, "True (EROFS|EACCES|EPERM| )+"),
    Hostile("writes to its control groups", CGROUP, "True EROFS( EACCES)?|True (EROFS|EACCES| )+"),
    Hostile(
        "looks for setuid programs and makes one", SETUID, r"\[\] \['65532', '65532', 'CapEff:', '0000000000000000'\]"
    ),
    Hostile("starts programs from where none may start", NOEXEC, "EACCES\nEACCES"),
    Hostile(
        "looks into its environment", ENVIRONMENT, r"\['HOME', 'LANG', ('LC_CTYPE', )?'PATH', 'TMPDIR', 'TZ'\] False"
    ),
    Hostile("looks for the host's files", HOST, r"\[\]( EACCES| ENOENT)*"),
    Hostile("types into a terminal", TERMINAL, "(ENXIO|ENOTTY|EINVAL|EIO| )+"),
    Hostile("looks for other processes", OTHERS, r"2 1 \[True, True, False\]"),
]


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
async def test_nothing_leads_out_for_a_program_that(program: Hostile, seen: Seen) -> None:
    program.check(*seen[program.does])
