"""A house for workflow tests: the real dispatcher, policies, store and scheduler, around small tools."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from astro_mcp.agents.git.worktrees import WorktreeAgent
from astro_mcp.config import GitSettings, SecretSettings
from astro_mcp.core.agent import Agent
from astro_mcp.core.authority import Effect, Grant, Kind, Label, Principal, Session
from astro_mcp.core.call import Call, Context, Progress, silent
from astro_mcp.core.deferred import Ready
from astro_mcp.core.dispatcher import Dispatcher
from astro_mcp.core.model import Input, Listing, Output
from astro_mcp.core.policies.audit import Audit
from astro_mcp.core.policies.authorize import Authorize
from astro_mcp.core.policies.deadline import Deadline
from astro_mcp.core.policies.limit import Limit, Limits
from astro_mcp.core.ports import SystemClock
from astro_mcp.core.registry import Registry
from astro_mcp.core.tool import tool
from astro_mcp.errors import AstroError, ProviderFailed
from astro_mcp.run_settings import WorkflowSettings
from astro_mcp.store.artifacts import Artifacts
from astro_mcp.store.audit import AuditTrail, audit_key
from astro_mcp.store.database import Database
from astro_mcp.workflow.agent import WorkflowAgent
from astro_mcp.workflow.driver import Driver
from astro_mcp.workflow.drivers.temporal.calls import Calls
from astro_mcp.workflow.drivers.temporal.driver import TemporalDriver
from astro_mcp.workflow.effects import Effects
from astro_mcp.workflow.embedded import EmbeddedDriver
from astro_mcp.workflow.expressions.evaluator import Evaluator
from astro_mcp.workflow.scheduler import Scheduler
from astro_mcp.workflow.templates import Templates
from astro_mcp.workflow.trees import Trees
from astro_mcp.workflow.work import WorkflowWork
from astro_mcp.workspace.git.repository import Git
from astro_mcp.workspace.workspace import Workspace

TEMPLATES = Path(__file__).parents[2] / "resources" / "workflows"


class Nothing(Input):
    pass


class Text(Input):
    text: str = ""


class Number(Input):
    number: int


class Counted(Input):
    count: int
    size: int = 10


class Said(Output):
    text_: str = ""
    number: int = 0

    def text(self) -> str:
        return f"{self.text_}{self.number}"


class Found(Listing):
    items: list[dict[str, str]]

    def text(self) -> str:
        return "\n".join(map(str, self.items))


class Toys(Agent):
    """Tools that count their calls, wait for a gate, fail as often as told."""

    name = "toys"
    title = "Toys"

    def __init__(self, log: Path | None = None) -> None:
        self.calls: list[str] = []
        self.fail_times = 0
        self.at_once = 0
        self.most_at_once = 0
        self.gate = anyio.Event()
        self.log = log

    def _note(self, what: str) -> None:
        self.calls.append(what)
        if self.log is not None:
            with self.log.open("a") as file:
                file.write(what + "\n")

    @tool(title="Say", effects={Effect.READ}, idempotent=True)
    async def toy_say(self, args: Text, ctx: Context) -> Said:
        """Say a text."""
        self._note(f"say {args.text}")
        return Said(text_=args.text, number=len(args.text))

    @tool(title="Add one", effects={Effect.READ}, idempotent=True)
    async def toy_add(self, args: Number, ctx: Context) -> Said:
        """Add one to a number."""
        self._note(f"add {args.number}")
        return Said(number=args.number + 1)

    @tool(title="List", effects={Effect.READ}, idempotent=True, labels={Label.UNTRUSTED})
    async def toy_list(self, args: Counted, ctx: Context) -> Found:
        """List some items."""
        self._note(f"list {args.count}")
        items = [{"file": f"f{n % 3}", "text": "x" * args.size} for n in range(args.count)]
        return Found(items=items, total=args.count)

    @tool(title="Flaky", effects={Effect.READ}, idempotent=True)
    async def toy_flaky(self, args: Text, ctx: Context) -> Said:
        """Fail some times first."""
        self._note(f"flaky {args.text}")
        if self.fail_times > 0:
            self.fail_times -= 1
            raise ProviderFailed("not yet")
        return Said(text_="at last")

    @tool(title="Write", effects={Effect.WRITE})
    async def toy_write(self, args: Text, ctx: Context) -> Said:
        """Write something that can't be written twice."""
        self._note(f"write {args.text}")
        return Said(text_=args.text)

    @tool(title="Hold", effects={Effect.READ}, idempotent=True)
    async def toy_hold(self, args: Text, ctx: Context) -> Said:
        """Wait until the test lets go."""
        self._note(f"hold {args.text}")
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.gate.wait()
        finally:
            self.at_once -= 1
        return Said(text_=args.text)

    @tool(title="Hold and write", effects={Effect.WRITE})
    async def toy_hold_write(self, args: Text, ctx: Context) -> Said:
        """Wait in the middle of an effect."""
        self._note(f"hold_write {args.text}")
        await self.gate.wait()
        return Said(text_=args.text)


def session(
    root: Path, user: str = "me", kind: Kind = Kind.STDIO, effects: frozenset[Effect] = frozenset(Effect)
) -> Session:
    return Session(Principal(user, kind), Grant((root,), effects))


@dataclass
class House:
    """What a test drives."""

    dispatcher: Dispatcher
    scheduler: Scheduler
    database: Database
    toys: Toys
    me: Session
    progress: list[str] = field(default_factory=list)

    async def call(
        self, tool_name: str, who: Session | None = None, progress: Progress = silent, **arguments: Any
    ) -> Any:
        """The structured result; raises the error."""
        result = await self.dispatcher.call(Call(who or self.me, tool_name, arguments, progress=progress))
        value = result.unwrap()
        assert value.text()
        return value.model_dump(mode="json")

    async def fails(self, tool_name: str, who: Session | None = None, **arguments: Any) -> AstroError:
        """The error of a call that must fail."""
        result = await self.dispatcher.call(Call(who or self.me, tool_name, arguments))
        assert result.error is not None, result.value
        return result.error

    async def run(self, spec: Any, **arguments: Any) -> Any:
        """Run a document to its end or its question."""
        everything = sorted(Effect)
        return await self.call("workflow_run", **{"allow": everything, "wait_seconds": 20, "spec": spec, **arguments})

    async def read(self, uri: str, who: Session | None = None) -> str:
        """The text at an address."""
        session = who or self.me
        resource, variables = self.dispatcher.registry.resource(uri, session.grant)
        return (await resource.read(session, variables)).text or ""

    async def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await self.database.read(lambda tx: tx.rows(sql, parameters))]


@asynccontextmanager
async def house(
    folder: Path,
    *,
    settings: WorkflowSettings | None = None,
    toys: Toys | None = None,
    templates: Path = TEMPLATES,
    database: type[Database] = Database,
    clock: SystemClock | None = None,
    ceiling: Sequence[Path] = (),
) -> AsyncIterator[House]:
    """Open everything on `folder`; open it again there and the runs go on."""
    clock = clock or SystemClock()
    settings = settings or WorkflowSettings()
    toys = toys or Toys()
    async with database.open(folder / "astro.db") as store:
        registry = Registry()
        audit = Audit(AuditTrail(store, audit_key(folder)), clock)
        limit = Limit(Limits(), frozenset({"workflow"}))
        dispatcher = Dispatcher(registry, [audit, Authorize(ceiling), limit, Deadline(), audit.intent()], audit)
        artifacts = Artifacts(store, folder / "artifacts", clock)
        evaluator = Evaluator()
        driver: Driver
        hidden = Registry()
        await hidden.register(WorktreeAgent(Ready(Git(Workspace(SecretSettings()), folder / "git")), GitSettings()))
        trees = Trees(Dispatcher(hidden, [audit, Authorize(ceiling), Deadline(), audit.intent()], audit))
        if settings.driver == "temporal":
            heartbeat = settings.temporal.heartbeat_seconds
            calls = Calls(Effects(dispatcher, None), trees, evaluator.evaluate, ceiling, (), heartbeat)
            driver = TemporalDriver(calls, registry, settings, folder, clock)
        else:
            effects = Effects(dispatcher, artifacts)
            driver = EmbeddedDriver(store, artifacts, effects, evaluator.evaluate, registry, settings, clock, trees)
        scheduler = Scheduler(driver, registry, Templates(templates), evaluator, clock)
        await registry.register(toys)
        await registry.register(WorkflowAgent(Ready(WorkflowWork(scheduler, registry, artifacts))))
        async with scheduler.running():
            yield House(dispatcher, scheduler, store, toys, session(folder))


async def until_called(toys: Toys, what: str) -> None:
    with anyio.fail_after(10):
        while what not in toys.calls:
            await anyio.sleep(0.005)
