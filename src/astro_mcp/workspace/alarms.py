"""Wakes whoever waits for something to happen in a folder: at once by inotify, else when its time is over.

An alarm is a hint to look again. Where the system gives none (another system, too many watches) looking every few
seconds finds the same.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import anyio

from astro_mcp.workspace import inotify


class Alarms:
    """One queue for all; open while somebody waits. Who waits reads it, one at a time, for the others too."""

    def __init__(self) -> None:
        self._queue: int | None = None
        self._waiting = 0
        self._watches: Counter[int] = Counter()
        self._rung: dict[int, anyio.Event] = {}
        self._reading = False
        self._turn = anyio.Event()

    @contextmanager
    def on(self, folder: int | None) -> Iterator[Alarm]:
        """An alarm for the open folder, whose descriptor is closed here. With None it rings by time alone."""
        watch = None
        self._waiting += 1
        try:
            if folder is not None:
                with suppress(OSError):
                    watch = self._add(folder)
                os.close(folder)
            yield Alarm(self, watch)
        finally:
            self._waiting -= 1
            self._drop(watch)

    def next(self, watch: int) -> anyio.Event:
        """What is set when something is told of `watch` from now on."""
        return self._rung[watch]

    def _add(self, folder: int) -> int:
        if self._queue is None:
            self._queue = inotify.open_queue()
        watch = inotify.add(self._queue, folder)
        self._watches[watch] += 1
        self._rung.setdefault(watch, anyio.Event())
        return watch

    def _drop(self, watch: int | None) -> None:
        if watch is not None:
            self._watches[watch] -= 1
            if not self._watches[watch] and self._queue is not None:
                del self._watches[watch], self._rung[watch]
                inotify.remove(self._queue, watch)
        if not self._waiting and self._queue is not None:
            os.close(self._queue)
            self._queue = None

    async def ring(self, rung: anyio.Event) -> None:
        """Return when `rung` is set."""
        while not rung.is_set() and self._queue is not None:
            if self._reading:
                await self._turn.wait()
                continue
            self._reading = True
            try:
                await anyio.wait_readable(self._queue)
                self._read(self._queue)
            finally:
                self._reading = False
                self._turn.set()
                self._turn = anyio.Event()

    def _read(self, queue: int) -> None:
        for watch in inotify.told(queue):
            for one in list(self._rung) if watch < 0 else [watch]:
                if one in self._rung:
                    self._rung[one].set()
                    self._rung[one] = anyio.Event()


class Alarm:
    """What one waits for; it rings for what happened since it was made, or since it last rang."""

    def __init__(self, alarms: Alarms, watch: int | None) -> None:
        self._alarms = alarms
        self._watch = watch
        self._rung = None if watch is None else alarms.next(watch)

    async def wait(self, seconds: float) -> None:
        """Until it rings, `seconds` at most."""
        with anyio.move_on_after(seconds):
            if self._watch is None or self._rung is None:
                await anyio.sleep_forever()
            else:
                await self._alarms.ring(self._rung)
        if self._watch is not None:
            self._rung = self._alarms.next(self._watch)
