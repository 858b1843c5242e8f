"""Files that a run left in ./out: kept for the session's scope, small pictures shown beside the result."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable
from typing import Final

from astro_mcp.agents.code.model import Artifact
from astro_mcp.core.call import Blob, Context
from astro_mcp.core.ports import ArtifactSink
from astro_mcp.sandbox.job import SandboxFile

MOST_SHOWN: Final = 700_000
PICTURES: Final = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
}


async def keep(files: Iterable[SandboxFile], sink: ArtifactSink, ctx: Context) -> list[Artifact]:
    """Store each file; pictures go along as blobs, 700,000 bytes of them together."""
    kept = []
    left = MOST_SHOWN
    for file in files:
        mime = mime_of(file)
        sha256 = await sink.put(ctx.session.scope, file.data, mime, file.path, ctx.call.labels | ctx.labels)
        kept.append(Artifact(name=file.path, uri=f"astro://artifacts/{sha256}", mime=mime, bytes=len(file.data)))
        if mime in PICTURES and len(file.data) <= left:
            left -= len(file.data)
            ctx.attach(Blob(file.data, mime))
    return kept


def mime_of(file: SandboxFile) -> str:
    """By name; a picture must also begin like one, since hosts decode it."""
    guessed = mimetypes.guess_type(file.path, strict=True)[0] or "application/octet-stream"
    if guessed in PICTURES and not file.data.startswith(PICTURES[guessed]):
        return "application/octet-stream"
    return guessed
