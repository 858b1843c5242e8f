"""The artifacts agent: `astro_read`, `artifact_save`, and what the server publishes of itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from astro_mcp.agents.artifacts.about import About
from astro_mcp.agents.artifacts.models import ReadUriInput, ReadUriOutput, SaveInput, SaveOutput
from astro_mcp.agents.artifacts.passages import passages
from astro_mcp.core.agent import Agent
from astro_mcp.core.authority import REPOSITORY, Effect, Session
from astro_mcp.core.call import Blob, Context
from astro_mcp.core.deferred import Deferred
from astro_mcp.core.ports import ArtifactSink
from astro_mcp.core.registry import Registry
from astro_mcp.core.resource import Body, Resource
from astro_mcp.core.tool import tool

if TYPE_CHECKING:
    from astro_mcp.agents.artifacts.saving import Saving  # loaded after the start, or with the first call

_OUR_OWN: Final = ("astro://agents", "astro://tools/", "astro://health", "astro://guides/")
IMAGES: Final = 700_000
"""Bytes of an image that is attached, as base64."""
MEDIA: Final = ("image/", "audio/", "video/", "font/", "application/pdf")


class ArtifactsAgent(Agent):
    """Reads whatever has a URI, and saves artifacts."""

    name = "artifacts"
    title = "Artifacts and documentation"

    def __init__(self, registry: Registry, artifacts: ArtifactSink, saving: Deferred[Saving], guides: Path) -> None:
        """`guides` is the pack's folder of them."""
        self._registry = registry
        self._artifacts = artifacts
        self._saving = saving
        self._about = About(registry, guides)

    def resources(self) -> tuple[Resource, ...]:
        artifact = Resource(
            uri="astro://artifacts/{sha256}",
            name="artifact",
            title="An artifact",
            description="What a call left: a file out of the sandbox, a report, the whole of a result that was cut.",
            mime="",
            read=self._artifact,
        )
        return (artifact, *self._about.resources())

    @tool(title="Read a URI", effects={Effect.READ}, idempotent=True, timeout=60)
    async def astro_read(self, args: ReadUriInput, ctx: Context) -> ReadUriOutput:
        """Use to read any astro:// URI that a result names: artifacts, files, runs and their steps, knowledge, and
        astro://tools/NAME for a tool's full documentation. With find, only the lines that hold it.

        astro://agents lists the agents, astro://health tells how they are. Images are attached; of other bytes the
        type and size are told, and `artifact_save` puts an artifact into the workspace.

        Example: {"uri": "astro://tools/fs_edit"}
        """
        resource, variables = self._registry.resource(args.uri, ctx.session.grant)
        body = await resource.read(ctx.session, variables)
        if not args.uri.startswith(_OUR_OWN):
            ctx.label(*(REPOSITORY if body.labels is None else body.labels))
        if body.data is not None:
            return _of_bytes(body, ctx).beside(body)
        text = body.text or ""
        if args.find is None:
            return ReadUriOutput(mime=body.mime, total=len(text), content=text).beside(body)
        found, hits = passages(text, args.find)
        return ReadUriOutput(mime=body.mime, total=len(text), hits=hits, content=found or "no line holds it")

    @tool(title="Save an artifact", effects={Effect.WRITE, Effect.DESTROY}, idempotent=True, needs_root=True)
    async def artifact_save(self, args: SaveInput, ctx: Context) -> SaveOutput:
        """Use to put an artifact (a file out of the sandbox, a report) into the workspace. Undo with fs_undo.

        Example: {"uri": "astro://artifacts/<sha256>", "path": "reports/coverage.json"}
        """
        return await (await self._saving.get()).save(args, ctx)

    async def _artifact(self, session: Session, variables: dict[str, str]) -> Body:
        scope, sha256 = session.scope, variables["sha256"]
        data, mime = await self._artifacts.get(scope, sha256)
        labels = await self._artifacts.labels(scope, sha256)
        text = _text(data, mime)
        return Body(mime, text=text, data=data if text is None else None, labels=labels)


def _text(data: bytes, mime: str) -> str | None:
    """What `data` says, where it is text: its type alone does not tell of a log, a script or a table."""
    if b"\0" in data or (mime.startswith(MEDIA) and not mime.endswith("+xml")):
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _of_bytes(body: Body, ctx: Context) -> ReadUriOutput:
    data = body.data or b""
    told = f"{body.mime}, {len(data):,} bytes"
    if body.mime.startswith("image/") and (len(data) + 2) // 3 * 4 <= IMAGES:
        ctx.attach(Blob(data, body.mime))
        told += ", attached"
    return ReadUriOutput(mime=body.mime, total=len(data), content=told)
