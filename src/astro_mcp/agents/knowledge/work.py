"""What the knowledge tools do: remember, index, search, list, forget."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, get_args

from anyio.abc import TaskGroup

from astro_mcp.agents.knowledge import notes
from astro_mcp.agents.knowledge.backlog import Backlog
from astro_mcp.agents.knowledge.candidates import Filter
from astro_mcp.agents.knowledge.catch_up import CatchUp
from astro_mcp.agents.knowledge.chroma_server import ChromaServer
from astro_mcp.agents.knowledge.chunks import Kind
from astro_mcp.agents.knowledge.embedding import Embedder
from astro_mcp.agents.knowledge.forgetting import Forgetting
from astro_mcp.agents.knowledge.index import Index
from astro_mcp.agents.knowledge.indexing import Indexing
from astro_mcp.agents.knowledge.listing import listed
from astro_mcp.agents.knowledge.models import (
    ForgetInput,
    ForgetOutput,
    Hit,
    IndexInput,
    IndexOutput,
    ListInput,
    ListOutput,
    RememberInput,
    RememberOutput,
    SearchInput,
    SearchOutput,
    document_of,
)
from astro_mcp.agents.knowledge.reach import labels_of, readable, recorded, told, writable
from astro_mcp.agents.knowledge.record import Record
from astro_mcp.agents.knowledge.runs import COLLECTION as RUNS
from astro_mcp.agents.knowledge.runs import Runs
from astro_mcp.agents.knowledge.search import Found, Search
from astro_mcp.agents.knowledge.serving import Serving
from astro_mcp.agents.knowledge.sources import Sources
from astro_mcp.agents.knowledge.summary import Summary
from astro_mcp.agents.knowledge.vectors import Vectors
from astro_mcp.agents.knowledge.versions import Versions
from astro_mcp.agents.knowledge.warming import Warming
from astro_mcp.agents.knowledge.web import Web
from astro_mcp.config import KnowledgeSettings
from astro_mcp.core.agent import Health
from astro_mcp.core.authority import Label, Session
from astro_mcp.core.call import Context
from astro_mcp.core.deferred import Deferred
from astro_mcp.core.ports import Clock, Products, WebPages
from astro_mcp.errors import AstroError, InvalidInput
from astro_mcp.nearest import nearest
from astro_mcp.net.client import GuardedClient
from astro_mcp.net.urls import target
from astro_mcp.store.database import Database
from astro_mcp.workspace.workspace import Workspace

KINDS: Final[tuple[str, ...]] = get_args(Kind)


class KnowledgeWork:
    """Owns the record's knowledge tables and the vector index in `folder`; its background task lives in `tasks`."""

    def __init__(
        self,
        database: Database,
        workspace: Workspace,
        folder: Path,
        model_folder: Path,
        settings: KnowledgeSettings,
        tasks: TaskGroup,
        clock: Clock,
        products: Products | None = None,
        pages: Deferred[WebPages] | None = None,
        client: GuardedClient | None = None,
    ) -> None:
        """Without `products` nothing of runs is found, without `pages` no URL is read; `client` leads to an endpoint
        that embeds and to a Chroma server, where the settings name them."""
        self._record = Record(database, clock)
        index: Vectors = Index(folder)
        if settings.chroma.url and client is not None:
            index = ChromaServer(client, settings.chroma, folder)
        serving = Serving(folder, Embedder(model_folder), settings.embedding, client)
        backlog = Backlog(database)
        self._catch_up = CatchUp(backlog, serving, index, Warming(self._record, backlog))
        self._search = Search(self._record, serving, index, self._catch_up)
        web = Web(self._record, pages)
        self._indexing = Indexing(self._record, Sources(workspace), web, self._catch_up, shared=settings.shared)
        self._versions = Versions(database, clock)
        self._forgetting = Forgetting(database, clock)
        self._runs = Runs(self._record, products, self._catch_up) if products else None
        self._shared = settings.shared
        self._workspace = workspace
        self.summary = Summary(self._record)
        self._catch_up.start(tasks)  # nothing heavy is loaded before it has work

    async def close(self) -> None:
        """End the background task, wait for it, and close the index."""
        await self._catch_up.stop()

    async def health(self) -> Health:
        """Words always answer; not ok where meaning does not."""
        failure = self._catch_up.failure
        return Health(ok=not failure, detail=failure, facts={"index": "open" if self._catch_up.ready else "closed"})

    async def search(self, args: SearchInput, ctx: Context) -> SearchOutput:
        if not args.query.strip():
            raise InvalidInput("query: it is blank", "kb_list tells all that is known")
        only = Filter(_kinds(args.kinds), notes.normal_tags(args.tags))
        notice = ""
        if self._runs and args.scope in ("all", "project") and (not only.kinds or "run" in only.kinds):
            notice = await self._runs.follow(ctx.session.scope)
        scopes, secret = list(readable(ctx.session, args.scope)), Label.SECRET in ctx.call.labels
        answer = await self._search.find(scopes, args.query, only, args.k, secret=secret)
        items = [_hit(found, ctx.session) for found in answer.found]
        if not items:
            notice = "; ".join(filter(None, [notice, _narrowed(args)]))
        ctx.label(*labels_of(*(found.row for found in answer.found)))
        ctx.source(*(hit.source for hit in items))
        return SearchOutput(items=items, total=len(items), notice="; ".join(filter(None, [answer.notice, notice])))

    async def remember(self, args: RememberInput, ctx: Context) -> RememberOutput:
        scope = writable(ctx.session, args.scope, shared=self._shared)
        labels = ctx.session.labels | ctx.call.labels
        if args.scope == "tenant":
            labels |= {Label.UNTRUSTED}  # others did not write it
        if "tags" not in args.model_fields_set:  # a note keeps its own
            own = await self._versions.tags(scope, notes.COLLECTION, notes.name(args.title), document_of(args.id))
            args = args.model_copy(update={"tags": list(own)})
        draft = notes.draft(args, labels)
        with self._waking():
            noted = await self._versions.keep(scope, notes.COLLECTION, draft, args.text, document_of(args.id))
        alike = await notes.alike(self._search, scope, args, noted.id, secret=Label.SECRET in labels)
        ctx.label(*labels_of(*(found.row for found in alike)))
        similar = [notes.similar(found) for found in alike]
        return RememberOutput(id=noted.id, version=noted.version, similar_existing=similar)

    async def list(self, args: ListInput, ctx: Context) -> ListOutput:
        only = Filter(_kinds(args.kinds), notes.normal_tags(args.tags))
        return await listed(self._record, readable(ctx.session, args.scope), only, ctx)

    async def forget(self, args: ForgetInput, ctx: Context) -> ForgetOutput:
        scopes = [
            scope for scope, name in readable(ctx.session, args.scope).items() if name != "tenant" or self._shared
        ]
        if args.scope == "tenant":
            writable(ctx.session, "tenant", shared=self._shared)
        if bool(args.undo) == bool(args.ids or args.sources):
            raise InvalidInput("name what is to be forgotten, or an undo_id", "kb_list tells ids and sources")
        if args.undo:
            with self._waking():
                restored, left_out = await self._forgetting.bring_back(scopes, args.undo)
            return ForgetOutput(restored=restored, left_out=left_out)
        ids = [document_of(one) for one in args.ids]
        sources = [self._source(ctx.session, one) for one in args.sources]
        with self._waking():
            removed, undo_id = await self._forgetting.forget(scopes, ids, sources)
        return ForgetOutput(removed=removed, undo_id=undo_id)

    async def index(self, args: IndexInput, ctx: Context) -> IndexOutput:
        if args.collection in (notes.COLLECTION, RUNS):
            raise InvalidInput(
                f"the collection {args.collection} is kept for what no file holds", "choose another name"
            )
        with self._waking():
            return await self._indexing.run(args, ctx)

    @contextmanager
    def _waking(self) -> Iterator[None]:
        """What is written within has work for the background, also where the call ends before it can say so."""
        try:
            yield
        finally:
            self._catch_up.wake()

    def _source(self, session: Session, name: str) -> str:
        """What the record calls a source: a path as `kb_index` takes it, or whatever else by its own name."""
        if "://" in name:
            with suppress(InvalidInput):  # what is no page's address stands as it is
                name = target(name).url
            return name.rstrip("/")
        try:
            place = self._workspace.locate(session, name)
        except AstroError:  # another workspace's, or a run's
            return name.rstrip("/")
        found = recorded(session, place).display
        if found == "." or (place.primary and not place.relative):
            raise InvalidInput("sources: the whole workspace is no source", "name its files and folders")
        return found


def _kinds(kinds: list[str]) -> tuple[str, ...]:
    for kind in kinds:
        if kind not in KINDS:
            near = nearest(kind, list(KINDS))
            raise InvalidInput(
                f"kinds: {kind[:40]!r} is none of {', '.join(KINDS)}", f"did you mean {near}?" if near else ""
            )
    return tuple(kinds)


def _narrowed(args: SearchInput) -> str:
    """What may have kept everything out of an answer."""
    scope = [] if args.scope == "all" else [str(args.scope)]
    given = {"scope": scope, "kinds": args.kinds, "tags": args.tags}
    told = ", ".join(f"{name} {' '.join(values)[:80]}" for name, values in given.items() if values)
    return f"nothing was left by {told}; without that more is searched" if told else ""


def _hit(found: Found, session: Session) -> Hit:
    row = found.row
    return Hit(
        id=f"{row['document']}.{row['ordinal']}",
        score=round(found.score, 3),
        text=row["text"],
        source=row["document"] if row["kind"] == "note" else told(session, row),
        start_line=row["start_line"],
        end_line=row["end_line"],
        title=row["title"],
    )
