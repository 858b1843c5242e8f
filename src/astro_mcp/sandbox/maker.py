"""Makes containers: each of a sort, started, and holding what it must before anything is sent to it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from astro_mcp.sandbox import hardening
from astro_mcp.sandbox.container import Container
from astro_mcp.sandbox.engine import Engine
from astro_mcp.sandbox.pool import Sort


class Maker:
    """`labels` say whose they are; `reaper` removes them. `facts` is what PID 1 of the last one told."""

    def __init__(self, labels: Mapping[str, str], reaper: ThreadPoolExecutor) -> None:
        self._labels = labels
        self._reaper = reaper
        self.facts: Mapping[str, Any] = {}

    async def make(self, engine: Engine, sort: Sort) -> Container:
        """Whoever gets it enters it, or discards it. Raises `SandboxUnavailable` where a wall is missing,
        `ProviderFailed`."""
        config = hardening.container(sort.image, sort.limits, self._labels, engine.runtime, podman=engine.podman)
        container = Container(engine, config, self._reaper)
        await container.start()
        try:
            facts = await container.ready()
            hardening.check(facts, sort.limits)
        except BaseException:
            await container.discard()
            raise
        self.facts = facts
        return container
