"""How much, and how long: what a call moves, and hosts that take their time."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import anyio
import pytest
from tests.agents.git_remote.conftest import TOKEN, Bench
from tests.agents.git_remote.server import GitServer, Handler, advertising, packet, processes
from tests.quickest import with_pauses

from astro_mcp.net import origin
from astro_mcp.testing import workbench

pytestmark = pytest.mark.full


@pytest.fixture
def settings(settings: str, request: pytest.FixtureRequest) -> str:
    """With as many seconds as the test is marked with."""
    seconds = getattr(request, "param", 60)
    return settings.replace("[git.remote]\n", f"[git.remote]\ntimeout_seconds = {seconds}\n")


@pytest.fixture
def left(server: GitServer) -> Iterator[threading.Event]:
    """Lets hosts go that wait; one that hangs would keep the machine's threads."""
    event = threading.Event()
    server.replies["/project.git/info/refs"] = advertising("1" * 40, ["refs/heads/main"])
    yield event
    event.set()


async def test_what_is_long_goes_there_and_comes_back_as_it_is(bench: Bench) -> None:
    """Over git's own buffer of a megabyte, so that it is sent in chunks; and with a request that git packs."""
    data = os.urandom(3 << 20)
    (bench.project / "long.bin").write_bytes(data)
    for at in range(3):
        bench.committed("log.txt", f"{at}\n")
    got = await bench.call("git_push")
    assert got["commits"] == 3
    assert any(headers["Transfer-Encoding"] == "chunked" for _, _, headers in bench.server.asked)
    await bench.call("git_clone", url=bench.server.url(), path="copy")
    assert (bench.root / "copy/long.bin").read_bytes() == data
    for at in range(25):
        sha = bench.server.git("commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", str(at)).strip()
        bench.server.git("update-ref", f"refs/heads/b{at}", sha)
    assert (await bench.call("git_fetch"))["updated_count"] == 25
    assert any(headers["Content-Encoding"] == "gzip" for _, _, headers in bench.server.asked)


async def test_a_push_beyond_its_bound_ends_and_nothing_is_there(bench: Bench) -> None:
    before = bench.server.git("for-each-ref")
    (bench.project / "long.bin").write_bytes(os.urandom(5 << 20))
    bench.committed("more.txt", "more\n")
    error = await bench.refused("git_push")
    assert error["code"] == "limit_hit"
    assert bench.server.git("for-each-ref") == before


async def test_a_clone_whose_files_are_larger_than_its_bound_is_not_there(bench: Bench) -> None:
    """Five megabytes of nothing take little on the way."""
    (bench.project / "long.bin").write_bytes(bytes(5 << 20))
    bench.git("add", "-A")
    bench.git("commit", "-q", "-m", "Long")
    bench.git("push", "-q", str(bench.server.bare()), "main")
    error = await bench.refused("git_clone", url=bench.server.url(), path="copy")
    assert error["code"] == "limit_hit"
    assert [path.name for path in bench.root.iterdir()] == ["project"]


def test_a_process_that_is_killed_amid_a_clone_leaves_nothing_that_the_next_start_does_not_take_away(
    tmp_path: Path, server: GitServer, certificate: Path, settings: str, left: threading.Event
) -> None:
    root, data = tmp_path / "root", tmp_path / "data"
    root.mkdir()
    data.mkdir(mode=0o700)
    (data / "config.toml").write_text(settings)
    reached = threading.Event()

    def hold(handler: Handler) -> None:
        handler.body()
        reached.set()
        left.wait(20)

    server.replies["/project.git/git-upload-pack"] = hold
    child = Path(__file__).with_name("clone_child.py")
    top = Path(__file__).parents[3]
    arguments = [sys.executable, str(child), str(data), str(root), str(certificate), server.url()]
    with subprocess.Popen(arguments, env={**os.environ, "PYTHONPATH": str(top)}) as process:
        try:
            assert reached.wait(30)
        finally:
            process.kill()
    left.set()
    assert len(list(root.iterdir())) == 1
    assert len(list((data / "git").iterdir())) == 2

    async def next_start() -> None:
        async with workbench(data, roots=[root], environment={"ASTRO_MCP_TOKEN_SITE": TOKEN}) as bench:
            await bench.call("git_status")

    anyio.run(next_start)
    assert list(root.iterdir()) == []
    assert list((data / "git").iterdir()) == []
    while processes(lambda text: str(data) in text):
        time.sleep(0.02)


@pytest.mark.parametrize("settings", [1], indirect=True)
@pytest.mark.parametrize("path", ["info/refs", "git-upload-pack"])
async def test_a_host_that_drips_is_left_at_the_operators_time(bench: Bench, left: threading.Event, path: str) -> None:
    def drip(handler: Handler) -> None:
        handler.body()
        handler.send_response(200)
        handler.send_header("Content-Type", "application/x-git-upload-pack-advertisement")
        handler.end_headers()
        with suppress(OSError):
            handler.wfile.write(packet("NAK\n"))
            while not left.wait(0.1):
                handler.wfile.write(packet("\2still counting"))

    bench.server.replies[f"/project.git/{path}"] = drip
    began = time.monotonic()
    error = await bench.refused("git_fetch")
    assert time.monotonic() - began < 12
    assert error["code"] == "timeout"
    assert "1 s" in error["message"]


async def test_a_host_that_falls_silent_is_left(
    bench: Bench, left: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(origin, "IDLE_SECONDS", 0.3)

    def silent(handler: Handler) -> None:
        left.wait(20)

    bench.server.replies["/project.git/git-upload-pack"] = silent
    error = await bench.refused("git_fetch")
    assert (error["code"], error["retryable"]) == ("timeout", True)


async def test_the_loop_goes_on_while_a_host_lists_very_many_refs(bench: Bench) -> None:
    sha = bench.git("rev-parse", "HEAD").strip()
    reply = advertising(sha, [f"refs/heads/of/somebody/{number:05}/fix" for number in range(150_000)])
    bench.server.replies["/project.git/info/refs"] = reply
    error, pause = await with_pauses(lambda: bench.refused("git_fetch"))
    assert (error["code"], error["message"][:19]) == ("limit_hit", "150,000 refs differ")
    assert pause < 0.5
