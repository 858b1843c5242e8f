"""Docker contexts, as the real command line writes them: one that was chosen is followed, or it is said why not."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from tests.net.signed import self_signed
from tests.sandbox.test_engine import listening

from astro_mcp.cli.doctor_sandbox import SandboxChecks
from astro_mcp.config import SandboxSettings
from astro_mcp.core.agent import Health
from astro_mcp.errors import SandboxUnavailable
from astro_mcp.sandbox import address
from astro_mcp.sandbox.engine import Engine
from astro_mcp.sandbox.sandbox import Sandbox

ANSWER = b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps({"ApiVersion": "1.41"}).encode()
Docker = Callable[..., None]


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    """The command line of a user whose home is `tmp_path`, on a machine without an engine of its own."""
    monkeypatch.setattr(address, "SOCKET", tmp_path / "none.sock")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> None:
        subprocess.run(["docker", *arguments], check=True, capture_output=True, env={**os.environ}, timeout=20)

    return run


def chosen(docker: Docker, endpoint: str) -> None:
    docker("context", "create", "mine", "--docker", endpoint)
    docker("context", "use", "mine")


async def test_the_context_that_was_chosen_is_asked_before_the_machines_own_socket(
    docker: Docker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(tmp_path / "own.sock", ANSWER) as own, listening(tmp_path / "mine.sock", ANSWER) as mine:
        monkeypatch.setattr(address, "SOCKET", tmp_path / "own.sock")
        await anyio.to_thread.run_sync(chosen, docker, f"host={mine}")
        assert (await Engine.find("", tmp_path)).address.url == mine
        docker("context", "use", "default")
        assert (await Engine.find("", tmp_path)).address.url == own
        docker("context", "use", "mine")
    with listening(tmp_path / "own-2.sock", ANSWER) as own:
        monkeypatch.setattr(address, "SOCKET", tmp_path / "own-2.sock")
        assert (await Engine.find("", tmp_path)).address.url == own, (
            "an engine that does not run keeps nobody from another"
        )


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("host=ssh://somebody@somewhere", "by ssh"),
        ("host=tcp://192.0.2.1:2376,ca={pem},cert={pem},key={pem}", "with TLS"),
    ],
)
async def test_a_context_that_cant_be_spoken_to_says_why(
    docker: Docker, tmp_path: Path, endpoint: str, said: str
) -> None:
    chosen(docker, endpoint.format(pem=self_signed(tmp_path / "site.pem")))
    with pytest.raises(SandboxUnavailable, match=rf"context 'mine' can't be used here: it is reached {said}") as caught:
        await Engine.find("", tmp_path)
    assert "docker context use" in caught.value.hint


async def test_doctor_says_that_such_a_context_is_not_followed_where_another_engine_answers(
    docker: Docker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen(docker, "host=ssh://somebody@somewhere")
    with listening(tmp_path / "own.sock", ANSWER) as own:
        monkeypatch.setattr(address, "SOCKET", tmp_path / "own.sock")
        health = await looked(tmp_path)
    assert (health.ok, health.facts["engine"]) == (True, own)
    assert "'mine' can't be used here: it is reached by ssh" in health.fix


@pytest.mark.parametrize(
    ("name", "value", "fix"),
    [
        ("DOCKER_HOST", "tcp://192.0.2.1:2375", 'engine = "tcp://192.0.2.1:2375"'),
        ("DOCKER_CONTEXT", "mine", "docker context use mine"),
    ],
)
async def test_what_a_hosts_environment_names_is_not_taken_over_and_doctor_says_so(
    docker: Docker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, fix: str
) -> None:
    docker("context", "create", "mine", "--docker", "host=tcp://192.0.2.1:2375")
    monkeypatch.setenv(name, value)
    with listening(tmp_path / "own.sock", ANSWER) as own:
        monkeypatch.setattr(address, "SOCKET", tmp_path / "own.sock")
        assert [found.url for found in address.candidates("", tmp_path)] == [own]
        health = await looked(tmp_path)
    assert health.facts["engine"] == own
    assert fix in health.fix


async def test_without_any_engine_the_chosen_contexts_own_trouble_is_told(docker: Docker, tmp_path: Path) -> None:
    with listening(tmp_path / "old.sock", ANSWER.replace(b"1.41", b"1.24")) as old:
        await anyio.to_thread.run_sync(chosen, docker, f"host={old}")
        with pytest.raises(SandboxUnavailable, match=r"API 1\.24"):
            await Engine.find("", tmp_path)


async def looked(home: Path) -> Health:
    settings = SandboxSettings()
    return await SandboxChecks(settings, Sandbox(settings, home, home)).engine()
