"""One `kb_index`: files and pages in, what is gone out, then embeddings for as long as the call may take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import anyio

from astro_mcp.agents.knowledge.catch_up import CatchUp
from astro_mcp.agents.knowledge.models import Failure, IndexInput, IndexOutput
from astro_mcp.agents.knowledge.reach import writable
from astro_mcp.agents.knowledge.record import Draft, Record
from astro_mcp.agents.knowledge.sources import Sources
from astro_mcp.agents.knowledge.web import Web
from astro_mcp.core.authority import Scope
from astro_mcp.core.call import Context
from astro_mcp.errors import InvalidInput

FILES_AT_ONCE: Final = 32
"""Files that are read together, and of one transaction at most."""
CHUNKS_AT_ONCE: Final = 500
"""Chunks of one transaction, but for a file that has more: all other calls of the daemon wait for it."""
PATIENCE: Final = 20.0
"""Seconds that the call waits for embeddings; hosts give a call 60, and words find everything meanwhile."""


class Indexing:
    """Brings a collection up to date with the workspace, and with pages of the web."""

    def __init__(self, record: Record, sources: Sources, web: Web, catch_up: CatchUp, *, shared: bool) -> None:
        self._record = record
        self._sources = sources
        self._web = web
        self._shared = shared
        self._catch_up = catch_up

    async def run(self, args: IndexInput, ctx: Context) -> IndexOutput:
        """Words answer for what was read when this returns; `pending_embeddings` says what meaning lacks. Raises
        `NoRoot`, `Forbidden`, `InvalidInput`, and what reading the workspace does."""
        if args.scope != "project" and (args.paths or not args.urls):
            raise InvalidInput("files belong to their workspace", f"give urls alone for scope {args.scope}")
        scope = writable(ctx.session, args.scope, shared=self._shared)
        counts: Counter[str] = Counter()
        failed: list[Failure] = []
        if args.paths or not args.urls:
            await self._files(args, ctx, counts, failed)
        if args.urls:
            await self._web.take(scope, args.collection, args.urls, ctx, counts, failed)
        if counts["removed"] or counts["updated"]:
            await self._record.drop_orphans(scope)
        pending = await self._embed(scope, args.collection, ctx)
        return _report(args.collection, counts, failed, pending, self._catch_up.failure)

    async def _files(self, args: IndexInput, ctx: Context, counts: Counter[str], failed: list[Failure]) -> None:
        scope = ctx.session.scope
        known = await self._record.known(scope, args.collection)
        listing = await self._sources.listing(ctx.session, args.paths, known)
        failed += listing.failed
        counts["skipped"] += listing.skipped
        seen: set[str] = set()
        async with self._sources.parser() as parser:
            for start in range(0, len(listing.places), FILES_AT_ONCE):
                await ctx.progress(start, len(listing.places), f"reading {len(listing.places)} files")
                batch = await self._sources.read(listing.places[start : start + FILES_AT_ONCE], known, parser)
                for drafts in _portions(batch.drafts):
                    counts.update(outcome for outcome, _ in await self._record.put(scope, args.collection, drafts))
                counts.update(unchanged=batch.unchanged, skipped=batch.skipped)
                failed += batch.failed
                seen.update(batch.seen)
        gone = listing.gone(known, seen)
        for start in range(0, len(gone), FILES_AT_ONCE):
            part = gone[start : start + FILES_AT_ONCE]
            counts["removed"] += await self._record.remove(scope, args.collection, part)

    async def _embed(self, scope: Scope, collection: str, ctx: Context) -> int:
        """Wait for the background while it gets on; how many chunks are left."""
        moved = self._catch_up.moved()
        self._catch_up.wake()
        first = pending = await self._record.pending(scope, collection)
        with anyio.move_on_after(PATIENCE):
            while pending:
                await moved.wait()
                moved = self._catch_up.moved()
                pending = await self._record.pending(scope, collection)
                await ctx.progress(first - pending, first, f"{pending} chunks to embed")
                if self._catch_up.failure:
                    break
        return pending


def _portions(drafts: Sequence[Draft]) -> Iterator[list[Draft]]:
    """`drafts` in their order, for one transaction each."""
    portion: list[Draft] = []
    chunks = 0
    for draft in drafts:
        if portion and chunks + len(draft.chunks) > CHUNKS_AT_ONCE:
            yield portion
            portion, chunks = [], 0
        portion.append(draft)
        chunks += len(draft.chunks)
    if portion:
        yield portion


def _report(collection: str, counts: Counter[str], failed: list[Failure], pending: int, failure: str) -> IndexOutput:
    return IndexOutput(
        collection=collection,
        added=counts["added"],
        updated=counts["updated"],
        unchanged=counts["unchanged"],
        removed=counts["removed"],
        skipped=counts["skipped"],
        failed=failed,
        pending_embeddings=pending,
        notice=f"embedding stopped: {failure}" if failure and pending else "",
    )
