"""The one task that writes the vector index: embeds what is new, places it, takes out what is gone.

It goes by the record alone, so that it may end anywhere and be taken up again: what is not yet marked `placed` is
placed (again), and what is marked `gone` is dropped (again).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio
from anyio.abc import TaskGroup

from astro_mcp.agents.knowledge import libraries
from astro_mcp.agents.knowledge.backlog import Backlog, Shelf
from astro_mcp.agents.knowledge.making import Resized, vectors_of
from astro_mcp.agents.knowledge.moving import Move
from astro_mcp.agents.knowledge.serving import Gone, Serving
from astro_mcp.agents.knowledge.vectors import Vectors
from astro_mcp.agents.knowledge.warming import Warming
from astro_mcp.errors import AstroError, NotFound
from astro_mcp.store.connection import Row

if TYPE_CHECKING:
    from astro_mcp.agents.knowledge.embedding import Matrix

log = logging.getLogger(__name__)

AT_ONCE: Final = 64
"""Chunks between two commits: some seconds of work, so that a new note need not wait long for its turn."""
KEPT_AT_ONCE: Final = 2000
"""Chunks between two commits where the vectors are kept: nothing is embedded then."""
LATEST: Final = 2**63 - 1
"""Above every chunk's number."""
LATER: Final = 2.0
"""Seconds that old work waits at the start: the first call of a host goes before it."""
AGAIN: Final = 30.0
"""Seconds after which what failed is tried again, though nobody asks."""
ENDING: Final = 30.0
"""Seconds that `stop` waits for the thread at work."""


class CatchUp:
    """Runs in a task group of the app; `wake` tells it that there is work."""

    def __init__(self, backlog: Backlog, serving: Serving, index: Vectors, warming: Warming) -> None:
        self._backlog = backlog
        self._warming = warming
        self._serving = serving
        self._index = index
        self._move = Move(backlog, index, serving)
        self._scope = anyio.CancelScope()
        self._ended = anyio.Event()
        self._ended.set()
        self._work = anyio.Event()
        self._moved = anyio.Event()
        self._doubted = False
        self._opened = False
        self.ready = False
        self.failure = ""
        self.at_rest = False
        """Whether nothing is left to be done."""

    def start(self, tasks: TaskGroup) -> None:
        self._ended = anyio.Event()
        tasks.start_soon(self._run)

    async def stop(self) -> None:
        """End the task, then close the index; sealed where nothing went wrong."""
        with anyio.CancelScope(shield=True), anyio.move_on_after(ENDING):
            self._scope.cancel()
            await self._ended.wait()
            sound = self.ready and not self._doubted
            self.ready = False
            model = self._serving.space.model
            await self._index.close(await self._backlog.fingerprint(model) if sound else None)

    def wake(self) -> None:
        """There is work, or the index is wanted."""
        self._work.set()

    def doubt(self, error: Exception) -> None:
        """A question to the index failed: it is made again."""
        log.error("the vector index failed and is made again: %s", error)
        self._doubted = True
        self.ready = False
        self.wake()

    def resized(self) -> None:
        """The endpoint became another model. Only one that answered is looked at again at once: it may change again."""
        if self._serving.resized():
            self.wake()

    def moved(self) -> anyio.Event:
        """Is set when something was done, or went wrong, after this call."""
        return self._moved

    async def _run(self) -> None:
        try:
            with self._scope:
                serving = await self._serving.settled()
                if serving.next is not None or serving.other is not None or await self._backlog.any():
                    with anyio.move_on_after(LATER):
                        await self._work.wait()
                    self._work.set()
                while True:
                    with anyio.move_on_after(AGAIN if self.failure else None):
                        await self._work.wait()
                    self._work, self.at_rest = anyio.Event(), False
                    await self._try()
                    self._tell()
                    await self._warm()
                    self.at_rest = not self._work.is_set()
        finally:
            self._ended.set()

    async def _warm(self) -> None:
        """Until there is other work."""
        try:
            while self.ready and not self._work.is_set() and await self._warming.step():
                pass
        except AstroError as error:
            log.info("the words of a scope were not read ahead: %s", error.message)

    async def _try(self) -> None:
        """Once through; what fails is told, and tried again when there is work again."""
        self.failure = ""
        try:
            await self._open()
            if self._serving.next is None:
                await self._move.tidy()
            begun = await self._backlog.has_vectors(self._serving.space.model)
            if begun or self._serving.next is None:
                await self._work_off()
            while self._serving.next is not None:  # where the old model has nothing yet, nothing is made for it
                await self._move.step()
                if begun or self._serving.next is None:
                    await self._work_off()
                self._tell()
        except AstroError as error:
            log.error("knowledge can't catch up: %s", error.text())
            self.failure = error.message
            if isinstance(error, Resized):
                self.resized()
            if isinstance(error, NotFound):  # a server that has lost what it held: not all that is marked is there
                self._doubted, self.ready = True, False
        except Exception as error:  # Chroma and onnxruntime raise anything; words still answer
            log.exception("the vector index failed")
            self.failure = f"the vector index failed ({type(error).__name__})"
            self._doubted = True
            self.ready = False

    async def _open(self) -> None:
        if self.ready:
            return
        if self._doubted:
            await self._index.close(None)
        spaces = self._serving.spaces
        print_, shelves = await self._backlog.fingerprint(spaces[0].model), await self._backlog.shelves()
        vectors = await self._backlog.vectors()
        model = spaces[0].model
        if not await self._index.open(print_, vectors, shelves, spaces, partial(self._backlog.holdings, model)):
            await self._backlog.start_over()
        self._doubted = False
        self._opened = True
        self.ready = True
        self._warming.begin()
        self._tell()

    async def _work_off(self) -> None:
        if self._opened:
            await self._refill()
            self._opened = False
        while rows := await self._unplaced():
            await self._place(rows)
            await self._drop()
            self._tell()
            if len(rows) == AT_ONCE:
                self._warming.begin()
        await self._drop()

    async def _unplaced(self) -> Sequence[Row]:
        if isinstance(self._serving.now, Gone):
            return ()  # the next model has them
        if self._serving.now.leaves:
            await self._backlog.withhold()
        secrets = not self._serving.now.leaves  # one may have come since others were withheld
        return await self._backlog.unplaced(AT_ONCE, self._serving.space.model, secrets=secrets)

    async def _refill(self) -> None:
        """What was embedded before, at the speed of the index, and before anything new is embedded."""
        before = LATEST
        while kept := await self._backlog.kept(before, KEPT_AT_ONCE, self._serving.space.model):
            await self._put(kept, await anyio.to_thread.run_sync(joined, kept, {}))
            before = kept[-1]["chunk"]
            self._tell()

    async def _place(self, rows: Sequence[Row]) -> None:
        """Kept vectors, and new ones that are kept before anything else is done with them."""
        lacking = [row for row in rows if row["vector"] is None]
        made = await vectors_of(lacking, self._serving.now, self._backlog, self._serving.space.model)
        refused = {row["chunk"] for row in lacking} - made.keys()
        if refused:
            log.warning("the embedding endpoint refuses %d texts: they are found by their words alone", len(refused))
            await self._backlog.refuse(list(refused))
        if taken := [row for row in rows if row["chunk"] not in refused]:
            await self._put(taken, await anyio.to_thread.run_sync(joined, taken, made))

    async def _put(self, rows: Sequence[Row], vectors: Matrix) -> None:
        shelves: dict[Shelf, list[int]] = {}
        for position, row in enumerate(rows):
            shelves.setdefault(Shelf(row["tenant"], row["scope"], row["collection"]), []).append(position)
        with anyio.CancelScope(shield=True):  # the seal must find record and index of one mind
            for shelf, positions in shelves.items():
                chunks = [rows[position]["chunk"] for position in positions]
                await self._index.place(shelf, chunks, vectors[positions], self._serving.space)
            await self._backlog.placed([row["chunk"] for row in rows])

    async def _drop(self) -> None:
        while gone := await self._backlog.gone():
            for shelf, chunks in gone.items():
                with anyio.CancelScope(shield=True):
                    for space in self._serving.spaces:
                        await self._index.drop(shelf, chunks, space)
                    await self._backlog.forget_gone(chunks)

    def _tell(self) -> None:
        self._moved.set()
        self._moved = anyio.Event()


def joined(rows: Sequence[Row], made: Mapping[int, Any]) -> Matrix:
    """One matrix: what was `made` by chunk, and for the others the vectors that are kept."""
    np = libraries.numpy()
    whole: Matrix = np.stack(
        [made[row["chunk"]] if row["chunk"] in made else np.frombuffer(row["vector"], "<f4") for row in rows]
    )
    return whole
