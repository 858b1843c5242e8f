"""The canary meets each limit, and where one is not there the sandbox does not start and names it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.sandbox.rig import Containers, Make

from astro_mcp.config import RunLimits
from astro_mcp.errors import SandboxUnavailable
from astro_mcp.sandbox import canary, hardening, owner, verdict
from astro_mcp.sandbox.job import Job
from astro_mcp.sandbox.sandbox import Sandbox

CONTAINER = hardening.container
TRUE = Job(("true",), collect="")


@pytest.fixture
def unknown(make: Make, folder: Path) -> Path:
    """A house in which nothing is known of the engine."""
    (folder / verdict.FILE).unlink(missing_ok=True)
    return folder


async def test_of_a_known_engine_what_python_runs_there_is_told_without_a_container(
    make: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import platform, sys; print(platform.machine(), platform.release(), *sys.version_info[:3])"
    sandbox = make()
    said = (await sandbox.run(Job(("python3", "-c", code), collect=""))).stdout.decode().split()
    await sandbox.close()
    with monkeypatch.context() as patch:
        patch.setattr(hardening, "container", lambda *_, **__: pytest.fail("a container was made"))
        sandbox = make()
        told = await sandbox.python()
        await sandbox.close()
    version = ".".join(said[2:])
    assert [told["platform_machine"], told["platform_release"], told["python_full_version"]] == [*said[:2], version]
    kept = json.loads((folder / verdict.FILE).read_text())
    for damaged in ({**kept, "python": {"libc": 7}}, {"held": kept["held"]}, {**kept, "held": "another"}):
        (folder / verdict.FILE).write_text(json.dumps(damaged))
        assert verdict.known(folder, kept["held"]) is None


async def test_every_limit_holds_when_it_is_tried(sandbox: Sandbox) -> None:
    assert await sandbox.not_held() == []


@pytest.mark.parametrize(
    ("without", "named"),
    [
        ({"PidsLimit": 0}, "processes"),
        pytest.param({"NanoCpus": 0}, "CPUs", marks=pytest.mark.full),
        pytest.param({"Memory": 0, "MemorySwap": 0}, "memory", marks=pytest.mark.full),
        pytest.param({"ReadonlyRootfs": False}, "read-only root", marks=pytest.mark.full),
        pytest.param(
            {"Tmpfs": {"/workspace": "rw,mode=0700,uid=65532,gid=65532", "/tmp": "rw"}}, "disk", marks=pytest.mark.full
        ),
        pytest.param({"NetworkMode": "bridge"}, "network", marks=pytest.mark.full),
        pytest.param(
            {"Ulimits": [{"Name": "nofile", "Soft": 4096, "Hard": 4096}]}, "open files", marks=pytest.mark.full
        ),
    ],
)
async def test_the_sandbox_does_not_start_where_a_limit_is_ignored_and_says_which(
    make: Make,
    unknown: Path,
    containers: Containers,
    monkeypatch: pytest.MonkeyPatch,
    without: Mapping[str, Any],
    named: str,
) -> None:
    def ignoring(*args: Any, **kwargs: Any) -> dict[str, Any]:
        config = CONTAINER(*args, **kwargs)
        wrong = {"NetworkDisabled": False} if "NetworkMode" in without else {}
        return {**config, **wrong, "HostConfig": {**config["HostConfig"], **without}}

    with monkeypatch.context() as patch:
        patch.setattr(hardening, "container", ignoring)
        patch.setattr(hardening, "check", lambda *_, **__: None)
        sandbox = make()
        with pytest.raises(SandboxUnavailable, match=rf"go over its limits: .*\b{named}\b"):
            await sandbox.run(TRUE)
        await sandbox.close()
    assert not (unknown / verdict.FILE).exists()
    assert await containers() == []


@pytest.mark.full
async def test_what_a_busy_machine_made_of_one_try_is_no_limit_that_is_missing(
    make: Make, unknown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [["CPUs", "wall clock"], ["wall clock"]]

    async def one(*_: object) -> list[str]:
        return found.pop(0)

    monkeypatch.setattr(canary, "not_held", one)
    sandbox = make()
    with pytest.raises(SandboxUnavailable, match=r"over its limits: wall clock$"):
        await sandbox.run(TRUE)
    found = [["CPUs"], []]
    assert (await sandbox.run(TRUE)).exit_code == 0
    await sandbox.close()


@pytest.mark.full
async def test_what_held_is_not_tried_again_until_the_engine_or_the_boot_is_another(
    make: Make, unknown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    async def nothing(try_: canary.Try, limits: RunLimits) -> list[str]:
        tried.append("tried")
        return []

    async def run() -> int:
        sandbox = make()
        assert (await sandbox.run(TRUE)).exit_code == 0
        await sandbox.close()
        return len(tried)

    monkeypatch.setattr(canary, "not_held", nothing)
    assert [await run(), await run()] == [1, 1]
    monkeypatch.setattr(owner, "boot", lambda: "another")
    assert [await run(), await run()] == [2, 2]
    (unknown / verdict.FILE).write_text("{")
    assert await run() == 3
