"""The vector index: Chroma, embedded, made from the record and thrown away where it is doubtful.

One thread at a time talks to it, and one process owns it (the daemon's lock on the data folder).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio
import anyio.to_thread

from astro_mcp.agents.knowledge import libraries
from astro_mcp.agents.knowledge.backlog import Shelf
from astro_mcp.agents.knowledge.embedding import BUILTIN, Space
from astro_mcp.agents.knowledge.reopening import same
from astro_mcp.agents.knowledge.seal import Seal, State
from astro_mcp.agents.knowledge.vectors import Holdings, collection_name, cosines, ending

if TYPE_CHECKING:
    from collections.abc import Callable

    from astro_mcp.agents.knowledge.embedding import Matrix

log = logging.getLogger(__name__)
T = TypeVar("T")
SAVED_EVERY: Final = 4000
"""Chroma's `sync_threshold`: what was placed since the graph was saved is placed again at every start, at a millisecond
each; a save writes the whole graph, and a kill meanwhile tears it, which the seal tells."""
FORMAT: Final = 2
"""How the collections are made; another number makes the index anew."""
AT_ONCE: Final = 5000
"""Rows of one call; Chroma refuses more than 5,461."""


class Index:
    """Vectors by shelf. Closed until `open`; every method raises what Chroma raises."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "index"
        self._seal = Seal(self._folder)
        self._thread = anyio.CapacityLimiter(1)
        self._talking = threading.Lock()
        self._client: Any = None
        self._collections: dict[tuple[Shelf, Space], Any] = {}

    @property
    def is_open(self) -> bool:
        return self._client is not None

    async def open(
        self,
        fingerprint: str,
        vectors: int,
        shelves: Sequence[Shelf],
        spaces: Sequence[Space],
        holdings: Holdings | None = None,
    ) -> bool:
        """Open; True where the files are those that were sealed with `fingerprint`, or where nobody closed them and a
        child read back what `holdings` says; False where it starts empty. What lies in none of `spaces` goes."""
        room = vectors * sum(space.dimension for space in spaces) // BUILTIN.dimension
        state = await self._do(lambda: self._take(fingerprint, room))
        kept = state == "whole"
        if state == "loose":
            if holdings is not None and len(spaces) == 1:  # of a second one the record says less
                named = {collection_name(shelf, spaces[0]): held for shelf, held in (await holdings()).items()}
                kept = await same(self._folder, room, named)
            if not kept:
                await self._do(self._seal.clear)
        await self._do(lambda: self._open(shelves if kept else (), spaces))
        return kept

    async def keep(self, spaces: Sequence[Space]) -> None:
        """Let go what lies in none of `spaces`."""

        def work() -> None:
            self._keep(spaces)
            self._seal.loosen(_maker())

        await self._do(work)

    async def place(self, shelf: Shelf, chunks: Sequence[int], vectors: Matrix, space: Space = BUILTIN) -> None:
        """Put vectors on a shelf, over what stands there of the same chunks."""
        ids = [str(chunk) for chunk in chunks]

        def work() -> None:
            self._collection(shelf, space, make=True).upsert(ids=ids, embeddings=vectors)
            self._seal.loosen(_maker())

        await self._do(work)

    async def drop(self, shelf: Shelf, chunks: Sequence[int], space: Space = BUILTIN) -> None:
        """Take chunks off a shelf; those that are not there don't matter."""
        ids = [str(chunk) for chunk in chunks]

        def work() -> None:
            collection = self._collection(shelf, space, make=False)
            for start in range(0, len(ids) if collection else 0, AT_ONCE):
                collection.delete(ids=ids[start : start + AT_ONCE])
            self._seal.loosen(_maker())

        await self._do(work)

    async def nearest(self, shelf: Shelf, query: Matrix, most: int, space: Space = BUILTIN) -> dict[int, float]:
        """The chunks of a shelf that are nearest to the one row of `query`, nearest first, with their cosines."""
        return await self._do(lambda: self._nearest(shelf, query, most, space))

    def at_once(self, shelf: Shelf, query: Matrix, most: int, space: Space = BUILTIN) -> dict[int, float] | None:
        """As `nearest`, in the caller's thread; None where another one talks to the index."""
        if not self._talking.acquire(blocking=False):
            return None
        try:
            return self._nearest(shelf, query, most, space)
        finally:
            self._talking.release()

    async def count(self, shelf: Shelf, space: Space = BUILTIN) -> int:
        """How many chunks stand on a shelf."""

        def work() -> int:
            collection = self._collection(shelf, space, make=False)
            return int(collection.count()) if collection else 0

        return await self._do(work)

    async def close(self, fingerprint: str | None) -> None:
        """Close; sealed where `fingerprint` tells what it holds, else it will be made again."""

        def work() -> None:
            self._shut()
            if fingerprint is None:
                self._seal.break_()
                return
            try:
                self._seal.put(_sealed(fingerprint))
            except OSError as error:  # a full disk: the next start looks at the index as after a kill
                log.warning("the vector index is left without its seal: %s", error)

        if self.is_open:
            await self._do(work)

    async def _do(self, work: Callable[[], T]) -> T:
        def alone() -> T:
            with self._talking:  # held meanwhile by a question that was asked at once, for as long as that takes
                return work()

        return await anyio.to_thread.run_sync(alone, limiter=self._thread)

    def _nearest(self, shelf: Shelf, query: Matrix, most: int, space: Space) -> dict[int, float]:
        collection = self._collection(shelf, space, make=False)
        if collection is None:
            return {}
        return cosines(collection.query(query_embeddings=query, n_results=most, include=["distances"]))

    def _take(self, fingerprint: str, vectors: int) -> State:
        self._shut()
        self._folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self._seal.take(_sealed(fingerprint), _maker(), vectors)

    def _open(self, shelves: Sequence[Shelf], spaces: Sequence[Space]) -> None:
        self._folder.mkdir(exist_ok=True, mode=0o700)
        self._client = opened(self._folder)
        self._keep(spaces)
        for shelf in shelves:
            collection = self._collection(shelf, spaces[0], make=False)
            if collection is not None:
                collection.count()  # reads its log: the first question shall not wait for that
        self._seal.loosen(_maker())

    def _shut(self) -> None:
        client, self._client = self._client, None
        self._collections.clear()
        if client is not None:
            client.close()

    def _keep(self, spaces: Sequence[Space]) -> None:
        endings = tuple(ending(space) for space in spaces)
        for collection in self._client.list_collections():
            if not collection.name.endswith(endings):
                self._client.delete_collection(collection.name)
        self._collections = {key: found for key, found in self._collections.items() if key[1] in spaces}

    def _collection(self, shelf: Shelf, space: Space, *, make: bool) -> Any:
        if self._client is None:
            raise RuntimeError("the index is closed")
        if (shelf, space) not in self._collections:
            found = _collection(self._client, shelf, space, make=make)
            if found is None:
                return None
            self._collections[shelf, space] = found
        return self._collections[shelf, space]


def _sealed(fingerprint: str) -> str:
    return f"{fingerprint}:{_maker()}"


def _maker() -> str:
    return f"{version('chromadb')}:{FORMAT}"


def opened(folder: Path) -> Any:
    """Chroma's client of a folder."""
    chromadb = libraries.chromadb()
    # Without `_env_file` it would read `.env` of the working folder.
    settings = chromadb.config.Settings(_env_file=None, anonymized_telemetry=False)
    return chromadb.PersistentClient(str(folder), settings=settings)


def _collection(client: Any, shelf: Shelf, space: Space, *, make: bool) -> Any:
    from chromadb.errors import NotFoundError  # noqa: PLC0415 - with chromadb

    name = collection_name(shelf, space)
    if make:
        hnsw = {"space": "ip", "sync_threshold": SAVED_EVERY}  # vectors of length 1: the inner product is the cosine
        return client.get_or_create_collection(name, embedding_function=None, configuration={"hnsw": hnsw})
    try:
        return client.get_collection(name, embedding_function=None)
    except NotFoundError:
        return None
