"""Asks of runs on a Temporal server that the operator's model answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.workflow.endpoint import configured, endpoint, said
from tests.workflow.temporal_server import Server

from astro_mcp.core.authority import Effect
from astro_mcp.testing import Workbench, workbench

ASK = {"id": "tell", "ask": "Tell of fish", "answer": {"markdown": "string"}}
GATE = {"id": "gate", "approve": {"message": "go?"}, "needs": ["tell"]}
SPEC = json.dumps({"steps": [ASK], "outputs": {"m": "${{ steps.tell.markdown }}"}})
HANGS = 30
"""Seconds after which nothing goes on any more: twice what it takes beside four busy processes on two cores."""
RIGHT, WRONG = '{"markdown": "of fish"}', '{"markdown": 3}'


def environment(server: Server, prefix: str) -> dict[str, str]:
    """A worker that a busy machine does not let beat for a second is not dead here: its ask would be put again."""
    given = {"DRIVER": "temporal", "TEMPORAL__ADDRESS": server.address, "TEMPORAL__TASK_QUEUE": prefix}
    given["TEMPORAL__HEARTBEAT_SECONDS"] = "60"
    return {f"ASTRO_MCP_WORKFLOW__{name}": value for name, value in given.items()}


async def until(bench: Workbench, run_id: str, done: Callable[[Any], bool]) -> Any:
    """The run once `done` holds of it, looked at whenever it has changed: each look is a query to the very worker that
    is to go on."""
    changes = await (await bench.app.scheduler.get()).changes(bench.session.scope, run_id)
    with anyio.fail_after(HANGS):
        while True:
            found: Any = await bench.value("workflow_status", run_id=run_id, wait_seconds=0)
            if done(found):
                return found
            await anext(changes)


async def reached(bench: Workbench, run_id: str, *statuses: str) -> Any:
    return await until(bench, run_id, lambda run: run.status in statuses)


async def asked(bench: Workbench) -> list[str]:
    """The phases of what the audit says of calls of the model."""
    return sorted(row["phase"] for row in await bench.app.audit.last(100) if row["tool"] == "model_answer")


async def test_a_worker_puts_an_ask_to_the_operators_model_and_a_gate_to_nobody(
    tmp_path: Path, temporal: Server
) -> None:
    home, root = tmp_path / "home", tmp_path / "root"
    home.mkdir(mode=0o700)
    root.mkdir()
    async with endpoint(*said(WRONG, RIGHT)) as at:
        (home / "config.toml").write_text(configured(at))
        async with workbench(home, roots=[root], environment=environment(temporal, "t-asks")) as bench:
            spec = json.dumps({"steps": [ASK, GATE], "outputs": {"m": "${{ steps.tell.markdown }}"}})
            begun: Any = await bench.value("workflow_run", spec=spec, wait_seconds=0)
            await until(bench, begun.run_id, lambda run: [one.step for one in run.waiting_for] == ["gate"])
            assert "value.markdown: string is wanted" in at.bodies[1]["messages"][1]["content"]
            with anyio.fail_after(HANGS):  # what only reads is recorded behind the call
                while len(phases := await asked(bench)) < 4:
                    await anyio.sleep(0.05)
            assert phases == ["intent", "intent", "outcome", "outcome"]
            assert len(at.bodies) == 2
            await bench.value("workflow_answer", run_id=begun.run_id, step="gate", value="true")
            assert (await reached(bench, begun.run_id, "succeeded", "failed")).outputs == {"m": "of fish"}


@pytest.mark.full
async def test_an_ask_that_the_model_leaves_or_that_somebody_watches_waits_for_a_word(
    tmp_path: Path, temporal: Server
) -> None:
    home, root = tmp_path / "home", tmp_path / "root"
    home.mkdir(mode=0o700)
    root.mkdir()
    async with endpoint(*said(WRONG)) as at:
        (home / "config.toml").write_text(configured(at, "scheduled"))
        async with workbench(home, roots=[root], environment=environment(temporal, "t-left")) as bench:
            begun: Any = await bench.value("workflow_run", spec=SPEC, wait_seconds=0)
            await reached(bench, begun.run_id, "waiting")
            await anyio.sleep(0.5)
            assert at.bodies == []
            scheduler = await bench.app.scheduler.get()
            own = await scheduler.start(bench.session, SPEC, {}, (Effect.READ, Effect.NETWORK), unattended=True)
            with anyio.fail_after(HANGS):
                while len(at.bodies) < 3:
                    await anyio.sleep(0.05)
            await anyio.sleep(0.5)
            assert len(at.bodies) == 3
            for run_id in (begun.run_id, own):
                await bench.value("workflow_answer", run_id=run_id, step="tell", value=RIGHT)
                assert (await reached(bench, run_id, "succeeded", "failed")).outputs == {"m": "of fish"}
