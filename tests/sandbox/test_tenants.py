"""What one tenant may use is its own: each run's limits, and how many runs there are at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.sandbox.rig import SMALL, Containers, Make
from tests.sandbox.wheels import wheel

from astro_mcp.config import SandboxSettings
from astro_mcp.core.authority import Kind, Principal, Scope
from astro_mcp.core.call import Call
from astro_mcp.errors import Busy, InvalidInput, LimitHit, TooLarge
from astro_mcp.sandbox import hardening
from astro_mcp.sandbox.job import Job, SandboxFile
from astro_mcp.sandbox.sandbox import Sandbox
from astro_mcp.testing import session, workbench

OWN: Mapping[str, Any] = {
    "memory_mb": 64,
    "cpus": 0.5,
    "processes": 16,
    "open_files": 100,
    "workspace_mb": 16,
    "timeout_seconds": 30,
    "output_bytes": 1000,
    "runs": 1,
}
SETTINGS = SandboxSettings.model_validate(
    {**SMALL.model_dump(exclude={"tenants"}), "queue_seconds": 0.5, "warm": 2, "tenants": {"guests": OWN}}
)
FOUND = """
import json, os, resource
def first(*paths):
    return int(next(open(path).read().split()[0] for path in paths if os.path.exists(path)))
space = os.statvfs('/workspace')
print(json.dumps({
    'memory_mb': first('/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes') >> 20,
    'processes': first('/sys/fs/cgroup/pids.max', '/sys/fs/cgroup/pids/pids.max'),
    'cpus': first('/sys/fs/cgroup/cpu.max', '/sys/fs/cgroup/cpu/cpu.cfs_quota_us') / 100_000,
    'open_files': resource.getrlimit(resource.RLIMIT_NOFILE)[1],
    'workspace_mb': space.f_blocks * space.f_frsize >> 20,
}))
"""
GUEST = Scope("guests", "a")


def job(code: str, tenant: str = "guests", **fields: Any) -> Job:
    return Job(("python3", "-c", code), **{"timeout": 20.0, "tenant": tenant, **fields})


async def found(sandbox: Sandbox, tenant: str) -> dict[str, Any]:
    outcome = await sandbox.run(job(FOUND, tenant))
    assert outcome.exit_code == 0, outcome.stderr
    return dict(json.loads(outcome.stdout))


@pytest.mark.full
async def test_a_run_has_its_tenants_limits_whatever_waits_for_others(make: Make, containers: Containers) -> None:
    sandbox = make(SETTINGS)
    others = {"memory_mb": 128, "processes": 32, "cpus": 1.0, "open_files": 1024, "workspace_mb": 32}
    own = {name: OWN[name] for name in others}
    async with sandbox.warm():
        for _ in range(2):  # the second ones find containers that waited
            assert await found(sandbox, "local") == others
            assert await found(sandbox, "guests") == own
        script = Job(("python3", "f.py"), (SandboxFile("f.py", FOUND.encode()),), timeout=20.0, script=True)
        turn = await sandbox.turn(GUEST, "s", script, last=True)
        assert json.loads(turn.stdout) == own
    await sandbox.close()
    assert await containers() == []


async def test_what_is_checked_before_a_run_is_checked_by_its_tenants_limits(make: Make) -> None:
    tight = make(SETTINGS)
    with pytest.raises(InvalidInput, match="at most 30 s"):
        await tight.run(job("", timeout=31))
    with pytest.raises(TooLarge, match="16 MiB"):
        await tight.run(job("", files=(SandboxFile("f", bytes(17 << 20)),)))
    talk = "print('x' * 5000)"
    assert len((await tight.run(job(talk))).stdout) == OWN["output_bytes"]
    assert len((await tight.run(job(talk, "local"))).stdout) == 5001
    await tight.close()


async def test_a_tenant_that_has_all_its_runs_waits_images_and_all_and_no_other_does(make: Make) -> None:
    sandbox = make(SETTINGS)
    began = anyio.Event()

    async def begin(stream: str, data: bytes) -> None:
        began.set()

    async with anyio.create_task_group() as group:
        hold = job("import time; print(1, flush=True); time.sleep(20)", on_output=begin)
        group.start_soon(sandbox.run, hold)
        with anyio.fail_after(20):
            await began.wait()
        with pytest.raises(Busy):
            await sandbox.run(job("print(1)"))
        with pytest.raises(Busy):
            await sandbox.python_image("guests", ["anything"])
        assert (await sandbox.run(job("print(2)", "local"))).stdout == b"2\n"
        group.cancel_scope.cancel()
    await sandbox.close()


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [("code_run", {"code": "1"}), ("test_run", {}), ("lint_check", {})],
)
async def test_each_tool_runs_for_the_tenant_of_its_caller(
    tool: str, arguments: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    async def image(*_: object) -> str:
        return "none"

    async def python(_: Sandbox) -> dict[str, str]:
        return {}

    async def run(_: Sandbox, asked: Job) -> None:
        seen.append(asked.tenant)
        raise LimitHit("as far as it goes")

    for door in ("python_image", "package_image"):
        monkeypatch.setattr(Sandbox, door, image)
    monkeypatch.setattr(Sandbox, "python", python)
    monkeypatch.setattr(Sandbox, "run", run)
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text("[tool.pytest]\n")
    (project / "test_a.py").write_text("def test_a(): ...\n")
    async with workbench(tmp_path / "data") as bench:
        guest = session([project])
        guest = type(guest)(Principal("user", Kind.STDIO, "guests"), guest.grant)
        await bench.app.dispatcher.call(Call(guest, tool, arguments))
    assert seen == ["guests"]


@pytest.mark.full
async def test_packages_of_a_tenant_are_installed_within_its_limits(
    make: Make, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(index, "thing")
    made: list[Any] = []
    real = hardening.container

    def noted(image: str, limits: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        made.append((kwargs.get("writable"), limits.memory_mb, limits.processes))
        return real(image, limits, *args, **kwargs)

    monkeypatch.setattr(hardening, "container", noted)
    sandbox = make(SETTINGS)
    await sandbox.python_image("guests", ["thing"])
    assert [limits for writable, *limits in made if writable] == [[OWN["memory_mb"], OWN["processes"]]]
    await sandbox.close()
