"""An agent with one tool for each thing a face has to carry, and a house to serve it from."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import anyio
from anyio.abc import ByteStream, UNIXSocketStream
from mcp import Client
from mcp.shared._context_streams import create_context_streams
from mcp.shared.message import SessionMessage
from mcp_types import Implementation, jsonrpc_message_adapter
from pydantic import BaseModel, Field

from astro_mcp.core.agent import Agent
from astro_mcp.core.authority import Effect, Grant, Kind, Principal, Session
from astro_mcp.core.call import Blob, Context
from astro_mcp.core.dispatcher import Dispatcher, Policy
from astro_mcp.core.model import Input, Listing, Output, Page
from astro_mcp.core.policies.audit import Audit
from astro_mcp.core.policies.authorize import Authorize
from astro_mcp.core.policies.deadline import Deadline
from astro_mcp.core.policies.limit import Limit, Limits
from astro_mcp.core.ports import SystemClock
from astro_mcp.core.registry import Registry
from astro_mcp.core.resource import Body, Reading, Resource
from astro_mcp.core.tool import nothing, tool
from astro_mcp.errors import Conflict, InvalidInput, NotFound, Problem
from astro_mcp.faces.mcp.face import McpFace
from astro_mcp.faces.mcp.lines import LineReader
from astro_mcp.faces.mcp.peer import Peer
from astro_mcp.store.artifacts import Artifacts
from astro_mcp.store.audit import AuditTrail, audit_key
from astro_mcp.store.database import Database

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(64))


class Words(Input):
    words: str = Field("", description="What to say.")


class Count(Input):
    count: int = Field(1, description="How many.")
    wide: int = Field(10, description="Characters of each.")


class Said(Output):
    said: str
    note: str | None = None

    def text(self) -> str:
        return self.said


class Item(BaseModel):
    number: int
    name: str


class Items(Listing):
    items: list[Item]

    def text(self) -> str:
        rows = [f"{item.number} {item.name}" for item in self.items]
        tail = [f"… more: cursor {self.next_cursor}"] if self.next_cursor else []
        return "\n".join([*rows, f"{self.total} in all", *tail])


class Prose(Page):
    paged: ClassVar[str | None] = "body"
    body: str

    def text(self) -> str:
        return self.body + (f"\n… more: cursor {self.next_cursor}" if self.next_cursor else "")


class Read(Reading):
    said: str

    def text(self) -> str:
        return self.said


class Uri(Input):
    uri: str = Field(description="An astro:// address.")


class BenchAgent(Agent):
    name = "code"
    title = "Bench"

    def __init__(self) -> None:
        self.runs = 0
        self.started = anyio.Event()
        self.cancelled = anyio.Event()

    @tool(title="Echo", effects={Effect.READ}, idempotent=True, pure=True)
    async def bench_echo(self, args: Words, ctx: Context) -> Said:
        """Use to hear the words again."""
        return Said(said=args.words)

    @tool(title="Strange", effects={Effect.READ})
    async def bench_strange(self, args: Words, ctx: Context) -> Said:
        """Use for a file name with a stray byte."""
        return Said(said="caf\udce9")

    @tool(title="List", effects={Effect.READ})
    async def bench_list(self, args: Count, ctx: Context) -> Items:
        """Use for many items."""
        self.runs += 1
        items = [Item(number=number, name="é" * args.wide) for number in range(args.count)]
        return Items(items=items, total=args.count)

    @tool(title="Prose", effects={Effect.READ})
    async def bench_prose(self, args: Count, ctx: Context) -> Prose:
        """Use for long text."""
        return Prose(body="".join(f"{number} {'ö' * args.wide}\n" for number in range(args.count)))

    @tool(title="Large", effects={Effect.EXECUTE}, on_copy=True)
    async def bench_large(self, args: Count, ctx: Context) -> Said:
        """Use for a result that has no pages."""
        return Said(said="first " + "x" * args.count + " last")

    @tool(title="Picture", effects={Effect.READ})
    async def bench_picture(self, args: Words, ctx: Context) -> Said:
        """Use for a picture."""
        ctx.attach(Blob(PICTURE, "image/png"))
        return Said(said="a picture")

    @tool(title="Wait", effects={Effect.EXECUTE}, on_copy=True)
    async def bench_wait(self, args: Words, ctx: Context) -> Said:
        """Use to wait until the call is cancelled."""
        self.started.set()
        try:
            await ctx.progress(1, 3, "one of three")
            await anyio.sleep(60)
        except anyio.get_cancelled_exc_class():
            self.cancelled.set()
            raise
        return Said(said="slept")

    @tool(title="Steps", effects={Effect.READ})
    async def bench_steps(self, args: Count, ctx: Context) -> Said:
        """Use to watch progress."""
        await ctx.progress(1, 2, "half")
        await ctx.progress(2, 2, "whole")
        return Said(said="done")

    @tool(title="Fail", effects={Effect.WRITE, Effect.DESTROY, Effect.NETWORK}, leaves=nothing)
    async def bench_fail(self, args: Words, ctx: Context) -> Said:
        """Use to see an error."""
        raise Conflict("the file changed", "read it again")

    @tool(title="Complain", effects={Effect.READ})
    async def bench_complain(self, args: Count, ctx: Context) -> Said:
        """Use to see a long error."""
        raise InvalidInput("caf\udce9", "h" * 99, problems=(Problem("p\udce9", "r" * args.wide),) * args.count)


class OtherAgent(Agent):
    name = "other"
    title = "Other"

    def resources(self) -> tuple[Resource, ...]:
        uri = "astro://other/{name}"
        return (Resource(uri, "other", "Other", "Words.", "text/plain", self._read, self._names),)

    async def _read(self, session: Session, variables: dict[str, str]) -> Body:
        return Body("text/plain", text="only the others")

    async def _names(self, session: Session, prefix: str) -> list[str]:
        if prefix == "slow":
            await anyio.sleep(60)
        if prefix == "missing":
            raise NotFound("no folder is named missing")
        if prefix == "broken":
            raise KeyError(prefix)
        return ["them"]

    @tool(title="Other", effects={Effect.READ})
    async def other_echo(self, args: Words, ctx: Context) -> Said:
        """Use for other words."""
        return Said(said=args.words)


class ReadAgent(Agent):
    name = "artifacts"
    title = "Read"

    def __init__(self, registry: Registry, artifacts: Artifacts) -> None:
        self._registry = registry
        self._artifacts = artifacts
        self.motto = "per aspera"
        self.reads = 0

    @tool(title="Read an address", effects={Effect.READ})
    async def astro_read(self, args: Uri, ctx: Context) -> Read:
        """Use for any astro:// address."""
        resource, variables = self._registry.resource(args.uri, ctx.session.grant)
        body = await resource.read(ctx.session, variables)
        return Read(said=body.text or "bytes").beside(body)

    def resources(self) -> tuple[Resource, ...]:
        return (
            Resource("astro://motto", "motto", "Motto", "A line.", "text/plain", self._motto),
            Resource("astro://artifacts/{sha256}", "artifact", "Artifact", "Bytes.", "", self._artifact, self._shas),
        )

    async def _motto(self, session: Session, variables: dict[str, str]) -> Body:
        self.reads += 1
        return Body("text/plain", text=self.motto)

    async def _artifact(self, session: Session, variables: dict[str, str]) -> Body:
        data, mime = await self._artifacts.get(session.scope, variables["sha256"])
        return Body(mime, data=data) if mime.startswith("image/") else Body(mime, text=data.decode())

    async def _shas(self, session: Session, prefix: str) -> list[str]:
        return [value for value in ("abc", "abd") if value.startswith(prefix)]


@dataclass
class House:
    """A face with real policies, a real store, and the two agents above."""

    registry: Registry
    artifacts: Artifacts
    audit: AuditTrail
    database: Database
    face: McpFace
    bench: BenchAgent
    reader: ReadAgent
    folder: Path
    sessions: list[Session] = field(default_factory=list)

    def session(self, root: str = "a", **narrow: Any) -> Session:
        grant = Grant((self.folder / root,)).narrowed(**narrow)
        return Session(Principal("uid:1", Kind.STDIO), grant)

    async def audited(self, count: int) -> list[tuple[str, str, str]]:
        """The last records, oldest first: tool, phase, code. A read's are written behind it, so this waits in line."""
        await self.database.write(lambda tx: None)
        return [(row["tool"], row["phase"], row["code"]) for row in await self.audit.last(count)][::-1]

    @asynccontextmanager
    async def client(
        self, mode: str = "auto", peer: Peer | None = None, name: str = "test", **options: Any
    ) -> AsyncIterator[Client]:
        """A real client of the SDK over a socket pair."""
        ours, theirs = [await UNIXSocketStream.from_socket(end) for end in socket.socketpair()]
        peer = peer or Peer(self.session())
        async with anyio.create_task_group() as group:
            group.start_soon(self.face.serve, peer, theirs, LineReader(lambda: theirs.receive(65536)))
            info = Implementation(name=name, version="1")
            async with Client(Wire(ours), mode=mode, client_info=info, **options) as client:
                yield client
            group.cancel_scope.cancel()


@asynccontextmanager
async def open_bench(folder: Path, prompts: Path) -> AsyncIterator[House]:
    clock = SystemClock()
    registry = Registry()
    async with Database.open(folder / "astro.db") as database:
        trail = AuditTrail(database, audit_key(folder))
        artifacts = Artifacts(database, folder / "artifacts", clock)
        audit = Audit(trail, clock)
        policies: list[Policy] = [audit, Authorize(), Limit(Limits()), Deadline(), audit.intent()]
        bench = BenchAgent()
        await registry.register(bench)
        reader = ReadAgent(registry, artifacts)
        await registry.register(reader)
        face = McpFace(Dispatcher(registry, policies, audit), artifacts, prompts, "0")
        yield House(registry, artifacts, trail, database, face, bench, reader, folder)


class Wire:
    """The client's end of a stream of lines, as the SDK's client takes it."""

    def __init__(self, link: ByteStream) -> None:
        self._link = link
        self._stack: Any = None

    async def __aenter__(self) -> Any:
        self._stack = self._run()
        return await self._stack.__aenter__()

    async def __aexit__(self, *exc: Any) -> Any:
        return await self._stack.__aexit__(*exc)

    @asynccontextmanager
    async def _run(self) -> AsyncIterator[Any]:
        inbound, read = create_context_streams[SessionMessage | Exception](0)
        write, outbound = create_context_streams[SessionMessage](0)
        lines = LineReader(lambda: self._link.receive(65536))

        async def receive() -> None:
            async with inbound:
                with suppress(anyio.BrokenResourceError):  # a client that is leaving hears no more
                    while (line := await lines.next(1 << 30)) is not None:
                        await inbound.send(SessionMessage(jsonrpc_message_adapter.validate_json(line.data)))

        async def send() -> None:
            async with outbound:
                async for item in outbound:
                    text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
                    await self._link.send(text.encode() + b"\n")

        async with anyio.create_task_group() as group:
            group.start_soon(receive)
            group.start_soon(send)
            yield read, write
            await self._link.aclose()
            group.cancel_scope.cancel()
