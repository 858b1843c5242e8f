"""Work that goes on after the call that began it, for a caller that comes back for it."""

from __future__ import annotations

from dataclasses import dataclass

from astro_mcp.core.model import Output


@dataclass(frozen=True, slots=True)
class Durable:
    """Such work as it is at one moment. Times are Unix seconds.

    id          what it is asked after by
    over        whether it has ended; `cancelled`: because somebody wanted it to
    text        a line about it: plain, printable, bounded
    value       what the call that began it gives of it now
    kept_until  until when it can be asked after; None while nobody knows
    """

    id: str
    over: bool
    cancelled: bool
    text: str
    value: Output
    created: float
    updated: float
    kept_until: float | None
