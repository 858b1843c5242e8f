"""Rewrites every file of a folder in one change set; somebody kills it meanwhile."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio

from astro_mcp.config import SecretSettings
from astro_mcp.core.authority import Grant, Kind, Principal, Session
from astro_mcp.core.ports import SystemClock
from astro_mcp.store.artifacts import Artifacts
from astro_mcp.store.database import Database
from astro_mcp.workspace.changes import Changes, Write
from astro_mcp.workspace.workspace import Workspace


async def main(root: Path, data: Path) -> None:
    session = Session(Principal("u", Kind.STDIO), Grant(roots=(root,)))
    async with Database.open(data / "astro.db") as database:
        workspace = Workspace(SecretSettings())
        changes = Changes(workspace, database, Artifacts(database, data / "artifacts", SystemClock()), SystemClock())
        names = sorted(path.name for path in root.iterdir())
        writes = [Write(workspace.locate(session, name), b"after\n") for name in names]
        made = [Write(workspace.locate(session, f"made/{name}"), b"new\n") for name in names]
        await changes.apply(session, [*writes, *made])
        print("acknowledged", flush=True)


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), Path(sys.argv[2]))
