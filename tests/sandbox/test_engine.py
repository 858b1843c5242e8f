"""Without a usable engine a run fails at once, and says the one thing to do."""

from __future__ import annotations

import errno
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import docker
import pytest
from anyio.abc import ByteStream
from tests.quickest import within
from tests.sandbox.rig import RESOURCES, Make

from astro_mcp.config import SandboxSettings
from astro_mcp.errors import ProviderFailed, SandboxUnavailable
from astro_mcp.sandbox import address, hardening, hints, verdict
from astro_mcp.sandbox.address import Address, parse
from astro_mcp.sandbox.container import Container
from astro_mcp.sandbox.engine import Engine
from astro_mcp.sandbox.hints import linux_line
from astro_mcp.sandbox.job import Job
from astro_mcp.sandbox.sandbox import Sandbox

RUN = Job(("true",))


@contextmanager
def listening(path: Path, answer: bytes) -> Iterator[str]:
    """Something at a socket that answers every connection with `answer`, or with nothing at all."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    kept: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                peer = server.accept()[0]
            except OSError:
                return
            kept.append(peer)
            if answer:
                with suppress(OSError):  # who asked may have gone
                    peer.recv(1000)
                    peer.sendall(answer)
                peer.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"unix://{path}"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()
        for peer in kept:
            peer.close()


async def refusal(sandbox: Sandbox) -> SandboxUnavailable:
    with pytest.raises(SandboxUnavailable) as caught:
        await sandbox.run(RUN)
    await sandbox.close()
    return caught.value


@pytest.mark.alone
async def test_no_engine_is_told_within_a_second_with_one_line_to_install_it(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address, "SOCKET", tmp_path / "none.sock")
    monkeypatch.setattr(address, "context", lambda home: None)
    error = await within(1, lambda: refusal(make(SandboxSettings())))
    assert "docker" in error.hint
    assert "\n" not in error.hint


async def test_an_engine_that_the_settings_name_and_that_is_not_there_is_named(make: Make, tmp_path: Path) -> None:
    engine = f"unix://{tmp_path}/none.sock"
    error = await refusal(make(SandboxSettings(engine=engine)))
    assert error.message == f"there is no Docker engine at {engine}"
    assert "config.toml" in error.hint


@pytest.mark.full
async def test_an_engine_that_hangs_is_given_up_after_three_seconds(make: Make, tmp_path: Path) -> None:
    with listening(tmp_path / "hung.sock", b"") as url:
        began = time.monotonic()
        error = await within(5, lambda: refusal(make(SandboxSettings(engine=url))))
    assert time.monotonic() - began > 2.5
    assert "does not answer" in error.message


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps({"ApiVersion": "1.24"}).encode(), "API 1.24"),
        (b"HTTP/1.0 200 OK\r\n\r\n<html>", "no Docker engine"),
        (b"SSH-2.0\r\n\r\n", "no Docker engine"),
    ],
)
async def test_what_is_too_old_or_no_engine_is_told(make: Make, tmp_path: Path, answer: bytes, said: str) -> None:
    with listening(tmp_path / "odd.sock", answer) as url:
        error = await refusal(make(SandboxSettings(engine=url)))
    assert said in error.message


async def test_an_address_that_cant_be_spoken_to_is_told(make: Make) -> None:
    error = await refusal(make(SandboxSettings(engine="ssh://somewhere")))
    assert "sandbox.engine" in error.hint


@pytest.mark.parametrize(
    "url", ["tcp://host:99999", "tcp://host:x", "tcp://[::1", "tcp://a..b:2375", "unix:///a\0b", "tcp://", "unix://"]
)
async def test_what_is_no_address_is_told_and_how_one_reads(make: Make, url: str) -> None:
    sandbox = make(SandboxSettings(engine=url))
    error = await refusal(sandbox)
    assert error.hint == (await sandbox.health()).fix
    assert "tcp://host:port" in error.hint


def test_an_address_of_digits_in_brackets_keeps_them() -> None:
    assert parse("tcp://[::1]:2375") == Address("tcp://[::1]:2375", host="::1", port=2375)


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0\r\n\r\n", b"HTTP/1.1 500 Odd\r\n\r\n{}", b"x" * (1 << 17), b"HTTP/1.1 200"]
)
async def test_an_odd_answer_to_an_attachment_is_told_and_may_be_tried_again(tmp_path: Path, answer: bytes) -> None:
    with listening(tmp_path / "odd.sock", answer) as url, pytest.raises(ProviderFailed) as caught:
        await Engine(parse(url), "1.41").attach("a-container")
    assert (caught.value.retryable, caught.value.hint) == (True, hints.LOOK)


async def test_a_container_whose_connection_breaks_before_it_is_ready_is_told() -> None:
    class Broken(ByteStream):
        async def receive(self, max_bytes: int = 1) -> bytes:
            raise anyio.BrokenResourceError

        async def send(self, item: bytes) -> None:
            raise anyio.BrokenResourceError

        async def send_eof(self) -> None: ...

        async def aclose(self) -> None: ...

    with ThreadPoolExecutor(1) as reaper:
        container = Container(Engine(parse("unix:///none"), "1.41"), {}, reaper)
        container._stream = Broken()
        with pytest.raises(ProviderFailed) as caught:
            await container.ready()
    assert (caught.value.retryable, caught.value.hint) == (True, hints.LOOK)


async def test_threads_that_speak_to_the_engine_for_the_first_time_at_once_share_one_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[docker.APIClient] = []

    class Slow(docker.APIClient):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            opened.append(self)
            time.sleep(0.1)

    monkeypatch.setattr(docker, "APIClient", Slow)
    engine = Engine(parse("unix:///none"), "1.41")
    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(engine.call, id)
    engine.close()
    assert len(opened) == 1


@pytest.mark.full
async def test_an_engine_that_is_refused_leaves_no_connection(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> str:
        raise ProviderFailed("on purpose")

    sandbox = make()
    monkeypatch.setattr(verdict, "subject", refuse)
    held = []
    for _ in range(3):
        with pytest.raises(ProviderFailed, match="on purpose"):
            await sandbox.run(RUN)
        held.append(len(os.listdir("/proc/self/fd")))
    assert held[0] == held[-1]
    monkeypatch.undo()
    assert (await sandbox.run(RUN)).exit_code == 0
    await sandbox.close()


@pytest.mark.full
async def test_a_folder_that_cant_keep_what_the_canary_found_keeps_nobody_from_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(verdict, "keep", full)
    sandbox = Sandbox(SandboxSettings(), tmp_path / "images", RESOURCES)
    assert (await sandbox.run(RUN)).exit_code == 0
    await sandbox.close()


async def test_a_missing_image_is_told_with_how_to_build_it(make: Make, tmp_path: Path) -> None:
    (tmp_path / "image").mkdir()
    (tmp_path / "image/recipe").write_text("another")
    sandbox = make(resources=tmp_path)
    health = await sandbox.health()
    assert (health.ok, "sandbox build" in health.fix) == (False, True)
    error = await refusal(sandbox)
    assert error.hint == health.fix


async def test_health_tells_engine_api_image_and_canary(sandbox: Sandbox) -> None:
    assert (await sandbox.health()).facts["canary"] == "not run yet"
    await sandbox.run(RUN)
    health = await sandbox.health()
    assert health.ok
    assert health.facts == {
        "engine": "unix:///var/run/docker.sock",
        "api": health.facts["api"],
        "runtime": "the engine's default",
        "image": sandbox.tag,
        "canary": "holds",
    }


@pytest.mark.parametrize(
    ("release", "program"),
    [
        ({"ID": "debian"}, "sudo apt-get install -y docker.io"),
        ({"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}, "sudo apt-get install -y docker.io"),
        ({"ID": "fedora"}, "sudo dnf install"),
        ({"ID": "unheard-of"}, "docker info"),
    ],
)
def test_the_install_line_fits_the_system(release: dict[str, str], program: str) -> None:
    assert program in linux_line(release, root=False)


HOLDS = {
    "uid": [65532] * 6,
    "groups": [65532],
    "capabilities": [0] * 5,
    "no_new_privileges": True,
    "seccomp": True,
    "memory": 512 << 20,
    "processes": 64,
    "cpus": 1.0,
    "interfaces": ["lo"],
    "writable": ["/tmp", "/workspace", "/dev/shm"],
    "mounts": {
        "/": {"read_only": True},
        "/tmp": {"nosuid": True, "nodev": True, "noexec": True, "bytes": 64 << 20},
        "/workspace": {"nosuid": True, "nodev": True, "noexec": False, "bytes": 256 << 20},
        "/dev/shm": {"nosuid": True, "nodev": True, "noexec": True, "bytes": 64 << 20},
    },
    "limits": {"NOFILE": 1024, "FSIZE": 256 << 20, "CORE": 0},
}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"memory": 0}, "the memory limit"),
        ({"memory": 1 << 62}, "the memory limit"),
        ({"processes": 0}, "the process limit"),
        ({"cpus": 0.0}, "the CPU limit"),
        ({"interfaces": ["lo", "eth0"]}, "no network"),
        ({"writable": ["/tmp", "/var/tmp"]}, "no other place to write to"),
        ({"uid": [0] * 6}, "an unprivileged user"),
        ({"capabilities": [0, 0, 0, 1, 0]}, "no capabilities"),
        ({"seccomp": False}, "seccomp"),
        ({"no_new_privileges": False}, "no new privileges"),
        ({"mounts": {**HOLDS["mounts"], "/": {"read_only": False}}}, "a read-only root"),  # type: ignore[dict-item] # one table of many types
        ({"mounts": {**HOLDS["mounts"], "/dev/shm": HOLDS["mounts"]["/workspace"]}}, "the bounds of shared memory"),  # type: ignore[dict-item,index] # as above
        ({"limits": {"NOFILE": -1, "FSIZE": 1, "CORE": 0}}, "the limit of open files"),
        ({"mounts": None}, "a whole answer"),
    ],
)
def test_a_wall_that_the_engine_left_out_stops_the_run(change: dict[str, object], named: str) -> None:
    hardening.check(HOLDS, SandboxSettings())
    with pytest.raises(SandboxUnavailable, match=named):
        hardening.check({**HOLDS, **change}, SandboxSettings())
