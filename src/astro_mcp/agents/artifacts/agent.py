"""The artifacts agent: `astro_read`, `artifact_save`, and what the server publishes of itself."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from pydantic import ConfigDict, Field

from astro_mcp.agents.artifacts.about import About
from astro_mcp.agents.artifacts.passages import passages
from astro_mcp.core.agent import Agent
from astro_mcp.core.authority import Effect, Label, Session
from astro_mcp.core.call import Blob, Context
from astro_mcp.core.model import Input, Output
from astro_mcp.core.ports import ArtifactSink
from astro_mcp.core.registry import Registry
from astro_mcp.core.resource import Body, Reading, Resource
from astro_mcp.core.tool import tool
from astro_mcp.errors import InvalidInput
from astro_mcp.workspace.changes import Changes, Write
from astro_mcp.workspace.workspace import Workspace

_ARTIFACT: Final = re.compile(r"astro://artifacts/([0-9a-f]{64})\Z")
_OUR_OWN: Final = ("astro://agents", "astro://tools/", "astro://health")
IMAGES: Final = 700_000
"""Bytes of an image that is attached, as base64."""


class ReadUriInput(Input):
    uri: str = Field(max_length=8192, description="Any astro:// URI, as results and resource lists name them")
    find: str | None = Field(None, min_length=1, max_length=1000, description="Only lines that hold this, any case")


class ReadUriOutput(Reading):
    """The field is `content` here since `text` names the text form; outside it is `text`. `total` is in characters of
    the whole, or in bytes where it is no text."""

    model_config = ConfigDict(
        extra="forbid", defer_build=True, validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )
    paged: ClassVar[str | None] = "content"

    mime: str
    total: int
    hits: int | None = None
    content: str = Field("", alias="text")

    def text(self) -> str:
        return self.content + (f"\n[cut; go on with cursor {self.next_cursor}]" if self.next_cursor else "")


class SaveInput(Input):
    uri: str = Field(description="astro://artifacts/{sha256}, as results name it")
    path: str = Field(description="Where in the workspace; folders are made, a file there is replaced")
    if_match: str | None = Field(None, description="sha256 that the file there must have now")


class SaveOutput(Output):
    path: str
    sha256: str
    bytes: int
    undo_id: str

    def text(self) -> str:
        done = f"undo_id {self.undo_id}" if self.undo_id else "it was so already; nothing to undo"
        return f"saved {self.path} · {self.bytes:,} bytes · sha256 {self.sha256} · {done}"


class ArtifactsAgent(Agent):
    """Reads whatever has a URI, and saves artifacts."""

    name = "artifacts"
    title = "Artifacts and documentation"

    def __init__(self, registry: Registry, artifacts: ArtifactSink, changes: Changes, workspace: Workspace) -> None:
        self._registry = registry
        self._artifacts = artifacts
        self._changes = changes
        self._workspace = workspace
        self._about = About(registry)

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
        astro://tools/NAME for a tool's full documentation. With find, only the lines that hold a word.

        astro://agents lists the agents, astro://health tells how they are. Images are attached; of other bytes the
        type and size are told, and `artifact_save` puts an artifact into the workspace.

        Example: {"uri": "astro://tools/fs_edit"}
        """
        resource, variables = self._registry.resource(args.uri, ctx.session.grant)
        body = await resource.read(ctx.session, variables)
        if not args.uri.startswith(_OUR_OWN):
            ctx.label(Label.PRIVATE, Label.UNTRUSTED)
        if body.data is not None:
            return _of_bytes(body, ctx).beside(body)
        text = body.text or ""
        if args.find is None:
            return ReadUriOutput(mime=body.mime, total=len(text), content=text).beside(body)
        found, hits = passages(text, args.find)
        return ReadUriOutput(mime=body.mime, total=len(text), hits=hits, content=found or "no line holds it")

    @tool(title="Save an artifact", effects={Effect.WRITE, Effect.DESTROY}, idempotent=True, needs_root=True)
    async def artifact_save(self, args: SaveInput, ctx: Context) -> SaveOutput:
        """Use to put an artifact (a file out of the sandbox, a report) into the workspace under a path. Undo with
        fs_undo.

        Example: {"uri": "astro://artifacts/<sha256>", "path": "reports/coverage.json"}
        """
        found = _ARTIFACT.match(args.uri)
        if found is None:
            raise InvalidInput("uri is not that of an artifact", "astro://artifacts/ and 64 hexadecimal digits")
        data, _ = await self._artifacts.get(ctx.session.scope, found[1])
        place = self._workspace.locate(ctx.session, args.path)
        change = Write(place, data, args.if_match)
        applied = await self._changes.apply(ctx.session, [change], run_id=ctx.call.run_id)
        return SaveOutput(path=place.display, sha256=found[1], bytes=len(data), undo_id=applied.undo_id)

    async def _artifact(self, session: Session, variables: dict[str, str]) -> Body:
        data, mime = await self._artifacts.get(session.scope, variables["sha256"])
        if mime.startswith(("text/", "application/json")) or mime.endswith(("+json", "+xml")):
            try:
                return Body(mime, text=data.decode())
            except UnicodeDecodeError:
                return Body(mime, data=data)
        return Body(mime, data=data)


def _of_bytes(body: Body, ctx: Context) -> ReadUriOutput:
    data = body.data or b""
    told = f"{body.mime}, {len(data):,} bytes"
    if body.mime.startswith("image/") and (len(data) + 2) // 3 * 4 <= IMAGES:
        ctx.attach(Blob(data, body.mime))
        told += ", attached"
    return ReadUriOutput(mime=body.mime, total=len(data), content=told)
