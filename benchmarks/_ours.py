"""Ours in the workflow benchmark: the real store, dispatcher with every policy and scheduler, around one small tool."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from astro_mcp.app.policies import dispatching
from astro_mcp.config import Settings
from astro_mcp.core.agent import Agent
from astro_mcp.core.authority import Effect, Grant, Kind, Principal, Session
from astro_mcp.core.call import Context, silent
from astro_mcp.core.model import Input, Output
from astro_mcp.core.ports import SystemClock
from astro_mcp.core.registry import Registry
from astro_mcp.core.tool import tool
from astro_mcp.packs import Pack
from astro_mcp.store.artifacts import Artifacts
from astro_mcp.store.audit import AuditTrail, audit_key
from astro_mcp.store.database import Database
from astro_mcp.workflow.effects import Effects
from astro_mcp.workflow.embedded import EmbeddedDriver
from astro_mcp.workflow.expressions.evaluator import Evaluator
from astro_mcp.workflow.scheduler import Scheduler
from astro_mcp.workflow.templates import Templates
from astro_mcp.workflow.trees import Trees
from benchmarks._floor import GROUP

SETTINGS: Final = Settings.model_validate(
    {
        "workflow": {"parallel": GROUP, "parallel_per_tenant": GROUP, "parallel_per_run": GROUP},
        "limits": {"calls": 2 * GROUP, "calls_per_agent": 2 * GROUP, "calls_per_session": 2 * GROUP},
    }
)
"""Places for a whole group at once; as shipped a run has 4."""
MOST: Final = 120.0
"""Seconds that a run may take."""


class Given(Input):
    number: int


class Said(Output):
    number: int

    def text(self) -> str:
        return str(self.number)


class Noop(Agent):
    """One tool that does nothing, and is a tool like every other."""

    name = "noop"
    title = "No-op"

    @tool(title="Add one", effects={Effect.READ}, idempotent=True)
    async def noop_add(self, args: Given, ctx: Context) -> Said:
        """Add one to a number."""
        return Said(number=args.number + 1)


def chain(count: int) -> dict[str, Any]:
    """Steps of which each needs the output of the one before."""
    first = {"id": "s0", "tool": "noop_add", "with": {"number": 0}}
    others = [
        {"id": f"s{n}", "tool": "noop_add", "with": {"number": f"${{{{ steps.s{n - 1}.number }}}}"}}
        for n in range(1, count)
    ]
    last = f"${{{{ steps.s{count - 1}.number }}}}"
    return {"name": "chain", "steps": [first, *others], "outputs": {"done": last}}


def fan_out(count: int) -> dict[str, Any]:
    """One step for each of many items."""
    step = {"id": "each", "foreach": list(range(count)), "max_parallel": GROUP, "tool": "noop_add"}
    step["with"] = {"number": "${{ item }}"}
    return {
        "name": "fan",
        "steps": [step],
        "outputs": {"done": "${{ size(steps.each) }}"},
        "budget": {"calls": count},
    }


DOCUMENTS: Final = {"chain": chain, "fan-out": fan_out}


@dataclass(frozen=True, slots=True)
class Ours:
    """An open store with its scheduler."""

    scheduler: Scheduler
    session: Session
    database: Database

    async def run(self, name: str, count: int) -> float:
        """The seconds from the request of a run to its end; raises RuntimeError where it gives something else than the
        number of its steps."""
        spec = json.dumps(DOCUMENTS[name](count))
        began = time.perf_counter()
        run_id = await self.scheduler.start(self.session, spec, {}, [Effect.READ])
        await self.scheduler.wait(self.session.scope, run_id, MOST, silent)
        took = time.perf_counter() - began
        state = (await self.scheduler.view(self.session.scope, run_id)).state
        if state.outputs != {"done": count}:
            raise RuntimeError(f"{name} {count}: {state.status} {state.outputs} {state.error}")
        return took


@asynccontextmanager
async def ours(folder: Path, synchronous: str) -> AsyncIterator[Ours]:
    """Make `folder`, and open everything on it."""
    folder.mkdir()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database.open(folder / "astro.db", synchronous=synchronous))
        registry, clock = Registry(), SystemClock()
        dispatcher = dispatching(registry, AuditTrail(database, audit_key(folder)), SETTINGS)
        await registry.register(Noop())
        artifacts = Artifacts(database, folder / "artifacts", clock)
        templates = Templates(Pack.find().resources / "workflows")
        evaluator, effects = Evaluator(), Effects(dispatcher, artifacts)
        trees = Trees(dispatcher)
        driver = EmbeddedDriver(
            database, artifacts, effects, evaluator.evaluate, registry, SETTINGS.workflow, clock, trees
        )
        scheduler = Scheduler(driver, registry, templates, evaluator, clock)
        await stack.enter_async_context(scheduler.running())
        gc.collect()
        gc.freeze()  # as the daemon does once all is loaded
        yield Ours(scheduler, Session(Principal("bench", Kind.STDIO), Grant((folder.resolve(),))), database)
