"""What the operator named can be reached from a run, through the host's eyes; nothing else can."""

from __future__ import annotations

import errno
import json
import socket
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.net.web_site import Loopback
from tests.sandbox.rig import SMALL
from tests.sandbox.way_out import Endless, WayOut, deaf, way_out

from astro_mcp.core.authority import Scope
from astro_mcp.sandbox import container, hardening, relay
from astro_mcp.sandbox.egress import Egress
from astro_mcp.sandbox.frames import BrokenProtocol
from astro_mcp.sandbox.job import Job, Outcome, Traffic

MIB = 1 << 20
CLOSED = {
    "loopback.example": "127.0.0.2",
    "metadata.example": "169.254.169.254",
    "private.example": "10.1.2.3",
    "mapped.example": "::ffff:192.168.1.1",
    "six.example": "fd00:ec2::254",
}
LISTENING = """
def listening():
    with open("/proc/net/tcp") as file: return [row.split()[1] for row in list(file)[1:] if row.split()[3] == "0A"]
print(listening(), [name for name in os.environ if "proxy" in name.lower() or "CERT" in name], os.path.exists(".astro"))
"""


PROBES = """
import json
def direct(family, address):
    with socket.socket(family) as made:
        made.settimeout(5)
        try: return made.connect(address)
        except OSError as error: return error.errno
def resolved():
    try: return socket.getaddrinfo(SITE, 80)
    except socket.gaierror as error: return error.errno
def fetched(url):
    import urllib.error, urllib.request
    try: return urllib.request.urlopen(url, timeout=20).read().decode()
    except urllib.error.HTTPError as error: return f"{error.code} {error.read().decode()}"
    except urllib.error.URLError as error: return str(error.reason)
with open(os.environ["SSL_CERT_FILE"]) as file: authorities = file.read()
print(json.dumps({
    "tunnel": hello(),
    "fetched": {url: fetched(url) for url in @URLS@},
    "asked": {to: line(tunnel(to)) for to in @TARGETS@},
    "direct": [direct(socket.AF_INET, (host, PORT)) for host in ("192.0.2.1", "169.254.169.254", "172.17.0.1")],
    "loopback": direct(socket.AF_INET, ("127.0.0.1", PORT)),
    "six": direct(socket.AF_INET6, ("2001:db8::1", 80)),
    "resolved": resolved(),
    "interfaces": os.listdir("/sys/class/net"),
    "keys": "PRIVATE" in authorities,
}))
"""


@pytest.fixture(scope="module")
async def way(tmp_path_factory: pytest.TempPathFactory, known_engine: Callable[[Path], None]) -> AsyncIterator[WayOut]:
    folder = tmp_path_factory.mktemp("egress")
    known_engine(folder / "images")
    async with way_out(folder, (*CLOSED, "nowhere.example")) as made:
        made.names.answers = {name: [[address]] for name, address in CLOSED.items()}
        made.names.answers["nowhere.example"] = [[]]
        yield made


@dataclass
class Seen:
    """What one run found that tried everything."""

    found: Any
    outcome: Outcome
    targets: list[str]

    def of(self, to: str) -> Traffic:
        return next(one for one in self.outcome.egress if one.to == to)


@pytest.fixture(scope="module")
async def seen(way: WayOut) -> Seen:
    port, other = way.site.port, way.other.port
    targets = [f"other.example:{port}", f"sub.site.example:{port}", f"site.example:{other}", f"127.0.0.1:{port}"]
    targets += ["169.254.169.254:80", f"[::1]:{port}", f"site.example:{port}0", "nowhere.example:" + str(port)]
    targets += [f"{name}:{port}" for name in CLOSED]
    urls = [f"http://site.example:{port}/", f"https://site.example:{way.secure.port}/"]
    urls += ["http://other.example/", "https://other.example/"]
    code = PROBES.replace("@URLS@", repr(urls)).replace("@TARGETS@", repr(targets))
    outcome = await way.run(code)
    assert (outcome.exit_code, outcome.stderr) == (0, b""), outcome
    return Seen(json.loads(outcome.stdout), outcome, targets)


async def test_a_named_host_is_reached_through_a_tunnel_and_by_its_address(way: WayOut, seen: Seen) -> None:
    assert seen.found["tunnel"] == "hello"
    assert seen.found["fetched"][f"http://site.example:{way.site.port}/"] == "hello"
    assert way.site.requests[1][1]["host"] == f"site.example:{way.site.port}"
    one = seen.of(f"site.example:{way.site.port}")
    assert (one.connections, one.refused) == (2, "")
    assert min(one.sent, one.received) > 50
    assert seen.outcome.limits_hit == ()


async def test_tls_is_the_programs_own_and_it_trusts_whom_this_machine_trusts(way: WayOut, seen: Seen) -> None:
    assert seen.found["fetched"][f"https://site.example:{way.secure.port}/"] == "secret"
    assert seen.found["keys"] is False


async def test_what_was_not_named_is_refused_with_the_reason_and_never_asked_for(way: WayOut, seen: Seen) -> None:
    refused = "is not in the operator's sandbox.egress"
    for to in seen.targets[:5]:
        assert seen.found["asked"][to] == f"HTTP/1.1 403 {to} {refused}"
        assert seen.of(to).refused == f"{to} {refused}"
    for to in seen.targets[5:7]:
        assert seen.found["asked"][to] == "HTTP/1.1 400 that is no host name and port"
    assert seen.found["fetched"]["http://other.example/"] == f"403 other.example:80 {refused}\n"
    assert seen.found["fetched"]["https://other.example/"].endswith(f"403 other.example:443 {refused}")
    assert set(way.names.asked) == {"site.example", "nowhere.example", *CLOSED}
    assert way.other.requests == []


async def test_a_named_host_that_leads_to_this_machine_or_its_networks_is_refused(way: WayOut, seen: Seen) -> None:
    for name, address in {**CLOSED, "mapped.example": "192.168.1.1"}.items():
        reason = f"{name} is refused: {address} is not a public address"
        assert seen.found["asked"][f"{name}:{way.site.port}"] == f"HTTP/1.1 403 {reason}"


async def test_a_named_host_that_can_not_be_reached_is_told_apart_from_one_that_may_not(
    way: WayOut, seen: Seen
) -> None:
    assert seen.found["asked"][f"nowhere.example:{way.site.port}"] == "HTTP/1.1 502 nowhere.example has no address"


async def test_there_is_no_other_way_out_where_egress_is_on(seen: Seen) -> None:
    assert seen.found["direct"] == [errno.ENETUNREACH] * 3
    assert seen.found["loopback"] == errno.ECONNREFUSED
    assert seen.found["six"] in (errno.ENETUNREACH, errno.EADDRNOTAVAIL)
    assert seen.found["resolved"] in (socket.EAI_AGAIN, socket.EAI_NONAME)
    assert seen.found["interfaces"] == ["lo"]


async def test_without_egress_there_is_neither_listener_nor_variable(way: WayOut) -> None:
    assert await way.said(LISTENING, egress=False) == ["[] [] False"]


@pytest.mark.full
async def test_an_empty_list_is_no_egress_whatever_a_job_says(
    tmp_path: Path, known_engine: Callable[[Path], None]
) -> None:
    known_engine(tmp_path / "images")
    async with way_out(tmp_path, egress=()) as closed:
        assert await closed.said(LISTENING) == ["[] [] False"]


async def test_a_slow_program_and_a_slow_host_hold_each_other_up_and_fill_no_memory(way: WayOut) -> None:
    way.site.replies |= {"/endless": Endless(), "/deaf": deaf}
    code = """
before = first_process()[0]
unread, unsent = asked("/endless"), asked("/deaf")
unsent.settimeout(0.5)
try:
    while True: unsent.send(bytes(65536))
except TimeoutError: print(first_process()[0] - before < 8192)
"""
    outcome = await way.run(code)
    assert outcome.stdout == b"True\n", outcome
    [one] = outcome.egress
    assert one.sent < 16 * MIB
    assert one.received < 16 * MIB


async def test_garbage_and_half_requests_hold_nobody_up(way: WayOut) -> None:
    code = """
junk = [b"\\0" * 9000, b"GET / HTTP/1.1\\r\\n\\r\\n", b"CONNECT\\r\\n\\r\\n", b"GET https://a/ HTTP/1.1\\r\\n\\r\\n",
        b"CONNECT " + b"a" * 300 + b":1 HTTP/1.1\\r\\n\\r\\n", b"CONNECT \\xff:1 HTTP/1.1\\r\\n\\r\\n", b"\\r\\n\\r\\n"]
before = first_process()
half = [dial(b"CONNECT site.exa") for _ in range(10)]
print(*[line(dial(one)).split()[1] for one in junk])
for number in range(300):
    made = dial(junk[number % len(junk)][:5000])
    if number % 3: made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1] + [0] * 7))
    made.close()
print(hello())
after = first_process()
print(after[0] - before[0] < 8192, after[1] <= 64)
"""
    outcome = await way.run(code)
    assert outcome.stdout.decode().splitlines() == ["431 400 400 400 400 400 400", "hello", "True True"], outcome
    assert await way.said("print(hello())") == ["hello"]


async def test_a_run_that_is_cancelled_in_the_middle_of_a_download_leaves_no_connection(way: WayOut) -> None:
    way.site.replies["/endless"] = download = Endless()
    begun = anyio.Event()

    async def on_output(stream: str, data: bytes) -> None:
        begun.set()

    async with anyio.create_task_group() as group:
        job = way.job(
            "made = asked('/endless'); made.recv(9); print(1, flush=True); time.sleep(60)", on_output=on_output
        )
        group.start_soon(way.sandbox.run, job)
        await begun.wait()
        assert not download.left.is_set()
        group.cancel_scope.cancel()
    with anyio.fail_after(5):
        await download.left.wait()


async def test_a_connection_ends_with_its_sessions_turn_and_the_next_turn_has_its_own(way: WayOut) -> None:
    way.site.replies["/endless"] = download = Endless()
    scope = Scope("local", "0" * 32)

    async def turn(code: str) -> str:
        outcome = await way.sandbox.turn(scope, "one", way.job(code))
        assert (outcome.exit_code, outcome.over, outcome.stderr) == (0, False, b"")
        return outcome.stdout.decode()

    assert await turn("import builtins; builtins.kept = asked('/endless'); print(len(kept.recv(9)))") == "9\n"
    with anyio.fail_after(5):
        await download.left.wait()
    left = "try:\n while kept.recv(1 << 20): pass\n print('end')\nexcept ConnectionError: print('end')\n"
    assert await turn(f"{left}print(hello())") == "end\nhello\n"


async def test_the_bytes_of_a_run_are_bounded(way: WayOut, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(way.egress, "bytes", MIB)
    way.site.replies["/endless"] = Endless()
    outcome = await way.run("""
made = asked("/endless")
try: print(len(everything(made)))
except ConnectionResetError: print("reset")
print(line(tunnel(f"{SITE}:{PORT}")))
""")
    reason = "the run has sent and received the 1 MiB that it may"
    assert outcome.stdout.decode() == f"reset\nHTTP/1.1 429 {reason}\n", outcome
    assert outcome.limits_hit == ("network",)
    assert outcome.egress[0].received < 1.2 * MIB


@pytest.mark.full
async def test_the_connections_of_a_run_are_bounded(way: WayOut, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "IN_ALL", 3)
    outcome = await way.run("for _ in range(5): print(line(tunnel('x.example:1')).split()[1])")
    assert outcome.stdout.split() == [b"403", b"403", b"403", b"429", b"429"]
    assert outcome.limits_hit == ("network",)


@pytest.mark.full
async def test_a_connection_on_which_nothing_happens_ends(way: WayOut, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "IDLE_SECONDS", 0.3)
    way.site.replies["/deaf"] = deaf
    code = "try: everything(asked('/deaf'))\nexcept ConnectionResetError: print('reset')"
    assert await way.said(code) == ["reset"]


FORGED = """
import sys, time
sys.path.insert(0, "/opt/astro/supervisor")
import facts, frames, request
frames.send(b"R", frames.json_bytes(facts.gather()))
request.receive()
frames.send(b"c", bytes([0, 0, 0, 1]) + b"site.example:@PORT@")
frames.send(b"d", bytes([0, 0, 0, 9]) + b"data")
time.sleep(60)
"""


async def test_a_first_process_that_forges_is_told_of_and_ends_with_its_connections(way: WayOut) -> None:
    engine = await way.sandbox.engine()
    config = hardening.container(way.sandbox.tag, SMALL, {}, "")
    program = FORGED.replace("@PORT@", str(way.site.port))
    forging = {**config, "Entrypoint": ["python3", "-c", program]}
    egress = Egress(SMALL.model_copy(update={"egress": (f"site.example:{way.site.port}",)}), policy=Loopback())
    with ThreadPoolExecutor(1) as reaper:
        async with container.Container(engine, forging, reaper) as made:
            await made.ready()
            with pytest.raises(BrokenProtocol) as caught:
                await made.carry_out(Job(("true",)), 1000, egress)
    assert caught.value.hint == "a frame of a connection that is not open"
    assert await way.said("print(hello())") == ["hello"]
