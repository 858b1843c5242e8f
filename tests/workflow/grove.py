"""Documents that ask for a worktree, and houses whose root is a repository."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.workflow.desk import Desk
from tests.workflow.house import House, Toys, house

NOBODY: Any = None
"""Where a desk is for its git alone."""


def spec(*steps: dict[str, Any], **more: Any) -> str:
    return json.dumps({"name": "tree", "workspace": "worktree", "steps": list(steps), **more})


@asynccontextmanager
async def lives(folder: Path, toys: Toys | None = None) -> AsyncIterator[House]:
    """A house whose root is a repository of one commit; opened again, it is the next life of its runs."""
    if not (folder / ".git").exists():
        Desk(NOBODY, folder).commit("Begin", a__txt="a\n")
    async with house(folder, toys=toys) as found:
        yield found
