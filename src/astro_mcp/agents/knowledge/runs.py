"""What runs produced, as documents of the kind `run`: read when somebody searches, a scope's newest thousand."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import anyio
import anyio.to_thread

from astro_mcp.agents.knowledge.candidates import Filter
from astro_mcp.agents.knowledge.catch_up import CatchUp
from astro_mcp.agents.knowledge.chunks import VERSION, note_chunks
from astro_mcp.agents.knowledge.record import Draft, Record
from astro_mcp.core.authority import Scope
from astro_mcp.core.ports import Product, Products
from astro_mcp.errors import AstroError, Internal, NotFound

COLLECTION: Final = "runs"
NEWEST: Final = 1000
"""Runs of a scope that are kept findable; what older ones left goes."""
OF_ONE: Final = 1000
"""Documents of one run; there are far fewer."""
AT_ONCE: Final = 20
"""Runs that are taken in by one transaction."""
PATIENCE: Final = 2.0
"""Seconds that one search gives to runs that ended since the last; the rest comes with the next."""
_RUN: Final = "astro://runs/"


class Runs:
    """Brings a scope's collection `runs` up to date, each run whole or not at all."""

    def __init__(self, record: Record, products: Products, catch_up: CatchUp) -> None:
        self._record = record
        self._products = products
        self._catch_up = catch_up

    async def follow(self, scope: Scope) -> str:
        """Take in what ended since the last time, tagged with its run's id; a notice where that was not possible or not
        all of it."""
        try:
            with anyio.fail_after(PATIENCE):
                return await self._follow(scope)
        except TimeoutError:
            return "not all runs that ended lately are searched yet; search again"
        except AstroError as error:
            return f"runs that ended lately are not searched: {error.message}"

    async def _follow(self, scope: Scope) -> str:
        ended = await self._products.ended(scope, NEWEST)
        new = await self._record.unknown(scope, COLLECTION, [_RUN + run for run in ended])
        try:
            for start in range(0, len(new), AT_ONCE):
                await self._take(scope, [source.removeprefix(_RUN) for source in new[start : start + AT_ONCE]])
        finally:
            if new:  # only now: embedding would keep the processor from what the search waits for
                self._catch_up.wake()
        if new:
            await self._drop(scope, set(ended))
        return ""

    async def _take(self, scope: Scope, runs: Sequence[str]) -> None:
        drafts: list[Draft] = []
        for run in runs:
            try:
                products = await self._products.of(scope, run)
            except (NotFound, Internal):
                continue  # gone meanwhile, or damaged, which its own address tells
            drafts += await anyio.to_thread.run_sync(_drafts, products, run)
        await self._record.put(scope, COLLECTION, drafts)

    async def _drop(self, scope: Scope, kept: set[str]) -> None:
        """What older runs left."""
        for run in set(await self._record.runs(scope, COLLECTION)) - kept:
            rows = await self._record.listed(scope, Filter(kinds=("run",), tags=(run,)), OF_ONE)
            await self._record.remove(scope, COLLECTION, [row["source"] for row in rows])
        await self._record.drop_orphans(scope)


def _drafts(products: Sequence[Product], run: str) -> list[Draft]:
    drafts = []
    for product in products:
        body = "\0".join([VERSION, product.title, product.text])
        sha256 = hashlib.sha256(body.encode("utf-8", "replace")).hexdigest()
        chunks = tuple(note_chunks(product.text, product.title))
        labels = tuple(sorted(label.value for label in product.labels))
        drafts.append(Draft(product.uri, "run", product.title, sha256, chunks, (run,), labels))
    return drafts
