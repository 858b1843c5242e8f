"""Documents that ask for a worktree, and houses whose root is a repository."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.workflow.desk import Desk
from tests.workflow.house import House, Nothing, Said, Toys, house, until_called

from astro_mcp.core.authority import Effect
from astro_mcp.core.call import Context
from astro_mcp.core.tool import tool
from astro_mcp.run_settings import WorkflowSettings
from astro_mcp.workflow.trees import Trees

NOBODY: Any = None
"""Where a desk is for its git alone."""


def spec(*steps: dict[str, Any], **more: Any) -> str:
    return json.dumps({"name": "tree", "workspace": "worktree", "steps": list(steps), **more})


@asynccontextmanager
async def lives(
    folder: Path, toys: Toys | None = None, settings: WorkflowSettings | None = None
) -> AsyncIterator[House]:
    """A house whose root is a repository of one commit; opened again, it is the next life of its runs."""
    if not (folder / ".git").exists():
        Desk(NOBODY, folder).commit("Begin", a__txt="a\n")
    async with house(folder, toys=toys, settings=settings) as found:
        yield found


class Slow(Toys):
    """A tool that goes on for a moment after it was cancelled, as one that is in the middle of a write."""

    @tool(title="Linger", effects={Effect.READ}, idempotent=True)
    async def toy_linger(self, args: Nothing, ctx: Context) -> Said:
        """Wait, and take a moment to end."""
        self._note("linger")
        try:
            await self.gate.wait()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.05)
            self._note("lingered")
        return Said()


async def noted_before_a_close(at: House, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the slow tool had noted when the worktree of a run began to be closed that was cancelled amid its call."""
    seen: list[str] = []
    plain = Trees.close

    async def watched(*arguments: Any) -> Any:
        seen.extend(at.toys.calls)
        return await plain(*arguments)

    monkeypatch.setattr(Trees, "close", watched)
    run = await at.run(spec({"id": "a", "tool": "toy_linger"}), wait_seconds=0)
    await until_called(at.toys, "linger")
    await at.call("workflow_control", run_id=run["run_id"], action="cancel")
    ended = await at.call("workflow_status", run_id=run["run_id"], wait_seconds=20)
    assert ended["status"] == "cancelled"
    return seen
