"""The daemon: one a folder, hostile greetings, its end by signal, request and idleness."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from astro_mcp.sandbox.sandbox import AT_ONCE
from astro_mcp.shim.hello import hello
from astro_mcp.shim.place import VERSION
from astro_mcp.shim.start import connect

from .conftest import WARM
from .home import PATIENCE, SLEEP, Home, alive, until

HOSTILE = (
    b"GET / HTTP/1.1\r\n",
    b"[1, 2]\n",
    b'{"roots": "/etc"}\n',
    b'{"roots": [1]}\n',
    b'{"control": "explode"}\n',
    b'{"cwd": "' + b"x" * 70_000 + b'"}\n',
    b"[" * 60_000 + b"\n",
    b"\n",
)


def ask(at: Home, body: dict[str, Any]) -> dict[str, Any] | None:
    found = connect(str(at.folder), {}, body, start=False)
    if found is None:
        return None
    found[0].close()
    return found[1]


def dial(at: Home) -> socket.socket:
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(PATIENCE)
    link.connect(str(at.folder / "daemon.sock"))
    return link


def test_two_hosts_share_one_daemon(shared: Home) -> None:
    hosts = [shared.host(), shared.host()]
    assert all(host.begin()["result"] for host in hosts)
    status = ask(shared, {"control": "status"})
    assert status is not None
    assert (status["connections"], status["kind"]) == (2, "daemon")


def test_the_daemon_outlives_the_host_that_started_it_and_its_whole_process_group(at: Home) -> None:
    host = at.host()
    host.begin()
    pid = at.pid
    os.killpg(host.process.pid, signal.SIGKILL)
    host.process.wait()
    assert alive(pid)
    assert at.host().begin()["result"]
    assert at.pid == pid


def test_a_second_daemon_on_the_folder_says_who_holds_it(shared: Home) -> None:
    shared.host().begin()
    second = shared.host("daemon", "run", command=(sys.executable, "-I", "-m", "astro_mcp"))
    status, said = second.wait()
    assert status == 3
    assert f"in use by the daemon with pid {shared.pid} since" in said
    assert ask(shared, {"control": "status"}) is not None


def test_stop_ends_it_and_frees_folder_and_socket(at: Home) -> None:
    host = at.host()
    host.begin()
    pid = at.pid
    assert ask(at, {"control": "stop"}) is not None
    assert host.wait()[0] == 75
    until(lambda: not alive(pid))
    assert not (at.folder / "daemon.sock").exists()
    assert ask(at, {"control": "status"}) is None
    assert at.host().begin()["result"]


def test_sigterm_drains_it_of_a_running_call_before_the_alarm_of_five_seconds_ends_it(at: Home) -> None:
    host = at.host()
    host.begin()
    pid = at.pid
    host.start("code_run", SLEEP)
    until(at.containers)
    os.kill(pid, signal.SIGTERM)
    until(lambda: not alive(pid))
    assert not (at.folder / "daemon.sock").exists()
    assert host.wait()[0] == 75
    assert "ended" in (at.folder / "logs" / "daemon.log").read_text(), "its own end, not the alarm's"
    assert at.containers() == []


@pytest.mark.full
def test_a_host_that_comes_while_it_ends_gets_the_next_one(at: Home) -> None:
    at.host().begin()
    first = at.pid
    os.kill(first, signal.SIGTERM)
    assert at.host().begin()["result"]
    assert at.pid != first


def test_it_ends_when_idle_and_not_while_a_host_is_there(at: Home) -> None:
    at.environment["ASTRO_MCP_DAEMON__IDLE_SECONDS"] = "1"
    host = at.host()
    host.begin()
    pid = at.pid
    deadline = time.monotonic() + 1.8
    until(lambda: time.monotonic() > deadline)
    assert alive(pid)
    host.end()
    until(lambda: not alive(pid))


def test_a_hostile_greeting_is_refused_and_harms_nobody(shared: Home) -> None:
    host = shared.host()
    host.begin()
    for line in HOSTILE:
        with dial(shared) as link:
            link.sendall(line)
            said = json.loads(link.makefile("rb").readline())
            assert said["error"]["code"] == "invalid_input", line[:40]
        assert host.ask("ping")["result"] == {}


@pytest.mark.full
def test_a_greeting_that_never_comes_is_not_waited_for(shared: Home) -> None:
    shared.host().begin()
    with dial(shared) as link:
        said = json.loads(link.makefile("rb").readline())
        assert said["error"]["code"] == "timeout"
        assert "within 5 s" in said["error"]["message"]


def test_a_newer_shim_of_another_installation_is_served_and_changes_nothing(shared: Home) -> None:
    host = shared.host()
    host.begin()
    before = ask(shared, {"control": "status"})
    body = {
        **hello((), shared.environment),
        "version": "99.0",
        "prefix": "/elsewhere",
        "dance": True,
        "cwd": str(shared.project),
    }
    reply = ask(shared, body)
    assert reply is not None
    assert reply["ok"] is True
    assert (reply["pid"], reply["version"]) == (shared.pid, VERSION)
    until(lambda: ask(shared, {"control": "status"}) == before)
    assert host.ask("ping")["result"] == {}
    log = (shared.folder / "logs" / "daemon.log").read_text()
    assert log.count("ready on") == 1
    assert "/elsewhere" not in log


def test_a_root_that_is_refused_is_told_in_the_instructions(shared: Home) -> None:
    for asked in ("/", os.path.expanduser("~"), str(shared.folder)):
        host = shared.host("--root", asked)
        said = host.begin()["result"]["instructions"]
        assert "\n! " in said
        assert asked in said
        host.end()


def test_a_host_whose_machine_reaches_others_in_another_way_is_told_whose_is_used(shared: Home) -> None:
    assert "\n! " not in shared.host().begin()["result"]["instructions"]
    index = "https://user:word@index.invalid"
    said = shared.host(extra={"PIP_INDEX_URL": index}).begin()["result"]["instructions"]
    assert "\n! this host's PIP_INDEX_URL differs from the running daemon's" in said
    assert index not in said
    assert "PIP_INDEX_URL" not in Path(f"/proc/{shared.pid}/environ").read_text()


@pytest.mark.parametrize(("profile", "most"), [("full", 32_000), ("coding", 16_000)])
def test_the_list_of_tools_stays_within_what_a_host_can_afford(shared: Home, profile: str, most: int) -> None:
    host = shared.host("--profile", profile)
    host.begin()
    listed = host.ask("tools/list")["result"]
    assert len(listed["tools"]) > 10
    assert len(json.dumps(listed, separators=(",", ":"), ensure_ascii=False)) <= most


def test_two_hosts_with_different_roots_see_nothing_of_each_other(shared: Home, tmp_path: Path) -> None:
    hosts = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.txt").write_text(f"only {name}\n" * 4000)
        hosts.append(shared.host("--root", str(tmp_path / name)))
        hosts[-1].begin()
    first, second = hosts
    own = first.call("fs_read", {"path": "a.txt"})["structuredContent"]
    artifact = first.call("fs_read", {"path": "a.txt"})["_meta"]["astro/whole"]
    for path in ("a.txt", str(tmp_path / "a" / "a.txt"), "../a/a.txt"):
        assert second.call("fs_read", {"path": path})["isError"]
    assert "a.txt" not in json.dumps(second.call("fs_list", {}))
    missing = f"astro://artifacts/{'0' * 64}"
    stolen = second.call("fs_read", {"path": "a.txt", "cursor": own["next_cursor"]})
    assert stolen["structuredContent"]["error"]["code"] == "not_found"
    answers = [second.call("astro_read", {"uri": uri})["structuredContent"]["error"] for uri in (artifact, missing)]
    assert answers[0] == answers[1]
    assert not first.call("astro_read", {"uri": artifact})["isError"]


def test_a_read_only_host_can_not_write(shared: Home) -> None:
    host = shared.host("--read-only")
    host.begin()
    said = host.call("fs_write", {"path": "x.txt", "content": "x"})
    assert said["structuredContent"]["error"]["code"] == "forbidden"
    assert not (shared.project / "x.txt").exists()


def test_a_greeting_can_not_forge_a_line_of_the_log(shared: Home) -> None:
    shared.host().begin()
    for body in ({"environment": {"X\n2026-01-01 INFO forged \x1b[31m": "1"}}, {"profile": "x\nforged"}):
        with dial(shared) as link:
            link.sendall(json.dumps(body).encode() + b"\n")
            assert json.loads(link.makefile("rb").readline())["error"]
    log = (shared.folder / "logs" / "daemon.log").read_text()
    assert "forged" in log
    assert not any("forged" in line and "refused" not in line for line in log.splitlines())
    assert "\x1b" not in log


def test_a_toolset_that_is_left_out_hands_out_no_files(shared: Home) -> None:
    (shared.project / "secret.txt").write_text("mine")
    host = shared.host("--toolsets", "code")
    host.begin()
    said = host.ask("resources/read", {"uri": "astro://files/secret.txt"})
    assert said["error"]["data"]["error"]["code"] == "forbidden"
    template = {"type": "ref/resource", "uri": "astro://files/{+path}"}
    said = host.ask("completion/complete", {"ref": template, "argument": {"name": "path", "value": ""}})
    assert said["error"]["code"] == -32003
    assert host.ask("resources/read", {"uri": "astro://health"})["result"]
    assert not host.call("astro_read", {"uri": "astro://agents"})["isError"]


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.full)])
@pytest.mark.full
def test_however_it_ends_no_waiting_container_and_no_session_is_left(at: Home, number: signal.Signals) -> None:
    del at.environment[WARM]
    host = at.host()
    host.begin()
    assert not host.call("code_run", {"session": "kept", "code": "x = 1"})["isError"]
    until(lambda: len(at.containers()) > 1)
    pid = at.pid
    os.kill(pid, number)
    until(lambda: not alive(pid))
    until(lambda: at.containers() == [])


@pytest.mark.full
def test_killed_in_the_middle_of_twenty_runs_it_leaves_no_container_five_seconds_later(at: Home) -> None:
    del at.environment[WARM]
    at.environment["ASTRO_MCP_LIMITS__SANDBOXES"] = at.environment["ASTRO_MCP_LIMITS__CALLS_PER_AGENT"] = "20"
    host = at.host()
    host.begin()
    for number in range(20):
        host.start("code_run", SLEEP, request_id=100 + number)
    until(lambda: len(at.calls("code_run")) == 20)
    until(lambda: len(at.containers()) >= AT_ONCE)  # the others wait for their turn
    pid = at.pid
    os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    until(lambda: not alive(pid))
    until(lambda: at.containers() == [] or time.monotonic() - killed > 5)
    assert at.containers() == []
    assert at.host().begin()["result"]
