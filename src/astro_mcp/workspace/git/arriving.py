"""A change of two trees, taken apart while git still tells it: at its last line most of that is done."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from astro_mcp.workspace.git.patches import FileStat, Hunk, hunks_of, lines_of, modes_of, sections_of, told_apart

STEP: Final = 128 * 1024
"""Bytes that are worth a turn of a worker thread."""
_OPENS: Final = b"\ndiff --git "
_RAW_ENDS: Final = b"\0\0"


class Change:
    """`git diff --raw -z --patch` of two trees, in parts: the lines of a file are counted in its patch, which git makes
    anyway. Its work is the processor's, for worker threads; one at a time."""

    def __init__(self) -> None:
        self.taken = 0
        """Bytes of it."""
        self._raw: bytes | None = None
        self._rest = bytearray()
        self._looked = 0
        self._counts: list[tuple[int, int] | None] = []
        self._hunks: list[Hunk] = []

    def take(self, part: bytes) -> None:
        """The next bytes of it."""
        self.taken += len(part)
        self._rest += part
        if self._raw is None and not self._above(self._rest.find(_RAW_ENDS, max(0, self._looked - 1))):
            self._looked = len(self._rest)
            return
        end = self._rest.rfind(_OPENS, self._looked)  # one that comes in two parts is found beside a later one
        if end >= 0:
            self._apart(bytes(self._rest[:end]))
            del self._rest[: end + 1]
        self._looked = len(self._rest)

    def whole(self, told: bytes) -> tuple[list[FileStat], list[Hunk]]:
        """Files and hunks of it, where `told` is all of it; what was taken of that is not looked at again."""
        self.take(told[self.taken :])
        if self._raw is None:
            self._above(len(self._rest))
        self._apart(bytes(self._rest))
        return self._files(), told_apart(self._hunks)

    def _above(self, end: int) -> bool:
        """What stands above the patch ends there; False where that is not known."""
        if end < 0:
            return False
        self._raw = bytes(self._rest[:end])
        del self._rest[: end + len(_RAW_ENDS)]
        self._looked = 0
        return True

    def _apart(self, patch: bytes) -> None:
        sections = sections_of(patch)
        self._counts += map(lines_of, sections)
        self._hunks += hunks_of(sections)

    def _files(self) -> list[FileStat]:
        found: list[FileStat] = []
        counted = iter(self._counts)
        records = iter(os.fsdecode(self._raw or b"").split("\0"))
        for entry in records:
            if not entry.startswith(":"):
                continue
            letter, path = entry.rsplit(" ", 1)[1][0], next(records, "")
            former, path = (path, next(records, "")) if letter in "RC" else ("", path)
            # a file that became another kind of file has two sections: it goes, and it comes
            counts = [next(counted, (0, 0)) for _ in range(2 if letter == "T" else 1)]
            whole = [one for one in counts if one is not None]
            lines = (
                (sum(one[0] for one in whole), sum(one[1] for one in whole))
                if len(whole) == len(counts)
                else (None, None)
            )
            found.append(FileStat(path, former, lines[0], lines[1], modes_of(entry)))
        return found


class Arriving:
    """Follows git's answer about two trees (`waiting.Follower`): `change` holds what came of it, below the line `echo`
    that opens it. `blocking` works in a worker thread, and carries to its end what it began."""

    def __init__(self, blocking: Callable[[Callable[[], None]], Awaitable[None]], echo: bytes) -> None:
        self._blocking = blocking
        self._echo = len(echo)
        self.change = Change()

    def begin(self) -> None:
        self.change = Change()

    async def more(self, said: bytearray) -> None:
        """Whole lines alone: the one by which an answer ends is git's, and no part of it."""
        start = self._echo + self.change.taken
        end = said.rfind(b"\n", start) + 1
        if end - start >= STEP:
            await self._blocking(partial(self.change.take, bytes(memoryview(said)[start:end])))
