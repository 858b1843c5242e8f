"""What ended runs left, as text: their outputs, those of their steps, and the text files that these name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import anyio.to_thread

from astro_mcp.core.authority import Effect, Label, Scope
from astro_mcp.core.deferred import Deferred
from astro_mcp.core.ports import ArtifactSink, Product
from astro_mcp.core.registry import Registry
from astro_mcp.errors import NotFound
from astro_mcp.workflow.document.plan import Node
from astro_mcp.workflow.driver import RunView
from astro_mcp.workflow.kernel.scope import is_leaf, value_of
from astro_mcp.workflow.kernel.state import SUCCEEDED, TERMINAL
from astro_mcp.workflow.scheduler import Scheduler

STEPS: Final = 100
"""Steps of a run whose outputs are told."""
FILES: Final = 20
"""Artifacts of a run that are told."""
CHARACTERS: Final = 200_000
"""Of one output or file; what lies beyond is left out."""
OWN: Final = frozenset({Label.PRIVATE, Label.UNTRUSTED})
_ARTIFACT: Final = re.compile(r"astro://artifacts/([0-9a-f]{64})")


class Produced:
    """Reads runs where they are kept, on whatever driver. What a step only read on this machine is left out: it is
    found where it came from."""

    def __init__(self, scheduler: Deferred[Scheduler], registry: Registry, artifacts: ArtifactSink) -> None:
        self._scheduler = scheduler
        self._registry = registry
        self._artifacts = artifacts

    async def ended(self, scope: Scope, most: int) -> Sequence[str]:
        runs = await (await self._scheduler.get()).recent(scope, count=most)
        return [run.run_id for run in runs if run.status in TERMINAL]

    async def of(self, scope: Scope, run_id: str) -> Sequence[Product]:
        view = await (await self._scheduler.get()).view(scope, run_id)
        products = await anyio.to_thread.run_sync(lambda: list(self._texts(view)))
        named = dict.fromkeys(found for product in products for found in _ARTIFACT.findall(product.text))
        files = [await self._file(scope, sha256, view) for sha256 in list(named)[:FILES]]
        return [*products, *(file for file in files if file is not None)]

    def _texts(self, view: RunView) -> Iterator[Product]:
        run, labels = f"astro://runs/{view.state.run_id}", view.labels | OWN
        head = f"The workflow {view.name} has {view.state.status}."
        error = f"\n{view.state.error['message']}" if view.state.error else ""
        yield Product(run, view.name, f"{head}{error}\n{prose(dict(view.state.outputs))}", labels)
        steps = sorted(view.state.steps.items(), key=lambda pair: pair[1].position)
        told = [path for path, step in steps if path and step.status == SUCCEEDED and self._made(view, path)]
        for path in told[:STEPS]:
            text = prose(value_of(view.plan, view.state.steps, path))
            yield Product(f"{run}/steps/{path}", f"{view.name} > {path}", text, labels)

    def _made(self, view: RunView, path: str) -> bool:
        node = view.plan.node(path)
        return is_leaf(node, path) and node.kind in ("call", "ask") and not self._only_read(node)

    def _only_read(self, node: Node) -> bool:
        tool = self._registry.tools.get(node.spec.tool or "")
        return tool is not None and tool.declaration.effects <= {Effect.READ}

    async def _file(self, scope: Scope, sha256: str, view: RunView) -> Product | None:
        """An artifact that is text; None for any other, and for one that is not this scope's."""
        try:
            data, mime = await self._artifacts.get(scope, sha256)
        except NotFound:
            return None
        if not mime.startswith(("text/", "application/json")) or b"\0" in data[:CHARACTERS]:
            return None
        text = data[: 4 * CHARACTERS].decode("utf-8", "replace")[:CHARACTERS]
        return Product(f"astro://artifacts/{sha256}", f"{view.name} > file", text, view.labels | OWN)


def prose(value: Any) -> str:
    """JSON data as lines that read well: each text behind its path, and whole."""
    lines: list[str] = []
    left = CHARACTERS
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting and left > 0:
        path, item = waiting.pop()
        if isinstance(item, dict):
            waiting += [(f"{path}.{key}" if path else str(key), below) for key, below in reversed(item.items())]
        elif isinstance(item, list):
            waiting += [(f"{path}.{at}" if path else str(at), item[at]) for at in range(len(item) - 1, -1, -1)]
        elif item not in (None, ""):
            text = item if isinstance(item, str) else json.dumps(item)
            lines.append(f"{path}:{chr(10) if chr(10) in text else ' '}{text}"[:left])
            left -= len(lines[-1])
    return "\n".join(lines)
