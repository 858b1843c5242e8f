"""The canary meets each limit, and names the one that is not there."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sandbox.rig import SMALL, Make

from astro_mcp.sandbox import canary, hardening
from astro_mcp.sandbox.sandbox import Sandbox

CONTAINER = hardening.container


async def test_every_limit_holds_when_it_is_tried(sandbox: Sandbox) -> None:
    assert await canary.not_held(sandbox) == []


@pytest.mark.parametrize(
    ("without", "named"),
    [
        ({"PidsLimit": 0}, "processes"),
        pytest.param({"Memory": 0, "MemorySwap": 0}, "memory", marks=pytest.mark.full),
        pytest.param({"ReadonlyRootfs": False}, "read-only root", marks=pytest.mark.full),
        pytest.param(
            {"Ulimits": [{"Name": "nofile", "Soft": 4096, "Hard": 4096}]}, "open files", marks=pytest.mark.full
        ),
    ],
)
async def test_a_limit_that_an_engine_ignores_is_named(
    make: Make, monkeypatch: pytest.MonkeyPatch, without: dict[str, Any], named: str
) -> None:
    def ignoring(*args: Any, **kwargs: Any) -> dict[str, Any]:
        config = CONTAINER(*args, **kwargs)
        return {**config, "HostConfig": {**config["HostConfig"], **without}}

    monkeypatch.setattr(hardening, "container", ignoring)
    monkeypatch.setattr(hardening, "check", lambda *_, **__: None)
    sandbox = make(SMALL)
    assert named in await canary.not_held(sandbox)
    await sandbox.close()
