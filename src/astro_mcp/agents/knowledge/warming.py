"""The common words of large scopes, read into memory before anybody asks: where a new word stands takes longer to read
than all else that words are asked for, and the longer the commoner it is.

A word at a time, and while nothing else is to be done; whoever asks meanwhile waits for one word at most.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

import anyio

from astro_mcp.agents.knowledge.backlog import Backlog
from astro_mcp.agents.knowledge.record import Record
from astro_mcp.core.authority import Scope

BUSY: Final = 0.5
"""Share of the time that it works: the other core is a question's, and half of this one."""


class Warming:
    """Of one record. `begin` says that there is something to look at; `step` does a little of it."""

    def __init__(self, record: Record, backlog: Backlog) -> None:
        self._record = record
        self._backlog = backlog
        self._left: Iterator[tuple[Scope, str]] = iter(())
        self._begun = False

    def begin(self) -> None:
        """Much came, or nothing is known yet."""
        self._begun = True

    async def step(self) -> bool:
        """Read one word, and rest; False where nothing is left. Raises what the record raises."""
        if self._begun:
            self._begun = False
            self._left = iter(await self._wanted())
        scope, word = next(self._left, (None, ""))
        if scope is None:
            return False
        began = time.monotonic()
        if not await self._record.warm(scope, word):
            self._left = iter(())
        await anyio.sleep((time.monotonic() - began) * (1 / BUSY - 1))
        return True

    async def _wanted(self) -> list[tuple[Scope, str]]:
        scopes = dict.fromkeys(Scope(shelf.tenant, shelf.scope) for shelf in await self._backlog.shelves())
        return [(scope, word) for scope in scopes for word in await self._record.common(scope)]
