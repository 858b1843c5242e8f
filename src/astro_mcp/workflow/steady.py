"""Time for runs: it follows the machine's clock forward, and never goes back."""

from __future__ import annotations

from astro_mcp.core.ports import Clock


class Steady:
    """A clock over another one. Where that is set back, time goes on from where it was, as fast as it passes: what was
    to happen in a minute happens in a minute. A step forward is followed: a machine that slept has slept."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen = clock.now()
        self._at = clock.monotonic()

    def now(self) -> float:
        """Unix seconds; ahead of the machine's clock once that was set back."""
        at = self.monotonic()
        self._seen = max(self._clock.now(), self._seen + (at - self._at))
        self._at = at
        return self._seen

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return self._clock.monotonic()
