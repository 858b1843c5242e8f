"""A workbench in your own tests: the real app on a folder of your choice, called without a host.

    async with workbench(tmp_path / "data", roots=[project]) as bench:
        listing = await bench.value("fs_list", path=".")

Nothing is faked: SQLite, git, Docker and the policies are the real ones.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from astro_mcp.app.app import App, open_app
from astro_mcp.core.authority import Grant, Kind, Principal, Session
from astro_mcp.core.call import Call, Progress, Result, silent
from astro_mcp.core.model import Output


@dataclass(frozen=True, slots=True)
class Workbench:
    """An open app, and one session of it."""

    app: App
    session: Session

    async def call(self, tool: str, /, *, progress: Progress = silent, **arguments: Any) -> Result:
        """Call `tool` through the whole call path."""
        return await self.app.dispatcher.call(Call(self.session, tool, arguments, progress=progress))

    async def value(self, tool: str, /, **arguments: Any) -> Output:
        """The tool's value; raises its error."""
        return (await self.call(tool, **arguments)).unwrap()

    def other(self, *roots: Path, principal: str = "user") -> Workbench:
        """Another session on the same app."""
        return Workbench(self.app, session(roots, principal))


def session(roots: Sequence[Path] = (), principal: str = "user") -> Session:
    """A session as the daemon makes one for a host on stdio."""
    return Session(Principal(principal, Kind.STDIO), Grant(roots=tuple(root.resolve() for root in roots)))


@asynccontextmanager
async def workbench(
    folder: Path, *, roots: Sequence[Path] = (), environment: Mapping[str, str] | None = None
) -> AsyncIterator[Workbench]:
    """Open the app on the data folder `folder` with one session over `roots`."""
    await anyio.Path(folder).mkdir(parents=True, exist_ok=True, mode=0o700)
    async with open_app(folder, environment or {}) as app:
        yield Workbench(app, session(roots))
