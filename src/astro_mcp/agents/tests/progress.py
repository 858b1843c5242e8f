"""Tells whoever watches which test has just finished."""

from __future__ import annotations

from typing import Annotated, Final

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
    """Takes the runner's output as it comes; of the progress lines in one piece only the last is passed on."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._rest = b""
        self._done = 0

    async def take(self, stream: str, data: bytes) -> None:
        if stream != "stdout":
            return
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[-LINE:]
        for line in reversed(lines):
            step = _step(line)
            if step is not None and step.done > self._done:
                self._done = step.done
                await self._ctx.progress(step.done, max(step.total, step.done), printable(step.id, 150))
                return


def _step(line: bytes) -> Step | None:
    _, mark, text = line.rpartition(MARK)
    if not mark:
        return None
    try:
        return Step.model_validate_json(text[:LINE])
    except ValidationError:
        return None
