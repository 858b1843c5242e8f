"""Parts that no start needs: loaded once, waited for by everybody, and missing alone where they are broken."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from threading import get_ident

import anyio
import pytest

from astro_mcp.app.app import open_app
from astro_mcp.core.agent import Agent
from astro_mcp.core.authority import Effect
from astro_mcp.core.call import Call, Context
from astro_mcp.core.deferred import Deferred, Loader
from astro_mcp.core.dispatcher import Dispatcher
from astro_mcp.core.model import Input, Output
from astro_mcp.core.policies.audit import Audit
from astro_mcp.core.ports import SystemClock
from astro_mcp.core.registry import Registry
from astro_mcp.core.tool import tool
from astro_mcp.errors import Unavailable
from astro_mcp.store.audit import AuditTrail, audit_key
from astro_mcp.store.database import Database
from astro_mcp.testing import session, workbench

NEVER = 3600.0
PART = """
import threading, time
time.sleep(0.2)
THREAD = threading.get_ident()
TIMES = globals().get("TIMES", 0) + 1
"""
LATER = (
    "astro_mcp.agents.code.work",
    "astro_mcp.agents.files.reading",
    "astro_mcp.agents.files.work",
    "astro_mcp.agents.git.work",
    "astro_mcp.agents.knowledge.record",
    "astro_mcp.agents.lint.run",
    "astro_mcp.agents.search.markup",
    "astro_mcp.agents.tests.report",
    "astro_mcp.net.client",
    "astro_mcp.sandbox.container",
    "astro_mcp.workflow.document.model",
    "astro_mcp.workflow.kernel.machine",
    "astro_mcp.workflow.scheduler",
    "astro_mcp.workspace.changes",
    "astro_mcp.workspace.git.commits",
    "astro_mcp.workspace.workspace",
)


class Nothing(Input):
    pass


class Said(Output):
    word: str

    def text(self) -> str:
        return self.word


class Late(Agent):
    name = "late"
    title = "Late"

    def __init__(self, work: Deferred[str]) -> None:
        self._work = work

    @tool(title="Say it", effects={Effect.READ})
    async def late_say(self, args: Nothing, ctx: Context) -> Said:
        """Says what its part is."""
        return Said(word=await self._work.get())


class Here(Agent):
    name = "here"
    title = "Here"

    @tool(title="Say it", effects={Effect.READ})
    async def here_say(self, args: Nothing, ctx: Context) -> Said:
        """Says that it is here."""
        return Said(word="here")


@pytest.fixture
def part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module that is imported slowly, and is nobody's yet."""
    (tmp_path / "slow_part.py").write_text(PART)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "slow_part", raising=False)
    return "slow_part"


@asynccontextmanager
async def dispatching(tmp_path: Path, loader: Loader, work: Deferred[str]) -> AsyncIterator[Dispatcher]:
    async with Database.open(tmp_path / "astro.db", synchronous="NORMAL") as database:
        registry = Registry()
        audit = Audit(AuditTrail(database, audit_key(tmp_path)), SystemClock())
        await registry.register(Late(work))
        await registry.register(Here())
        async with loader.running():
            yield Dispatcher(registry, [audit, audit.intent()], audit)


def test_what_the_start_needs_does_not_load_what_agents_work_with() -> None:
    code = "import sys, astro_mcp.daemon.run, astro_mcp.faces.mcp.face; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(said.stdout.split())
    assert "astro_mcp.agents.files.models" in loaded
    assert loaded.isdisjoint(LATER)


async def test_an_app_lists_its_tools_before_any_part_is_loaded_and_all_of_them_load(tmp_path: Path) -> None:
    async with open_app(tmp_path, {}) as app:
        assert {"fs_read", "workflow_run"} <= set(app.registry.tools)
        before = (app.scheduler.built is not None, app.active())
        assert before == (False, True), "runs that were left are not known yet"
        with anyio.fail_after(60):
            await app.loader.through()
        after = (app.scheduler.built is not None, app.active())
        assert after == (True, False)
    for module in LATER:
        assert module in sys.modules


async def test_the_first_calls_of_an_agent_come_at_once_and_both_succeed(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "a.txt").write_text("alpha\n")
    async with workbench(tmp_path / "data", roots=[project]) as bench, anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(lambda: bench.value("fs_read", path="a.txt"))


async def test_concurrent_first_calls_wait_for_one_load_that_does_not_hold_up_the_loop(
    tmp_path: Path, part: str
) -> None:
    builds = ticks = 0

    async def build() -> str:
        nonlocal builds
        builds += 1
        return "built"

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await anyio.sleep(0.005)

    loader = Loader(NEVER)
    words: list[str] = []
    async with dispatching(tmp_path, loader, loader.part(part, build)) as dispatcher:

        async def call() -> None:
            value = (await dispatcher.call(Call(session(), "late_say", {}))).unwrap()
            words.append(value.text())

        async with anyio.create_task_group() as ticking:
            ticking.start_soon(tick)
            async with anyio.create_task_group() as calls:
                for _ in range(5):
                    calls.start_soon(call)
            ticking.cancel_scope.cancel()
    module = sys.modules[part]
    assert words == ["built"] * 5
    assert (module.TIMES, builds) == (1, 1)
    assert get_ident() != module.THREAD
    assert ticks > 5, "the loop stood still during the import"


async def test_a_first_call_that_is_cancelled_does_not_cancel_the_load_for_others(tmp_path: Path, part: str) -> None:
    async def build() -> str:
        return "built"

    loader = Loader(NEVER)
    work = loader.part(part, build)
    async with loader.running(), anyio.create_task_group() as group:
        with anyio.move_on_after(0.02) as scope:
            await work.get()
        assert scope.cancelled_caught
        group.start_soon(work.get)
    assert work.built == "built"


async def test_a_part_that_cannot_be_loaded_fails_its_own_calls_and_is_tried_again(tmp_path: Path) -> None:
    broken = True

    async def build() -> str:
        if broken:
            raise RuntimeError("secret detail")
        return "mended"

    loader = Loader(NEVER)
    async with dispatching(tmp_path, loader, loader.part("json", build)) as dispatcher:
        for _ in range(2):
            error = (await dispatcher.call(Call(session(), "late_say", {}))).error
            assert isinstance(error, Unavailable)
            assert "secret" not in error.text()
        assert (await dispatcher.call(Call(session(), "here_say", {}))).unwrap().text() == "here"
        broken = False
        assert (await dispatcher.call(Call(session(), "late_say", {}))).unwrap().text() == "mended"


async def test_a_module_that_is_missing_is_a_typed_error_and_the_background_goes_on(tmp_path: Path) -> None:
    async def build() -> str:
        return "built"

    loader = Loader(0.0)
    missing, after = loader.part("astro_mcp.no_such_module", build), loader.part("json", build)
    async with loader.running():
        with anyio.fail_after(10):
            await loader.through()
        assert missing.built is None
        assert after.built == "built"
        with pytest.raises(Unavailable):
            await missing.get()


async def test_what_is_held_is_left_in_its_own_task_when_the_loader_ends() -> None:
    events: list[str] = []

    @asynccontextmanager
    async def life() -> AsyncIterator[str]:
        events.append("entered")
        try:
            async with anyio.create_task_group():  # can only be left by the task that entered it
                yield "alive"
        finally:
            events.append("left")

    loader = Loader(NEVER)
    async with loader.running():
        work = loader.part("json", lambda: loader.hold(life()))
        assert await work.get() == "alive"
        assert events == ["entered"]
    assert events == ["entered", "left"]
