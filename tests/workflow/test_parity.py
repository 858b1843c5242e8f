"""The same documents on SQLite and on Temporal leave the same journal, times aside."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import anyio
import pytest
from temporalio.converter import DataConverter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner
from tests.workflow import parity
from tests.workflow.house import House, Toys, house
from tests.workflow.temporal_server import Server

from astro_mcp.run_settings import TemporalSettings, WorkflowSettings
from astro_mcp.workflow.drivers.temporal.claims import Claims
from astro_mcp.workflow.drivers.temporal.connection import connect
from astro_mcp.workflow.drivers.temporal.naming import workflow_id
from astro_mcp.workflow.drivers.temporal.run import Run

SMALL = 4
AT_ONCE = 12


@dataclass(frozen=True)
class Case:
    seed: int
    spec: dict[str, Any]
    strict: bool


def failing() -> Toys:
    toys = Toys()
    toys.fail_times = 1_000_000
    return toys


async def compared(
    tmp_path: Path, server: Server, first: int, count: int, *, strict: bool, at_once: int = AT_ONCE
) -> Counter[str]:
    """Run `count` documents that check on both; how they ended. `strict`: one call at a time, in the same order."""
    most = 1 if strict else 4
    temporal = server.settings(heartbeat_seconds=30).model_copy(update={"parallel_per_run": most, "parallel": 16})
    sqlite = WorkflowSettings(parallel_per_run=most)
    ends: Counter[str] = Counter()
    folders = [tmp_path / name for name in ("sqlite", "temporal")]
    for folder in folders:
        folder.mkdir()
    templates = parity.templates(tmp_path)
    async with (
        house(folders[0], settings=sqlite, toys=failing(), templates=templates) as one,
        house(folders[1], settings=temporal, toys=failing(), templates=templates) as other,
    ):
        found = [
            Case(seed, spec, strict)
            for seed, spec in islice(parity.documents(first, retries=not strict), 4 * count)
            if await parity.checks(one, spec)
        ][:count]
        assert len(found) == count
        places = anyio.CapacityLimiter(AT_ONCE)

        async def run(case: Case) -> None:
            async with places:
                ours, theirs = await parity.both(one, other, case.spec, f"run_{case.seed}", strict=case.strict)
            ends[ours["state"]["status"]] += 1
            assert theirs == ours, f"seed {case.seed}: {case.spec}"

        async with anyio.create_task_group() as group:
            for case in found:
                group.start_soon(run, case)
        await replayed(other, temporal.temporal, [f"run_{case.seed}" for case in found])
    return ends


async def replayed(at: House, settings: TemporalSettings, run_ids: list[str]) -> None:
    """Every run's history is computed again from its beginning; raises where anything else is asked of the server."""
    claims = Claims(at.me.grant.roots[0] / "claims")
    client = await connect(settings, claims)
    replayer = Replayer(
        workflows=[Run], workflow_runner=UnsandboxedWorkflowRunner(), data_converter=DataConverter(payload_codec=claims)
    )
    for run_id in run_ids:
        handle = client.get_workflow_handle(workflow_id(settings.task_queue, at.me.scope, run_id))
        await replayer.replay_workflow(await handle.fetch_history())


async def test_documents_by_chance_leave_the_same_journal_in_the_same_order(tmp_path: Path, temporal: Server) -> None:
    ends = await compared(tmp_path, temporal, 1, SMALL, strict=True)
    assert sum(ends.values()) == SMALL


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("strict", [True, False])
async def test_a_hundred_documents_leave_the_same_journal(tmp_path: Path, temporal: Server, *, strict: bool) -> None:
    ends = await compared(tmp_path, temporal, 1_000, 100, strict=strict)
    assert min(ends["succeeded"], ends["failed"]) > 10, "both ends are seen"
