"""Calls in flight. One task carries them out one after another, and while it waits another one takes the next: calls
that wait for nothing cost no task each."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskGroup

from astro_mcp.workflow.drivers.sqlite.active import Active, Flight
from astro_mcp.workflow.kernel.events import Start
from astro_mcp.workflow.shares import Shares

CarryOut = Callable[[Active, Start, anyio.CancelScope], Awaitable[None]]


class Flights:
    """Begins calls, and knows how many there are."""

    def __init__(self, carry_out: CarryOut, shares: Shares, landed: Callable[[], None]) -> None:
        """`landed` is told of each end, by which a place got free."""
        self._carry_out = carry_out
        self._shares = shares
        self._landed = landed
        self._line: deque[tuple[Active, Start, Flight]] = deque()
        self._coming = False
        self.count = 0

    def begin(self, group: TaskGroup, run: Active, command: Start) -> None:
        """Carry out a call in `group`, soon."""
        self.count += 1
        self._shares.began(run)
        flight = run.calls[command.path] = Flight()
        self._line.append((run, command, flight))
        self._send(group)

    def clear(self) -> None:
        """Let go of what was not begun: the group has ended."""
        self._coming = False
        while self._line:
            self._land(*self._line.popleft())

    def _send(self, group: TaskGroup) -> None:
        if self._line and not self._coming:
            self._coming = True
            group.start_soon(self._fly, group)

    async def _fly(self, group: TaskGroup) -> None:
        self._coming = False
        while self._line:
            with anyio.CancelScope() as scope:
                while self._line and not scope.cancel_called:  # one that was stopped, or is late, takes its scope along
                    run, command, flight = self._line.popleft()
                    self._send(group)  # whoever is next does not wait for this one
                    try:
                        if flight.begins(scope):
                            await self._carry_out(run, command, scope)
                    finally:
                        self._land(run, command, flight)

    def _land(self, run: Active, command: Start, flight: Flight) -> None:
        self.count -= 1
        self._shares.ended(run)
        del run.calls[command.path]
        flight.land()
        self._landed()
