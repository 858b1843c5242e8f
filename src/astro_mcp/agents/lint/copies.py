"""The last copies of roots: the next one reads what changed since."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Final

from astro_mcp.core.authority import Session
from astro_mcp.workspace.snapshot import Snapshot
from astro_mcp.workspace.survey import Survey
from astro_mcp.workspace.workspace import Workspace

FILES: Final = 20_000
BYTES: Final = 128 * 1024 * 1024
HELD: Final = BYTES // 2
"""Bytes of all copies that are held."""
MOST: Final = 8


class Copies:
    """One for all sessions; each has its own."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._held: OrderedDict[Hashable, tuple[Snapshot, int]] = OrderedDict()

    async def take(self, session: Session, paths: Sequence[str], survey: Survey) -> Snapshot:
        """A copy of `paths`, all of one root; `survey` has what lies there. Raises as `Workspace.snapshot` does."""
        key = session.scope, session.grant.roots, tuple(paths)
        before, _ = self._held.get(key, (None, 0))
        taken = await self.workspace.snapshot(
            session, paths, max_files=FILES, max_bytes=BYTES, before=before, survey=survey
        )
        self._held[key] = taken, sum(len(file.data) for file in taken.files)
        self._held.move_to_end(key)
        while len(self._held) > MOST or sum(size for _, size in self._held.values()) > HELD:
            self._held.popitem(last=False)
        return taken
