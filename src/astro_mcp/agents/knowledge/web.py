"""Pages of the web as documents: read through the guarded fetch, untrusted, and gone with their source."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Final

import anyio
import anyio.to_thread

from astro_mcp.agents.knowledge.chunks import VERSION, page_chunks
from astro_mcp.agents.knowledge.models import Failure
from astro_mcp.agents.knowledge.record import Draft, Record
from astro_mcp.core.authority import Label, Scope
from astro_mcp.core.call import Context
from astro_mcp.core.deferred import Deferred
from astro_mcp.core.ports import WebPages
from astro_mcp.errors import AstroError, NotFound, Unsupported
from astro_mcp.net.urls import target

AT_ONCE: Final = 4
"""Pages that are fetched at once."""


class Web:
    """Takes pages in, each whole or not at all; one that fails is told and keeps no other back."""

    def __init__(self, record: Record, pages: Deferred[WebPages] | None) -> None:
        self._record = record
        self._pages = pages

    async def take(
        self,
        scope: Scope,
        collection: str,
        urls: Sequence[str],
        ctx: Context,
        counts: Counter[str],
        failed: list[Failure],
    ) -> None:
        """Bring the documents of `urls` up to date; adds to `counts` and `failed`."""
        if self._pages is None:
            raise Unsupported("no page can be fetched here")
        pages, known = await self._pages.get(), await self._record.known(scope, collection)
        limit = anyio.Semaphore(AT_ONCE)
        done = 0

        async def one(url: str) -> None:
            nonlocal done
            async with limit:
                try:
                    counts.update([await self._take(pages, scope, collection, url, known)])
                except AstroError as error:
                    failed.append(Failure(source=url[:500], reason=error.message))
                done += 1
                await ctx.progress(done, len(urls), f"reading {len(urls)} pages")

        async with anyio.create_task_group() as tasks:
            for url in dict.fromkeys(urls):
                tasks.start_soon(one, url)

    async def _take(self, pages: WebPages, scope: Scope, collection: str, url: str, known: dict[str, str]) -> str:
        """What became of the page."""
        source = target(url).url
        try:
            page = await pages.page(scope, source)
        except NotFound:
            if source not in known:
                raise
            return await self._gone(scope, collection, source)
        if not page.text.strip():
            return await self._gone(scope, collection, source) if source in known else "skipped"
        title = page.title or source
        chunks = await anyio.to_thread.run_sync(page_chunks, page.text, title)
        body = "\0".join([VERSION, title, page.text])
        sha256 = hashlib.sha256(body.encode("utf-8", "replace")).hexdigest()
        draft = Draft(source, "document", title, sha256, tuple(chunks), labels=(Label.UNTRUSTED.value,))
        outcome, _ = (await self._record.put(scope, collection, [draft]))[0]
        return outcome

    async def _gone(self, scope: Scope, collection: str, source: str) -> str:
        await self._record.remove(scope, collection, [source])
        return "removed"
