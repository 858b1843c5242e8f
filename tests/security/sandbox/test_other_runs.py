"""A run that looks for what another was asked to do finds nothing of it, wherever it looks; its own it finds."""

from __future__ import annotations

import secrets
from dataclasses import replace

import anyio
import pytest
from tests.security.sandbox.ground import Ground, Hostile

from astro_mcp.sandbox.job import Job, Outcome, SandboxFile

pytestmark = pytest.mark.full

HUNT = """
import glob, socket, time
secret = BACKWARDS[::-1].encode()

def holds(path, most=1 << 26):
    try:
        with open(path, 'rb') as file: return secret in file.read(most)
    except OSError: return False

def memory(pid):
    try:
        with open(f'/proc/{pid}/maps') as maps, open(f'/proc/{pid}/mem', 'rb', buffering=0) as file:
            for line in maps:
                begin, end = (int(each, 16) for each in line.split()[0].split('-'))
                try:
                    file.seek(begin)
                    if secret in file.read(min(end - begin, 1 << 26)): return True
                except (OSError, ValueError, OverflowError): pass
    except OSError: pass
    return False

def sockets():
    for line in open('/proc/net/unix').read().splitlines()[1:]:
        name = line.split()[7:]
        if not name: continue
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(2)
            try:
                link.connect(name[0].replace('@', chr(0), 1))
                if secret in link.recv(1000): return True
            except OSError: pass
    return False

def hunt():
    found = set()
    for pid in filter(str.isdigit, os.listdir('/proc')):
        if int(pid) == os.getpid(): continue
        for name in ('environ', 'cmdline', 'comm'):
            if holds(f'/proc/{pid}/{name}'): found.add(name)
        for number in range(3, 64):
            if os.path.isfile(f'/proc/{pid}/fd/{number}') and holds(f'/proc/{pid}/fd/{number}'): found.add('fd')
        if memory(pid): found.add('mem')
    for top in ('/workspace', '/tmp', '/dev/shm', '/dev/mqueue', '/run', '/var', '/opt/site'):
        for folder, _, files in os.walk(top):
            for name in files:
                if name != 'program.py' and holds(os.path.join(folder, name)): found.add(top)
    for path in glob.glob('/proc/sysvipc/*') + ['/proc/keys', '/proc/1/mountinfo', '/proc/kmsg']:
        if holds(path): found.add(path)
    if sockets(): found.add('socket')
    return ' '.join(sorted(found)) or 'nothing'

print(hunt(), flush=True)
reader, writer = os.pipe()
if not os.fork():
    kept = bytes(secret)
    with open('/dev/shm/planted', 'wb') as file: file.write(secret)
    with open('out/../planted', 'wb') as file: file.write(secret)
    kept_fd = os.open('/tmp', os.O_TMPFILE | os.O_RDWR)
    os.write(kept_fd, secret)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(chr(0) + 'planted')
        server.listen()
        os.write(writer, b'.')
        while True: server.accept()[0].sendall(secret)
os.read(reader, 1)
print(hunt())
"""


async def test_a_run_finds_nothing_of_what_another_was_asked_to_do(ground: Ground) -> None:
    secret = f"secret-{secrets.token_hex(16)}"
    code = (
        "import os, sys, time\nkept = sys.stdin.read() + os.environ['TOKEN']\nprint('up', flush=True)\ntime.sleep(300)"
    )
    given = (SandboxFile("program.py", f"{code}  # {secret}".encode()), SandboxFile("token", secret.encode()))
    up = anyio.Event()

    async def on_output(stream: str, data: bytes) -> None:
        up.set()

    victim = Job(
        ("python3", "program.py", secret),
        given,
        secret.encode(),
        timeout=200,
        env={"TOKEN": secret},
        on_output=on_output,
        script=True,
    )
    hunter = Hostile("hunts", f"BACKWARDS = {secret[::-1]!r}\n{HUNT}", seconds=60)
    found: list[Outcome] = []
    async with anyio.create_task_group() as group:
        group.start_soon(ground.sandbox.run, victim)
        with anyio.fail_after(60):
            await up.wait()
        for script in (True, False):  # by the interpreter that waited, and by a new one
            found.append(await ground.sandbox.run(replace(hunter.job, script=script)))
        group.cancel_scope.cancel()
    for outcome in found:
        assert outcome.exit_code == 0, outcome.stderr
        before, after = outcome.stdout.decode().splitlines()
        assert before == "nothing"
        assert after == "/dev/shm /workspace fd mem socket", "it finds what is there to be found"
    assert await ground.harm() == []
