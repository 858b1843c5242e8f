"""Pages as they were fetched, kept for their scope: asked for again only where they may have changed, by a conditional
request where the server gave something to go by."""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import anyio
import anyio.to_thread

from astro_mcp.agents.search.freshness import fresh_until
from astro_mcp.agents.search.robots import Robots
from astro_mcp.core.authority import Scope
from astro_mcp.core.ports import Clock
from astro_mcp.errors import AstroError
from astro_mcp.net.client import Fetched, GuardedClient, sendable
from astro_mcp.net.urls import target
from astro_mcp.store.connection import Transaction
from astro_mcp.store.database import Database

log = logging.getLogger(__name__)

PAGES: Final = 500
"""Pages that are kept of a scope; the oldest go."""
BYTES: Final = 64 * 1024 * 1024
"""Of all of them together, compressed."""
KEPT: Final = frozenset({"content-type", "etag", "last-modified", "cache-control", "expires", "vary"})
_ACCEPT: Final = "text/html, application/xhtml+xml, text/*;q=0.9, */*;q=0.5"

_FIND: Final = "SELECT final, headers, until, body FROM page WHERE tenant = ? AND scope = ? AND url = ?"
_PUT: Final = (
    "INSERT OR REPLACE INTO page (tenant, scope, url, final, headers, until, body) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_FRESH: Final = "UPDATE page SET headers = ?, until = ? WHERE tenant = ? AND scope = ? AND url = ?"
_FORGET: Final = "DELETE FROM page WHERE tenant = ? AND scope = ? AND url = ?"
_OLD: Final = """
DELETE FROM page WHERE tenant = ? AND scope = ? AND seq IN (
    SELECT seq FROM (
        SELECT seq, row_number() OVER newest AS place, sum(length(body)) OVER newest AS held
        FROM page WHERE tenant = ? AND scope = ? WINDOW newest AS (ORDER BY seq DESC)
    ) WHERE place > ? OR held > ?
)
"""


@dataclass(frozen=True, slots=True)
class _Kept:
    fetched: Fetched
    until: float


class Pages:
    """Fetches through `client`, and keeps in `database`."""

    def __init__(self, client: GuardedClient, database: Database, clock: Clock, robots: Robots | None) -> None:
        """Without `robots`, what sites ask of programs is not looked at."""
        self._client = client
        self._robots = robots
        self._database = database
        self._clock = clock
        self._threads = anyio.CapacityLimiter(2)

    async def get(self, scope: Scope, url: str) -> Fetched:
        """The page at `url`, whatever its status; raises what the transport does."""
        asked = target(url).url
        kept = await self._find(scope, asked)
        if kept is not None and kept.until > self._clock.now():
            return kept.fetched
        headers = {"accept": _ACCEPT, **(_conditions(kept.fetched.headers) if kept else {})}
        permit = partial(self._robots.check, scope) if self._robots else None
        fetched = await self._client.get(asked, headers=headers, permit=permit)
        if fetched.status == 304 and kept is not None and fetched.url == kept.fetched.url:
            return await self._again(scope, asked, kept.fetched, fetched.headers)
        if fetched.status == 304:  # the answer for another page than the one that is kept: asked without conditions
            fetched = await self._client.get(asked, headers={"accept": _ACCEPT}, permit=permit)
        await self._keep(scope, asked, fetched)
        return fetched

    async def _find(self, scope: Scope, url: str) -> _Kept | None:
        key = (scope.tenant, scope.key, url)
        row = await self._database.read(lambda tx: tx.one(_FIND, key))
        if row is None:
            return None
        body = await anyio.to_thread.run_sync(zlib.decompress, row["body"], limiter=self._threads)
        headers: dict[str, str] = json.loads(row["headers"])
        return _Kept(Fetched(row["final"], 200, headers, body, ()), row["until"])

    async def _again(self, scope: Scope, url: str, kept: Fetched, told: Mapping[str, str]) -> Fetched:
        """The server says that the page is as it was."""
        now, headers = self._clock.now(), {**kept.headers, **_worth_keeping(told)}
        until = fresh_until({**headers, **{name: told[name] for name in ("date", "age") if name in told}}, now)
        values = (json.dumps(headers), until or now, scope.tenant, scope.key, url)
        await self._write(lambda tx: tx.execute(_FRESH, values))
        return Fetched(kept.url, 200, headers, kept.body, kept.hops)

    async def _keep(self, scope: Scope, url: str, fetched: Fetched) -> None:
        own = (scope.tenant, scope.key)
        until = fresh_until(fetched.headers, self._clock.now()) if fetched.status == 200 else None
        if until is None:
            await self._write(lambda tx: tx.execute(_FORGET, (*own, url)))
            return
        body = await anyio.to_thread.run_sync(zlib.compress, fetched.body, 1, limiter=self._threads)
        values: tuple[Any, ...] = (*own, url, fetched.url, json.dumps(_worth_keeping(fetched.headers)), until, body)

        def write(tx: Transaction) -> None:
            tx.execute(_PUT, values)
            tx.execute(_OLD, (*own, *own, PAGES, BYTES))

        await self._write(write)

    async def _write(self, work: Callable[[Transaction], object]) -> None:
        """What can't be kept is fetched again; the page itself is there."""
        try:
            await self._database.write(work)
        except AstroError as error:
            log.warning("a page is not kept: %s", error)


def _worth_keeping(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name in KEPT}


def _conditions(headers: Mapping[str, str]) -> dict[str, str]:
    found = {"if-none-match": headers.get("etag", ""), "if-modified-since": headers.get("last-modified", "")}
    return {name: value for name, value in found.items() if value and sendable(value)}
