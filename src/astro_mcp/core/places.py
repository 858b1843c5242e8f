"""A number of places, which are taken in turn."""

from __future__ import annotations

from collections import deque

import anyio


class Places:
    """Like a capacity limiter that does not ask who takes a place: taking a free one is a subtraction.

    While somebody waits no place is free: one that is left goes to the first in line.
    """

    __slots__ = ("_line", "free")

    def __init__(self, count: int) -> None:
        self.free = count
        """Places that may be taken at once, by subtracting one."""
        self._line: deque[anyio.Event] = deque()

    async def wait(self) -> None:
        """Return with a place, in the order of those who wait; whoever is cancelled has none."""
        if self.free:
            self.free -= 1
            return
        mine = anyio.Event()
        self._line.append(mine)
        try:
            await mine.wait()
        except BaseException:
            if mine.is_set():  # it was given one, and had no time to know
                self.leave()
            else:
                self._line.remove(mine)
            raise

    def leave(self) -> None:
        """Give one back."""
        if self._line:
            self._line.popleft().set()
        else:
            self.free += 1
