"""The way out that an operator opened leads where it was opened to, however a program pulls at it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.net.web_site import Loopback, Names, answer, serving
from tests.sandbox.rig import SMALL
from tests.security.sandbox.ground import Ground, Hostile, Seen

from astro_mcp.sandbox.egress import Egress

pytestmark = pytest.mark.full

TOOLS = """
import socket, threading, time
SITE = os.environ['SITE']
host, port = os.environ['HTTP_PROXY'].rpartition('/')[2].split(':')
def dial(data=b''):
    made = socket.create_connection((host, int(port)), timeout=25)
    made.sendall(data)
    return made
def everything(made):
    parts = []
    while part := made.recv(65536): parts.append(part)
    return b''.join(parts)
def tunnel(to=SITE): return dial(f'CONNECT {to} HTTP/1.1\\r\\n\\r\\n'.encode())
def first(made): return made.recv(4096).split(b'\\r\\n')[0].split(b' ')[1].decode()
def hello():
    made = tunnel(); first(made)
    made.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n')
    return everything(made)[-5:].decode()
def abort(made):
    made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1] + [0] * 7)); made.close()
def first_process():
    with open('/proc/1/status') as file: return int(dict(row.split(':', 1) for row in file)['VmRSS'].split()[0])
"""
HOLD = """
held = [dial(b'CONNECT ') for _ in range(40)]
start = time.monotonic()
print(hello(), 5 < time.monotonic() - start < 25)
"""
FLOOD = """
before, kept = first_process(), []
def flood():
    for number in range(400):
        try: made = dial((b'CONNECT x.example:1 HTTP/1.1\\r\\n\\r\\n', b'x' * 9000, b'', b'GET ')[number % 4])
        except OSError: continue
        abort(made) if number % 2 else made.close()
threads = [threading.Thread(target=flood) for _ in range(4)]
[thread.start() for thread in threads]; [thread.join() for thread in threads]
print(hello(), first_process() - before < 8192)
"""
TAKE = """
def bind(*options):
    made = socket.socket()
    for option in options: made.setsockopt(socket.SOL_SOCKET, option, 1)
    made.bind((host, int(port))); made.listen()
address, shared = socket.SO_REUSEADDR, socket.SO_REUSEPORT
tell(tried(bind), tried(lambda: bind(address)), tried(lambda: bind(address, shared)))
print(hello())
"""
SECOND = """
made = dial(f'GET http://{SITE}/ HTTP/1.1\\r\\nConnection: keep-alive\\r\\n\\r\\n'
            f'GET http://169.254.169.254/ HTTP/1.1\\r\\n\\r\\n'.encode())
print(everything(made).count(b'HTTP/1.1 200'))
"""
LEAVE = """
for number in range(60):
    made = tunnel(SITE if number % 2 else 'x.example:1')
    if number % 3: first(made)
    if number % 5: made.sendall(b'GET / HTTP/1.1\\r\\n')
    abort(made) if number % 7 else made.shutdown(socket.SHUT_WR)
print(hello())
"""
DRIP = """
made = dial()
for byte in f'CONNECT {SITE} HTTP/1.1\\r\\n\\r\\n'.encode():
    made.sendall(bytes([byte])); time.sleep(.001)
print(first(made))
for byte in b'GET / HTTP/1.1\\r\\n\\r\\n': made.sendall(bytes([byte])); time.sleep(.001)
print(everything(made)[-5:].decode())
"""
FORMS = """
port_of = SITE.split(':')[1]
forms = ['127.0.0.1', '2130706433', '0x7f000001', '127.1', '0', 'localhost', '[::1]', '[::ffff:127.0.0.1]',
         '169.254.169.254', 'site.example.', 'SITE.EXAMPLE', ' site.example', 'site.example%00',
         'site.example@127.0.0.1', '127.0.0.1#site.example',
         'site\\u3002example', '.site.example', 'site.example..']
def asked(form):
    made = dial(f'CONNECT {form}:{port_of} HTTP/1.1\\r\\n\\r\\n'.encode())
    return first(made)
tell(*[f'{form}={status}' for form in forms if (status := asked(form)) not in ('403', '400')])
tell(*[first(tunnel(f'site.example{end}')) for end in (':1', ':99999', ':-1', ': 1', '', ':', ':٤')])
"""
LATE = """
def later():
    while True:
        try: everything(tunnel())
        except OSError: pass
[threading.Thread(target=later, daemon=True).start() for _ in range(8)]
if os.fork() == 0:
    os.setsid(); later()
print(hello())
"""
PROGRAMS = [
    Hostile("takes every place and asks for nothing", TOOLS + HOLD, "hello True", seconds=40),
    Hostile("floods its proxy from many threads", TOOLS + FLOOD, "hello True", seconds=60),
    Hostile("takes the place of its proxy", TOOLS + TAKE, "EADDRINUSE\nhello"),
    Hostile("asks twice through one connection", TOOLS + SECOND, "1"),
    Hostile("leaves in the middle of everything", TOOLS + LEAVE, "hello"),
    Hostile("speaks a byte at a time", TOOLS + DRIP, "200\nhello"),
    Hostile("writes addresses in every form", TOOLS + FORMS, r"site\.example\.=200 SITE\.EXAMPLE=200\n403 400"),
    Hostile("goes on behind its own end", TOOLS + LATE, "hello"),
]


@pytest.fixture(scope="module")
async def ground(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    async with serving() as site:
        site.replies["/"] = answer(b"hello")
        to = f"site.example:{site.port}"
        egress = Egress(SMALL.model_copy(update={"egress": (to,)}), resolve=Names(), policy=Loopback())
        folder = tmp_path_factory.mktemp("egress")
        async with Ground.open(folder, egress, egress=True, env={"SITE": to}) as made:
            yield made


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
async def test_nothing_else_is_reached_by_a_program_that(program: Hostile, seen: Seen) -> None:
    program.check(*seen[program.does])
