"""`serve --in-process`: the stdio traps, and the lock that it shares with the daemon."""

from __future__ import annotations

import json
import os
import signal

import pytest
from mcp import Client, StdioServerParameters

from . import traps
from .home import SHIM, SLEEP, Home, alive, until

SERVE = ("serve", "--in-process")


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_real_client_of_each_era_talks_to_it(at: Home, mode: str) -> None:
    environment = {"ASTRO_MCP_HOME": str(at.folder)}
    server = StdioServerParameters(command=SHIM, args=list(SERVE), cwd=at.project, env=environment)
    async with Client(server, mode=mode) as client:
        assert client.server_info is not None
        assert client.server_info.name == "astro-mcp"
        await client.list_tools()


def test_the_end_of_input_ends_it_with_0(at: Home) -> None:
    host = at.host(*SERVE)
    host.begin()
    assert host.end() == (0, "")
    assert at.owner == {}, "it put its things away, and was not ended by the alarm"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_while_input_is_open(at: Home, number: signal.Signals) -> None:
    host = at.host(*SERVE)
    host.begin()
    host.process.send_signal(number)
    assert host.wait() == (0, "")
    assert at.owner == {}


@pytest.mark.parametrize(
    "number", [pytest.param(None, marks=pytest.mark.full), signal.SIGTERM], ids=["end of input", "SIGTERM"]
)
@pytest.mark.full
def test_it_ends_while_a_call_is_running_and_takes_the_calls_container_along(
    at: Home, number: signal.Signals | None
) -> None:
    host = at.host(*SERVE)
    host.begin()
    host.start("code_run", SLEEP)
    until(at.containers)
    if number is not None:
        host.process.send_signal(number)
    assert (host.end() if number is None else host.wait()) == (0, "")
    assert at.owner == {}
    assert at.containers() == []
    assert [row["code"] for row in at.calls("code_run") if row["phase"] != "intent"] == ["cancelled"]


def test_what_prints_in_the_process_lands_on_stderr(at: Home) -> None:
    host = at.host(*SERVE)
    host.begin()
    where = f"/proc/{host.process.pid}/fd"
    assert os.stat(f"{where}/1").st_ino == os.stat(f"{where}/2").st_ino
    assert os.readlink(f"{where}/0") == "/dev/null"


def test_it_says_who_holds_the_folder(shared: Home) -> None:
    shared.host().begin()
    status, said = shared.host(*SERVE).wait()
    assert status == 3
    assert f"in use by the daemon with pid {shared.pid} since" in said
    assert "astro-mcp daemon stop" in said


def test_a_shim_beside_it_is_told_the_same(at: Home) -> None:
    host = at.host(*SERVE)
    host.begin()
    status, said = at.host().wait()
    assert status == 3
    assert f"in use by the in-process server with pid {host.process.pid}" in said
    assert alive(host.process.pid)


def test_a_wrong_option_ends_it_with_one_line(at: Home) -> None:
    status, said = at.host(*SERVE, "--profile", "fulll").wait()
    assert status in (1, 2)
    assert "no profile is named 'fulll'" in said
    assert said.count("\n") == 1


@pytest.mark.full  # the shim's is in the short form
def test_a_folder_of_modules_named_like_the_standard_library_and_of_settings_changes_nothing(
    at: Home, shared: Home
) -> None:
    traps.lay(at)
    host = at.host(*SERVE, extra=traps.VARIABLES)
    host.begin()
    assert os.readlink(f"/proc/{host.process.pid}/cwd") == str(at.folder)
    plain = shared.host()
    plain.begin()
    assert traps.engine(host) == traps.engine(plain), "the engine is the machine's"
    traps.passed_by(host)
    found = host.call("kb_search", {"query": "a directory that is a pitfall"})
    assert not found["isError"]
    assert "a folder of traps" in json.dumps(found["structuredContent"])
    assert not host.call("fs_list", {})["isError"], "the project is still the root"
    assert host.end() == (0, "")
