"""A step that ends before its time really ends: the container that carries it out is gone."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import docker
import pytest

from astro_mcp.sandbox import owner
from astro_mcp.testing import Workbench, workbench

SLEEP: dict[str, Any] = {
    "id": "sleep",
    "tool": "code_run",
    "with": {"language": "python", "code": "print('up', flush=True); import time; time.sleep(300)"},
}
SETTINGS = "[sandbox]\nwarm = 0\nmemory_mb = 128\n"


@asynccontextmanager
async def bench(folder: Path, known_engine: Callable[[Path], None]) -> AsyncIterator[Workbench]:
    data, root = folder / "data", folder / "root"
    for made in (data, root):
        made.mkdir(mode=0o700)
    (data / "config.toml").write_text(SETTINGS)
    known_engine(data / "images")
    async with workbench(data, roots=[root]) as opened:
        yield opened


async def containers(at: Workbench) -> int:
    """How many run for this data folder."""

    def look() -> int:
        client = docker.APIClient("unix:///var/run/docker.sock", version="auto")
        labels = [f"{owner.HOUSE}={owner.house(folder)}" for folder in (at.app.folder, at.app.folder / "images")]
        found = sum(len(client.containers(filters={"label": label})) for label in labels)
        client.close()
        return found

    return await anyio.to_thread.run_sync(look)


async def until(at: Workbench, count: int) -> None:
    with anyio.fail_after(20):
        while await containers(at) != count:
            await anyio.sleep(0.1)


async def status(at: Workbench, run_id: str) -> Any:
    return await at.value("workflow_status", run_id=run_id, wait_seconds=20)


@pytest.mark.parametrize(
    "ending",
    [
        "the run is cancelled",
        pytest.param("the step is cancelled", marks=pytest.mark.full),
        pytest.param("the time is over", marks=pytest.mark.full),
    ],
)
async def test_no_container_is_left_of_a_step_that_was_ended(
    tmp_path: Path, known_engine: Callable[[Path], None], ending: str
) -> None:
    spec: dict[str, Any] = {"steps": [SLEEP]}
    if ending == "the time is over":
        spec = {"steps": [{"id": "all", "do": [SLEEP], "timeout": "4s"}]}
    async with bench(tmp_path, known_engine) as at:
        begun: Any = await at.value("workflow_run", spec=json.dumps(spec), wait_seconds=0)
        await until(at, 1)
        if ending != "the time is over":
            step = "sleep" if "step" in ending else ""
            await at.value("workflow_control", run_id=begun.run_id, action="cancel", step=step)
        done = await status(at, begun.run_id)
        assert done.status == ("cancelled" if ending == "the run is cancelled" else "failed")
        await until(at, 0)


@pytest.mark.full
async def test_a_paused_run_lets_what_goes_on_end_and_begins_nothing(
    tmp_path: Path, known_engine: Callable[[Path], None]
) -> None:
    short = {**SLEEP, "with": {**SLEEP["with"], "code": "import time; time.sleep(2); print('done')"}}
    after = {"id": "after", "tool": "fs_list", "needs": "sleep"}
    async with bench(tmp_path, known_engine) as at:
        begun: Any = await at.value("workflow_run", spec=json.dumps({"steps": [short, after]}), wait_seconds=0)
        await until(at, 1)
        await at.value("workflow_control", run_id=begun.run_id, action="pause")
        await until(at, 0)
        with anyio.fail_after(10):
            while (found := {s.id: s.status for s in (await status(at, begun.run_id)).steps})["sleep"] != "succeeded":
                await anyio.sleep(0.1)
        assert found["after"] == "ready"
        await at.value("workflow_control", run_id=begun.run_id, action="resume")
        assert (await status(at, begun.run_id)).status == "succeeded"
