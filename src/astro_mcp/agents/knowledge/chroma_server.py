"""The vector index on a Chroma server, by its REST API (v2) and through the guarded transport: every wait has an end,
which Chroma's own client does not give.

A server outlives this process, so what is there is kept where it is as much as the record says: vectors are placed
before the record says so.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import anyio
import anyio.to_thread

from astro_mcp.agents.knowledge.backlog import Shelf
from astro_mcp.agents.knowledge.embedding import BUILTIN, Space
from astro_mcp.agents.knowledge.failures import said
from astro_mcp.agents.knowledge.vectors import Holdings, collection_name, cosines, ending
from astro_mcp.config import ChromaSettings
from astro_mcp.errors import NotFound, ProviderFailed
from astro_mcp.net.client import Fetched, GuardedClient

if TYPE_CHECKING:
    from astro_mcp.agents.knowledge.embedding import Matrix

FILE: Final = "server.id"
"""Which collections on the server are this data folder's."""
_PREFIX: Final = re.compile(r"astro-[0-9a-f]{16}-")
QUERY_SECONDS: Final = 5.0
SECONDS: Final = 60.0
ROWS: Final = 500
"""Vectors of one request."""
PAGE: Final = 1000
COLLECTIONS: Final = 100
"""Of one page; each comes with its configuration and what others say of it."""
MOST_PAGES: Final = 10_000
ANSWER_BYTES: Final = 1_000_000
"""To take JSON apart holds up every other thread."""


class ChromaServer:
    """Vectors on the server that the settings name, in collections whose names begin with this data folder's id."""

    def __init__(self, client: GuardedClient, settings: ChromaSettings, folder: Path) -> None:
        self._client = client
        self._settings = settings
        self._id_file = folder / FILE
        self._prefix = ""
        self._ids: dict[str, str] = {}

    async def open(
        self,
        fingerprint: str,
        vectors: int,
        shelves: Sequence[Shelf],
        spaces: Sequence[Space],
        holdings: Holdings | None = None,
    ) -> bool:
        """Whether the server holds as many vectors on `shelves` as the record says; what is left otherwise goes."""
        self._prefix = await anyio.to_thread.run_sync(_identity, self._id_file)
        self._ids.clear()
        held = sum([await self.count(shelf, spaces[0]) for shelf in shelves])
        kept = held >= vectors
        await self.keep(spaces if kept else ())
        return kept

    async def keep(self, spaces: Sequence[Space]) -> None:
        """Empty the collections of all other spaces."""
        endings = tuple(ending(space) for space in spaces)
        last: Any = None
        for number in range(MOST_PAGES):
            page = await self._get(f"?limit={COLLECTIONS}&offset={COLLECTIONS * number}")
            if not page:
                return
            last = _other(page, last)
            for found in page:
                if found["name"].startswith(self._prefix) and not (endings and found["name"].endswith(endings)):
                    await self._empty(found["id"])
        raise _no_end()

    async def place(self, shelf: Shelf, chunks: Sequence[int], vectors: Matrix, space: Space = BUILTIN) -> None:
        """As `Vectors.place`."""
        own = await self._made(shelf, space)
        for start in range(0, len(chunks), ROWS):
            ids = [str(chunk) for chunk in chunks[start : start + ROWS]]
            rows = await anyio.to_thread.run_sync(vectors[start : start + ROWS].tolist)
            await self._post(f"/{own}/upsert", {"ids": ids, "embeddings": rows})

    async def drop(self, shelf: Shelf, chunks: Sequence[int], space: Space = BUILTIN) -> None:
        """As `Vectors.drop`."""
        own = await self._found(shelf, space)
        for start in range(0, len(chunks) if own else 0, PAGE):
            await self._post(f"/{own}/delete", {"ids": [str(chunk) for chunk in chunks[start : start + PAGE]]})

    async def nearest(self, shelf: Shelf, query: Matrix, most: int, space: Space = BUILTIN) -> dict[int, float]:
        """As `Vectors.nearest`."""
        own = await self._found(shelf, space)
        if not own:
            return {}
        body = {"query_embeddings": query.tolist(), "n_results": most, "include": ["distances"]}
        return cosines(await self._post(f"/{own}/query", body, QUERY_SECONDS))

    def at_once(self, shelf: Shelf, query: Matrix, most: int, space: Space = BUILTIN) -> None:
        """As `Vectors.at_once`: a server is waited for."""

    async def count(self, shelf: Shelf, space: Space = BUILTIN) -> int:
        """How many vectors stand on a shelf."""
        own = await self._found(shelf, space)
        return int(await self._get(f"/{own}/count")) if own else 0

    async def close(self, fingerprint: str | None) -> None:
        """Nothing is held open between two requests."""
        self._ids.clear()

    async def _found(self, shelf: Shelf, space: Space) -> str:
        """The collection's id; "" where there is none."""
        name = self._prefix + collection_name(shelf, space)
        if name not in self._ids:
            try:
                self._ids[name] = str((await self._get(f"/{name}"))["id"])
            except NotFound:
                return ""
        return self._ids[name]

    async def _made(self, shelf: Shelf, space: Space) -> str:
        name = self._prefix + collection_name(shelf, space)
        if name not in self._ids:
            body = {"name": name, "get_or_create": True, "configuration": {"hnsw": {"space": "ip"}}}
            self._ids[name] = str((await self._post("", body))["id"])
        return self._ids[name]

    async def _empty(self, own: str) -> None:
        last: Any = None
        for _ in range(MOST_PAGES):
            ids = (await self._post(f"/{own}/get", {"limit": PAGE, "include": []}))["ids"]
            if not ids:
                return
            last = _other(ids, last)
            await self._post(f"/{own}/delete", {"ids": ids})
        raise _no_end()

    async def _get(self, path: str) -> Any:
        answer = await self._client.get(
            self._url(path),
            headers=self._headers(),
            max_bytes=ANSWER_BYTES,
            timeout=QUERY_SECONDS,
            allow_private=self._settings.allow_private,
        )
        return _body(answer, self._settings.key)

    async def _post(self, path: str, body: Any, seconds: float = SECONDS) -> Any:
        data = await anyio.to_thread.run_sync(lambda: json.dumps(body).encode())
        answer = await self._client.post(
            self._url(path),
            data,
            headers={"content-type": "application/json", **self._headers()},
            max_bytes=ANSWER_BYTES,
            timeout=seconds,
            allow_private=self._settings.allow_private,
        )
        return _body(answer, self._settings.key)

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._settings.key}"} if self._settings.key else {}

    def _url(self, path: str) -> str:
        tenant, database = quote(self._settings.tenant, safe=""), quote(self._settings.database, safe="")
        return f"{self._settings.url.rstrip('/')}/api/v2/tenants/{tenant}/databases/{database}/collections{path}"


def _other(page: Any, last: Any) -> Any:
    """`page`; raises `ProviderFailed` where it is the `last` one."""
    if page == last:
        raise ProviderFailed("the Chroma server gives the same again", "look at [knowledge.chroma] in config.toml")
    return page


def _no_end() -> ProviderFailed:
    return ProviderFailed("what the Chroma server has comes to no end", "look at [knowledge.chroma] in config.toml")


def _body(answer: Fetched, key: str) -> Any:
    if answer.status == 404:
        raise NotFound("the Chroma server has no such collection")
    if not 200 <= answer.status < 300:
        reason = f"the Chroma server answered {answer.status}: {said(answer, key)}"
        raise ProviderFailed(reason, "look at [knowledge.chroma] in config.toml", retryable=answer.status >= 500)
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        raise ProviderFailed("what answers at knowledge.chroma.url is no Chroma server") from None


def _identity(path: Path) -> str:
    """This data folder's own prefix, made once; anew where the file was left half written: collections whose names do
    not begin with it are another's."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with suppress(FileNotFoundError, ValueError):
        found = path.read_text(encoding="ascii")
        if _PREFIX.fullmatch(found):
            return found
    made, temporary = f"astro-{secrets.token_hex(8)}-", path.with_suffix(".new")
    with temporary.open("w", encoding="ascii") as file:
        file.write(made)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    return made
