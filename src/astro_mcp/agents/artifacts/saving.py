"""What `artifact_save` does."""

from __future__ import annotations

import re
from typing import Final

from astro_mcp.agents.artifacts.models import SaveInput, SaveOutput
from astro_mcp.core.call import Context
from astro_mcp.core.ports import ArtifactSink
from astro_mcp.errors import InvalidInput
from astro_mcp.workspace.changes import Changes, Write, maker
from astro_mcp.workspace.workspace import Workspace

_ARTIFACT: Final = re.compile(r"astro://artifacts/([0-9a-f]{64})\Z")


class Saving:
    """Puts artifacts into the workspace, undoably."""

    def __init__(self, artifacts: ArtifactSink, changes: Changes, workspace: Workspace) -> None:
        self._artifacts = artifacts
        self._changes = changes
        self._workspace = workspace

    async def save(self, args: SaveInput, ctx: Context) -> SaveOutput:
        found = _ARTIFACT.match(args.uri)
        if found is None:
            raise InvalidInput("uri is not that of an artifact", "astro://artifacts/ and 64 hexadecimal digits")
        data, _ = await self._artifacts.get(ctx.session.scope, found[1])
        place = self._workspace.locate(ctx.session, args.path)
        done = await self._changes.done(ctx.session, ctx.call.idempotency_key)
        change = Write(place, data, args.if_match)
        applied = done or await self._changes.apply(ctx.session, [change], by=maker(ctx))
        return SaveOutput(path=place.display, sha256=found[1], bytes=len(data), undo_id=applied.undo_id)
