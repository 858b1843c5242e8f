"""The knowledge agent: remember, index, search, list, forget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

from astro_mcp.agents.knowledge.models import (
    ForgetInput,
    ForgetOutput,
    IndexInput,
    IndexOutput,
    ListInput,
    ListOutput,
    RememberInput,
    RememberOutput,
    SearchInput,
    SearchOutput,
)
from astro_mcp.core.agent import Agent, Health
from astro_mcp.core.authority import Effect, Label, Session
from astro_mcp.core.call import Context
from astro_mcp.core.deferred import Deferred
from astro_mcp.core.flow import Leaving, page
from astro_mcp.core.resource import Body, Completer, Resource
from astro_mcp.core.tool import tool
from astro_mcp.errors import InvalidInput
from astro_mcp.net.urls import target

if TYPE_CHECKING:
    from astro_mcp.agents.knowledge.work import KnowledgeWork  # loaded after the start, or with the first call


def _index_effects(args: IndexInput) -> frozenset[Effect]:
    return frozenset({Effect.READ, Effect.WRITE, Effect.NETWORK} if args.urls else {Effect.READ, Effect.WRITE})


def _index_leaves(args: IndexInput) -> Iterator[Leaving]:
    """The requests for the pages; none is made for what is no address, which the result tells."""
    for url in args.urls:
        with suppress(InvalidInput):
            yield page(target(url).url)


class KnowledgeAgent(Agent):
    """Owns the record's knowledge tables and the vector index in `folder`; its background task lives in `tasks`."""

    name: ClassVar[str] = "knowledge"
    title: ClassVar[str] = "Knowledge"

    def __init__(self, work: Deferred[KnowledgeWork]) -> None:
        self._work = work

    def resources(self) -> tuple[Resource, ...]:
        return (
            Resource(
                uri="astro://knowledge/{collection}",
                name="knowledge",
                title="Knowledge collection",
                description="What a collection holds: documents, chunks, sources, and what waits for its embedding.",
                mime="text/markdown",
                read=self._read,
                complete=self._complete,
            ),
            Resource(
                uri="astro://knowledge/{collection}/{id}",
                name="document",
                title="A document of knowledge",
                description="A note with its earlier versions, or the passages of a document.",
                mime="text/markdown",
                read=self._read_document,
            ),
        )

    def completers(self) -> Mapping[str, Completer]:
        return {"tags": self._complete_tag}

    @tool(title="Search knowledge", effects={Effect.READ}, idempotent=True, labels={Label.PRIVATE})
    async def kb_search(self, args: SearchInput, ctx: Context) -> SearchOutput:
        """Use first for: what did we decide, what do we know about …, where is … handled. Finds passages of
        notes, indexed files and runs, best first, with file and lines.

        By words and by meaning, in this workspace's notes and indexed files, the user's own notes and the tenant's.
        `kinds` narrows to `note`, `document`, `code` or `run` (what workflows produced; tagged with the run's id);
        every one of `tags` must be there. `score` ranks the passages of one answer from 0 to 1 and can't be compared
        between answers. `notice` says where the ranking did without the vector index.

        Example: `{"query": "where do we retry failed uploads", "kinds": ["code"], "k": 5}`
        """
        return await (await self._work.get()).search(args, ctx)

    @tool(title="Remember", effects={Effect.WRITE}, idempotent=True, labels={Label.PRIVATE})
    async def kb_remember(self, args: RememberInput, ctx: Context) -> RememberOutput:
        """Use for decisions, preferences and findings that later sessions need: keeps a note for kb_search, and tells
        of notes that say much the same.

        `scope=project` (the default) keeps it for this workspace, `scope=user` for all of the user's workspaces,
        `scope=tenant` for all of the tenant's users, where the operator allows that. A note is known by its title:
        under the same title, or with another note's `id`, it becomes that note's next version. The last 20 versions are
        at `astro://knowledge/notes/ID`.

        Example: `{"title": "Retries", "tags": ["decision"], "text": "Uploads retry five times, with jitter."}`
        """
        return await (await self._work.get()).remember(args, ctx)

    @tool(
        title="Index files",
        effects={Effect.READ, Effect.WRITE, Effect.NETWORK},
        effects_of=_index_effects,
        least={Effect.READ, Effect.WRITE},
        idempotent=True,
        timeout=600,
        labels={Label.PRIVATE, Label.UNTRUSTED},
        leaves=_index_leaves,
    )
    async def kb_index(self, args: IndexInput, ctx: Context) -> IndexOutput:
        """Use before searching a repository with kb_search, and after changes: only changed files are read anew.

        Words find the files when this returns. Embeddings are made within the call for some 20 seconds and then in the
        background; `pending_embeddings` is what is left. Not read: what .gitignore hides, secrets, binary files, and
        files over 1 MB, PDFs over 20 (`failed` tells). What is gone leaves the index.

        `urls` are pages of the public web, read as web_fetch reads them and untrusted ever after; with them alone no
        file is read. `scope` may keep them for every workspace (`user`), or for all of the tenant where the operator
        allows that.

        Example: `{"collection": "docs", "paths": ["docs", "README.md"]}`
        """
        return await (await self._work.get()).index(args, ctx)

    @tool(title="List knowledge", effects={Effect.READ}, idempotent=True, labels={Label.PRIVATE})
    async def kb_list(self, args: ListInput, ctx: Context) -> ListOutput:
        """Use to see what is known, with ids.

        Notes and indexed documents, newest first, and the collections with what they hold. At most 10,000 items of each
        scope. `astro_read` of `astro://knowledge/COLLECTION/ID` shows one whole, a note with its earlier versions.

        Example: `{"kinds": ["note"], "tags": ["decision"]}`
        """
        return await (await self._work.get()).list(args, ctx)

    @tool(title="Forget", effects={Effect.WRITE, Effect.DESTROY}, idempotent=True, labels={Label.PRIVATE})
    async def kb_forget(self, args: ForgetInput, ctx: Context) -> ForgetOutput:
        """Use to take notes or documents out of kb_search, or with undo to bring them back.

        `ids` are of notes, documents or hits; `sources` are paths, folders with all below them, URLs and astro:// URIs.
        Files themselves stay, and kb_index reads them again where they lie within its paths. What was forgotten is kept
        for 30 days: `undo` with the `undo_id` brings it back under its old ids, unless there is a newer one of the same
        source.

        Example: `{"ids": ["note_0190a1b2c3d4e5f60718293a4b5c6d7e"]}`
        """
        return await (await self._work.get()).forget(args, ctx)

    async def close(self) -> None:
        if self._work.built is not None:
            await self._work.built.close()

    async def health(self) -> Health:
        return await (await self._work.get()).health()

    async def _read(self, session: Session, variables: dict[str, str]) -> Body:
        return await (await self._work.get()).summary.read(session, variables)

    async def _read_document(self, session: Session, variables: dict[str, str]) -> Body:
        return await (await self._work.get()).summary.read_document(session, variables)

    async def _complete(self, session: Session, prefix: str) -> list[str]:
        return await (await self._work.get()).summary.complete(session, prefix)

    async def _complete_tag(self, session: Session, prefix: str) -> list[str]:
        return await (await self._work.get()).summary.complete_tag(session, prefix)
