"""Makes containers: each of a sort, started, and holding what it must before anything is sent to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from astro_mcp.sandbox import hardening
from astro_mcp.sandbox.container import Container
from astro_mcp.sandbox.engine import Engine
from astro_mcp.sandbox.pool import Sort


class Maker:
    """`labels` say whose they are; `reaper` removes them. `facts` is what PID 1 of the last one told."""

    def __init__(self, labels: Mapping[str, str], reaper: ThreadPoolExecutor) -> None:
        self.labels = labels
        self._reaper = reaper
        self.facts: Mapping[str, Any] = {}

    async def make(self, engine: Engine, sort: Sort, fill: Callable[[Any, str], None] | None = None) -> Container:
        """Whoever gets it enters it, or discards it. `fill(api, name)` puts into it what an image is made of: the root
        of such a container can be written to. Raises `SandboxUnavailable` where a wall is missing, `ProviderFailed`."""
        writable = fill is not None
        config = hardening.container(
            sort.image, sort.limits, self.labels, engine.runtime, writable=writable, podman=engine.podman
        )
        container = Container(engine, config, self._reaper, fill)
        await container.start()
        try:
            facts = await container.ready()
            hardening.check(facts, sort.limits, writable=writable)
        except BaseException:
            await container.discard()
            raise
        self.facts = facts
        return container
