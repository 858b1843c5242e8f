"""The Temporal driver as an operator has it: chosen by configuration, refused with a hint, with workers elsewhere."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from tests.workflow.temporal_server import Server

from astro_mcp.cli.doctor import _temporal
from astro_mcp.config import Settings, load
from astro_mcp.errors import Unavailable
from astro_mcp.testing import workbench
from astro_mcp.workflow import schedules

NOBODY = "127.0.0.1:1"
LIST: dict[str, Any] = {
    "name": "list",
    "steps": [
        {"id": "list", "tool": "fs_list", "with": {"path": "."}},
        {"id": "write", "tool": "fs_write", "with": {"path": "n.txt", "content": "${{ steps.list.total }} files"}},
    ],
}


def environment(address: str, prefix: str = "t-app", **more: str) -> dict[str, str]:
    given = {"DRIVER": "temporal", "TEMPORAL__ADDRESS": address, "TEMPORAL__TASK_QUEUE": prefix, **more}
    return {f"ASTRO_MCP_WORKFLOW__{name}": value for name, value in given.items()}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "main.py").write_text("def entry():\n    return 1\n")
    return folder


async def test_without_the_server_workflows_alone_are_unavailable_and_say_why(tmp_path: Path, project: Path) -> None:
    async with workbench(tmp_path / "home", roots=[project], environment=environment(NOBODY)) as bench:
        assert (await bench.call("fs_list")).error is None
        error = (await bench.call("workflow_run", spec=json.dumps(LIST))).error
    assert isinstance(error, Unavailable)
    assert "does not answer" in error.message
    assert "docs/temporal.md" in error.hint


async def test_without_the_extra_workflows_alone_are_unavailable_and_say_what_to_install(
    tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = [name for name in sys.modules if name.startswith(("temporalio", "astro_mcp.workflow.drivers.temporal"))]
    for name in ours:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "temporalio", None)
    async with workbench(tmp_path / "home", roots=[project], environment=environment(NOBODY)) as bench:
        error = (await bench.call("workflow_run", spec=json.dumps(LIST))).error
    assert isinstance(error, Unavailable)
    assert "astro-mcp[temporal]" in error.hint
    settings = load(tmp_path, environment(NOBODY))
    assert "astro-mcp[temporal]" in (await _temporal(settings, tmp_path)).fix


@pytest.mark.full
async def test_the_daemon_of_sqlite_imports_nothing_of_temporal(tmp_path: Path, project: Path) -> None:
    code = """
import sys, anyio
from pathlib import Path
from astro_mcp.testing import workbench
from astro_mcp.workflow import schedules
async def main():
    async with workbench(Path(sys.argv[1])) as bench:
        await bench.app.scheduler.get()
        assert not [name for name in sys.modules if name.startswith("temporalio")]
anyio.run(main)
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "home")], check=True, timeout=60, cwd=tmp_path)


@contextmanager
def worker(home: Path, server: Server, prefix: str, claims: Path) -> Iterator[subprocess.Popen[str]]:
    """`astro-mcp worker`, with a data folder of its own."""
    home.mkdir(mode=0o700)
    more = environment(server.address, prefix, TEMPORAL__CLAIMS=str(claims))
    with subprocess.Popen(
        [sys.executable, "-m", "astro_mcp", "worker", "--temporal", server.address, "--json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "ASTRO_MCP_HOME": str(home), **more},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.full
async def test_a_run_of_a_daemon_is_carried_out_by_a_worker_with_a_data_folder_of_its_own(
    tmp_path: Path, project: Path, temporal: Server
) -> None:
    prefix, claims = "t-worker", tmp_path / "claims"
    more = environment(temporal.address, prefix, TEMPORAL__CLAIMS=str(claims), TEMPORAL__WORKER="false")
    with worker(tmp_path / "worker", temporal, prefix, claims) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["ok"] is True
        assert json.loads((tmp_path / "worker" / "lock").read_text())["kind"] == "worker"
        async with workbench(tmp_path / "home", roots=[project], environment=more) as bench:
            done: Any = await bench.value(
                "workflow_run", spec=json.dumps(LIST), allow=["read", "write", "destroy"], wait_seconds=30
            )
            assert done.status == "succeeded", done
            assert (project / "n.txt").read_text() == "1 files"
            own = await bench.app.audit.last(50)
            assert not [record for record in own if record["tool"] == "fs_write"], "the worker's trail has it"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert (tmp_path / "worker" / "lock").read_text() == ""
    with worker(tmp_path / "second", Server(tmp_path, keeps=False), prefix, claims) as lost:
        out, _ = lost.communicate(timeout=60)
        assert lost.returncode == 3
        assert json.loads(out)["error"]["code"] == "unavailable"


@pytest.mark.full
async def test_a_schedule_begins_its_run_once_the_server_is_there(
    tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(schedules, "AGAIN", 0.2)
    caplog.set_level(logging.INFO, schedules.__name__)
    (tmp_path / "home").mkdir(mode=0o700)
    what = f'template = "index-codebase"\nroot = "{project}"\nallow = ["read", "write"]\n'
    (tmp_path / "home" / "config.toml").write_text(f'[schedules.n]\ncron = "* * * * *"\n{what}')
    server = Server(tmp_path, keeps=False)
    try:
        async with workbench(tmp_path / "home", environment=environment(server.address, "t-clock")):
            with anyio.fail_after(20):
                while "the schedule n can't be started" not in caplog.text:
                    await anyio.sleep(0.05)
            await anyio.to_thread.run_sync(server.start)
            with anyio.fail_after(30):
                while "the schedule n began the run" not in caplog.text:
                    await anyio.sleep(0.1)
    finally:
        server.kill()


@pytest.mark.full
async def test_doctor_asks_the_server(tmp_path: Path, temporal: Server) -> None:
    settings = load(tmp_path, environment(temporal.address))
    health = await _temporal(settings, tmp_path)
    assert (health.ok, temporal.address in health.detail) == (True, True)
    with pytest.raises(Unavailable, match="Namespace nowhere is not found"):
        await _temporal(load(tmp_path, environment(temporal.address, TEMPORAL__NAMESPACE="nowhere")), tmp_path)
    assert Settings().workflow.driver == "sqlite"
