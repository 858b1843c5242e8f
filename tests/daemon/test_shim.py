"""What a host sees of the shim: how it starts, how it ends, and what it refuses."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters
from tests.quickest import ATTEMPTS, within_blocking

from astro_mcp.shim.hello import hello
from astro_mcp.shim.place import VERSION

from . import traps
from .home import PATIENCE, SHIM, SLEEP, Home, alive, until


def test_the_hello_has_these_fields_and_no_others() -> None:
    told = {"version": str, "prefix": str, "pid": int, "cwd": str, "roots": list, "toolsets": list}
    told |= {"read_only": bool, "profile": str, "environment": dict, "network": dict}
    environment = {"ASTRO_MCP_X": "secret", "PIP_INDEX_URL": "secret", "https_proxy": "secret", "HOME": "/home"}
    said = hello(["--root", "/a", "--toolsets=files,git", "--read-only", "--profile=coding"], environment)
    assert {name: type(value) for name, value in said.items()} == told
    assert (said["roots"], said["toolsets"], said["read_only"], said["profile"]) == (
        ["/a"],
        ["files", "git"],
        True,
        "coding",
    )
    assert (list(said["environment"]), list(said["network"])) == (["ASTRO_MCP_X"], ["PIP_INDEX_URL", "https_proxy"])
    assert "secret" not in json.dumps(said)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_real_client_of_each_era_talks_through_the_shim(shared: Home, mode: str) -> None:
    environment = {**shared.environment, "ASTRO_MCP_HOME": str(shared.folder)}
    server = StdioServerParameters(command=SHIM, cwd=shared.project, env=environment)
    async with Client(server, mode=mode) as client:
        assert client.server_info is not None
        assert client.server_info.name == "astro-mcp"
        await client.list_tools()
        assert (await client.list_prompts()).prompts is not None


def test_the_end_of_input_ends_the_shim_with_0_and_leaves_the_daemon(shared: Home) -> None:
    host = shared.host()
    host.begin()
    pid = shared.pid
    assert host.end() == (0, "")
    assert alive(pid)


def test_what_was_asked_before_the_end_of_input_is_answered(shared: Home) -> None:
    shared.host().begin()
    host = shared.host()
    host.begin()
    for number in range(5):
        host.send({"jsonrpc": "2.0", "id": number, "method": "ping"})
    assert host.process.stdin is not None
    host.process.stdin.close()
    assert sorted(host.answer()["id"] for _ in range(5)) == list(range(5))
    assert host.process.wait(PATIENCE) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_shim_at_once(shared: Home, number: signal.Signals) -> None:
    hosts = [shared.host() for _ in range(ATTEMPTS)]
    for host in hosts:
        host.begin()

    def end_one() -> tuple[int, str]:
        host = hosts.pop()
        host.process.send_signal(number)
        return host.wait()

    assert within_blocking(1, end_one) == (-number, "")


@pytest.mark.parametrize("number", [None, signal.SIGTERM], ids=["end of input", "SIGTERM"])
def test_the_shim_ends_while_a_call_is_running_and_the_calls_container_goes(
    shared: Home, number: signal.Signals | None
) -> None:
    host = shared.host()
    host.begin()
    before = len(shared.calls("code_run"))
    host.start("code_run", SLEEP)
    until(shared.containers)
    if number is not None:
        host.process.send_signal(number)
    assert (host.end() if number is None else host.wait()) == (-(number or 0), "")
    until(lambda: not shared.containers())
    until(lambda: [row["code"] for row in shared.calls("code_run")[before:]][1:] == ["cancelled"])
    assert alive(shared.pid), "the daemon is there for others"


def test_a_killed_daemon_ends_the_shim_with_75_and_one_line(at: Home) -> None:
    host = at.host()
    host.begin()
    os.kill(at.pid, signal.SIGKILL)
    status, said = host.wait()
    assert status == 75
    assert said.count("\n") == 1
    assert "the daemon went away" in said


def test_after_a_kill_the_next_host_gets_a_new_daemon(at: Home) -> None:
    at.host().begin()
    first = at.pid
    os.kill(first, signal.SIGKILL)
    until(lambda: not alive(first))
    assert at.host().begin()["result"]["serverInfo"]["name"] == "astro-mcp"
    assert at.pid != first


def test_hosts_that_start_at_once_end_with_one_daemon(at: Home) -> None:
    hosts = [at.host() for _ in range(6)]
    assert all(host.begin()["result"] for host in hosts)
    log = (at.folder / "logs" / "daemon.log").read_text()
    assert log.count("ready on") == 1
    assert log.count(" connects,") == 6


def test_a_host_whose_settings_differ_is_refused_and_told_which(shared: Home) -> None:
    shared.host().begin()
    status, said = shared.host(
        extra={"ASTRO_MCP_WEB__USER_AGENT": "evil", "ASTRO_MCP_SEARCH__X__KEY": "hunter2"}
    ).wait()
    assert status == 1
    assert said.count("\n") == 1
    assert "ASTRO_MCP_SEARCH__X__KEY, ASTRO_MCP_WEB__USER_AGENT" in said
    assert "hunter2" not in said


def test_a_wrong_setting_is_told_to_the_host_that_started_the_daemon(at: Home) -> None:
    at.folder.mkdir(mode=0o700)
    (at.folder / "config.toml").write_text("[sandbox]\nmemory_nb = 3\n")
    status, said = at.host().wait()
    assert status == 1
    assert "config.toml:2" in said
    assert "memory_mb" in said


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--rooot", "/x"), "unknown option '--rooot'"),
        (("--root",), "--root needs a value"),
        (("--profile", "fulll"), "no profile is named 'fulll'"),
        (("--toolsets", "nonsense"), "no toolset is named 'nonsense'"),
    ],
)
def test_a_wrong_option_is_one_line_on_stderr(shared: Home, options: tuple[str, ...], reason: str) -> None:
    status, said = shared.host(*options).wait()
    assert status in (1, 2)
    assert reason in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o707])
def test_a_folder_that_others_can_enter_is_not_trusted(at: Home, mode: int) -> None:
    at.folder.mkdir()
    at.folder.chmod(mode)
    status, said = at.host().wait()
    assert status == 3
    assert "is open to others" in said


def test_a_data_folder_that_can_not_be_made_is_one_line_on_stderr(at: Home) -> None:
    at.folder.write_text("a file stands in the way")
    status, said = at.host(extra={"ASTRO_MCP_HOME": str(at.folder / "below")}).wait()
    assert status == 3
    assert "can't be made" in said
    assert "Traceback" not in said


def test_a_link_instead_of_the_socket_folder_is_not_trusted(at: Home, short: Path) -> None:
    runtime = short / "run"
    runtime.mkdir(mode=0o700)
    (short / "elsewhere").mkdir(mode=0o700)
    (runtime / "astro-mcp").symlink_to(short / "elsewhere")
    status, said = at.host(extra={"XDG_RUNTIME_DIR": str(runtime)}).wait()
    assert status == 3
    assert "is not a folder" in said


def test_what_listens_there_and_is_no_daemon_is_not_spoken_to(at: Home) -> None:
    at.folder.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(at.folder / "daemon.sock"))
        listener.listen()
        host = at.host()
        link, _ = listener.accept()
        with link:
            link.recv(65536)
            link.sendall(b"220 smtp ready\n")
            status, said = host.wait()
    assert status == 3
    assert "is no daemon" in said


def test_hosts_with_and_without_a_runtime_folder_meet_at_one_daemon(at: Home, short: Path) -> None:
    runtime = short / "run"
    runtime.mkdir(mode=0o700)
    at.host(extra={"XDG_RUNTIME_DIR": str(runtime)}).begin()
    assert at.owner["socket"].startswith(str(runtime))
    first = at.pid
    assert at.host().begin()["result"]
    assert at.pid == first


def test_a_folder_of_modules_named_like_the_standard_library_changes_nothing(at: Home, shared: Home) -> None:
    traps.lay(at)
    host = at.host(extra=traps.VARIABLES)
    assert host.begin()["result"]
    environment = dict(
        entry.split("=", 1) for entry in Path(f"/proc/{at.pid}/environ").read_text().split("\0") if "=" in entry
    )
    assert not set(traps.VARIABLES) & set(environment)
    assert Path(f"/proc/{at.pid}/cwd").resolve() == at.folder
    arguments = Path(f"/proc/{at.pid}/cmdline").read_bytes().split(b"\0")
    assert b"-I" in arguments
    plain = shared.host()
    plain.begin()
    assert traps.engine(host) == traps.engine(plain), "the engine is the machine's"
    traps.passed_by(host)
    assert host.end() == (0, "")
    traps.clear_for_python(at.project)
    as_module = at.host(command=(sys.executable, "-m", "astro_mcp"), extra=traps.VARIABLES)
    assert as_module.begin()["result"]
    assert as_module.end() == (0, "")
    assert traps.SPRUNG not in (at.folder / "logs" / "daemon.err").read_text()


@pytest.mark.full
def test_relative_folders_of_path_do_not_reach_the_daemon(at: Home) -> None:
    at.host(extra={"PATH": f".:{os.environ['PATH']}:bin"}).begin()
    environment = Path(f"/proc/{at.pid}/environ").read_text().split("\0")
    path = next(entry for entry in environment if entry.startswith("PATH="))
    assert all(part.startswith("/") for part in path.removeprefix("PATH=").split(":"))


def test_the_shim_imports_the_standard_library_alone() -> None:
    code = (
        "import sys; before = set(sys.modules); import astro_mcp.__main__, astro_mcp.shim.pump;"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before};"
        "print(*sorted(new - set(sys.stdlib_module_names)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["astro_mcp"]


def test_the_shim_knows_the_packages_version() -> None:
    assert version("astro-mcp") == VERSION
