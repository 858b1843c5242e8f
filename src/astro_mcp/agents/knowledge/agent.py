"""The knowledge agent: remember, index, search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from astro_mcp.agents.knowledge.models import (
    IndexInput,
    IndexOutput,
    RememberInput,
    RememberOutput,
    SearchInput,
    SearchOutput,
)
from astro_mcp.core.agent import Agent, Health
from astro_mcp.core.authority import Effect, Label, Session
from astro_mcp.core.call import Context
from astro_mcp.core.deferred import Deferred
from astro_mcp.core.resource import Body, Completer, Resource
from astro_mcp.core.tool import tool

if TYPE_CHECKING:
    from astro_mcp.agents.knowledge.work import KnowledgeWork  # loaded after the start, or with the first call


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
        )

    def completers(self) -> Mapping[str, Completer]:
        return {"tags": self._complete_tag}

    @tool(title="Search knowledge", effects={Effect.READ}, idempotent=True, labels={Label.PRIVATE})
    async def kb_search(self, args: SearchInput, ctx: Context) -> SearchOutput:
        """Use first for: what did we decide, what do we know about …, where is … handled. Finds passages of notes and
        of indexed files by words and by meaning, best first, with file and lines.

        Searches this workspace's notes and indexed files and the user's own notes. `kinds` narrows to `note`,
        `document` or `code`; every one of `tags` must be there. `score` ranks the passages of one answer from 0 to 1
        and can't be compared between answers. `notice` says where the ranking did without the vector index.

        Example: `{"query": "where do we retry failed uploads", "kinds": ["code"], "k": 5}`
        """
        return await (await self._work.get()).search(args, ctx)

    @tool(title="Remember", effects={Effect.WRITE}, idempotent=True, labels={Label.PRIVATE})
    async def kb_remember(self, args: RememberInput, ctx: Context) -> RememberOutput:
        """Use for decisions, preferences and findings that later sessions need: keeps a note for kb_search, and tells
        of notes that say much the same.

        `scope=project` (the default) keeps it for this workspace, `scope=user` for all of the user's workspaces. The
        same note twice is one note.

        Example: `{"title": "Retries", "tags": ["decision"], "text": "Uploads retry five times, with jitter."}`
        """
        return await (await self._work.get()).remember(args, ctx)

    @tool(
        title="Index files",
        effects={Effect.READ, Effect.WRITE},
        idempotent=True,
        timeout=600,
        labels={Label.PRIVATE, Label.UNTRUSTED},
        needs_root=True,
    )
    async def kb_index(self, args: IndexInput, ctx: Context) -> IndexOutput:
        """Use before searching a repository with kb_search, and after changes: only changed files are read anew.

        Words find the files when this returns. Embeddings are made within the call for some 20 seconds and then in the
        background; `pending_embeddings` is what is left. Not read: what .gitignore hides, secrets, binary files, and
        files over 1 MB (`failed` tells).

        Example: `{"collection": "docs", "paths": ["docs", "README.md"]}`
        """
        return await (await self._work.get()).index(args, ctx)

    async def close(self) -> None:
        if self._work.built is not None:
            await self._work.built.close()

    async def health(self) -> Health:
        return await (await self._work.get()).health()

    async def _read(self, session: Session, variables: dict[str, str]) -> Body:
        return await (await self._work.get()).summary.read(session, variables)

    async def _complete(self, session: Session, prefix: str) -> list[str]:
        return await (await self._work.get()).summary.complete(session, prefix)

    async def _complete_tag(self, session: Session, prefix: str) -> list[str]:
        return await (await self._work.get()).summary.complete_tag(session, prefix)
