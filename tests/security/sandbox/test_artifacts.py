"""What a program leaves in out/: files with plain names come back whole, and nothing else of the machine does."""

from __future__ import annotations

import pytest
from tests.security.sandbox.ground import Hostile, Seen

from astro_mcp.sandbox import frames

pytestmark = pytest.mark.full

LINKS = """
os.symlink('/etc/passwd', 'out/absolute'); os.symlink('../program.py', 'out/inner'); os.symlink('/etc', 'out/folder')
os.symlink('/proc/1/environ', 'out/proc'); os.symlink('loop', 'out/loop'); os.symlink('/proc/self/fd/0', 'out/stdin')
"""
HARD = """
open('own', 'w').write('own'); os.link('own', 'out/own')
paths = ('/etc/passwd', '/opt/astro/waiting.py', '/proc/1/environ')
tell(*[tried(lambda: os.link(path, 'out/theirs')) for path in paths])
"""
SPECIAL = """
import socket, stat
os.mkfifo('out/fifo')
socket.socket(socket.AF_UNIX).bind('out/socket')
os.mknod('out/whiteout', stat.S_IFCHR | 0o666, 0)  # the one device that needs no capability
os.mkdir('out/shut'); open('out/shut/x', 'w').close(); os.chmod('out/shut', 0)
open('out/unreadable', 'w').close(); os.chmod('out/unreadable', 0)
"""
NAMES = """
names = [b'-rf', b'--help', b'...', b' ', b'a\\\\b', b'C:', b'~', b'$(id)', b'%2e%2e', b'\\xc3\\xbc']
refused = [b'line\\nfeed', b'bell\\x07', b'escape\\x1b[2J', b'\\xff\\xfe', b'\\xed\\xa0\\x80', b'delete\\x7f']
refused.append(b'carriage\\rreturn')
for name in names + refused:
    with open(b'out/' + name, 'wb') as file: file.write(b'x')
"""
LONG = """
long = 'n' * 250
folder = 'out'
for _ in range(5):
    folder += '/' + long
    os.mkdir(folder)
open(f'{folder}/x', 'w').close()
open(f'out/{long}x', 'w').close()
"""
PLAIN = ("-rf", "--help", "...", " ", "a\\b", "C:", "~", "$(id)", "%2e%2e", "ü")
DEEP = """
def descend(levels):
    for level in range(levels):
        with open(f'f{level}', 'w') as file: file.write(str(level))
        os.mkdir('d'); os.chdir('d')
os.chdir('out'); descend(3000)
"""
FLOOD = """
for number in range(20_000): os.close(os.open(f'out/{number:05}', os.O_CREAT))
"""
LARGE = """
for number in range(8):
    with open(f'out/{number}', 'wb') as file: file.truncate(9 << 20)
open('out/small', 'w').write('kept')
"""
REPLACED = "os.rmdir('out'); "
PROGRAMS = [
    Hostile(
        "links to what lies outside",
        LINKS,
        limits=("files",),
        withheld=("absolute", "folder", "inner", "loop", "proc", "stdin"),
    ),
    Hostile("makes hard links to the image's files", HARD, "(EPERM|EXDEV|EACCES|EROFS| )+", files={"own": b"own"}),
    Hostile(
        "leaves pipes, sockets, devices and what nobody may read",
        SPECIAL,
        limits=("files",),
        withheld=("fifo", "shut", "socket", "unreadable", "whiteout"),
    ),
    Hostile(
        "gives names that a shell, a terminal or a decoder trips over",
        NAMES,
        limits=("files",),
        files=dict.fromkeys(PLAIN, b"x"),
        withheld=(
            "bell\a",
            "carriage\rreturn",
            "delete\x7f",
            r"escape\x1b\[2J",
            "line\nfeed",
            r"\\udced\\udca0\\udc80",
            r"\\udcff\\udcfe",
        ),
    ),
    Hostile(
        "gives a path that is too long", LONG, limits=("files",), withheld=("n{200}",), files={"n" * 250 + "x": b""}
    ),
    Hostile(
        "makes a tree of three thousand levels",
        DEEP,
        limits=("files",),
        files={"d/" * level + f"f{level}": str(level).encode() for level in range(17)},
        withheld=("(d/){16}d",),
    ),
    Hostile(
        "leaves twenty thousand files",
        FLOOD,
        limits=("files",),
        files={f"{number:05}": b"" for number in range(frames.COLLECT_FILES)},
        withheld=(*(f"{number:05}" for number in range(500, 599)), "… 19401 more"),
    ),
    Hostile(
        "leaves more than may come back",
        LARGE,
        limits=("files",),
        files={**{str(number): bytes(9 << 20) for number in range(7)}, "small": b"kept"},
        withheld=("7",),
    ),
    Hostile("puts a link to a folder in place of out/", REPLACED + "os.symlink('/etc', 'out')"),
    Hostile("puts a link to the workspace in place of out/", REPLACED + "os.symlink('.', 'out')"),
    Hostile("puts a link to PID 1's root in place of out/", REPLACED + "os.symlink('/proc/1/root/etc', 'out')"),
    Hostile("puts a pipe in place of out/", REPLACED + "os.mkfifo('out')"),
    Hostile("puts a file in place of out/", REPLACED + "open('out', 'w').close()"),
    Hostile("takes out/ away", REPLACED),
    Hostile("locks the workspace up", "open('out/x', 'w').close(); os.chmod('/workspace', 0)"),
    Hostile(
        "holds a lease on what it leaves",
        "import fcntl\nfile = open('out/x', 'w'); fcntl.fcntl(file, fcntl.F_SETLEASE, 1)",
        files={"x": b""},
    ),
]


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
async def test_nothing_but_files_comes_back_from_a_program_that(program: Hostile, seen: Seen) -> None:
    program.check(*seen[program.does])
