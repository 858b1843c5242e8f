"""The runtime that the operator names is the one that containers get; one that the engine has not is refused."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest
from pydantic import ValidationError
from tests.sandbox.rig import SMALL, Containers, Make

from astro_mcp.config import SandboxSettings
from astro_mcp.errors import SandboxUnavailable
from astro_mcp.sandbox.job import Job
from astro_mcp.sandbox.runtimes import NAMES, match


@pytest.mark.parametrize("setting", ["runc", ""])
async def test_containers_get_the_runtime_that_is_set(
    make: Make, containers: Containers, engine: Any, setting: str
) -> None:
    sandbox = make(SMALL.model_copy(update={"runtime": setting}))
    found: list[str] = []

    async def look(stream: str, data: bytes) -> None:
        [row] = await containers()
        info = await anyio.to_thread.run_sync(engine.inspect_container, row["Id"])
        found.append(info["HostConfig"]["Runtime"])

    outcome = await sandbox.run(Job(("sh", "-c", "echo up; cat"), on_output=look))
    assert outcome.exit_code == 0
    assert found == ["runc"]
    assert (await sandbox.health()).facts["runtime"] == (setting or "the engine's default")
    await sandbox.close()


async def test_a_runtime_that_the_engine_has_not_is_refused_and_no_other_is_taken(
    make: Make, containers: Containers
) -> None:
    sandbox = make(SMALL.model_copy(update={"runtime": "kata"}))
    with pytest.raises(SandboxUnavailable, match=r"no runtime kata; it has: .*runc") as caught:
        await sandbox.run(Job(("true",)))
    assert "daemon.json" in caught.value.hint
    health = await sandbox.health()
    assert (health.ok, health.detail) == (False, caught.value.message)
    assert await containers() == []
    await sandbox.close()


@pytest.mark.parametrize(
    ("setting", "known", "name"),
    [
        ("runc", {"runc": {}, "io.containerd.runc.v2": {}}, "runc"),
        ("kata", {"runc": {}, "kata-runtime": {}}, "kata-runtime"),
        ("kata", {"io.containerd.kata.v2": {}}, "io.containerd.kata.v2"),
        ("runsc", {"runc": {}, "runsc": {}}, "runsc"),
    ],
)
def test_engines_call_them_by_several_names(setting: str, known: dict[str, Any], name: str) -> None:
    assert match(setting, known) == name


@pytest.mark.parametrize("setting", sorted(NAMES))
def test_a_name_that_only_looks_alike_is_not_taken(setting: str) -> None:
    with pytest.raises(SandboxUnavailable):
        match(setting, {f"{setting}x": {}, f"my-{setting}": {}, setting.upper(): {}})


def test_what_an_engine_says_of_itself_is_printed_harmless_and_short() -> None:
    with pytest.raises(SandboxUnavailable) as caught:
        match("kata", {"\x1b[2J": {}, "x" * 10_000: {}})
    assert "\x1b" not in caught.value.message
    assert len(caught.value.message) < 500


def test_a_runtime_that_nobody_knows_is_no_setting() -> None:
    with pytest.raises(ValidationError, match="runtime"):
        SandboxSettings.model_validate(json.loads('{"runtime": "crun --insecure"}'))
