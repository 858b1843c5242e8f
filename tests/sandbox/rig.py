"""What the tests of the sandbox share: where things are, small bounds, and the shapes of fixtures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from astro_mcp.config import SandboxSettings
from astro_mcp.core.authority import Scope
from astro_mcp.sandbox.job import Job, Outcome, SandboxFile
from astro_mcp.sandbox.sandbox import Sandbox

RESOURCES = Path(__file__).parents[2] / "resources/sandbox"
SMALL = SandboxSettings(memory_mb=128, workspace_mb=32, processes=32, output_bytes=100_000)

Make = Callable[..., Sandbox]
Python = Callable[..., Awaitable[Outcome]]
Containers = Callable[[], Awaitable[list[dict[str, Any]]]]

MINE, THEIRS = Scope("local", "a"), Scope("local", "b")
RUN = b"""
import sys, traceback
kept = sys.modules.setdefault('kept', type(sys)('kept'))
exec(open('/workspace/main.py').read(), kept.__dict__)
"""


async def turn(
    sandbox: Sandbox, code: str, name: str = "s", scope: Scope = MINE, *, last: bool = False, **fields: Any
) -> Outcome:
    files = (SandboxFile("run.py", RUN), SandboxFile("main.py", code.encode()))
    job = Job(("python3", "run.py"), files=files, script=True, **{"timeout": 20.0, **fields})
    return await sandbox.turn(scope, name, job, last=last)


async def said(sandbox: Sandbox, code: str, name: str = "s", scope: Scope = MINE, **fields: Any) -> str:
    outcome = await turn(sandbox, code, name, scope, **fields)
    assert not outcome.over
    return (outcome.stdout + outcome.stderr).decode()
