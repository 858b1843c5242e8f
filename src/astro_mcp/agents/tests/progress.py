"""Tells whoever watches which test has just finished."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

import re2
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from astro_mcp.core.call import Context
from astro_mcp.observe.printable import printable

MARK: Final = b"\x1e"
LINE: Final = 8_000


class Step(BaseModel):
    """One line of the plugin's progress."""

    model_config = ConfigDict(extra="forbid", defer_build=True, frozen=True)

    done: int = Field(ge=0, le=10_000_000)
    total: int = Field(ge=0, le=10_000_000)
    id: Annotated[str, StringConstraints(max_length=LINE)]


class Watcher:
    """Takes the runner's output as it comes; of the progress lines in one piece only the last is passed on.

    `finished` is RE2 for a line of the runner's own that tells of a finished test, where it prints such lines.
    """

    def __init__(self, ctx: Context, finished: str = "") -> None:
        self._ctx = ctx
        self._pattern = re2.compile(finished) if finished else None
        self._rest = {"stdout": b"", "stderr": b""}
        self._done = 0

    async def take(self, stream: str, data: bytes) -> None:
        *lines, rest = (self._rest[stream] + data).split(b"\n")
        self._rest[stream] = rest[-LINE:]
        if self._pattern is not None:
            await self._count(lines)
        elif stream == "stdout":
            await self._last(lines)

    async def _last(self, lines: Sequence[bytes]) -> None:
        for line in reversed(lines):
            step = _step(line)
            if step is not None and step.done > self._done:
                self._done = step.done
                total = max(step.total, step.done) if step.total else None
                await self._ctx.progress(step.done, total, printable(step.id, 150))
                return

    async def _count(self, lines: Sequence[bytes]) -> None:
        assert self._pattern is not None
        texts = (line[:LINE].decode("utf-8", "replace") for line in lines)
        found = [match[1] for text in texts if (match := self._pattern.search(text))]
        if found:
            self._done += len(found)
            await self._ctx.progress(self._done, None, printable(found[-1] or "", 150))


def _step(line: bytes) -> Step | None:
    _, mark, text = line.rpartition(MARK)
    if not mark:
        return None
    try:
        return Step.model_validate_json(text[:LINE])
    except ValidationError:
        return None
