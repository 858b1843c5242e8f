"""The host's pipes in the daemon's hands: no process between them, and nothing that others notice."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import termios
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from astro_mcp.shim import handover
from astro_mcp.shim.handover import LEFT, TAKEN
from astro_mcp.shim.hello import hello
from astro_mcp.shim.place import ShimError

from .home import INITIALIZE, PATIENCE, SHIM, Home, Host, alive, until

PING = b'{"jsonrpc": "2.0", "id": 7, "method": "ping"}\n'


def held(pid: int, *, kind: str) -> set[str]:
    """What the process has open of that kind."""
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.add(os.readlink(entry))
        except OSError:
            continue  # closed meanwhile
    return {name for name in found if name.startswith(kind)}


def named(descriptor: int) -> str:
    return os.readlink(f"/proc/self/fd/{descriptor}")


def start(home: Home, host_in: int, host_out: int) -> subprocess.Popen[bytes]:
    """A shim on descriptors of the test's."""
    environment = {"PATH": os.environ["PATH"], "ASTRO_MCP_HOME": str(home.folder), **home.environment}
    return subprocess.Popen(
        [SHIM], cwd=home.project, env=environment, stdin=host_in, stdout=host_out, stderr=subprocess.PIPE
    )


@pytest.fixture
def host(shared: Home) -> Host:
    made = shared.host()
    made.begin()
    return made


def ends(host: Host) -> tuple[int, int]:
    assert host.process.stdin is not None
    assert host.process.stdout is not None
    return host.process.stdin.fileno(), host.process.stdout.fileno()


def test_the_daemon_reads_and_writes_the_hosts_pipes_itself_until_the_connection_ends(shared: Home, host: Host) -> None:
    pipes = {named(descriptor) for descriptor in ends(host)}
    assert pipes <= held(shared.pid, kind="pipe:")
    assert host.end() == (0, "")
    until(lambda: not pipes & held(shared.pid, kind="pipe:"))


def test_whoever_holds_the_same_pipes_sees_no_flag_change(shared: Home) -> None:
    (theirs, ours), (back, to) = os.pipe(), os.pipe()
    shim = start(shared, theirs, to)
    with os.fdopen(ours, "wb") as send, os.fdopen(back, "rb") as receive:
        send.write(json.dumps(INITIALIZE).encode() + b"\n")
        send.flush()
        assert json.loads(receive.readline())["id"] == 0
        assert named(theirs) in held(shared.pid, kind="pipe:")
        for descriptor in (theirs, to):
            assert not fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_NONBLOCK
            os.close(descriptor)
        send.close()
        assert shim.wait(PATIENCE) == 0
        assert receive.read() == b""


@pytest.mark.parametrize("blocking", [True, False])
def test_a_host_that_gives_sockets_is_answered_and_its_end_is_0(shared: Home, blocking: bool) -> None:
    with paired(2) as ((ours_in, theirs_in), (ours_out, theirs_out)):
        for end in (theirs_in, theirs_out):
            end.setblocking(blocking)
        shim = start(shared, theirs_in.fileno(), theirs_out.fileno())
        receive = ours_out.makefile("rb")
        ours_in.sendall(json.dumps(INITIALIZE).encode() + b"\n")
        assert json.loads(receive.readline())["id"] == 0
        assert named(theirs_in.fileno()) in held(shared.pid, kind="socket:")
        flag = fcntl.fcntl(theirs_in.fileno(), fcntl.F_GETFL) & os.O_NONBLOCK
        assert bool(flag) is not blocking
        theirs_in.close()
        theirs_out.close()
        ours_in.sendall(PING)
        ours_in.shutdown(socket.SHUT_WR)
        assert json.loads(receive.readline())["id"] == 7
        assert shim.wait(PATIENCE) == 0
        assert receive.read() == b""


def test_what_is_neither_a_pipe_nor_a_socket_is_carried(shared: Home, tmp_path: Path) -> None:
    (tmp_path / "asked").write_bytes(json.dumps(INITIALIZE).encode() + b"\n" + PING)
    with (tmp_path / "asked").open("rb") as asked, (tmp_path / "said").open("wb") as said:
        assert start(shared, asked.fileno(), said.fileno()).wait(PATIENCE) == 0
    assert [json.loads(line)["id"] for line in (tmp_path / "said").read_bytes().splitlines()] == [0, 7]


def test_what_a_host_wrote_before_it_closed_its_end_is_answered(shared: Home) -> None:
    (theirs, ours), (back, to) = os.pipe(), os.pipe()
    os.write(ours, json.dumps(INITIALIZE).encode() + b"\n" + PING)
    os.close(ours)
    shim = start(shared, theirs, to)
    os.close(theirs)
    os.close(to)
    with os.fdopen(back, "rb") as receive:
        assert [json.loads(line)["id"] for line in receive] == [0, 7]
    assert shim.wait(PATIENCE) == 0


def waiting(host: Host) -> int:
    """Bytes in the pipe that the host did not read yet."""
    found = array("i", [0])
    fcntl.ioctl(ends(host)[1], termios.FIONREAD, found)
    return found[0]


def test_answers_that_the_pipe_does_not_hold_come_whole_when_the_host_reads(shared: Home, host: Host) -> None:
    (shared.project / "long.txt").write_text("".join(f"line {number:>9} of many\n" for number in range(600)))
    for number in range(1, 13):
        host.start("fs_read", {"path": "long.txt"}, request_id=number)
    until(lambda: waiting(host) > 60_000)
    answers = [host.answer() for _ in range(12)]
    assert sorted(answer["id"] for answer in answers) == list(range(1, 13))
    texts = {answer["result"]["content"][0]["text"] for answer in answers}
    assert len(texts) == 1
    assert "line       599 of many" in texts.pop()


def test_a_killed_shim_ends_the_connection(shared: Home, host: Host) -> None:
    pipes = {named(descriptor) for descriptor in ends(host)}
    host.process.send_signal(signal.SIGKILL)
    assert host.process.stdout is not None
    assert host.process.stdout.read() == b"", "the end comes though the host's input goes on"
    until(lambda: not pipes & held(shared.pid, kind="pipe:"))
    assert alive(shared.pid)


def test_a_host_that_stops_reading_ends_the_shim(shared: Home, host: Host) -> None:
    assert host.process.stdout is not None
    host.process.stdout.close()
    assert host.wait() == (0, "")


@contextmanager
def paired(count: int) -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    made = [socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(count)]
    try:
        yield made
    finally:
        for one in made:
            for end in one:
                end.close()


def greeted(home: Home) -> socket.socket:
    """A connection that offered its pipes, and was told that they are taken."""
    link = socket.socket(socket.AF_UNIX)
    link.connect(home.owner["socket"])
    body: dict[str, Any] = {**hello(["--root", str(home.project)], {}), "gives": True}
    body["environment"] = {**hello([], home.environment)["environment"]}
    link.sendall(json.dumps(body).encode() + b"\n")
    assert json.loads(link.recv(65536))["takes"] is True
    return link


@pytest.mark.parametrize("given", ["nothing", "one", "files", "folders", "datagrams", "swapped"])
def test_descriptors_of_another_kind_are_closed_and_the_connection_goes_on(
    shared: Home, tmp_path: Path, given: str
) -> None:
    shared.host().begin()
    before = len(list(Path(f"/proc/{shared.pid}/fd").iterdir()))
    (tmp_path / "file").write_text("x")
    theirs, ours = os.pipe()
    datagrams = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    opened = [os.open(tmp_path / "file", os.O_RDWR), os.open(tmp_path, os.O_RDONLY)]
    choice = {
        "nothing": [],
        "one": [theirs],
        "files": [opened[0]] * 2,
        "folders": [opened[1]] * 2,
        "datagrams": [end.fileno() for end in datagrams],
        "swapped": [ours, opened[0]],
    }[given]
    with greeted(shared) as link:
        socket.send_fds(link, [b"\0"], choice)
        assert link.recv(1) == LEFT
        link.sendall(PING)
        assert json.loads(link.recv(65536))["id"] == 7
    for descriptor in (*opened, theirs, ours):
        os.close(descriptor)
    for end in datagrams:
        end.close()
    until(lambda: len(list(Path(f"/proc/{shared.pid}/fd").iterdir())) <= before)


KEPT_BACK = """
import socket, sys
socket.send_fds = lambda link, data, descriptors: link.sendall(data[0])
from astro_mcp.shim.pump import main
sys.exit(main([]))
"""


def test_a_host_whose_descriptors_are_kept_back_is_carried(shared: Home) -> None:
    host = shared.host(command=(sys.executable, "-c", KEPT_BACK))
    assert host.begin()["result"]
    assert named(ends(host)[0]) not in held(shared.pid, kind="pipe:")
    assert host.end() == (0, "")


def test_a_daemon_that_does_not_say_whether_it_took_them_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "SECONDS", 0.1)
    link, daemons = socket.socketpair()
    with link, daemons, pytest.raises(ShimError, match="did not answer"):
        handover.give(link)


WAITING = """
import socket, sys
from astro_mcp.shim.handover import until_end
print(until_end(socket.socket(fileno=int(sys.argv[1])), 0.2), file=sys.stderr)
"""


def test_the_time_to_answer_begins_when_the_hosts_last_byte_was_read() -> None:
    (theirs, ours), (back, to) = os.pipe(), os.pipe()
    os.write(ours, PING)
    os.close(ours)
    link, daemons = socket.socketpair()
    with link, daemons:
        shim = subprocess.Popen(
            [sys.executable, "-c", WAITING, str(link.fileno())],
            stdin=theirs,
            stdout=to,
            stderr=subprocess.PIPE,
            pass_fds=[link.fileno()],
        )
        with pytest.raises(subprocess.TimeoutExpired):
            shim.wait(1)
        assert os.read(theirs, 4096) == PING
        assert shim.communicate(timeout=PATIENCE)[1] == b"True\n"
    for descriptor in (theirs, back, to):
        os.close(descriptor)


def test_more_descriptors_than_two_are_not_even_received(shared: Home) -> None:
    before = len(list(Path(f"/proc/{shared.pid}/fd").iterdir()))
    (theirs, ours), (back, to), (other, one) = os.pipe(), os.pipe(), os.pipe()
    with greeted(shared) as link:
        socket.send_fds(link, [b"\0"], [theirs, to, one])
        assert link.recv(1) == TAKEN
        assert named(other) not in held(shared.pid, kind="pipe:")
        os.write(ours, PING)
        assert json.loads(os.read(back, 65536))["id"] == 7
    for descriptor in (theirs, ours, back, to, other, one):
        os.close(descriptor)
    until(lambda: len(list(Path(f"/proc/{shared.pid}/fd").iterdir())) <= before)
